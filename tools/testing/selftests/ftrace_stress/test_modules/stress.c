// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that execute call sites in tight loops while the sites are turned
 * on and off.
 *
 *	insmod ftrace_stress.ko seed=1 threads=4
 *	echo 2000 > /sys/module/ftrace_stress/parameters/changes
 *
 * changes 2,000 times whether a function is traced, with registers or
 * without, while low-priority threads call all these functions. The write
 * fails if
 *
 *	a call returned a wrong value or changed a register that it must keep,
 *	a tracer was called with an address that is not its function's,
 *	calls of a function that is traced all the time were not all counted,
 *	a thread does not come back.
 *
 * The log then says which, and reading "report" gives the numbers.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/gcd.h>
#include <linux/kthread.h>
#include <linux/math.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sched/debug.h>
#include <linux/slab.h>

#include "stress.h"

static uint seed = 1;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "What the order of changes and the patterns are made of");

static uint threads;
module_param(threads, uint, 0444);
MODULE_PARM_DESC(threads, "Threads that call the functions (default: two for each CPU)");

static uint pause_us = 3000;
module_param(pause_us, uint, 0644);
MODULE_PARM_DESC(pause_us, "The longest pause between two changes, in microseconds");

/*
 * The function with the shortest body is called so often in a row, so that a
 * thread that is preempted is likely to stand in its call site.
 */
#define LEAF_CALLS	100

/* How long a thread may take to come back when the changes are done */
#define THREAD_TIMEOUT	(30 * HZ)

/* A call site follows the function's prologue. */
#define PROLOGUE_MAX	96

noinline __noclone u32 ftrace_stress_counted(u32 a)
{
	return a + 1;
}

/* More than the registers for arguments hold */
noinline __noclone u64 ftrace_stress_wide(u64 a, u64 b, u64 c)
{
	return a ^ rol64(b, 1) ^ rol64(c, 2);
}

noinline __noclone u32 ftrace_stress_nonleaf(u32 a, u32 b, u32 c, u32 d)
{
	return ftrace_stress_leaf(a, b, c, d) ^ rol32(b, 1) ^ rol32(c, 2) ^ rol32(d, 3);
}

/* Keeps a filter from becoming empty, which would stand for all functions. */
noinline __noclone u32 ftrace_stress_never(u32 a)
{
	return a;
}

/* The functions to trace now and then */
static const struct target {
	unsigned long address;
	bool ours;
} targets[] = {
	{ (unsigned long)ftrace_stress_leaf, true },
	{ (unsigned long)ftrace_stress_wide, true },
	{ (unsigned long)ftrace_stress_nonleaf, true },
	{ (unsigned long)int_sqrt, false },
	{ (unsigned long)gcd, false },
};

struct caller {
	struct task_struct *task;
	struct completion done;
	unsigned long rounds;
	unsigned long errors;
	u32 seed;
};

struct changer {
	struct task_struct *task;
	struct completion done;
	unsigned long changes;
};

static DEFINE_MUTEX(run_lock);
static bool stopping;
static atomic_long_t hits, counted_hits, bad_addresses;
static unsigned long bad_ip, bad_parent;
static unsigned long changes, rounds, errors;

/* A pointer to a Thumb function is odd. */
static unsigned long notrace code(unsigned long function)
{
	return IS_ENABLED(CONFIG_THUMB2_KERNEL) ? function & ~1UL : function;
}

static bool notrace is_site(unsigned long ip, unsigned long function)
{
	return ip - code(function) < PROLOGUE_MAX;
}

static void notrace bad(unsigned long ip, unsigned long parent_ip)
{
	if (atomic_long_inc_return(&bad_addresses) == 1) {
		bad_ip = ip;
		bad_parent = parent_ip;
	}
}

static void notrace hit(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			struct ftrace_regs *fregs)
{
	int i;

	atomic_long_inc(&hits);
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		if (!is_site(ip, targets[i].address))
			continue;
		if (!targets[i].ours || within_module(parent_ip, THIS_MODULE))
			return;
	}
	bad(ip, parent_ip);
}

static void notrace counted_hit(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
				struct ftrace_regs *fregs)
{
	atomic_long_inc(&counted_hits);
	if (!is_site(ip, (unsigned long)ftrace_stress_counted) ||
	    !within_module(parent_ip, THIS_MODULE))
		bad(ip, parent_ip);
}

static struct ftrace_ops counted_ops = {
	.func = counted_hit,
};

