/* SPDX-License-Identifier: GPL-2.0 */

#include <linux/module.h>

/* Records @address as that of a call site. */
#define RECORD(address)						\
	asm(".pushsection __mcount_loc, \"a\"\n"		\
	    "	.long	" address "\n"				\
	    "	.popsection")

/* What gcc emits in a module to call the profiling function, @label at the recorded address */
#if defined(CONFIG_ARM)
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

MODULE_DESCRIPTION("Records a call site that is none");
MODULE_LICENSE("GPL");
