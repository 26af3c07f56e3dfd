// SPDX-License-Identifier: GPL-2.0
/*
 * A tracer that misses the TLB, in the middle of whatever it traces.
 *
 * All functions are traced while the module is loaded. Each call reads a page
 * of vmalloc() memory, another one than the call before: there are more than a
 * TLB has entries. "wrong" is the number of calls that did not find there what
 * had been written.
 */

#include <linux/ftrace.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/vmalloc.h>

#define PAGES	1024

static u8 *pages;
static u32 calls, wrong;

module_param(calls, uint, 0444);
MODULE_PARM_DESC(calls, "Calls that were traced");
module_param(wrong, uint, 0444);
MODULE_PARM_DESC(wrong, "Calls that read something else than was written");

static u32 *first_word(u32 page)
{
	return (u32 *)(pages + page * PAGE_SIZE);
}

static void notrace misses_func(unsigned long ip, unsigned long parent_ip,
				struct ftrace_ops *ops,
				struct ftrace_regs *fregs)
{
	u32 page = calls++ % PAGES;

	if (READ_ONCE(*first_word(page)) != page)
		wrong++;
}

static struct ftrace_ops misses_ops = {
	.func = misses_func,
};

static int __init misses_init(void)
{
	int ret;
	u32 i;

	pages = vmalloc_array(PAGES, PAGE_SIZE);
	if (!pages)
		return -ENOMEM;
	for (i = 0; i < PAGES; i++)
		*first_word(i) = i;

	ret = register_ftrace_function(&misses_ops);
	if (ret)
		vfree(pages);
	return ret;
}
module_init(misses_init);

static void __exit misses_exit(void)
{
	unregister_ftrace_function(&misses_ops);
	vfree(pages);
}
module_exit(misses_exit);

MODULE_DESCRIPTION("A tracer that misses the TLB");
MODULE_LICENSE("GPL");