/* Both trace the same functions at times, so that sites go from one entry to the other. */
static struct ftrace_ops changing_ops[] = {
	{ .func = hit },
	{
		.func = hit,
		.flags = IS_ENABLED(CONFIG_DYNAMIC_FTRACE_WITH_REGS) ? FTRACE_OPS_FL_SAVE_REGS : 0,
	},
};

/* What can change: for each function, whether each of the ops traces it. */
#define CHANGES	(ARRAY_SIZE(targets) * ARRAY_SIZE(changing_ops))

static bool expect(const char *what, u64 got, u64 expected)
{
	if (got == expected)
		return true;
	pr_err_ratelimited("%s: %#llx instead of %#llx\n", what, got, expected);
	return false;
}

static bool call_all(u32 a)
{
	u32 b = rol32(a, 7) * 0x9e3779b9, c = a ^ b, d = ~b;
	u64 x = (u64)a << 32 | b, y = (u64)c << 32 | d, z = (u64)d << 32 | a;
	unsigned long n = (a & 0xffff) | 1;
	u32 i, wrong = 0;
	bool good;

	for (i = 0; i < LEAF_CALLS; i++)
		wrong |= ftrace_stress_leaf(i, b, c, d) ^ i;
	good = expect("ftrace_stress_leaf()", wrong, 0);
	good &= expect("registers that changed", ftrace_stress_regs(a), 0);
	good &= expect("ftrace_stress_counted()", ftrace_stress_counted(a), a + 1);
	good &= expect("ftrace_stress_wide()", ftrace_stress_wide(x, y, z),
		       x ^ rol64(y, 1) ^ rol64(z, 2));
	good &= expect("ftrace_stress_nonleaf()", ftrace_stress_nonleaf(a, b, c, d),
		       a ^ rol32(b, 1) ^ rol32(c, 2) ^ rol32(d, 3));
	good &= expect("int_sqrt()", int_sqrt(n * n), n);
	good &= expect("gcd()", gcd(6 * n, 35 * n), n);
	return good;
}

static int call_loop(void *data)
{
	struct caller *caller = data;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, caller->seed);
	while (!READ_ONCE(stopping)) {
		if (!call_all(prandom_u32_state(&rnd)))
			caller->errors++;
		caller->rounds++;
		cond_resched_tasks_rcu_qs();
	}
	complete(&caller->done);
	return 0;
}

/* Changes whether a function is traced, over and over, before whatever else wants to run. */
static int change_loop(void *data)
{
	DECLARE_BITMAP(traced, CHANGES) = {};
	struct changer *changer = data;
	struct rnd_state rnd;
	int ret = 0;

	prandom_seed_state(&rnd, seed);
	for (; !ret && changer->changes < changes; changer->changes++) {
		/* Half of the changes are of the first function, see LEAF_CALLS. */
		u32 bit = prandom_u32_state(&rnd) %
			  (changer->changes % 2 ? ARRAY_SIZE(changing_ops) : CHANGES);
		unsigned long address = targets[bit / ARRAY_SIZE(changing_ops)].address;
		struct ftrace_ops *ops = &changing_ops[bit % ARRAY_SIZE(changing_ops)];

		/* If that CPU is offline, this one will do. */
		set_cpus_allowed_ptr(current, cpumask_of(prandom_u32_state(&rnd) % nr_cpu_ids));
		ret = ftrace_set_filter_ip(ops, code(address), test_bit(bit, traced), 0);
		if (ret)
			pr_err("%ps cannot be turned %s: %d\n", (void *)address,
			       test_bit(bit, traced) ? "off" : "on", ret);
		__change_bit(bit, traced);
		usleep_range(1, 1 + prandom_u32_state(&rnd) % max(pause_us, 1u));
	}
	complete(&changer->done);
	return ret;
}

/* The thread is there until kthread_stop_put(), even if it ends before. */
static struct task_struct *start(int (*loop)(void *), void *data, const char *name)
{
	struct task_struct *task = kthread_create(loop, data, "ftrace_stress/%s", name);

	return IS_ERR(task) ? task : get_task_struct(task);
}

static int trace(struct ftrace_ops *ops, u32 (*function)(u32))
{
	int ret = ftrace_set_filter_ip(ops, code((unsigned long)function), 0, 1);

	return ret ?: register_ftrace_function(ops);
}

static void untrace(struct ftrace_ops *ops)
{
	if (ops->flags & FTRACE_OPS_FL_ENABLED)
		unregister_ftrace_function(ops);
	ftrace_free_filter(ops);
}

