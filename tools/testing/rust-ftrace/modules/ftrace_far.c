// SPDX-License-Identifier: GPL-2.0
/*
 * ftrace_calls, with more text than ftrace_ballast leaves room for: where
 * both are loaded, its branches do not reach the kernel.
 */

asm("	.text\n"
    "	.space	0x80000\n");

#include "ftrace_calls.c"
