// SPDX-License-Identifier: GPL-2.0

//! The backend as it is, and the C backends.

use crate::{
    c,
    code::{
        Place,
        MCOUNT, //
    },
    fault::Fault,
    insn::a32,
    isa::Op,
    machine::{
        ARM,
        MIPS,
        MIPS_UP, //
    },
    plan::{
        to,
        Change,
        Step, //
    },
    scenario::parts::{
        all,
        boot,
        by_the_patcher,
        call,
        called,
        entries,
        graph,
        intruded,
        live,
        replace,
        tracer,
        trampoline,
        trampoline_call,
        Scenario,
        A32,
        A32_ENTRY,
        CALL_OFF,
        CALL_ON,
        CORE,
        CORE_UP,
        MODULE,
        MODULE_UP,
        T32,
        T32_ENTRY, //
    },
    site::{
        Layout,
        Pattern,
        State::{
            Off,
            On, //
        },
        Width,
        Word as Row, //
    },
};

/// The backend as it is: nothing fails.
pub fn ours() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for around in [
        A32, T32, A32_ENTRY, T32_ENTRY, CORE, MODULE, CORE_UP, MODULE_UP,
    ] {
        scenarios.extend([true, false].map(|from_off| call(around, from_off)));
    }
    for around in [A32, T32, A32_ENTRY, T32_ENTRY, CORE, MODULE] {
        scenarios.extend([tracer(around), graph(around), all(around)]);
    }
    scenarios.extend([intruded(), live(A32), live(T32)]);
    scenarios.extend([A32, T32, A32_ENTRY, T32_ENTRY].map(entries));
    scenarios.push(called(T32));
    for around in [A32, A32_ENTRY, CORE, MODULE, CORE_UP, MODULE_UP] {
        let ways = [
            (CALL_ON, CALL_ON),
            (CALL_ON, CALL_OFF),
            (CALL_OFF, CALL_OFF),
        ];
        scenarios.extend(ways.map(|(first, then)| trampoline(around, first, then)));
    }
    scenarios.extend([A32, CORE, MODULE].map(trampoline_call));
    scenarios
}

/// The C backends.
pub fn c() -> Vec<Scenario> {
    const MODULE_ON: Change = to(Place::Call, On, MCOUNT);
    const MODULE_OFF: Change = to(Place::Call, Off, MCOUNT);

    // `stop_machine()` makes no other CPU synchronise, unless one counts exception returns.
    let mut code = boot(c::a32(&c::A32), &[CALL_OFF]);
    let mut steps = c::change_stopped(&mut code, CALL_ON);
    steps.extend(c::change_stopped(&mut code, CALL_OFF));
    let arm = Scenario::new("c-a32", ARM, code.clone(), steps.clone())
        .fails(&[Fault::Outdated, Fault::Unsynchronised]);

    replace(&mut steps, Step::Go, &[Step::Synchronise, Step::Go]);
    let arm_with_barriers = Scenario::new("c-a32, with barriers", ARM, code.clone(), steps.clone());

    // `add sp, sp, #4` is not among the instructions that may be exchanged live.
    steps.retain(|step| *step != Step::Stop);
    let arm_live =
        Scenario::new("c-a32, without stopping", ARM, code, steps).fails(&[Fault::Unsynchronised]);

    let mut code = boot(c::t32(&c::T32), &[CALL_OFF]);
    let mut steps = c::change_stopped(&mut code, CALL_ON);
    steps.extend(c::change_stopped(&mut code, CALL_OFF));
    let t32 = Scenario::new("c-t32", ARM, code.clone(), steps.clone()).fails(&[
        Fault::Mixed,
        Fault::Wild,
        Fault::Undefined,
        Fault::Outdated,
        Fault::Unsynchronised,
    ]);
    replace(&mut steps, Step::Go, &[Step::Synchronise, Step::Go]);
    let t32_with_barriers = Scenario::new("c-t32, with barriers", ARM, code.clone(), steps.clone());
    // The instruction that is half flushed when the function releases the lock of `patch_text()`.
    let t32_called = by_the_patcher("c-t32", code, steps).fails(&[
        Fault::Mixed,
        Fault::Wild,
        Fault::Undefined,
        Fault::Unsynchronised,
    ]);

    let mut code = boot(c::mips_core(&c::MIPS_CORE), &[CALL_OFF]);
    let mut steps = c::change_live(&mut code, CALL_ON);
    steps.extend(c::change_live(&mut code, CALL_OFF));
    let core = Scenario::new("c-mips-core", MIPS, code, steps)
        .fails(&[Fault::Return, Fault::Unsynchronised]);

    let module = |machine, stop: bool| {
        let mut code = boot(c::mips_module(&c::MIPS_MODULE), &[MODULE_OFF]);
        let mut steps = Vec::new();
        for change in [MODULE_ON, MODULE_OFF] {
            steps.extend(stop.then_some(Step::Stop));
            steps.extend(c::change_live(&mut code, change));
        }
        let name = ["c-mips-module", "c-mips-module, stopped"][usize::from(stop)];
        Scenario::new(name, machine, code, steps)
    };
    // What C calls a site's first change is its only one that meets `addiu sp, sp, -8`.
    let mut code = boot(c::mips_core(&c::MIPS_CORE), &[]);
    code.put(MCOUNT, &[Op::AddSp(8), Op::Back]);
    let steps = c::change_live(&mut code, CALL_OFF);
    let init = Scenario::new("c-mips-core, initialised in use", MIPS, code, steps).fails(&[
        Fault::Mixed,
        Fault::Stack,
        Fault::Return,
        Fault::Unsynchronised,
    ]);

    vec![
        arm,
        arm_with_barriers,
        arm_live,
        t32,
        t32_with_barriers,
        t32_called,
        core,
        module(MIPS, false).fails(&[Fault::Mixed, Fault::Wild, Fault::Unsynchronised]),
        module(MIPS_UP, false).fails(&[Fault::Mixed, Fault::Wild, Fault::Unsynchronised]),
        module(MIPS, true).fails(&[Fault::Mixed, Fault::Wild]),
        init,
    ]
}

pub(super) const fn row(offset: i32, off: Pattern, on: Pattern) -> Row {
    Row {
        offset,
        compiled: on,
        off,
        on,
    }
}

/// A32, with nothing before a site that is off.
pub(super) static TWO_WORDS: Layout = Layout {
    name: "two-words",
    width: Width::Word,
    words: &[
        row(-4, Pattern::Insn(a32::NOP), Pattern::Insn(a32::MOV_IP_LR)),
        row(0, Pattern::Insn(a32::NOP), Pattern::A32Bl),
    ],
};
