// SPDX-License-Identifier: GPL-2.0
/*
 * kprobes at the entry of functions, by way of ftrace: a probe costs a traced
 * call instead of an undefined instruction.
 */

#include <linux/ftrace.h>
#include <linux/kprobes.h>

/*
 * A function begins with what hands its return address over to ftrace, which
 * its own instructions do not notice. A probe of that is one of the call. An
 * address within either instruction is left for others to refuse.
 */
kprobe_opcode_t *arch_adjust_kprobe_addr(unsigned long addr, unsigned long offset,
					 bool *on_func_entry)
{
	unsigned long site = ftrace_call_adjust(addr);

	*on_func_entry = !offset;
	if (offset < FTRACE_PAD_SIZE && !(offset % sizeof(kprobe_opcode_t)) &&
	    ftrace_location(site) == site) {
		*on_func_entry = true;
		return (kprobe_opcode_t *)site;
	}
	return (kprobe_opcode_t *)(addr + offset);
}

int arch_prepare_kprobe_ftrace(struct kprobe *p)
{
	p->ainsn.insn = NULL;
	return 0;
}

void kprobe_ftrace_handler(unsigned long ip, unsigned long parent_ip,
			   struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);
	struct kprobe_ctlblk *kcb;
	unsigned long resume;
	struct kprobe *p;
	int bit;

	if (unlikely(kprobe_ftrace_disabled))
		return;

	/* From here on preemption is disabled */
	bit = ftrace_test_recursion_trylock(ip, parent_ip);
	if (bit < 0)
		return;

	p = get_kprobe((kprobe_opcode_t *)ip);
	if (unlikely(!p) || kprobe_disabled(p))
		goto out;

	if (kprobe_running()) {
		kprobes_inc_nmissed_count(p);
		goto out;
	}

	/* The handlers see what they would if the probe had trapped */
	resume = instruction_pointer(regs);
	instruction_pointer_set(regs, ip);
	__this_cpu_write(current_kprobe, p);
	kcb = get_kprobe_ctlblk();
	kcb->kprobe_status = KPROBE_HIT_ACTIVE;

	/* If a handler returns non-zero, it has set where to go on */
	if (!p->pre_handler || !p->pre_handler(p, regs)) {
		instruction_pointer_set(regs, resume);
		if (p->post_handler) {
			kcb->kprobe_status = KPROBE_HIT_SSDONE;
			p->post_handler(p, regs, 0);
		}
	}
	__this_cpu_write(current_kprobe, NULL);
out:
	ftrace_test_recursion_unlock(bit);
}
NOKPROBE_SYMBOL(kprobe_ftrace_handler);
