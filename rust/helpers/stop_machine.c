// SPDX-License-Identifier: GPL-2.0

#include <linux/stop_machine.h>

#if !defined(CONFIG_SMP) && !defined(CONFIG_HOTPLUG_CPU)
__rust_helper int rust_helper_stop_machine(cpu_stop_fn_t fn, void *data,
					   const struct cpumask *cpus)
{
	return stop_machine(fn, data, cpus);
}
#endif
