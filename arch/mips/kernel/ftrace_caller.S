/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the call sites of the Rust ftrace backend call.
 *
 * The kernel			A module
 *	move	at, ra			lui	v1, %hi(ftrace_module_caller)
 *	<set $12>			addiu	v1, v1, %lo(ftrace_module_caller)
 *	jal	ftrace_caller		move	at, ra
 *	 nop				<set $12>
 *					jalr	v1
 *					 nop
 *
 * On entry
 *	at	the traced function's return address
 *	$12	address of its copy on the stack, 0 if the function has none
 *	ra	address after the site
 *	a0-a3	live: the traced function's arguments
 *	s0-s8	live, and gp, sp: they are the traced function's
 *	others	dead
 *
 * On return to the site
 *	ra	the traced function's return address, or return_to_handler
 *	others	as on entry if live
 */

#include <linux/export.h>

#include <asm/asm.h>
#include <asm/asm-offsets.h>
#include <asm/ftrace.h>
#include <asm/mipsregs.h>
#include <asm/regdef.h>
#include <asm/stackframe.h>

#define MCOUNT_RA_ADDRESS_REG	$12

	.text
	.set	noreorder
	.set	noat

/*
 * An entry's frame ends with a struct __arch_ftrace_regs, \fregs bytes above
 * sp.
 */
	.macro	ftrace_exit fregs
	lw	ra, \fregs + FREGS_PC(sp)
	lw	AT, \fregs + FREGS_RA(sp)
	lw	a0, \fregs + FREGS_ARGS(sp)
	lw	a1, \fregs + FREGS_ARGS + 4(sp)
	lw	a2, \fregs + FREGS_ARGS + 8(sp)
	lw	a3, \fregs + FREGS_ARGS + 12(sp)
	addiu	sp, sp, \fregs + FREGS_SIZE
	jr	ra
	 move	ra, AT
	.endm

/*
 * Sites of a module enter here. Sites of the kernel enter FTRACE_ENTRY_OFFSET
 * bytes later. The two kinds of sites differ in size.
 */
	.macro	ftrace_module_entry fregs
	addiu	sp, sp, -(\fregs + FREGS_SIZE)
	sw	a0, \fregs + FREGS_ARGS(sp)
	b	1f
	 addiu	a0, ra, -FTRACE_MODULE_SITE_SIZE
	.endm

	.macro	ftrace_core_entry fregs
	addiu	sp, sp, -(\fregs + FREGS_SIZE)
	sw	a0, \fregs + FREGS_ARGS(sp)
	addiu	a0, ra, -FTRACE_CORE_SITE_SIZE
1:
	sw	ra, \fregs + FREGS_PC(sp)
	sw	AT, \fregs + FREGS_RA(sp)
	sw	a1, \fregs + FREGS_ARGS + 4(sp)
	sw	a2, \fregs + FREGS_ARGS + 8(sp)
	sw	a3, \fregs + FREGS_ARGS + 12(sp)
	sw	MCOUNT_RA_ADDRESS_REG, \fregs + FREGS_RA_ADDRESS(sp)
	.endm

/* ftrace_caller keeps a struct pt_regs below, which begins as o32 asks for. */
#define CALLER_FREGS	PT_SIZE

/* The assembler's word for it that a constant of asm/ftrace.h is right */
	.macro	ftrace_assert value, is
	.if	(\value) != (\is)
	.error	"not \is, as asm/ftrace.h says"
	.endif
	.endm

/*
 * QEMU keeps the target of a branch in the last word of a page. What is patched
 * must not be there: \offset is from a multiple of FTRACE_TRAMPOLINE_ALIGN.
 */
	.macro	ftrace_assert_not_last offset
	.if	((\offset) & (FTRACE_TRAMPOLINE_ALIGN - 1)) == FTRACE_TRAMPOLINE_ALIGN - 4
	.error	"a patched branch can be the last word of a page"
	.endif
	.endm

/*
 * Sites of a module hold the lower half of this address, so that those of
 * their trampolines have to be the same.
 */
	.balign	FTRACE_TRAMPOLINE_ALIGN
