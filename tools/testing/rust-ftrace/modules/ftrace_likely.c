// SPDX-License-Identifier: GPL-2.0
/*
 * Likely branches of MIPS, to probe. They execute their delay slot if they are
 * taken, and skip it if they are not.
 *
 *	echo 0 > /sys/module/ftrace_likely/parameters/branch
 *
 * has each branch taken and not taken, and fails if one goes wrong. So does 1,
 * with a probe on each. "beq" is here for comparison: it always executes its
 * delay slot.
 */

#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

/* What is added up: the delay slot was executed, the branch was taken */
#define SLOT	1
#define TAKEN	2

/* The branch is at +8. Some change ra, so t0 has the return address. */
#define BRANCH(name, operands)						\
	u32 ftrace_likely_##name(s32 a, s32 b);				\
	asm("	.pushsection .text\n"					\
	    "	.set	push\n"						\
	    "	.set	noreorder\n"					\
	    "	.align	2\n"						\
	    "	.globl	ftrace_likely_" #name "\n"			\
	    "	.type	ftrace_likely_" #name ", @function\n"		\
	    "ftrace_likely_" #name ":\n"				\
	    "	move	$8, $31\n"					\
	    "	li	$2, 0\n"					\
	    "	" #name "	" operands ", 1f\n"			\
	    "	 addiu	$2, $2, 1\n"					\
	    "	jr	$8\n"						\
	    "	 nop\n"							\
	    "1:	jr	$8\n"						\
	    "	 addiu	$2, $2, 2\n"					\
	    "	.size	ftrace_likely_" #name ", . - ftrace_likely_" #name "\n" \
	    "	.set	pop\n"						\
	    "	.popsection")

BRANCH(beq, "$4, $5");
BRANCH(beql, "$4, $5");
BRANCH(bnel, "$4, $5");
BRANCH(blezl, "$4");
BRANCH(bgtzl, "$4");
BRANCH(bltzl, "$4");
BRANCH(bgezl, "$4");
BRANCH(bltzall, "$4");
BRANCH(bgezall, "$4");

struct branch {
	const char *name;
	u32 (*function)(s32 a, s32 b);
	s32 taken;	/* "a" that has the branch taken if "b" is 0 */
	s32 not_taken;
	u32 slot;	/* what there is if it is not taken */
};

#define ROW(name, taken, not_taken, slot) \
	{ #name, ftrace_likely_##name, taken, not_taken, slot }

static const struct branch branches[] = {
	ROW(beq, 0, 1, SLOT),
	ROW(beql, 0, 1, 0),
	ROW(bnel, 1, 0, 0),
	ROW(blezl, 0, 1, 0),
	ROW(bgtzl, 1, 0, 0),
	ROW(bltzl, -1, 0, 0),
	ROW(bgezl, 0, -1, 0),
	ROW(bltzall, -1, 0, 0),
	ROW(bgezall, 0, -1, 0),
};

static int check(const struct branch *branch, const char *how, u32 got, u32 expected)
{
	if (got == expected)
		return 0;
	pr_err("%s %s: slot executed %u, taken %u\n", branch->name, how,
	       got & SLOT, got / TAKEN);
	return -EIO;
}

static int call(const struct branch *branch)
{
	int taken = check(branch, "taken", branch->function(branch->taken, 0), SLOT + TAKEN);

	return check(branch, "not taken", branch->function(branch->not_taken, 0), branch->slot) ?: taken;
}

static u32 hits;

static int count(struct kprobe *kp, struct pt_regs *regs)
{
	hits++;
	return 0;
}

static int call_probed(const struct branch *branch)
{
	struct kprobe kp = {
		.addr = (kprobe_opcode_t *)branch->function + 2,
		.pre_handler = count,
	};
	int ret = register_kprobe(&kp);

	if (ret)
		return ret;
	hits = 0;
	ret = call(branch);
	unregister_kprobe(&kp);
	if (hits == 2)
		return ret;
	pr_err("%s: the probe was hit %u times\n", branch->name, hits);
	return -EIO;
}

static int branch_set(const char *val, const struct kernel_param *kp)
{
	bool probed;
	int ret = kstrtobool(val, &probed);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(branches); i++)
		ret = (probed ? call_probed : call)(&branches[i]) ?: ret;
	return ret;
}

static const struct kernel_param_ops branch_ops = {
	.set = branch_set,
};

module_param_cb(branch, &branch_ops, NULL, 0200);
MODULE_PARM_DESC(branch, "Has each branch taken and not taken");

MODULE_DESCRIPTION("Likely branches to probe");
MODULE_LICENSE("GPL");
