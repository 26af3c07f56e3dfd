/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A call site as gcc emits it for modules (o32, -mlong-calls,
 * -mmcount-ra-address), and a caller that knows what the registers must hold
 * after it.
 */

#include <asm/asm.h>
#include <asm/regdef.h>

	.set	noreorder
	.set	noat

/*
 * Returns its first argument, and in v1 the others exclusive-ored: after the
 * return, which may be by way of return_to_handler, their registers are free.
 * As a leaf it keeps its return address in ra, so $12 is 0.
 */
LEAF(ftrace_stress_leaf)
1:	lui	v1, %hi(_mcount)
	addiu	v1, v1, %lo(_mcount)
	move	AT, ra
	move	$12, zero
	jalr	v1
	 addiu	sp, sp, -8
	xor	v1, a1, a2
	xor	v1, v1, a3
	jr	ra
	 move	v0, a0
END(ftrace_stress_leaf)

	.pushsection __mcount_loc, "a"
	PTR_WD	1b
	.popsection

/* Frame: the argument words that o32 asks for, s0-s8 and ra, the seed */
#define FRAME_S(n)	(16 + 4 * (n))
#define FRAME_RA	52
#define FRAME_SEED	56
#define FRAME_SIZE	64

	.macro	s_regs insn
	\insn	s0, FRAME_S(0)(sp)
	\insn	s1, FRAME_S(1)(sp)
	\insn	s2, FRAME_S(2)(sp)
	\insn	s3, FRAME_S(3)(sp)
	\insn	s4, FRAME_S(4)(sp)
	\insn	s5, FRAME_S(5)(sp)
	\insn	s6, FRAME_S(6)(sp)
	\insn	s7, FRAME_S(7)(sp)
	\insn	s8, FRAME_S(8)(sp)
	.endm

/* Sets bit @n of v0 if @reg is not t0 + @n. */
	.macro	changed n, reg
	addiu	t1, t0, \n
	xor	t1, t1, \reg
	sltu	t1, zero, t1
	sll	t1, t1, \n
	or	v0, v0, t1
	.endm

/*
 * u32 ftrace_stress_regs(u32 seed)
 *
 * Calls ftrace_stress_leaf() with patterns made of @seed in the registers.
 * Returns a bit for each register that changed, 0 if none did.
 */
NESTED(ftrace_stress_regs, FRAME_SIZE, ra)
	addiu	sp, sp, -FRAME_SIZE
	sw	ra, FRAME_RA(sp)
	sw	a0, FRAME_SEED(sp)
	s_regs	sw
	move	t0, a0
	.irp	n, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
	addiu	$\n, t0, \n
	.endr
	jal	ftrace_stress_leaf
	 move	s8, sp

	move	a0, v0
	xor	v0, s8, sp
	sltu	v0, zero, v0
	sll	v0, v0, 29
	move	sp, s8
	lw	t0, FRAME_SEED(sp)
	changed	4, a0
	/* v1 is a1 ^ a2 ^ a3: take a2 and a3 out, and a1 is left. */
	addiu	t1, t0, 6
	addiu	t2, t0, 7
	xor	t1, t1, t2
	xor	v1, v1, t1
	changed	5, v1
	.irp	n, 16, 17, 18, 19, 20, 21, 22, 23
	changed	\n, $\n
	.endr
	s_regs	lw
	lw	ra, FRAME_RA(sp)
	jr	ra
	 addiu	sp, sp, FRAME_SIZE
END(ftrace_stress_regs)