LEAF(ftrace_module_caller)
	ftrace_module_entry CALLER_FREGS
	ftrace_assert . - ftrace_module_caller, FTRACE_ENTRY_OFFSET
END(ftrace_module_caller)

NESTED(ftrace_caller, CALLER_FREGS + FREGS_SIZE, ra)
	ftrace_core_entry CALLER_FREGS

	lui	v0, %hi(ftrace_saves_regs)
	lw	v0, %lo(ftrace_saves_regs)(v0)
	bnez	v0, ftrace_save_regs
	 move	v0, zero
ftrace_regs_saved:
	sw	v0, CALLER_FREGS + FREGS_REGS(sp)

	lui	a2, %hi(function_trace_op)
	lw	a2, %lo(function_trace_op)(a2)
	move	a1, AT

	.globl	ftrace_call
ftrace_call:
	ftrace_assert_not_last FTRACE_ENTRY_OFFSET + ftrace_call - ftrace_caller
	jal	ftrace_stub
	 addiu	a3, sp, CALLER_FREGS

	lw	v0, CALLER_FREGS + FREGS_REGS(sp)
	bnez	v0, ftrace_restore_regs
	 nop
	ftrace_exit CALLER_FREGS

/* Registers that are dead at the site are saved as they are, or as 0. */
ftrace_save_regs:
	lw	v1, CALLER_FREGS + FREGS_ARGS(sp)
	addiu	v0, sp, CALLER_FREGS + FREGS_SIZE	/* sp at the site */
	sw	zero, PT_R0(sp)
	sw	AT, PT_R1(sp)
	sw	zero, PT_R2(sp)
	sw	zero, PT_R3(sp)
	sw	v1, PT_R4(sp)
	sw	a1, PT_R5(sp)
	sw	a2, PT_R6(sp)
	sw	a3, PT_R7(sp)
	sw	$8, PT_R8(sp)
	sw	$9, PT_R9(sp)
	sw	$10, PT_R10(sp)
	sw	$11, PT_R11(sp)
	sw	$12, PT_R12(sp)
	sw	$13, PT_R13(sp)
	sw	$14, PT_R14(sp)
	sw	$15, PT_R15(sp)
	SAVE_STATIC
	sw	$24, PT_R24(sp)
	sw	$25, PT_R25(sp)
	sw	$26, PT_R26(sp)
	sw	$27, PT_R27(sp)
	sw	gp, PT_R28(sp)
	sw	v0, PT_R29(sp)
	sw	AT, PT_R31(sp)
	mfc0	v0, CP0_STATUS
	sw	v0, PT_STATUS(sp)
	sw	zero, PT_HI(sp)
	sw	zero, PT_LO(sp)
	sw	zero, PT_BVADDR(sp)
	sw	zero, PT_CAUSE(sp)
	sw	ra, PT_EPC(sp)
	b	ftrace_regs_saved
	 move	v0, sp

/*
 * The tracer may have changed any register but sp and gp, and where to go on.
 * A tracer that does not know of the others may have changed ra.
 */
ftrace_restore_regs:
	lw	v0, PT_R31(sp)
	lw	v1, PT_R1(sp)
	bne	v0, v1, 1f
	 move	AT, v0
	lw	AT, CALLER_FREGS + FREGS_RA(sp)
1:
	lw	a0, PT_R4(sp)
	lw	a1, PT_R5(sp)
	lw	a2, PT_R6(sp)
	lw	a3, PT_R7(sp)
	RESTORE_STATIC
	lw	ra, PT_EPC(sp)
	addiu	sp, sp, CALLER_FREGS + FREGS_SIZE
	jr	ra
	 move	ra, AT
END(ftrace_caller)

/*
 * As both of them, for one ops alone. This is a template, never executed. The
 * backend makes a copy for each ops and writes the address of the ops there,
 * and "jal ftrace_ops_assist_func" in place of jalr if the ops asks for it.
 */
NESTED(ftrace_trampoline, FTRACE_FRAME_REGS + FREGS_SIZE, ra)
	ftrace_module_entry FTRACE_FRAME_REGS
