// SPDX-License-Identifier: GPL-2.0
/*
 * Functions to trace: a known number of calls, with checked results.
 *
 *	echo 100 > /sys/module/ftrace_calls/parameters/calls
 *
 * calls each of the functions below as often, but for ftrace_calls_inner(),
 * which ftrace_calls_nonleaf() calls twice each time. Writing fails if a
 * result is wrong. The parameter "regs" does the same while the module itself
 * traces ftrace_calls_leaf() with registers: it fails also if these are not
 * those of each call. The parameters "frame" and "fails" call functions that
 * are like no other.
 */

#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/error-injection.h>
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/stdarg.h>

u32 ftrace_calls_leaf(u32 a, u32 b, u32 c, u32 d);
u32 ftrace_calls_inner(u32 a, u32 b, u32 c, u32 d);
u32 ftrace_calls_nonleaf(u32 a, u32 b, u32 c, u32 d);
u64 ftrace_calls_wide(u64 a, u64 b, u64 c);
u32 ftrace_calls_variadic(int n, ...);
u32 ftrace_calls_frame(u32 a);
int ftrace_calls_may_fail(u32 a);
int ftrace_calls_failing(u32 calls);

static __always_inline u32 mix(u32 a, u32 b, u32 c, u32 d)
{
	return a ^ rol32(b, 1) ^ rol32(c, 2) ^ rol32(d, 3);
}

noinline __noclone u32 ftrace_calls_leaf(u32 a, u32 b, u32 c, u32 d)
{
	return mix(a, b, c, d);
}

noinline __noclone u32 ftrace_calls_inner(u32 a, u32 b, u32 c, u32 d)
{
	return mix(d, c, b, a);
}

noinline __noclone u32 ftrace_calls_nonleaf(u32 a, u32 b, u32 c, u32 d)
{
	u32 sum = ftrace_calls_inner(a, b, c, d);

	return mix(a, b, c, d) + sum + ftrace_calls_inner(b, c, d, a);
}

/* More than the registers for arguments hold */
noinline __noclone u64 ftrace_calls_wide(u64 a, u64 b, u64 c)
{
	return a ^ rol64(b, 1) ^ rol64(c, 2);
}

noinline __noclone u32 ftrace_calls_variadic(int n, ...)
{
	va_list args;
	u32 sum = 0;

	va_start(args, n);
	while (n--)
		sum = rol32(sum, 1) ^ va_arg(args, u32);
	va_end(args);

	return sum;
}

static int check(const char *name, u64 got, u64 expected)
{
	if (got == expected)
		return 0;
	pr_err("%s() returned %#llx, not %#llx\n", name, got, expected);
	return -EIO;
}

static int call_all(u32 i)
{
	u32 a = 0x9e3779b9 * i, b = ~a, c = a + 1, d = b - 1;
	u64 x = (u64)a << 32 | b, y = (u64)c << 32 | d, z = (u64)b << 32 | c;
	int ret;

	ret = check("ftrace_calls_leaf", ftrace_calls_leaf(a, b, c, d), mix(a, b, c, d));
	if (!ret)
		ret = check("ftrace_calls_nonleaf", ftrace_calls_nonleaf(a, b, c, d),
			    (u32)(mix(a, b, c, d) + mix(d, c, b, a) + mix(a, d, c, b)));
	if (!ret)
		ret = check("ftrace_calls_wide", ftrace_calls_wide(x, y, z),
			    x ^ rol64(y, 1) ^ rol64(z, 2));
	if (!ret)
		ret = check("ftrace_calls_variadic", ftrace_calls_variadic(5, a, b, c, d, i),
			    rol32(rol32(rol32(rol32(a, 1) ^ b, 1) ^ c, 1) ^ d, 1) ^ i);
	return ret;
}

static int call_often(u32 calls)
{
	int ret = 0;
	u32 i;

	for (i = 0; !ret && i < calls; i++)
		ret = call_all(i);
	return ret;
}

static int calls_set(const char *val, const struct kernel_param *kp)
{
	u32 calls;
	int ret = kstrtou32(val, 0, &calls);

	return ret ?: call_often(calls);
}

static const struct kernel_param_ops calls_ops = {
	.set = calls_set,
};

module_param_cb(calls, &calls_ops, NULL, 0200);
MODULE_PARM_DESC(calls, "Calls each function this many times");

