/* SPDX-License-Identifier: GPL-2.0 */

#include <linux/ftrace.h>
#include <linux/module.h>

/* Records @address as that of a call site. */
#define RECORD(address)						\
	asm(".pushsection " FTRACE_CALLSITE_SECTION ", \"a\"\n"	\
	    "	.long	" address "\n"				\
	    "	.popsection")

/*
 * What gcc emits in a module, to call the profiling function or to make room
 * for a call: @label is at the recorded address, the word that is patched at
 * PATCHED from there.
 */
#if defined(CONFIG_ARM_FTRACE_PADS)
#define PATCHED		(FTRACE_PAD_SIZE - MCOUNT_INSN_SIZE)
#define SITE(label)						\
	THUMB("	.thumb\n")					\
	THUMB("	.balign	4\n")					\
	label ":	nop\n"					\
	"	nop\n"						\
	THUMB("	nop\n")					\
	THUMB("	nop\n")					\
	"	bx	lr\n"
#elif defined(CONFIG_ARM)
#define SITE(label)						\
	THUMB("	.thumb\n")					\
	"	push	{lr}\n"					\
	label ":	bl	__gnu_mcount_nc\n"		\
	"	bx	lr\n"
#elif defined(CONFIG_MIPS)
#define SITE(label)						\
	"	.set	push\n"					\
	"	.set	noreorder\n"				\
	"	.set	noat\n"					\
	label ":	lui	$3, %hi(_mcount)\n"		\
	"	addiu	$3, $3, %lo(_mcount)\n"			\
	"	move	$1, $31\n"				\
	"	move	$12, $0\n"				\
	"	jalr	$3\n"					\
	"	addiu	$29, $29, -8\n"				\
	"	jr	$31\n"					\
	"	nop\n"						\
	"	.set	pop\n"
#endif

#ifndef PATCHED
#define PATCHED		0
#endif

MODULE_DESCRIPTION("Records a call site that is none");
MODULE_LICENSE("GPL");
