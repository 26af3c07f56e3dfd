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
#include <asm/regdef.h>

/* Bytes from the start of a site to the address after it */
#define CORE_SITE_SIZE		8
#define MODULE_SITE_SIZE	24

/* In the frame, see asm/ftrace.h */
#define FRAME(offset)		(FTRACE_FRAME_REGS + (offset))
#define FRAME_A0		FRAME(FREGS_ARGS)
#define FRAME_A1		FRAME(FREGS_ARGS + 4)
#define FRAME_A2		FRAME(FREGS_ARGS + 8)
#define FRAME_A3		FRAME(FREGS_ARGS + 12)
#define FRAME_V0		FRAME(FREGS_RETS)
#define FRAME_V1		FRAME(FREGS_RETS + 4)
#define FRAME_RA_ADDRESS	FRAME(FREGS_RA_ADDRESS)
#define FRAME_RA		FRAME(FREGS_RA)
#define FRAME_PC		FRAME(FREGS_PC)
#define FRAME_SIZE		FRAME(FREGS_SIZE)

#define MCOUNT_RA_ADDRESS_REG	$12

	.text
	.set	noreorder
	.set	noat

	.macro	ftrace_exit
	lw	ra, FRAME_PC(sp)
	lw	AT, FRAME_RA(sp)
	lw	a0, FRAME_A0(sp)
	lw	a1, FRAME_A1(sp)
	lw	a2, FRAME_A2(sp)
	lw	a3, FRAME_A3(sp)
	addiu	sp, sp, FRAME_SIZE
	jr	ra
	 move	ra, AT
	.endm

/*
 * Where sites of a module enter and, FTRACE_ENTRY_OFFSET behind, those of the
 * kernel. They differ in size.
 */
	.macro	ftrace_module_entry
	addiu	sp, sp, -FRAME_SIZE
	sw	a0, FRAME_A0(sp)
	b	1f
	 addiu	a0, ra, -MODULE_SITE_SIZE
	.endm

	.macro	ftrace_core_entry
	addiu	sp, sp, -FRAME_SIZE
	sw	a0, FRAME_A0(sp)
	addiu	a0, ra, -CORE_SITE_SIZE
1:
	sw	ra, FRAME_PC(sp)
	sw	AT, FRAME_RA(sp)
	sw	a1, FRAME_A1(sp)
	sw	a2, FRAME_A2(sp)
	sw	a3, FRAME_A3(sp)
	sw	MCOUNT_RA_ADDRESS_REG, FRAME_RA_ADDRESS(sp)
	.endm

/*
 * Sites of a module hold the lower half of this address, so that those of
 * their trampolines have to be the same.
 */
	.balign	FTRACE_TRAMPOLINE_ALIGN
LEAF(ftrace_module_caller)
	ftrace_module_entry
END(ftrace_module_caller)

NESTED(ftrace_caller, FRAME_SIZE, ra)
	ftrace_core_entry

	lui	a2, %hi(function_trace_op)
	lw	a2, %lo(function_trace_op)(a2)
	move	a1, AT

	.globl	ftrace_call
ftrace_call:
	jal	ftrace_stub
	 addiu	a3, sp, FTRACE_FRAME_REGS

	ftrace_exit
END(ftrace_caller)

/*
 * What both of them are, for one ops alone. This is never executed: the
 * backend makes a copy for each ops, and writes its address there, and
 * "jal ftrace_ops_assist_func" in place of jalr for an ops that asks for it.
 */
NESTED(ftrace_trampoline, FRAME_SIZE, ra)
	ftrace_module_entry
	ftrace_core_entry
	lui	a2, 0			/* FTRACE_TRAMPOLINE_OPS */
	addiu	a2, a2, 0
	lw	v1, FTRACE_OPS_FUNC(a2)
	move	a1, AT
	jalr	v1			/* FTRACE_TRAMPOLINE_CALL */
	 addiu	a3, sp, FTRACE_FRAME_REGS
	ftrace_exit
	.globl	ftrace_trampoline_end
ftrace_trampoline_end:
END(ftrace_trampoline)

	.globl	ftrace_entry_end
ftrace_entry_end:

#ifdef CONFIG_FUNCTION_GRAPH_TRACER
/* What traced functions return to */
NESTED(return_to_handler, FRAME_SIZE, ra)
	addiu	sp, sp, -FRAME_SIZE
	sw	v0, FRAME_V0(sp)
	sw	v1, FRAME_V1(sp)
	jal	ftrace_return_to_handler
	 addiu	a0, sp, FTRACE_FRAME_REGS
	move	ra, v0				/* the return address */
	lw	v0, FRAME_V0(sp)
	lw	v1, FRAME_V1(sp)
	jr	ra
	 addiu	sp, sp, FRAME_SIZE
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