/* Returns how many threads run. */
static int start_callers(struct caller *callers, unsigned int number)
{
	unsigned int i;

	for (i = 0; i < number; i++) {
		struct caller *caller = &callers[i];

		init_completion(&caller->done);
		caller->seed = seed + i;
		caller->task = start(call_loop, caller, "call");
		if (IS_ERR(caller->task))
			break;
		set_user_nice(caller->task, 10);
		wake_up_process(caller->task);
	}
	return i;
}

static int stop_callers(struct caller *callers, unsigned int number)
{
	unsigned int i;
	int ret = 0;

	WRITE_ONCE(stopping, true);
	for (i = 0; i < number; i++) {
		struct caller *caller = &callers[i];

		if (!wait_for_completion_timeout(&caller->done, THREAD_TIMEOUT)) {
			pr_err("a thread does not come back\n");
			sched_show_task(caller->task);
			ret = -ETIMEDOUT;
			continue;
		}
		kthread_stop_put(caller->task);
		rounds += caller->rounds;
		errors += caller->errors;
	}
	return ret;
}

static int change(void)
{
	struct changer changer = {};

	init_completion(&changer.done);
	changer.task = start(change_loop, &changer, "change");
	if (IS_ERR(changer.task))
		return PTR_ERR(changer.task);
	sched_set_fifo(changer.task);
	wake_up_process(changer.task);
	/* However long it takes, this task does not hang. */
	wait_for_completion_state(&changer.done, TASK_IDLE);
	changes = changer.changes;
	return kthread_stop_put(changer.task);
}

static int run(void)
{
	unsigned int number = threads ?: 2 * num_online_cpus();
	struct caller *callers;
	int i, started, ret, stuck;

	callers = kcalloc(number, sizeof(*callers), GFP_KERNEL);
	if (!callers)
		return -ENOMEM;
	stopping = false;
	rounds = 0;
	errors = 0;
	atomic_long_set(&hits, 0);
	atomic_long_set(&counted_hits, 0);
	atomic_long_set(&bad_addresses, 0);

	ret = trace(&counted_ops, ftrace_stress_counted);
	for (i = 0; !ret && i < ARRAY_SIZE(changing_ops); i++)
		ret = trace(&changing_ops[i], ftrace_stress_never);

	started = ret ? 0 : start_callers(callers, number);
	if (!ret)
		ret = started < number ? -ENOMEM : change();
	stuck = stop_callers(callers, started);
	if (stuck) {
		/* It may still execute our code and use its memory. */
		__module_get(THIS_MODULE);
		return stuck;
	}

	for (i = 0; i < ARRAY_SIZE(changing_ops); i++)
		untrace(&changing_ops[i]);
	untrace(&counted_ops);
	kfree(callers);

	if (atomic_long_read(&bad_addresses))
		pr_err("a tracer was called for %pS, called by %pS\n", (void *)bad_ip,
		       (void *)bad_parent);
	if (atomic_long_read(&counted_hits) != rounds)
		pr_err("%lu calls, %ld counted\n", rounds, atomic_long_read(&counted_hits));
	if (errors || !rounds || atomic_long_read(&bad_addresses) ||
	    atomic_long_read(&counted_hits) != rounds)
		return ret ?: -EIO;
	return ret;
}

static int changes_set(const char *val, const struct kernel_param *kp)
{
	int ret;

	guard(mutex)(&run_lock);
	ret = kstrtoul(val, 0, &changes);
	return ret ?: run();
}

static const struct kernel_param_ops changes_ops = {
	.set = changes_set,
};

module_param_cb(changes, &changes_ops, NULL, 0200);
MODULE_PARM_DESC(changes, "Makes this many changes while the functions are called");

static int report_get(char *buffer, const struct kernel_param *kp)
{
	guard(mutex)(&run_lock);
	return sysfs_emit(buffer, "changes %lu\ncalls %lu\ncounted %ld\nhits %ld\nerrors %lu\n"
			  "bad_addresses %ld\n", changes, rounds, atomic_long_read(&counted_hits),
			  atomic_long_read(&hits), errors, atomic_long_read(&bad_addresses));
}

static const struct kernel_param_ops report_ops = {
	.get = report_get,
};

module_param_cb(report, &report_ops, NULL, 0444);
MODULE_PARM_DESC(report, "Numbers of the last run");

MODULE_DESCRIPTION("Executes call sites of ftrace while they change");
MODULE_LICENSE("GPL");
