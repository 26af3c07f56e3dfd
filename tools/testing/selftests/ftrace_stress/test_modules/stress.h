/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions that are called while their call sites change. They are global
 * so that each stays a function of its own, called as the ABI says.
 */
#ifndef _FTRACE_STRESS_H
#define _FTRACE_STRESS_H

#include <linux/types.h>

/* In assembly: a function with a call site, and its caller */
u32 ftrace_stress_leaf(u32 a, u32 b, u32 c, u32 d);
u32 ftrace_stress_regs(u32 seed);

u32 ftrace_stress_counted(u32 a);
u64 ftrace_stress_wide(u64 a, u64 b, u64 c);
u32 ftrace_stress_nonleaf(u32 a, u32 b, u32 c, u32 d);
u32 ftrace_stress_never(u32 a);

#endif
