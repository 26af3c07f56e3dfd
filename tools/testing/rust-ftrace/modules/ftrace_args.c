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
 * fit into the registers for arguments must read as 0. Then tracers change what
 * functions return and, where the call site is their first instruction, return
 * or go on elsewhere in place of them.
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

/* Where it returns to, 0 if that is not known */
static unsigned long found_return;

/* The argument that its caller has left on top of the stack */
static u32 found_stack;

static __always_inline void expect(size_t at, const void *value, size_t size)
{
	memcpy((void *)found + at, value, size);
}

/* Inlined into the called function, whose return address it takes */
static __always_inline void find(size_t at, const void *value, size_t size)
{
	expect(at, value, size);
	found_return = (unsigned long)__builtin_return_address(0);
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
u32 ftrace_args_split(u32 a, u32 b, u32 c, struct pair d);
s8 ftrace_args_signed(s64 a);

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
	found_stack = e;
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

/* The second word of the structure is on the stack */
noinline __noclone u32 ftrace_args_split(u32 a, u32 b, u32 c, struct pair d)
{
	u32 words[] = { a, b, c, d.x };

	find(0, words, sizeof(words));
	found_stack = d.y;
	return a + b + c + d.x + d.y;
}

noinline __noclone s8 ftrace_args_signed(s64 a)
{
	find(0, &a, sizeof(a));
	return a;
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
	u32 stack;
	unsigned long parent;
	const char *differs;	/* in which way the accessors contradict each other */
};

static struct given by_ops, by_regs, by_fprobe, by_direct;
static unsigned int returns;
static u32 returned;
static unsigned long returned_to;
static bool changes_return;

/* Not traced themselves: some jump to the function, which returns for them */
static notrace u32 call_narrow(u32 i)
{
	return ftrace_args_narrow(i, -i, i * 257, -i * 257);
}

static notrace u32 call_words(u32 i)
{
	return ftrace_args_words(i, ~i, i + 1, i * 3, i * 5, i * 7);
}

static notrace u32 call_pointers(u32 i)
{
	return (u32)ftrace_args_pointers(&found[i % WORDS], (const char *)&i);
}

static notrace u32 call_wide(u32 i)
{
	return first_word(ftrace_args_wide(0x123456789abcdefULL * i, ~(u64)i, i));
}

static notrace u32 call_aligned(u32 i)
{
	return ftrace_args_aligned(i, 0xfedcba987654321ULL * i);
}

static notrace u32 call_pair(u32 i)
{
	return ftrace_args_pair((struct pair){ i, ~i }, i * 3);
}

static notrace u32 call_large(u32 i)
{
	return ftrace_args_large((struct large){ { i, ~i, i + 1, i * 3, i * 5, i * 7 } });
}

static notrace u32 call_split(u32 i)
{
	return ftrace_args_split(i, ~i, i * 3, (struct pair){ i + 1, i * 5 });
}

static notrace u32 call_signed(u32 i)
{
	return ftrace_args_signed(-0x123456789LL * i);
}

static notrace u32 call_mktime64(u32 i)
{
	u32 words[] = { 2000 + i % 30, 1 + i % 12, 1 + i % 28, i % 24 };

	expect(0, words, sizeof(words));
	return first_word(mktime64(words[0], words[1], words[2], words[3], i % 60, i % 60));
}

static notrace u32 call_timespec64_to_jiffies(u32 i)
{
	struct timespec64 time = { .tv_sec = i, .tv_nsec = i };

	found[0] = (u32)&time;
	return timespec64_to_jiffies(&time);
}

/* Returns nothing: what is in the register then is not looked at */
static notrace u32 call_set_normalized_timespec64(u32 i)
{
	struct timespec64 time;
	s64 seconds = 0x123456789LL * i;

	found[0] = (u32)&time;
	expect(8, &seconds, sizeof(seconds));
	set_normalized_timespec64(&time, seconds, i);
	return returned;
}

/* The word that the caller has left on top of the stack */
#define ON_STACK	BIT(WORDS)

static const struct {
	const char *name;
	u32 (*call)(u32 i);
	unsigned int present;	/* a mask of the words that are arguments */
} cases[] = {
	{ "ftrace_args_narrow",		call_narrow,		0xf },
	{ "ftrace_args_words",		call_words,		0xf | ON_STACK },
	{ "ftrace_args_pointers",	call_pointers,		0x3 },
	{ "ftrace_args_wide",		call_wide,		0xf },
	{ "ftrace_args_aligned",	call_aligned,		0xd },
	{ "ftrace_args_pair",		call_pair,		0x7 },
	{ "ftrace_args_large",		call_large,		0xf },
	{ "ftrace_args_split",		call_split,		0xf | ON_STACK },
	{ "ftrace_args_signed",		call_signed,		0x3 },
	{ "mktime64",			call_mktime64,		0xf },
	{ "timespec64_to_jiffies",	call_timespec64_to_jiffies, 0x1 },
	{ "set_normalized_timespec64",	call_set_normalized_timespec64, 0xd },
};

static bool has_ops, has_fprobe, has_direct;

/*
 * Where the functions were called from the first time, when nothing hooked
 * their returns, and where they return to when something does
 */
static unsigned long callers[ARRAY_SIZE(cases)], hooked;

/* In which way the accessors contradict each other, NULL if they do not */
static notrace const char *differs(struct ftrace_regs *fregs, unsigned long parent_ip)
{
	struct pt_regs all, *regs = ftrace_get_regs(fregs), *partial;
	int i;

	/* An fprobe that has been asked before has it return elsewhere */
	if (parent_ip != ftrace_regs_get_return_address(fregs) && !has_fprobe)
		return "the return address";

	memset(&all, 0, sizeof(all));
	partial = ftrace_partial_regs(fregs, &all);
	if (instruction_pointer(partial) != ftrace_regs_get_instruction_pointer(fregs) ||
	    (regs && instruction_pointer(regs) != instruction_pointer(partial)))
		return "the instruction pointer";
	if (kernel_stack_pointer(partial) != ftrace_regs_get_stack_pointer(fregs) ||
	    (regs && kernel_stack_pointer(regs) != kernel_stack_pointer(partial)))
		return "the stack pointer";
	for (i = 0; i < WORDS; i++)
		if (regs_get_kernel_argument(partial, i) != ftrace_regs_get_argument(fregs, i))
			return "an argument";
	return NULL;
}

static void notrace give(struct given *given, struct ftrace_regs *fregs,
			 unsigned long parent_ip)
{
	int i;

	given->calls++;
	for (i = 0; i < WORDS; i++)
		given->words[i] = ftrace_regs_get_argument(fregs, i);
	given->beyond = ftrace_regs_get_argument(fregs, WORDS);
	given->stack = *(u32 *)ftrace_regs_get_stack_pointer(fregs);
	given->parent = parent_ip;
	given->differs = differs(fregs, parent_ip);
}

static void notrace trace_ops(unsigned long ip, unsigned long parent_ip,
			      struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	give(&by_ops, fregs, parent_ip);
}

static void notrace trace_regs(unsigned long ip, unsigned long parent_ip,
			       struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	give(&by_regs, fregs, parent_ip);
	if (IS_ENABLED(CONFIG_DYNAMIC_FTRACE_WITH_REGS) && !ftrace_get_regs(fregs))
		by_regs.differs = "whether there are registers";
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
	returned_to = ftrace_regs_get_return_address(fregs);
	if (changes_return)
		ftrace_regs_set_return_value(fregs, returned + 1);
}

static struct ftrace_ops ops = {
	.func = trace_ops,
};

static struct ftrace_ops regs_ops = {
	.func = trace_regs,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_SAVE_REGS_IF_SUPPORTED,
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

static int check(unsigned int at, const char *tracer, const struct given *given)
{
	const char *name = cases[at].name;
	/* clang has written to the registers before it calls ftrace */
	bool known = IS_ENABLED(CONFIG_HAVE_FUNCTION_ARG_ACCESS_API) || given == &by_direct;
	unsigned int present = known ? cases[at].present : 0;
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
	/* The rest is what registers tell. A trampoline is given none. */
	if (given == &by_direct)
		return 0;
	if (given->differs) {
		pr_err("%s: %s is told %s in two ways\n", name, tracer, given->differs);
		return -EIO;
	}
	if (IS_ENABLED(CONFIG_ARM_FTRACE_PADS) && (present & ON_STACK) &&
	    given->stack != found_stack) {
		pr_err("%s: %s found %#x on the stack, the function %#x\n", name, tracer,
		       given->stack, found_stack);
		return -EIO;
	}
	/* An ops may be asked when the return is hooked */
	if (given->parent != callers[at] &&
	    (given == &by_fprobe || given->parent != hooked)) {
		pr_err("%s: %s was given %pS as the caller, not %pS\n", name, tracer,
		       (void *)given->parent, (void *)callers[at]);
		return -EIO;
	}
	return 0;
}

static int call(unsigned int at, u32 i)
{
	const char *name = cases[at].name;
	int err = 0;
	u32 ret;

	by_ops.calls = 0;
	by_regs.calls = 0;
	by_fprobe.calls = 0;
	by_direct.calls = 0;
	returns = 0;
	found_return = 0;
	ret = cases[at].call(i);
	if (!callers[at])
		callers[at] = found_return ?: by_ops.parent;
	if (found_return && found_return != callers[at])
		hooked = found_return;

	if (has_direct)
		err = check(at, "the trampoline", &by_direct);
	if (!err && has_ops)
		err = check(at, "the ops", &by_ops);
	if (!err && has_ops)
		err = check(at, "the ops with registers", &by_regs);
	if (!err && has_fprobe) {
		err = check(at, "the fprobe", &by_fprobe);
		if (!err && (returns != 1 || returned != ret)) {
			pr_err("%s: %u returns, the last of %#x, not one of %#x\n", name,
			       returns, returned, ret);
			err = -EIO;
		} else if (!err && returned_to) {
			pr_err("%s: the fprobe was told of a return to %#lx, which nobody knows\n",
			       name, returned_to);
			err = -EIO;
		}
	}
	return err;
}

/* Has an ops trace all of the functions once it is registered */
static int filter(struct ftrace_ops *ops)
{
	char ours[] = "ftrace_args_*";	/* ftrace cuts the wildcard off */
	unsigned int at;
	int ret;

	/* Each call searches all functions, so one is for all of ours */
	ret = ftrace_set_filter(ops, ours, strlen(ours), 1);
	for (at = 0; !ret && at < ARRAY_SIZE(cases); at++) {
		const char *name = cases[at].name;

		if (!str_has_prefix(name, "ftrace_args_"))
			ret = ftrace_set_filter(ops, (char *)name, strlen(name), 0);
	}
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

static int call_words_for(u32 expected, const char *what)
{
	u32 ret = ftrace_args_words(1, 2, 3, 4, 5, 6);

	if (ret == expected)
		return 0;
	pr_err("ftrace_args_words returned %u with %s, not %u\n", ret, what, expected);
	return -EIO;
}

#ifdef CONFIG_ARM_FTRACE_PADS
u32 ftrace_args_instead(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f);

noinline __noclone notrace u32 ftrace_args_instead(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f)
{
	return a * b * c * d * e * f;
}

static bool returns_at_once;

static void notrace trace_elsewhere(unsigned long ip, unsigned long parent_ip,
				    struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	if (returns_at_once) {
		ftrace_regs_set_return_value(fregs, 77);
		ftrace_override_function_with_return(fregs);
	} else {
		ftrace_regs_set_instruction_pointer(fregs, (unsigned long)ftrace_args_instead);
	}
}

static struct ftrace_ops elsewhere[] = {
	{ .func = trace_elsewhere, .flags = FTRACE_OPS_FL_IPMODIFY },
	{ .func = trace_elsewhere, .flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_SAVE_REGS },
};

static int call_elsewhere(void)
{
	struct ftrace_ops *ops;
	int ret = 0;

	for (ops = elsewhere; !ret && ops < elsewhere + ARRAY_SIZE(elsewhere); ops++) {
		ret = ftrace_set_filter(ops, "ftrace_args_words", strlen("ftrace_args_words"), 1);
		ret = ret ?: register_ftrace_function(ops);
		if (ret)
			break;
		returns_at_once = true;
		ret = call_words_for(77, "an ops that has it return at once");
		returns_at_once = false;
		ret = ret ?: call_words_for(720, "an ops that has it go on elsewhere");
		unregister_ftrace_function(ops);
	}
	return ret;
}
#else
static int call_elsewhere(void)
{
	return 0;
}
#endif

static int call_changed(void)
{
	int ret;

	ret = call_elsewhere();
	if (!ret && IS_ENABLED(CONFIG_FPROBE))
		ret = trace_fprobe();
	if (!ret && IS_ENABLED(CONFIG_FPROBE)) {
		changes_return = true;
		ret = call_words_for(22, "an fprobe that adds 1");
		changes_return = false;
		unregister_fprobe(&fprobe);
	}
	return ret ?: call_words_for(21, "no tracer");
}

static int calls_set(const char *val, const struct kernel_param *kp)
{
	u32 calls;
	int ret;

	ret = kstrtou32(val, 0, &calls);
	if (!ret)
		ret = call_traced(calls) ?: call_changed();
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