.Ltrampoline:
	ftrace_core_entry FTRACE_FRAME_REGS
.Ltrampoline_ops:
	lui	a2, 0			/* FTRACE_TRAMPOLINE_OPS */
	addiu	a2, a2, 0
	lw	v1, FTRACE_OPS_FUNC(a2)
	sw	zero, FTRACE_FRAME_REGS + FREGS_REGS(sp)
	move	a1, AT
.Ltrampoline_call:
	jalr	v1			/* FTRACE_TRAMPOLINE_CALL */
	 addiu	a3, sp, FTRACE_FRAME_REGS
	ftrace_exit FTRACE_FRAME_REGS
.Ltrampoline_end:
	ftrace_assert .Ltrampoline - ftrace_trampoline, FTRACE_ENTRY_OFFSET
	ftrace_assert .Ltrampoline_ops - .Ltrampoline, FTRACE_TRAMPOLINE_OPS
	ftrace_assert .Ltrampoline_call - .Ltrampoline, FTRACE_TRAMPOLINE_CALL
	ftrace_assert .Ltrampoline_end - .Ltrampoline, FTRACE_TRAMPOLINE_SIZE
	.if	.Ltrampoline_end - ftrace_trampoline > FTRACE_TRAMPOLINE_ALIGN
	.error	"asm/ftrace.h: a trampoline can cross the end of a page"
	.endif
	/* A copy stands where ftrace_module_caller does in its page */
	ftrace_assert_not_last .Ltrampoline_call - ftrace_trampoline
END(ftrace_trampoline)

#ifdef CONFIG_FUNCTION_GRAPH_TRACER
/* What traced functions return to */
NESTED(return_to_handler, FTRACE_FRAME_REGS + FREGS_SIZE, ra)
	addiu	sp, sp, -(FTRACE_FRAME_REGS + FREGS_SIZE)
	sw	v0, FTRACE_FRAME_REGS + FREGS_RETS(sp)
	sw	v1, FTRACE_FRAME_REGS + FREGS_RETS + 4(sp)
	sw	zero, FTRACE_FRAME_REGS + FREGS_ARGS(sp)
	sw	zero, FTRACE_FRAME_REGS + FREGS_ARGS + 4(sp)
	sw	zero, FTRACE_FRAME_REGS + FREGS_ARGS + 8(sp)
	sw	zero, FTRACE_FRAME_REGS + FREGS_ARGS + 12(sp)
	sw	zero, FTRACE_FRAME_REGS + FREGS_RA(sp)
	sw	zero, FTRACE_FRAME_REGS + FREGS_PC(sp)	/* not known yet */
	sw	zero, FTRACE_FRAME_REGS + FREGS_REGS(sp)
	jal	ftrace_return_to_handler
	 addiu	a0, sp, FTRACE_FRAME_REGS
	move	ra, v0				/* the return address */
	lw	v0, FTRACE_FRAME_REGS + FREGS_RETS(sp)
	lw	v1, FTRACE_FRAME_REGS + FREGS_RETS + 4(sp)
	jr	ra
	 addiu	sp, sp, FTRACE_FRAME_REGS + FREGS_SIZE
END(return_to_handler)
#endif

/*
 * What the sites of the kernel and of modules call before they are
 * initialised, with 8 taken off sp by the delay slot.
 */
LEAF(_mcount)
EXPORT_SYMBOL(_mcount)
	addiu	sp, sp, 8
	jr	ra
	 move	ra, AT
END(_mcount)

/* The unwinder takes what is from ftrace_caller to here for ftrace's. */
LEAF(ftrace_stub)
	jr	ra
	 nop
END(ftrace_stub)

/*
 * void ftrace_synci(unsigned long addr)
 *
 * Makes this CPU execute the word that was stored at @addr.
 */
LEAF(ftrace_synci)
	synci	0(a0)
	sync
	jr.hb	ra
	 nop
END(ftrace_synci)

	.set	at
	.set	reorder

	.bss
	.balign	4
	.globl	ftrace_saves_regs
ftrace_saves_regs:
	.space	4
