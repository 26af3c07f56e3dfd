// SPDX-License-Identifier: GPL-2.0

#include <linux/cacheflush.h>
#include <linux/ftrace.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include <asm/barrier.h>

/*
 * One load, one store of a word, or of a halfword, aligned by the caller:
 * unlike copy_from_kernel_nofault() and its opposite they call nothing. The
 * address is one of the kernel's.
 */
__rust_helper int rust_helper_get_insn_nofault(u32 *insn, const void *src,
					       size_t size)
{
	u16 half;

	if (size == sizeof(half)) {
		__get_kernel_nofault(&half, src, u16, fault);
		*insn = half;
	} else {
		__get_kernel_nofault(insn, src, u32, fault);
	}
	return 0;
fault:
	return -EFAULT;
}

__rust_helper int rust_helper_put_insn_nofault(void *dst, u32 insn, size_t size)
{
	u16 half = insn;

	if (size == sizeof(half))
		__put_kernel_nofault(dst, &half, u16, fault);
	else
		__put_kernel_nofault(dst, &insn, u32, fault);
	return 0;
fault:
	return -EFAULT;
}

__rust_helper bool rust_helper_within_module_text(unsigned long addr,
						  const struct module *mod)
{
#ifdef CONFIG_MODULES
	return within_module_mem_type(addr, mod, MOD_TEXT) ||
	       within_module_mem_type(addr, mod, MOD_INIT_TEXT);
#else
	/* There is no module that it could be in. */
	return false;
#endif
}

__rust_helper u64 rust_helper_div_u64_rem(u64 dividend, u32 divisor,
					  u32 *remainder)
{
	return div_u64_rem(dividend, divisor, remainder);
}

#ifdef CONFIG_FUNCTION_GRAPH_TRACER
__rust_helper bool rust_helper_ftrace_graph_is_dead(void)
{
	return ftrace_graph_is_dead();
}
#endif

#ifdef CONFIG_ARM
#include <asm/fixmap.h>

__rust_helper unsigned long *
rust_helper_arch_ftrace_regs_lr(const struct ftrace_regs *fregs)
{
	return arch_ftrace_regs_lr(fregs);
}

__rust_helper unsigned long
rust_helper_ftrace_regs_get_frame_pointer(const struct ftrace_regs *fregs)
{
	return ftrace_regs_get_frame_pointer(fregs);
}

__rust_helper unsigned long
rust_helper_ftrace_regs_get_stack_pointer(const struct ftrace_regs *fregs)
{
	return ftrace_regs_get_stack_pointer(fregs);
}

__rust_helper void rust_helper_set_fixmap(enum fixed_addresses idx,
					  phys_addr_t phys)
{
	set_fixmap(idx, phys);
}

__rust_helper void rust_helper_clear_fixmap(enum fixed_addresses idx)
{
	clear_fixmap(idx);
}

__rust_helper unsigned long rust_helper_fix_to_virt(enum fixed_addresses idx)
{
	return __fix_to_virt(idx);
}

__rust_helper phys_addr_t rust_helper_virt_to_phys(const void *addr)
{
	return virt_to_phys(addr);
}

__rust_helper phys_addr_t rust_helper_page_to_phys(struct page *page)
{
	return page_to_phys(page);
}

__rust_helper void rust_helper_flush_icache_range(unsigned long start,
						  unsigned long end)
{
	flush_icache_range(start, end);
}

__rust_helper void rust_helper_dsb_ishst(void)
{
	dsb(ishst);
}

__rust_helper void rust_helper_isb(void)
{
	isb();
}
#endif

#ifdef CONFIG_MIPS
__rust_helper void rust_helper_instruction_hazard(void)
{
	instruction_hazard();
}
#endif
