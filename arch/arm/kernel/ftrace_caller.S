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

#include <linux/linkage.h>

#include <asm/asm-offsets.h>
#include <asm/assembler.h>
#include <asm/ftrace.h>
#include <asm/unwind.h>

/*
 * Frame of ftrace_caller: r0-r3, ip, lr. The two addresses are popped into
 * the registers where the site wants them, and the unwinder is told so.
 */
#define FRAME_PARENT	16
#define FRAME_SITE	20
#define FRAME_SIZE	24

	.macro	ftrace_site_addr rd, rn
	sub	\rd, \rn, #MCOUNT_INSN_SIZE
	.endm

ENTRY(ftrace_caller)
UNWIND(.fnstart)
	push	{r0-r3, ip, lr}
UNWIND(.save	{r0-r3, lr, pc})

	ftrace_site_addr r0, lr
	mov	r1, ip
	ldr_va	r2, function_trace_op
	mov	r3, #0				@ no regs

	.globl	ftrace_call
ftrace_call:
	bl	ftrace_stub

#ifdef CONFIG_FUNCTION_GRAPH_TRACER
	.globl	ftrace_graph_call
ftrace_graph_call:
	nop					@ or b ftrace_graph_caller
#endif

	pop	{r0-r3, lr, pc}
UNWIND(.fnend)
ENDPROC(ftrace_caller)

#ifdef CONFIG_FUNCTION_GRAPH_TRACER
ENTRY(ftrace_graph_caller)
UNWIND(.fnstart)
UNWIND(.save	{r0-r3, lr, pc})
	add	r0, sp, #FRAME_PARENT
	ldr	r1, [sp, #FRAME_SITE]
	ftrace_site_addr r1, r1
	mov	r2, fp
	add	r3, sp, #FRAME_SIZE
	bl	prepare_ftrace_return
	pop	{r0-r3, lr, pc}
UNWIND(.fnend)
ENDPROC(ftrace_graph_caller)
#endif

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_REGS

/* Where lr and pc lie in struct pt_regs, for the unwinder. */
	.macro	ftrace_regs_unwind
UNWIND(.pad	#(PT_REGS_SIZE - S_PSR))
UNWIND(.save	{lr, pc})
UNWIND(.pad	#S_LR)
	.endm

/*
 * The tracer may have changed any register, and where to go on. ip is free to
 * hold that because it is dead at the site.
 */
	.macro	ftrace_regs_exit
	ldr	lr, [sp, #S_LR]
	ldmia	sp, {r0-r11}
	ldr	ip, [sp, #S_PC]
	add	sp, sp, #PT_REGS_SIZE
	ret	ip
	.endm

ENTRY(ftrace_regs_caller)
UNWIND(.fnstart)
	sub	sp, sp, #PT_REGS_SIZE
ftrace_regs_unwind
	stmia	sp, {r0-r12}
	str	r0, [sp, #S_OLD_R0]
	add	r0, sp, #PT_REGS_SIZE		@ sp at the site
	mov	r1, ip				@ lr at the site
	mov	r2, lr				@ pc
	mrs	r3, cpsr
	add	ip, sp, #S_SP
	stmia	ip, {r0-r3}

	ftrace_site_addr r0, lr
	ldr_va	r2, function_trace_op
	mov	r3, sp				@ struct pt_regs *

	.globl	ftrace_regs_call
ftrace_regs_call:
	bl	ftrace_stub

#ifdef CONFIG_FUNCTION_GRAPH_TRACER
	.globl	ftrace_graph_regs_call
ftrace_graph_regs_call:
	nop					@ or b ftrace_graph_regs_caller
#endif

	ftrace_regs_exit
UNWIND(.fnend)
ENDPROC(ftrace_regs_caller)

#ifdef CONFIG_FUNCTION_GRAPH_TRACER
ENTRY(ftrace_graph_regs_caller)
UNWIND(.fnstart)
ftrace_regs_unwind
	add	r0, sp, #S_LR
	ldr	r1, [sp, #S_PC]
	ftrace_site_addr r1, r1
	mov	r2, fp
	add	r3, sp, #PT_REGS_SIZE
	bl	prepare_ftrace_return
	ftrace_regs_exit
UNWIND(.fnend)
ENDPROC(ftrace_graph_regs_caller)
#endif

#endif /* CONFIG_DYNAMIC_FTRACE_WITH_REGS */
