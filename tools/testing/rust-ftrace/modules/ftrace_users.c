// SPDX-License-Identifier: GPL-2.0
/*
 * Users of ftrace, each of which traces all functions.
 *
 *	echo 2 > /sys/module/ftrace_users/parameters/ops
 *
 * makes two of a kind trace, whatever their number was before. The kinds are
 *
 *	ops	ftrace_ops of a module
 *	perf	perf counters of the event ftrace:function
 *	entries	fprobes of functions' entries
 *	returns	fprobes of functions' entries and returns
 *
 * A parameter reads as the number of users that trace and the number of calls
 * that these, and those before them, have seen.
 */

#include <linux/cpumask.h>
#include <linux/fprobe.h>
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/perf_event.h>

/* The most users of a kind */
#define USERS	4

/* Users of a kind. They come in order and go in the reverse order. */
struct kind {
	int (*on)(int user);
	void (*off)(int user);
	/* Those that trace */
	int users;
	u64 calls;
};

static u32 function_event;

module_param(function_event, uint, 0444);
MODULE_PARM_DESC(function_event, "The id of the event ftrace:function");

static struct kind ops, perf, entries, returns;

static void notrace ops_func(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *op, struct ftrace_regs *fregs)
{
	ops.calls++;
}

static struct ftrace_ops all_ops[USERS] = {
	[0 ... USERS - 1] = { .func = ops_func },
};

static int ops_on(int user)
{
	return register_ftrace_function(&all_ops[user]);
}

static void ops_off(int user)
{
	unregister_ftrace_function(&all_ops[user]);
}

static struct kind ops = { .on = ops_on, .off = ops_off };

static struct perf_event *all_perf[USERS];

static int perf_on(int user)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = function_event,
	};

	all_perf[user] = perf_event_create_kernel_counter(&attr, cpumask_first(cpu_online_mask),
							  NULL, NULL, NULL);
	return PTR_ERR_OR_ZERO(all_perf[user]);
}

static void perf_off(int user)
{
	u64 enabled, running;

	perf.calls += perf_event_read_value(all_perf[user], &enabled, &running);
	perf_event_release_kernel(all_perf[user]);
}

static struct kind perf = { .on = perf_on, .off = perf_off };

static int notrace entry(struct fprobe *fp, unsigned long ip, unsigned long ret_ip,
			 struct ftrace_regs *fregs, void *data)
{
	entries.calls++;
	return 0;
}

static struct fprobe all_entries[USERS] = {
	[0 ... USERS - 1] = { .entry_handler = entry },
};

static int entries_on(int user)
{
	return register_fprobe(&all_entries[user], "*", NULL);
}

static void entries_off(int user)
{
	unregister_fprobe(&all_entries[user]);
}

static struct kind entries = { .on = entries_on, .off = entries_off };

static void notrace ret(struct fprobe *fp, unsigned long ip, unsigned long ret_ip,
			struct ftrace_regs *fregs, void *data)
{
	returns.calls++;
}

static struct fprobe all_returns[USERS] = {
	[0 ... USERS - 1] = { .exit_handler = ret },
};

static int returns_on(int user)
{
	return register_fprobe(&all_returns[user], "*", NULL);
}

static void returns_off(int user)
{
	unregister_fprobe(&all_returns[user]);
}

static struct kind returns = { .on = returns_on, .off = returns_off };

static int users_set(const char *val, const struct kernel_param *kp)
{
	struct kind *kind = kp->arg;
	u32 users;
	int ret;

	ret = kstrtou32(val, 0, &users);
	if (ret)
		return ret;
	if (users > USERS)
		return -EINVAL;
	while (kind->users < users) {
		ret = kind->on(kind->users);
		if (ret)
			return ret;
		kind->users++;
	}
	while (kind->users > users)
		kind->off(--kind->users);
	return 0;
}

static int users_get(char *buffer, const struct kernel_param *kp)
{
	struct kind *kind = kp->arg;
	u64 calls = kind->calls, enabled, running;
	int user;

	for (user = 0; kind == &perf && user < kind->users; user++)
		calls += perf_event_read_value(all_perf[user], &enabled, &running);
	return sysfs_emit(buffer, "%d %llu\n", kind->users, calls);
}

static const struct kernel_param_ops users_ops = {
	.set = users_set,
	.get = users_get,
};

module_param_cb(ops, &users_ops, &ops, 0644);
module_param_cb(perf, &users_ops, &perf, 0644);
module_param_cb(entries, &users_ops, &entries, 0644);
module_param_cb(returns, &users_ops, &returns, 0644);

static int __init users_init(void)
{
	return 0;
}
module_init(users_init);

static void __exit users_exit(void)
{
	static struct kind *const kinds[] = { &ops, &perf, &entries, &returns };
	int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		while (kinds[i]->users)
			kinds[i]->off(--kinds[i]->users);
}
module_exit(users_exit);

MODULE_DESCRIPTION("Users of ftrace that trace all functions");
MODULE_LICENSE("GPL");