/* Calls a leaf from a frame of more than 768 bytes */
noinline __noclone u32 ftrace_calls_frame(u32 a)
{
	u32 local[192] = { a };

	barrier_data(local);
	a = ftrace_calls_leaf(local[0], local[1], local[2], local[3]);
	barrier_data(local);
	return a;
}

static int frame_set(const char *val, const struct kernel_param *kp)
{
	u32 calls;
	int ret = kstrtou32(val, 0, &calls);
	u32 i;

	for (i = 0; !ret && i < calls; i++)
		ret = check("ftrace_calls_frame", ftrace_calls_frame(i), i);
	return ret;
}

static const struct kernel_param_ops frame_ops = {
	.set = frame_set,
};

module_param_cb(frame, &frame_ops, NULL, 0200);
MODULE_PARM_DESC(frame, "Calls a leaf from a large frame this many times");

/* fail_function can have this return something else than 0 */
noinline __noclone int ftrace_calls_may_fail(u32 a)
{
	int ret = 0;

	OPTIMIZER_HIDE_VAR(ret);
	return ret;
}
ALLOW_ERROR_INJECTION(ftrace_calls_may_fail, ERRNO);

/* Its caller, which is traced itself: the number of calls that failed */
noinline __noclone int ftrace_calls_failing(u32 calls)
{
	int failed = 0;
	u32 i;

	for (i = 0; i < calls; i++)
		failed += ftrace_calls_may_fail(i) != 0;
	return failed;
}

static int fails_set(const char *val, const struct kernel_param *kp)
{
	u32 calls;
	int ret = kstrtou32(val, 0, &calls);

	if (!ret && ftrace_calls_failing(calls) != calls)
		ret = -EIO;
	return ret;
}

static const struct kernel_param_ops fails_ops = {
	.set = fails_set,
};

module_param_cb(fails, &fails_ops, NULL, 0200);
MODULE_PARM_DESC(fails, "Calls a function this many times that is to fail each time");

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_REGS
#ifdef CONFIG_ARM
#define FIRST_ARG(regs)		(&(regs)->ARM_r0)
#define RETURN_ADDRESS(regs)	((regs)->ARM_lr)
#define SITE_SIZE		MCOUNT_INSN_SIZE
#else
#define FIRST_ARG(regs)		(&(regs)->regs[4])
#define RETURN_ADDRESS(regs)	((regs)->regs[31])
#define SITE_SIZE		24
#endif

static u32 regs_seen, regs_wrong;

/* The arguments of a leaf are where they were passed, see call_all() */
static void notrace see_regs(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);
	u32 a = 0x9e3779b9 * regs_seen++;

	unsigned long *args = FIRST_ARG(regs);

	if (!regs || args[0] != a || args[1] != ~a || args[2] != a + 1 ||
	    args[3] != ~a - 1 || RETURN_ADDRESS(regs) != parent_ip ||
	    (instruction_pointer(regs) & ~1) != ip + SITE_SIZE)
		regs_wrong++;
}

static struct ftrace_ops regs_ops = {
	.func = see_regs,
	.flags = FTRACE_OPS_FL_SAVE_REGS,
};

static int regs_set(const char *val, const struct kernel_param *kp)
{
	char *name = "ftrace_calls_leaf";
	u32 calls;
	int ret;

	ret = kstrtou32(val, 0, &calls);
	if (ret)
		return ret;
	ret = ftrace_set_filter(&regs_ops, name, strlen(name), 1);
	if (ret)
		return ret;
	regs_seen = 0;
	regs_wrong = 0;
	ret = register_ftrace_function(&regs_ops);
	if (ret)
		return ret;
	ret = call_often(calls);
	unregister_ftrace_function(&regs_ops);

	if (ret || (regs_seen == calls && !regs_wrong))
		return ret;
	pr_err("%u calls, %u traced, %u with wrong registers\n", calls,
	       regs_seen, regs_wrong);
	return -EIO;
}

static const struct kernel_param_ops regs_param_ops = {
	.set = regs_set,
};

module_param_cb(regs, &regs_param_ops, NULL, 0200);
MODULE_PARM_DESC(regs, "Calls each function this many times, traced with registers");
#endif

MODULE_DESCRIPTION("Functions to trace");
MODULE_LICENSE("GPL");
