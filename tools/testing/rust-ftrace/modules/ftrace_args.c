// SPDX-License-Identifier: GPL-2.0
/*
 * What ftrace_regs has of arguments and returned values, held against what the
 * called functions find and return.
 *
 *	echo 100 > /sys/module/ftrace_args/parameters/calls
 *
 * calls a function for each class of arguments as often, in this module and in
 * the kernel, with every tracer below on. Writing fails if one of these was
 * not called exactly once a call or was given something else. What does not
 * fit into the registers for arguments must read as 0.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fprobe.h>
#include <linux/ftrace.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>

/* The registers for arguments, of both architectures */
#define WORDS	4

/* What a called function has found there */
static u32 found[WORDS];

static __always_inline void find(size_t at, const void *value, size_t size)
{
	memcpy((void *)found + at, value, size);
}

struct pair {
	u32 x, y;
};

struct large {
	u32 word[6];
};

u16 ftrace_args_narrow(u8 a, s8 b, u16 c, s16 d);
u32 ftrace_args_words(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f);
const void *ftrace_args_pointers(const void *a, const char *b);
u64 ftrace_args_wide(u64 a, u64 b, u64 c);
u32 ftrace_args_aligned(u32 a, u64 b);
u32 ftrace_args_pair(struct pair a, u32 b);
u32 ftrace_args_large(struct large a);

noinline __noclone u16 ftrace_args_narrow(u8 a, s8 b, u16 c, s16 d)
{
	u32 words[] = { a, b, c, d };

	find(0, words, sizeof(words));
	return a + b + c + d;
}

noinline __noclone u32 ftrace_args_words(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f)
{
	u32 words[] = { a, b, c, d };

	find(0, words, sizeof(words));
	return a + b + c + d + e + f;
}

noinline __noclone const void *ftrace_args_pointers(const void *a, const char *b)
{
	const void *words[] = { a, b };

	find(0, words, sizeof(words));
	return b;
}

noinline __noclone u64 ftrace_args_wide(u64 a, u64 b, u64 c)
{
	u64 words[] = { a, b };

	find(0, words, sizeof(words));
	return a + b + c;
}

/* The second argument begins with an even register */
noinline __noclone u32 ftrace_args_aligned(u32 a, u64 b)
{
	find(0, &a, sizeof(a));
	find(8, &b, sizeof(b));
	return a + b;
}

noinline __noclone u32 ftrace_args_pair(struct pair a, u32 b)
{
	find(0, &a, sizeof(a));
	find(8, &b, sizeof(b));
	return a.x + a.y + b;
}

noinline __noclone u32 ftrace_args_large(struct large a)
{
	find(0, &a, WORDS * 4);
	return a.word[0] + a.word[5];
}

/* The word of a 64-bit value that is in the register for returned values */
static u32 first_word(u64 value)
{
	u32 word;

	memcpy(&word, &value, sizeof(word));
	return word;
}

/* What a tracer was given in a call */
struct given {
	unsigned int calls;
	u32 words[WORDS];
	u32 beyond;
	bool has_parent;
};

static struct given by_ops, by_regs, by_fprobe, by_direct;
static unsigned int returns;
static u32 returned;

static u32 call_narrow(u32 i)
{
	return ftrace_args_narrow(i, -i, i * 257, -i * 257);
}

static u32 call_words(u32 i)
{
	return ftrace_args_words(i, ~i, i + 1, i * 3, i * 5, i * 7);
}

static u32 call_pointers(u32 i)
{
	return (u32)ftrace_args_pointers(&found[i % WORDS], (const char *)&i);
}

static u32 call_wide(u32 i)
{
	return first_word(ftrace_args_wide(0x123456789abcdefULL * i, ~(u64)i, i));
}

static u32 call_aligned(u32 i)
{
	return ftrace_args_aligned(i, 0xfedcba987654321ULL * i);
}

static u32 call_pair(u32 i)
{
	return ftrace_args_pair((struct pair){ i, ~i }, i * 3);
}

static u32 call_large(u32 i)
{
	return ftrace_args_large((struct large){ { i, ~i, i + 1, i * 3, i * 5, i * 7 } });
}

static u32 call_mktime64(u32 i)
{
	u32 words[] = { 2000 + i % 30, 1 + i % 12, 1 + i % 28, i % 24 };

	find(0, words, sizeof(words));
	return first_word(mktime64(words[0], words[1], words[2], words[3], i % 60, i % 60));
}

static u32 call_timespec64_to_jiffies(u32 i)
{
	struct timespec64 time = { .tv_sec = i, .tv_nsec = i };

	found[0] = (u32)&time;
	return timespec64_to_jiffies(&time);
}

