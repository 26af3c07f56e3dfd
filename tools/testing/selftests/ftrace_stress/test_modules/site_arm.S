/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A call site as the compiler emits it, and a caller that knows what the
 * registers must hold after it.
 */

#include <linux/linkage.h>

#include <asm/assembler.h>
#include <asm/unwind.h>

	.syntax	unified

/* Returns its first argument. As a leaf it keeps its return address in lr. */
#ifdef CONFIG_ARM_FTRACE_PADS
THUMB(	.balign	4	)
ENTRY(ftrace_stress_leaf)
UNWIND(.fnstart)
	nop
	nop
THUMB(	nop		)
THUMB(	nop		)
	ret	lr
UNWIND(.fnend)
ENDPROC(ftrace_stress_leaf)

	.pushsection __patchable_function_entries, "awo", %progbits, ftrace_stress_leaf
	.long	ftrace_stress_leaf
	.popsection
#else
ENTRY(ftrace_stress_leaf)
UNWIND(.fnstart)
	push	{lr}
1:	bl	__gnu_mcount_nc
	ret	lr
UNWIND(.fnend)
ENDPROC(ftrace_stress_leaf)

	.pushsection __mcount_loc, "a"
	.long	1b
	.popsection
#endif

/*
 * u32 ftrace_stress_regs(u32 seed)
 *
 * Calls ftrace_stress_leaf() with patterns made of @seed in the registers.
 * Returns a bit for each register that changed, 0 if none did.
 */
ENTRY(ftrace_stress_regs)
UNWIND(.fnstart)
UNWIND(.save	{r4-r11, lr})
	push	{r4-r11, lr}
UNWIND(.pad	#12)
	sub	sp, sp, #4
	str	r0, [sp]
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
	add	r\n, r0, #\n
	.endr
	mov	r11, sp
	bl	ftrace_stress_leaf

	mov	ip, #0
	cmp	sp, r11
	orrne	ip, ip, #1 << 13
	movne	sp, r11
	ldr	lr, [sp]
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
	cmp	r\n, lr
	orrne	ip, ip, #1 << \n
	add	lr, lr, #1
	.endr
	mov	r0, ip
	add	sp, sp, #4
	pop	{r4-r11, pc}
UNWIND(.fnend)
ENDPROC(ftrace_stress_regs)
