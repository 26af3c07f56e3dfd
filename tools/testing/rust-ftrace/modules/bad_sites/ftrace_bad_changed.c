// SPDX-License-Identifier: GPL-2.0

#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "bad_site.h"

/* A site that is none any more once the module has changed it */
asm(".text\n"
    SITE("ftrace_bad_changed"));
RECORD("ftrace_bad_changed");

extern char ftrace_bad_changed[];

static u16 changed;

static u16 *patched(void)
{
	return (u16 *)(ftrace_bad_changed + PATCHED);
}

static int __init ftrace_bad_changed_init(void)
{
	struct page *page = vmalloc_to_page(patched());
	void *alias = vmap(&page, 1, VM_MAP, PAGE_KERNEL);
	u16 *site;

	if (!alias)
		return -ENOMEM;
	site = alias + offset_in_page(patched());
	changed = ~*site;
	*site = changed;
	flush_kernel_vmap_range(alias, PAGE_SIZE);
	vunmap(alias);
	return 0;
}
module_init(ftrace_bad_changed_init);

static void __exit ftrace_bad_changed_exit(void)
{
	pr_info("%s: the site is %s\n", THIS_MODULE->name,
		*patched() == changed ? "left alone" : "changed");
}
module_exit(ftrace_bad_changed_exit);