/* Returns nothing: what is in the register then is not looked at */
static u32 call_set_normalized_timespec64(u32 i)
{
	struct timespec64 time;
	s64 seconds = 0x123456789LL * i;

	found[0] = (u32)&time;
	find(8, &seconds, sizeof(seconds));
	set_normalized_timespec64(&time, seconds, i);
	return returned;
}

static const struct {
	const char *name;
	u32 (*call)(u32 i);
	unsigned int present;	/* a mask of the registers that hold arguments */
} cases[] = {
	{ "ftrace_args_narrow",		call_narrow,		0xf },
	{ "ftrace_args_words",		call_words,		0xf },
	{ "ftrace_args_pointers",	call_pointers,		0x3 },
	{ "ftrace_args_wide",		call_wide,		0xf },
	{ "ftrace_args_aligned",	call_aligned,		0xd },
	{ "ftrace_args_pair",		call_pair,		0x7 },
	{ "ftrace_args_large",		call_large,		0xf },
	{ "mktime64",			call_mktime64,		0xf },
	{ "timespec64_to_jiffies",	call_timespec64_to_jiffies, 0x1 },
	{ "set_normalized_timespec64",	call_set_normalized_timespec64, 0xd },
};

static void notrace give(struct given *given, struct ftrace_regs *fregs,
			 unsigned long parent_ip)
{
	int i;

	given->calls++;
	for (i = 0; i < WORDS; i++)
		given->words[i] = ftrace_regs_get_argument(fregs, i);
	given->beyond = ftrace_regs_get_argument(fregs, WORDS);
	given->has_parent = parent_ip == ftrace_regs_get_return_address(fregs);
}

static void notrace trace_ops(unsigned long ip, unsigned long parent_ip,
			      struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	give(&by_ops, fregs, parent_ip);
}

static void notrace trace_regs(unsigned long ip, unsigned long parent_ip,
			       struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);

	give(&by_regs, fregs, parent_ip);
	/* The accessors and the whole set tell the same */
	if (regs && (instruction_pointer(regs) !=
		     ftrace_regs_get_instruction_pointer(fregs) ||
		     kernel_stack_pointer(regs) !=
		     ftrace_regs_get_stack_pointer(fregs)))
		by_regs.calls = 0;
}

static int notrace trace_entry(struct fprobe *fp, unsigned long entry_ip,
			       unsigned long ret_ip, struct ftrace_regs *fregs,
			       void *data)
{
	give(&by_fprobe, fregs, ret_ip);
	return 0;
}

static void notrace trace_exit(struct fprobe *fp, unsigned long entry_ip,
			       unsigned long ret_ip, struct ftrace_regs *fregs,
			       void *data)
{
	returns++;
	returned = ftrace_regs_get_return_value(fregs);
}

static struct ftrace_ops ops = {
	.func = trace_ops,
};

static struct ftrace_ops regs_ops = {
	.func = trace_regs,
	.flags = FTRACE_OPS_FL_SAVE_REGS_IF_SUPPORTED,
};

static struct fprobe fprobe = {
	.entry_handler = trace_entry,
	.exit_handler = trace_exit,
};

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS
asmlinkage void ftrace_args_trampoline(void);
asmlinkage void ftrace_args_direct(u32 a, u32 b, u32 c, u32 d);

asmlinkage notrace void ftrace_args_direct(u32 a, u32 b, u32 c, u32 d)
{
	const u32 words[] = { a, b, c, d };

	by_direct.calls++;
	memcpy(by_direct.words, words, sizeof(words));
	by_direct.has_parent = true;
}

asm("	.pushsection	.text, \"ax\", %progbits\n"
"	.type		ftrace_args_trampoline, %function\n"
"ftrace_args_trampoline:\n"
"	push		{r0-r3, ip, lr}\n"
"	bl		ftrace_args_direct\n"
"	pop		{r0-r3, lr, pc}\n"
"	.size		ftrace_args_trampoline, . - ftrace_args_trampoline\n"
"	.popsection\n"
);

static struct ftrace_ops direct_ops;

static int register_direct(struct ftrace_ops *ops)
{
	return register_ftrace_direct(ops, (unsigned long)ftrace_args_trampoline);
}

static void unregister_direct(struct ftrace_ops *ops)
{
	unregister_ftrace_direct(ops, (unsigned long)ftrace_args_trampoline, true);
}
#endif

static bool has_ops, has_fprobe, has_direct;

