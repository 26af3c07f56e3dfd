// SPDX-License-Identifier: GPL-2.0
/* Takes the room for modules near the kernel, all but half a megabyte of it. */

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sizes.h>

static char ballast[MODULES_END - MODULES_VADDR - SZ_512K] __used;

MODULE_DESCRIPTION("Takes the room for modules");
MODULE_LICENSE("GPL");
