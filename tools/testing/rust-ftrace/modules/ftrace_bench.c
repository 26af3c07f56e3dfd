// SPDX-License-Identifier: GPL-2.0
/*
 * Work to measure: sites turned on and off, and calls that are traced or not.
 *
 *	cd /sys/module/ftrace_bench/parameters
 *	echo 0xc0101234 > site		# one more; none at all stands for every site
 *	echo 1 > toggle			# on and off, then forgets the sites
 *
 *	echo 1 > core			# a function of the kernel, 0: of this module
 *	echo 2 > relevant		# ops on it
 *	echo 10 > irrelevant		# ops on another function
 *	echo 1 > irqs_off		# no interrupt comes while it is called
 *	echo 100000 > calls
 *	cat calls			# how many nanoseconds they took
 *
 *	echo 300 > held			# ops on another function, until 0 are asked for
 *
 * What samples/ftrace/ftrace-ops.c cannot do: it calls functions of its own
 * only, and not while a tracer is on that was not there when it was loaded.
 */

#include <linux/fprobe.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

static unsigned int relevant;
module_param(relevant, uint, 0600);
MODULE_PARM_DESC(relevant, "Ops on the function that is called");

static unsigned int irrelevant;
module_param(irrelevant, uint, 0600);
MODULE_PARM_DESC(irrelevant, "Ops on another function");

static bool regs;
module_param(regs, bool, 0600);
MODULE_PARM_DESC(regs, "The ops ask for registers");

static bool kprobe;
module_param(kprobe, bool, 0600);
MODULE_PARM_DESC(kprobe, "A kprobe is on the function that is called");

#ifdef CONFIG_FPROBE
static bool fprobe;
module_param(fprobe, bool, 0600);
MODULE_PARM_DESC(fprobe, "An fprobe is on the function that is called, and on its return");
#endif

static bool irqs_off;
module_param(irqs_off, bool, 0600);
MODULE_PARM_DESC(irqs_off, "Interrupts are off while the function is called");

static bool core;
module_param(core, bool, 0600);
MODULE_PARM_DESC(core, "Call always_delete_dentry() in place of ftrace_bench_called()");

int ftrace_bench_called(const struct dentry *dentry);
int ftrace_bench_other(const struct dentry *dentry);

/* What always_delete_dentry() is */
noinline __noclone int ftrace_bench_called(const struct dentry *dentry)
{
	return 1;
}

noinline __noclone int ftrace_bench_other(const struct dentry *dentry)
{
	return 1;
}

/* Not traced itself, so that "every site" does not trace the tracer */
static void notrace ops_func(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *op, struct ftrace_regs *fregs)
{
}

/* Toggling */

static struct ftrace_ops toggled = { .func = ops_func };
static unsigned long sites[16384];
static unsigned int nr_sites;

static int site_set(const char *val, const struct kernel_param *kp)
{
	int ret;

	if (nr_sites == ARRAY_SIZE(sites))
		return -ENOSPC;
	ret = kstrtoul(val, 0, &sites[nr_sites]);
	if (!ret)
		nr_sites++;
	return ret;
}

static const struct kernel_param_ops site_ops = { .set = site_set };

module_param_cb(site, &site_ops, NULL, 0200);
MODULE_PARM_DESC(site, "One more site to toggle");

static int toggle_set(const char *val, const struct kernel_param *kp)
{
	int ret = 0;

	if (nr_sites)
		ret = ftrace_set_filter_ips(&toggled, sites, nr_sites, 0, 1);
	if (!ret)
		ret = register_ftrace_function(&toggled);
	if (!ret)
		ret = unregister_ftrace_function(&toggled);
	ftrace_free_filter(&toggled);
	nr_sites = 0;
	return ret;
}

static const struct kernel_param_ops toggle_ops = { .set = toggle_set };

module_param_cb(toggle, &toggle_ops, NULL, 0200);
MODULE_PARM_DESC(toggle, "Turns the sites on and off");

/* Calling */

struct bench_ops {
	struct ftrace_ops ops;
	bool registered;
};

static void remove_ops(struct bench_ops *list, unsigned int nr)
{
	while (nr--) {
		if (list[nr].registered)
			unregister_ftrace_function(&list[nr].ops);
		ftrace_free_filter(&list[nr].ops);
	}
}

static int add_ops(struct bench_ops *list, unsigned int nr, unsigned long function)
{
	int ret = 0;

	for (; nr-- && !ret; list++) {
		list->ops.func = ops_func;
		if (regs)
			list->ops.flags = FTRACE_OPS_FL_SAVE_REGS;
		ret = ftrace_set_filter_ip(&list->ops, function, 0, 0);
		if (!ret)
			ret = register_ftrace_function(&list->ops);
		list->registered = !ret;
	}
	return ret;
}

