/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the call sites of the Rust ftrace backend call.
 *
 *	mov	ip, lr
 *	bl	ftrace_caller
 *
 * On entry
 *	ip	the traced function's return address
 *	lr	address after the site
 *	others	live: they are the traced function's
 *
 * On return to the site
 *	lr	the traced function's return address, or return_to_handler
 *	ip	dead
 *	others	as on entry
 */

#include <linux/export.h>
#include <linux/linkage.h>

#include <asm/asm-offsets.h>
#include <asm/assembler.h>
#include <asm/ftrace.h>
#include <asm/unwind.h>

/* A return address in T32 code has bit 0 set. */
	.macro	ftrace_site_addr rd, rn
ARM(	sub	\rd, \rn, #MCOUNT_INSN_SIZE	)
THUMB(	sub	\rd, \rn, #MCOUNT_INSN_SIZE + 1	)
	.endm

/*
 * An instruction that is replaced by one store: in T32 it would be free to
 * cross a word boundary.
 */
	.macro	ftrace_patched name
THUMB(	.balign	4			)
	.globl	\name
\name:
	.endm

/*
 * An entry leaves a struct __arch_ftrace_regs on the stack. It ends at the
 * value that sp had at the site. Its last two words are popped into the
 * registers where the site wants them. The unwind directives say so.
 */
	.macro	ftrace_enter
	push	{r0-r3, ip, lr}
	ftrace_site_addr r0, lr
	mov	r1, ip
	mov	r2, #0				@ not all registers
	push	{r2, fpreg}
	mov	r3, sp
	.endm

	.macro	ftrace_unwind
UNWIND(.save	{r0-r3, lr, pc})
UNWIND(.pad	#FREGS_ARGS)
	.endm

	.macro	ftrace_exit
	add	sp, sp, #FREGS_ARGS
ARM(	pop	{r0-r3, lr, pc}		)
THUMB(	pop	{r0-r3, lr}		)	@ T32 does not pop lr and pc at once
THUMB(	ldr	pc, [sp], #4		)
	.endm

ENTRY(ftrace_caller)
UNWIND(.fnstart)
ftrace_unwind
	ftrace_enter
	ldr_va	r2, function_trace_op

	ftrace_patched	ftrace_call
	bl	ftrace_stub

	ftrace_exit
UNWIND(.fnend)
ENDPROC(ftrace_caller)

#ifndef CONFIG_THUMB2_KERNEL
/*
 * As ftrace_caller, for one ops alone. The backend writes the address of the
 * ops, and "bl ftrace_ops_assist_func" in place of blx if the ops asks for it.
 */
	.macro	ftrace_trampoline
.Ltrampoline_\@:
	ftrace_enter
	ftrace_assert . - .Ltrampoline_\@, FTRACE_TRAMPOLINE_OPS
	movw	r2, #0
	movt	r2, #0
	ldr	ip, [r2, #FTRACE_OPS_FUNC]
	ftrace_assert . - .Ltrampoline_\@, FTRACE_TRAMPOLINE_CALL
	blx	ip
	ftrace_exit
	ftrace_assert . - .Ltrampoline_\@, FTRACE_TRAMPOLINE_SIZE
	.endm

/* The assembler's word for it that a constant of asm/ftrace.h is right */
	.macro	ftrace_assert value, is
	.if	(\value) != (\is)
	.error	"not \is, as asm/ftrace.h says"
	.endif
	.endm

ENTRY(ftrace_trampolines)
UNWIND(.fnstart)
ftrace_unwind
	.rept	FTRACE_TRAMPOLINES
	ftrace_trampoline
	.endr
UNWIND(.fnend)
ENDPROC(ftrace_trampolines)
	.globl	ftrace_trampolines_end
ftrace_trampolines_end:
#endif

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_REGS

/* Where lr and pc lie in struct pt_regs, for the unwinder. */
	.macro	ftrace_regs_unwind
UNWIND(.pad	#(PT_REGS_SIZE - S_PSR))
UNWIND(.save	{lr, pc})
UNWIND(.pad	#(S_LR + FREGS_ARGS))
	.endm

/*
 * The tracer may have changed any register, and where to go on. ip is free to
 * hold that because it is dead at the site.
 */
	.macro	ftrace_regs_exit
	add	sp, sp, #FREGS_ARGS
#ifdef CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS
	ldr	ip, [sp, #S_OLD_R0]
	teq	ip, #0
	bne	ftrace_direct_call
#endif
	ldr	lr, [sp, #S_LR]
	ldmia	sp, {r0-r11}
	ldr	ip, [sp, #S_PC]
	add	sp, sp, #PT_REGS_SIZE
	ret	ip
	.endm

/*
 * The second halfword of a T32 bl holds the lower 12 bits of the distance, and
 * two bits more that 4 KB seldom change. It is the same for both entries, so
 * that a site can go from one to the other. Those for which it is not call
 * this one in place of ftrace_caller.
 */
THUMB(	.org	ftrace_caller + 4096	)

ENTRY(ftrace_regs_caller)
UNWIND(.fnstart)
	sub	sp, sp, #PT_REGS_SIZE
ftrace_regs_unwind
	stmia	sp, {r0-r12}
#ifdef CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS
	mov	r0, #0				@ arch_ftrace_set_direct_caller()
#endif
	str	r0, [sp, #S_OLD_R0]
	add	r0, sp, #PT_REGS_SIZE		@ sp at the site
	mov	r1, ip				@ lr at the site
	mov	r2, lr				@ pc
	mrs	r3, cpsr
	add	ip, sp, #S_SP
	stmia	ip, {r0-r3}

	ftrace_site_addr r0, lr
	mov	r3, sp				@ struct pt_regs *
	push	{r3, fpreg}			@ r0-r3 follow
	mov	r3, sp
	ldr_va	r2, function_trace_op

	ftrace_patched	ftrace_regs_call
	bl	ftrace_stub

	ftrace_regs_exit

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS
/* What is called finds ip and lr as if the site had called it. */
ftrace_direct_call:
	ldr	lr, [sp, #S_PC]
	ldmia	sp, {r0-r11}
	ldr	ip, [sp, #S_LR]
	add	sp, sp, #S_OLD_R0
	pop	{pc}
#endif
UNWIND(.fnend)
ENDPROC(ftrace_regs_caller)

#endif /* CONFIG_DYNAMIC_FTRACE_WITH_REGS */

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS
/* A direct call that does nothing. */
ENTRY(ftrace_stub_direct_tramp)
	push	{ip, lr}
	pop	{lr, pc}
ENDPROC(ftrace_stub_direct_tramp)
#endif

#ifdef CONFIG_ARM_FTRACE_PADS
/* Where a traced function goes on that is to return at once */
ENTRY(ftrace_return)
UNWIND(.fnstart)
	ret	lr
UNWIND(.fnend)
ENDPROC(ftrace_return)
EXPORT_SYMBOL_GPL(ftrace_return)
#endif

#ifdef CONFIG_FUNCTION_GRAPH_TRACER
/*
 * What traced functions return to. The frame pointer stands for sp then.
 *
 * Until ftrace_return_to_handler() stores where the function goes on, that is
 * the address of this entry: the unwinder looks up what was replaced by it.
 */
ENTRY(return_to_handler)
UNWIND(.fnstart)
.Lreturn_to_handler:
	mov	ip, #0				@ no return address, not all registers
	badr	lr, .Lreturn_to_handler
	push	{r0-r3, ip, lr}
	add	lr, sp, #(FREGS_SIZE - FREGS_ARGS)
	push	{ip, lr}
ftrace_unwind
	mov	r0, sp
	bl	ftrace_return_to_handler
	mov	lr, r0				@ the return address
	add	sp, sp, #FREGS_ARGS
	pop	{r0-r3}
	add	sp, sp, #(FREGS_SIZE - FREGS_LR)
	ret	lr
UNWIND(.fnend)
ENDPROC(return_to_handler)
#endif