static int check(const char *name, const char *tracer, unsigned int present,
		 const struct given *given)
{
	unsigned int i;

	if (given->calls != 1) {
		pr_err("%s: %s was called %u times, not once\n", name, tracer, given->calls);
		return -EIO;
	}
	for (i = 0; i < WORDS; i++) {
		if (!(present & BIT(i)) || given->words[i] == found[i])
			continue;
		pr_err("%s: %s was given %#x as word %u, the function %#x\n", name, tracer,
		       given->words[i], i, found[i]);
		return -EIO;
	}
	if (given->beyond) {
		pr_err("%s: %s was given %#x as word %u, which is on the stack\n", name, tracer,
		       given->beyond, WORDS);
		return -EIO;
	}
	/* An fprobe that has been asked before has it return elsewhere */
	if (!given->has_parent && !has_fprobe) {
		pr_err("%s: %s was given another return address\n", name, tracer);
		return -EIO;
	}
	return 0;
}

static int call(unsigned int at, u32 i)
{
	const char *name = cases[at].name;
	unsigned int present = cases[at].present;
	int err = 0;
	u32 ret;

	by_ops.calls = 0;
	by_regs.calls = 0;
	by_fprobe.calls = 0;
	by_direct.calls = 0;
	returns = 0;
	ret = cases[at].call(i);

	if (has_direct)
		err = check(name, "the trampoline", present, &by_direct);
	if (!err && has_ops)
		err = check(name, "the ops", present, &by_ops);
	if (!err && has_ops)
		err = check(name, "the ops with registers", present, &by_regs);
	if (!err && has_fprobe) {
		err = check(name, "the fprobe", present, &by_fprobe);
		if (!err && (returns != 1 || returned != ret)) {
			pr_err("%s: %u returns, the last of %#x, not one of %#x\n", name,
			       returns, returned, ret);
			err = -EIO;
		}
	}
	return err;
}

/* Has an ops trace all of the functions once it is registered */
static int filter(struct ftrace_ops *ops)
{
	unsigned int at;
	int ret = 0;

	for (at = 0; !ret && at < ARRAY_SIZE(cases); at++)
		ret = ftrace_set_filter(ops, (char *)cases[at].name, strlen(cases[at].name), !at);
	return ret;
}

static int trace(struct ftrace_ops *ops)
{
	return filter(ops) ?: register_ftrace_function(ops);
}

static int trace_fprobe(void)
{
	const char *names[ARRAY_SIZE(cases)];
	unsigned int at;

	for (at = 0; at < ARRAY_SIZE(cases); at++)
		names[at] = cases[at].name;
	return register_fprobe_syms(&fprobe, names, ARRAY_SIZE(names));
}

static int call_often(u32 calls)
{
	unsigned int at;
	int ret = 0;
	u32 i;

	for (i = 0; !ret && i < calls; i++)
		for (at = 0; !ret && at < ARRAY_SIZE(cases); at++)
			ret = call(at, i);
	return ret;
}

/* With the ops, then with the fprobe as well */
static int call_traced(u32 calls)
{
	int ret;

	ret = trace(&ops);
	if (ret)
		return ret;
	ret = trace(&regs_ops);
	if (ret)
		goto no_regs;
	has_ops = true;
	ret = call_often(calls);
	if (!ret && IS_ENABLED(CONFIG_FPROBE))
		ret = trace_fprobe();
	if (!ret && IS_ENABLED(CONFIG_FPROBE)) {
		has_fprobe = true;
		ret = call_often(calls);
		has_fprobe = false;
		unregister_fprobe(&fprobe);
	}
	has_ops = false;
	unregister_ftrace_function(&regs_ops);
no_regs:
	unregister_ftrace_function(&ops);
	return ret;
}

static int calls_set(const char *val, const struct kernel_param *kp)
{
	u32 calls;
	int ret;

	ret = kstrtou32(val, 0, &calls);
	if (!ret)
		ret = call_traced(calls);
#ifdef CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS
	if (!ret)
		ret = filter(&direct_ops) ?: register_direct(&direct_ops);
	if (!ret) {
		has_direct = true;
		ret = call_often(calls) ?: call_traced(calls);
		has_direct = false;
		unregister_direct(&direct_ops);
	}
#endif
	return ret;
}

static const struct kernel_param_ops calls_ops = {
	.set = calls_set,
};

module_param_cb(calls, &calls_ops, NULL, 0200);
MODULE_PARM_DESC(calls, "Calls each function this many times");

MODULE_DESCRIPTION("Functions whose arguments are traced");
MODULE_LICENSE("GPL");