static int notrace kprobe_func(struct kprobe *p, struct pt_regs *regs)
{
	return 0;
}

#ifdef CONFIG_FPROBE
static int notrace fprobe_entry(struct fprobe *fp, unsigned long entry_ip,
				unsigned long ret_ip, struct ftrace_regs *fregs, void *data)
{
	return 0;
}

static void notrace fprobe_exit(struct fprobe *fp, unsigned long entry_ip,
				unsigned long ret_ip, struct ftrace_regs *fregs, void *data)
{
}

static struct fprobe probe = {
	.entry_handler = fprobe_entry,
	.exit_handler = fprobe_exit,
};

static int add_fprobe(unsigned long function)
{
	return fprobe ? register_fprobe_ips(&probe, &function, 1) : 0;
}

static void remove_fprobe(void)
{
	if (fprobe)
		unregister_fprobe(&probe);
}
#else
static int add_fprobe(unsigned long function)
{
	return 0;
}

static void remove_fprobe(void)
{
}
#endif

static u64 calls_ns;

/* The loop around both functions is the same: it calls through a pointer. */
static noinline u64 measure(int (*function)(const struct dentry *), u32 calls)
{
	ktime_t start = ktime_get();
	unsigned long flags;

	if (irqs_off)
		local_irq_save(flags);
	while (calls--)
		function(NULL);
	if (irqs_off)
		local_irq_restore(flags);
	return ktime_to_ns(ktime_sub(ktime_get(), start));
}

static int measure_probed(int (*function)(const struct dentry *), u32 calls)
{
	struct kprobe kp = {
		.addr = (kprobe_opcode_t *)function,
		.pre_handler = kprobe_func,
	};
	int ret;

	ret = add_fprobe((unsigned long)function);
	if (ret)
		return ret;
	if (kprobe)
		ret = register_kprobe(&kp);
	if (!ret) {
		calls_ns = measure(function, calls);
		if (kprobe)
			unregister_kprobe(&kp);
	}
	remove_fprobe();
	return ret;
}

static int calls_set(const char *val, const struct kernel_param *kp)
{
	int (*function)(const struct dentry *) = core ? always_delete_dentry : ftrace_bench_called;
	unsigned int nr = relevant + irrelevant;
	struct bench_ops *list;
	u32 calls;
	int ret;

	ret = kstrtou32(val, 0, &calls);
	if (ret)
		return ret;
	list = kcalloc(nr, sizeof(*list), GFP_KERNEL);
	if (!list)
		return -ENOMEM;

	ret = add_ops(list, relevant, (unsigned long)function);
	if (!ret)
		ret = add_ops(list + relevant, irrelevant, (unsigned long)ftrace_bench_other);
	if (!ret)
		ret = measure_probed(function, calls);
	remove_ops(list, nr);
	kfree(list);
	return ret;
}

static int calls_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%llu\n", calls_ns);
}

static const struct kernel_param_ops calls_ops = {
	.set = calls_set,
	.get = calls_get,
};

module_param_cb(calls, &calls_ops, NULL, 0600);
MODULE_PARM_DESC(calls, "Calls the function this many times, then reads as nanoseconds");

/* Holding ops, to see what memory they take */

static struct bench_ops *held_ops;
static unsigned int nr_held;

static void drop_held(void)
{
	remove_ops(held_ops, nr_held);
	kfree(held_ops);
	held_ops = NULL;
	nr_held = 0;
}

static int held_set(const char *val, const struct kernel_param *kp)
{
	unsigned int nr;
	int ret;

	ret = kstrtouint(val, 0, &nr);
	if (ret)
		return ret;
	drop_held();
	if (!nr)
		return 0;
	held_ops = kcalloc(nr, sizeof(*held_ops), GFP_KERNEL);
	if (!held_ops)
		return -ENOMEM;
	nr_held = nr;
	ret = add_ops(held_ops, nr, (unsigned long)ftrace_bench_other);
	if (ret)
		drop_held();
	return ret;
}

static const struct kernel_param_ops held_param_ops = { .set = held_set };

module_param_cb(held, &held_param_ops, NULL, 0200);
MODULE_PARM_DESC(held, "Ops on another function to keep");

static unsigned int page_bytes = PAGE_SIZE;
module_param(page_bytes, uint, 0400);
MODULE_PARM_DESC(page_bytes, "Size of a page");

static unsigned int record_bytes = sizeof(struct dyn_ftrace);
module_param(record_bytes, uint, 0400);
MODULE_PARM_DESC(record_bytes, "What ftrace keeps of a site");

module_exit(drop_held);

MODULE_DESCRIPTION("Work to measure ftrace by");
MODULE_LICENSE("GPL");
