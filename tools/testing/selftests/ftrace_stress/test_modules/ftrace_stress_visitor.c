// SPDX-License-Identifier: GPL-2.0
/*
 * A module to come and go while call sites change.
 */

#include <linux/module.h>

static noinline u32 ftrace_stress_visit(u32 n)
{
	return n ? n ^ ftrace_stress_visit(n - 1) : 0;
}

static int __init visitor_init(void)
{
	/* 1 ^ 2 ^ ... ^ 7 */
	return ftrace_stress_visit(7) ? -EIO : 0;
}
module_init(visitor_init);

static void __exit visitor_exit(void)
{
}
module_exit(visitor_exit);

MODULE_DESCRIPTION("Comes and goes while call sites change");
MODULE_LICENSE("GPL");
