#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Changes call sites of ftrace in every way there is while threads execute
# them: see test_modules/stress.c for what is checked. Meanwhile
#
#	tracers come and go, for all functions and for some, in an instance too,
#	kprobes stand beside the sites, and an fprobe on one,
#	a module is loaded and unloaded,
#	CPUs go off and on.
#
# Environment
#	SEED		what the order of changes is made of (1)
#	CHANGES		how many single sites to change (500)
#	DISTURB		what to do meanwhile: some of "tracers probes modules cpus",
#			all by default
#	MODULES		folder of the test modules (beside this script)

ksft_skip=4

seed=${SEED:-1}
changes=${CHANGES:-500}
modules=${MODULES:-$(dirname "$0")/test_modules}
parameters=/sys/module/ftrace_stress/parameters
tracing=/sys/kernel/tracing
children=

skip() {
	echo "SKIP: $*"
	exit $ksft_skip
}

[ "$(id -u)" -eq 0 ] || skip "must be root"
[ -e $tracing/trace ] || mount -t tracefs nodev $tracing 2> /dev/null || skip "no tracefs"
grep -qw function $tracing/available_tracers || skip "no function tracer"
[ -e "$modules/ftrace_stress.ko" ] || skip "no $modules/ftrace_stress.ko"

# Each disturbance goes on until the changes are done, and says how often it happened. It ends too
# if this script has been killed for its time.
rounds=0
again() {
	[ ! -e "$stop" ] && [ -d /proc/$$ ] && rounds=$((rounds + 1))
}

disturb_tracers() {
	cd $tracing || return 1
	mkdir -p instances/stress
	while again; do
		echo function > current_tracer
		echo 'ftrace_stress_*' > instances/stress/set_ftrace_filter
		echo function > instances/stress/current_tracer
		echo nop > current_tracer
		if grep -qw function_graph available_tracers; then
			echo 'ftrace_stress_*' > set_ftrace_filter
			echo int_sqrt >> set_ftrace_filter
			echo function_graph > current_tracer
			sleep 0.1
			echo nop > current_tracer
			echo > set_ftrace_filter
		fi
		echo nop > instances/stress/current_tracer
	done
	rmdir instances/stress
}

disturb_probes() {
	cd $tracing || return 1
	echo 'p:stress/entry ftrace_stress:ftrace_stress_nonleaf' > kprobe_events || return 1
	# The tracer sees the probe's address in place of the caller's, which is checked for ours.
	echo 'r:stress/return gcd' >> kprobe_events || return 1
	# None of returns: a thread can be in a function until the number by which fgraph knew its
	# tracer is that of the probe, which then warns that it has no data of the entry.
	if grep -q 'f\[:' README; then
		echo 'f:stress/fprobe ftrace_stress_leaf' >> dynamic_events || return 1
	fi
	while again; do
		echo 1 > events/stress/enable
		sleep 0.05
		echo 0 > events/stress/enable
	done
	echo > dynamic_events
}

disturb_modules() {
	while again; do
		insmod "$modules/ftrace_stress_visitor.ko" || return 1
		rmmod ftrace_stress_visitor || return 1
	done
}

disturb_cpus() {
	while again; do
		for online in /sys/devices/system/cpu/cpu[1-9]*/online; do
			[ -e "$online" ] || { echo "no CPU can go off"; return 0; }
			echo 0 > "$online" || return 1
			echo 1 > "$online" || return 1
		done
		sleep 0.2
	done
}

insmod "$modules/ftrace_stress.ko" seed="$seed" || exit 1
stop=$(mktemp -u)
for what in ${DISTURB-tracers probes modules cpus}; do
	(disturb_"$what" && echo "$what: $rounds times" || { echo "FAIL: $what"; exit 1; }) &
	children="$children $!"
done

status=0
echo "$changes" > $parameters/changes || status=1
: > "$stop"
for child in $children; do
	wait "$child" || status=1
done
rm -f "$stop"
cat $parameters/report
[ "$(sed -n 's/^changes //p' $parameters/report)" -eq "$changes" ] || status=1
rmmod ftrace_stress || status=1
exit $status
