// SPDX-License-Identifier: GPL-2.0

//! The checker finds what it is expected to find, and nothing else.

use ftrace_model::{
    check::check,
    scenario::{
        self,
        Scenario, //
    },
};

/// Runs the scenario of this name.
fn run(scenarios: &[Scenario], name: &str) {
    let mut named = scenarios.iter().filter(|scenario| scenario.name == name);
    let (Some(scenario), None) = (named.next(), named.next()) else {
        panic!("not one scenario of this name");
    };
    let verdict = check(scenario);
    let surprises = verdict.surprises(scenario);
    assert!(
        surprises.is_empty(),
        "{}\n{}",
        surprises.join("\n"),
        verdict.traces(scenario)
    );
}

/// A test for each scenario of a list, and one that none is left out.
macro_rules! scenarios {
    ($list:ident: $($test:ident = $name:literal,)*) => {
        mod $list {
            use super::*;

            $(
                #[test]
                fn $test() {
                    run(&scenario::$list(), $name);
                }
            )*

            #[test]
            fn has_a_test_for_each() {
                let names: Vec<_> = scenario::$list().into_iter().map(|s| s.name).collect();
                assert_eq!(names, [$($name),*]);
            }
        }
    };
}

scenarios! { ours:
    a32_mcount_on = "arm: a32-mcount off, on, off",
    a32_mcount_off = "arm: a32-mcount on, off, on",
    t32_mcount_on = "arm: t32-mcount off, on, off",
    t32_mcount_off = "arm: t32-mcount on, off, on",
    a32_pads_on = "arm: a32-pads off, on, off",
    a32_pads_off = "arm: a32-pads on, off, on",
    t32_pads_on = "arm: t32-pads off, on, off",
    t32_pads_off = "arm: t32-pads on, off, on",
    mips_core_on = "mips: mips-core off, on, off",
    mips_core_off = "mips: mips-core on, off, on",
    mips_module_on = "mips: mips-module off, on, off",
    mips_module_off = "mips: mips-module on, off, on",
    mips_up_core_on = "mips-up: mips-core off, on, off",
    mips_up_core_off = "mips-up: mips-core on, off, on",
    mips_up_module_on = "mips-up: mips-module off, on, off",
    mips_up_module_off = "mips-up: mips-module on, off, on",
    a32_func_call = "arm: a32-mcount, its tracer",
    a32_graph = "arm: a32-mcount, its graph tracer",
    a32_all = "arm: a32-mcount, all at once",
    t32_func_call = "arm: t32-mcount, its tracer",
    t32_graph = "arm: t32-mcount, its graph tracer",
    t32_all = "arm: t32-mcount, all at once",
    a32_pads_func_call = "arm: a32-pads, its tracer",
    a32_pads_graph = "arm: a32-pads, its graph tracer",
    a32_pads_all = "arm: a32-pads, all at once",
    t32_pads_func_call = "arm: t32-pads, its tracer",
    t32_pads_graph = "arm: t32-pads, its graph tracer",
    t32_pads_all = "arm: t32-pads, all at once",
    mips_func_call_of_core = "mips: mips-core, its tracer",
    mips_graph_of_core = "mips: mips-core, its graph tracer",
    mips_all_of_core = "mips: mips-core, all at once",
    mips_func_call_of_module = "mips: mips-module, its tracer",
    mips_graph_of_module = "mips: mips-module, its graph tracer",
    mips_all_of_module = "mips: mips-module, all at once",
    a32_refused = "arm: a32-mcount, changed by somebody else",
    a32_live = "arm: a32-mcount, without stopping",
    t32_live = "arm: t32-mcount, without stopping",
    a32_entries = "arm: a32-mcount, its entry",
    t32_entries = "arm: t32-mcount, its entry",
    a32_pads_entries = "arm: a32-pads, its entry",
    t32_pads_entries = "arm: t32-pads, its entry",
    t32_called = "arm-up: t32-mcount, called by the patcher",
    a32_trampoline_on_on = "arm: a32-mcount on, trampoline, on",
    a32_trampoline_on_off = "arm: a32-mcount on, trampoline, off",
    a32_trampoline_off_off = "arm: a32-mcount off, trampoline, off",
    a32_pads_trampoline_on_on = "arm: a32-pads on, trampoline, on",
    a32_pads_trampoline_on_off = "arm: a32-pads on, trampoline, off",
    a32_pads_trampoline_off_off = "arm: a32-pads off, trampoline, off",
    mips_core_trampoline_on_on = "mips: mips-core on, trampoline, on",
    mips_core_trampoline_on_off = "mips: mips-core on, trampoline, off",
    mips_core_trampoline_off_off = "mips: mips-core off, trampoline, off",
    mips_module_trampoline_on_on = "mips: mips-module on, trampoline, on",
    mips_module_trampoline_on_off = "mips: mips-module on, trampoline, off",
    mips_module_trampoline_off_off = "mips: mips-module off, trampoline, off",
    mips_up_core_trampoline_on_on = "mips-up: mips-core on, trampoline, on",
    mips_up_core_trampoline_on_off = "mips-up: mips-core on, trampoline, off",
    mips_up_core_trampoline_off_off = "mips-up: mips-core off, trampoline, off",
    mips_up_module_trampoline_on_on = "mips-up: mips-module on, trampoline, on",
    mips_up_module_trampoline_on_off = "mips-up: mips-module on, trampoline, off",
    mips_up_module_trampoline_off_off = "mips-up: mips-module off, trampoline, off",
    a32_ops_call = "arm: a32-mcount, its trampoline's call",
    mips_ops_call_of_core = "mips: mips-core, its trampoline's call",
    mips_ops_call_of_module = "mips: mips-module, its trampoline's call",
}

scenarios! { c:
    a32 = "arm: c-a32",
    a32_with_barriers = "arm: c-a32, with barriers",
    a32_live = "arm: c-a32, without stopping",
    t32 = "arm: c-t32",
    t32_with_barriers = "arm: c-t32, with barriers",
    t32_called = "arm-up: c-t32, called by the patcher",
    mips_core = "mips: c-mips-core",
    mips_module = "mips: c-mips-module",
    mips_up_module = "mips-up: c-mips-module",
    mips_module_stopped = "mips: c-mips-module, stopped",
    mips_core_initialised_in_use = "mips: c-mips-core, initialised in use",
}

scenarios! { mistakes:
    no_flush = "arm: a32-mcount, no flush",
    no_flush_on_mips = "mips: mips-core, no flush",
    no_barrier_on_the_others = "arm: a32-mcount, no barrier on the other CPUs",
    no_flush_on_mips_up = "mips-up: mips-module, no flush",
    a_local_flush = "arm: a32-mcount, a flush that reaches one CPU",
    no_flush_on_the_others = "mips: mips-module, a barrier on the other CPUs, but no flush",
    synchronised_too_early = "arm: a32-mcount, synchronised before the flush",
    no_stop = "arm: a32-mcount, no stop",
    no_stop_on_mips = "mips: mips-module, no stop",
    a_torn_store = "arm: a32-mcount, a store by halfwords, without stopping",
    a_branch_off_by_two = "arm: a32-mcount, a branch from the address of the instruction",
    no_carry = "mips: mips-module, an upper half without the carry",
    no_compare = "arm: a32-mcount, no compare",
    a_second_word = "arm: a32-mcount, a second word",
    two_nops = "arm: t32-mcount, two nops",
    another_second_halfword = "arm: t32-mcount, another second halfword",
    no_flush_on_t32 = "arm: t32-mcount, no flush",
    a_flush_of_the_second_halfword = "arm: t32-mcount, a flush of the second halfword",
    a_double_nop = "mips: mips-core, a delay slot that takes stack when on",
    a_slot_that_takes_stack = "mips: mips-core, a delay slot that takes stack",
    a_nop_when_off = "mips: mips-core, a nop when off",
    another_target = "mips: mips-module, another target",
    initialised_in_use = "mips: mips-module, initialised in use",
    initialised_in_use_on_arm = "arm: a32-mcount, initialised in use",
    no_wait = "arm: a32-mcount, its trampoline, given back without waiting",
    no_wait_on_mips = "mips: mips-core, its trampoline, given back without waiting",
    no_wait_for_modules = "mips: mips-module, its trampoline, given back without waiting",
    a_stop_in_place_of_a_wait =
        "arm: a32-mcount, its trampoline, given back when all CPUs have stopped",
    no_flush_of_a_trampoline = "arm: a32-mcount, its trampoline, not flushed",
    half_a_flush_of_a_trampoline =
        "mips-up: mips-core, its trampoline, flushed only where it was turned on",
    another_lower_half = "mips: mips-module, a trampoline with another lower half",
    another_ops = "arm: a32-mcount, another ops for its trampoline",
    another_ops_on_mips = "mips: mips-module, another ops for its trampoline",
}
