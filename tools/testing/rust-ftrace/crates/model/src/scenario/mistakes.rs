// SPDX-License-Identifier: GPL-2.0

//! Plans and tables that are wrong, each with the faults that the checker must find.

use crate::{
    c,
    code::{
        Code,
        Place,
        ENTRY,
        OTHER_ENTRY,
        OTHER_OPS,
        OTHER_TRAMPOLINE,
        STUB,
        TRAMPOLINE, //
    },
    fault::Fault,
    insn::{
        a32,
        mips,
        t32, //
    },
    isa::Op,
    machine::{
        Machine,
        ARM,
        MIPS, //
    },
    ours,
    plan::{
        self,
        to,
        Change,
        Step, //
    },
    scenario::{
        backends::{
            row,
            TWO_WORDS, //
        },
        parts::{
            batches,
            boot,
            intrude,
            replace,
            trampoline_steps,
            Around,
            Scenario,
            A32,
            CALL_OFF,
            CALL_ON,
            CALL_TRAMPOLINE,
            CORE,
            CORE_UP,
            MODULE,
            MODULE_UP,
            OPS_ON,
            T32, //
        },
    },
    site::{
        Layout,
        Pattern,
        State::{
            Off,
            On, //
        },
        Width,
        MIPS_MODULE, //
    },
};

/// T32, off as two instructions of the size of the call.
static TWO_NOPS: Layout = Layout {
    name: "two-nops",
    width: Width::Half,
    words: &[
        row(
            -2,
            Pattern::Insn(t32::MOV_IP_LR as u32),
            Pattern::Insn(t32::MOV_IP_LR as u32),
        ),
        row(0, Pattern::Insn(t32::NOP as u32), Pattern::T32Bl),
        row(2, Pattern::Insn(t32::NOP as u32), Pattern::T32BlSecond),
    ],
};

/// MIPS, off without giving back what a call that is interrupted has taken.
static NOP_WHEN_OFF: Layout = Layout {
    name: "nop-when-off",
    width: Width::Word,
    words: &[
        row(0, Pattern::Insn(mips::NOP), Pattern::MipsJal),
        row(4, Pattern::Insn(mips::NOP), Pattern::Insn(mips::NOP)),
    ],
};

/// MIPS, with the compiler's instruction in the delay slot.
static TAKES_STACK: Layout = Layout {
    name: "takes-stack",
    width: Width::Word,
    words: &[
        row(0, Pattern::Insn(mips::MOVE_RA_AT), Pattern::MipsJal),
        row(
            4,
            Pattern::Insn(mips::ADDIU_SP_M8),
            Pattern::Insn(mips::ADDIU_SP_M8),
        ),
    ],
};

/// MIPS, with the compiler's instruction in the delay slot while the site is on: the double NOP.
static TAKES_STACK_WHEN_ON: Layout = Layout {
    name: "takes-stack-when-on",
    width: Width::Word,
    words: &[
        row(0, Pattern::Insn(mips::MOVE_RA_AT), Pattern::MipsJal),
        row(
            4,
            Pattern::Insn(mips::NOP),
            Pattern::Insn(mips::ADDIU_SP_M8),
        ),
    ],
};

/// Mistakes, each of which the checker must find.
pub fn mistakes() -> Vec<Scenario> {
    vec![
        mistake("no flush", A32, Fault::Outdated, |_, steps| {
            steps.retain(|step| !matches!(step, Step::Publish { .. }));
        }),
        mistake("no flush", CORE, Fault::Outdated, |_, steps| {
            steps.retain(|step| !matches!(step, Step::Publish { .. }));
        }),
        mistake(
            "no barrier on the other CPUs",
            A32,
            Fault::Outdated,
            |_, steps| replace(steps, Step::Synchronise, &[Step::SynchroniseWriter]),
        ),
        mistake("no flush", MODULE_UP, Fault::Outdated, |_, steps| {
            steps.retain(|step| !matches!(step, Step::Publish { .. }));
        }),
        mistake(
            "a flush that reaches one CPU",
            (
                A32.0,
                Machine {
                    publishes_to_all: false,
                    ..ARM
                },
                A32.2,
            ),
            Fault::Outdated,
            |_, _| {},
        ),
        mistake(
            "a barrier on the other CPUs, but no flush",
            (
                MODULE.0,
                Machine {
                    synchronise_flushes: false,
                    ..MIPS
                },
                MODULE.2,
            ),
            Fault::Outdated,
            |_, _| {},
        ),
        mistake(
            "synchronised before the flush",
            A32,
            Fault::Outdated,
            |_, steps| {
                steps.retain(|step| *step != Step::Synchronise);
                replace(steps, Step::Stop, &[Step::Stop, Step::Synchronise]);
            },
        ),
        mistake("no stop", A32, Fault::Outdated, |_, steps| {
            steps.retain(|step| *step != Step::Stop);
            replace(steps, Step::Synchronise, &[Step::SynchroniseWriter]);
        }),
        mistake("no stop", MODULE, Fault::Unsynchronised, |_, steps| {
            steps.retain(|step| *step != Step::Stop);
        }),
        mistake(
            "a store by halfwords, without stopping",
            A32,
            Fault::Undefined,
            |_, steps| {
                steps.retain(|step| *step != Step::Stop);
                tear(steps);
            },
        ),
        mistake(
            "a branch from the address of the instruction",
            A32,
            Fault::Tracer,
            |_, steps| {
                for step in steps {
                    if let Step::Store { address, new, .. } = step {
                        // The program counter is 8 bytes ahead.
                        let wrong = a32::bl_target(*address, *new).map(|target| target + 8);
                        *new = wrong.and_then(|to| a32::bl(*address, to)).unwrap_or(*new);
                    }
                }
            },
        ),
        mistake(
            "an upper half without the carry",
            MODULE,
            Fault::Wild,
            |_, steps| {
                for step in steps {
                    if let Step::Store { new, .. } = step {
                        if *new == mips::lui_v1(ENTRY) {
                            *new -= 1;
                        }
                    }
                }
            },
        ),
        mistake("no compare", A32, Fault::Overwritten, |code, steps| {
            steps.retain(|step| !matches!(step, Step::Compare { .. }));
            let mut before = intrude(code);
            before.append(steps);
            *steps = before;
        }),
        two_stores(
            "a second word",
            (A32.0, ARM, || ours::a32(&TWO_WORDS)),
            &[CALL_OFF],
            CALL_ON,
            Fault::Tracer,
        ),
        two_stores(
            "two nops",
            (T32.0, ARM, || ours::t32(&TWO_NOPS)),
            &[CALL_OFF],
            CALL_ON,
            Fault::Undefined,
        ),
        another_second_halfword(),
        mistake("no flush", T32, Fault::Outdated, |_, steps| {
            steps.retain(|step| !matches!(step, Step::Publish { .. }));
        }),
        mistake(
            "a flush of the second halfword",
            T32,
            Fault::Outdated,
            |_, steps| {
                for step in steps {
                    if let Step::Publish { start, end } = step {
                        (*start, *end) = (*start + 2, *end + 2);
                    }
                }
            },
        ),
        two_stores(
            "a delay slot that takes stack when on",
            (CORE.0, MIPS, || {
                let mut code = c::mips_core(&TAKES_STACK_WHEN_ON);
                code.put(STUB - 8, &[Op::AddSp(8), Op::Jump(ENTRY)]);
                code
            }),
            &[to(Place::Call, Off, STUB - 8)],
            to(Place::Call, On, STUB - 8),
            Fault::Stack,
        ),
        two_stores(
            "a delay slot that takes stack",
            (CORE.0, MIPS, || ours::mips_core(&TAKES_STACK)),
            &[CALL_OFF],
            CALL_ON,
            Fault::Stack,
        ),
        two_stores(
            "a nop when off",
            (CORE.0, MIPS, || ours::mips_core(&NOP_WHEN_OFF)),
            &[CALL_OFF, CALL_ON],
            CALL_OFF,
            Fault::Return,
        ),
        two_stores(
            "another target",
            (MODULE.0, MIPS, || {
                let mut code = ours::mips_module(&MIPS_MODULE);
                code.put(OTHER_ENTRY, &[Op::Jump(ENTRY)]);
                code
            }),
            &[CALL_OFF, CALL_ON],
            to(Place::Call, On, OTHER_ENTRY),
            Fault::Wild,
        ),
        two_stores("initialised in use", MODULE, &[], CALL_OFF, Fault::Wild),
        two_stores("initialised in use", A32, &[], CALL_OFF, Fault::Stack),
        with_trampoline("given back without waiting", A32, Fault::Freed, no_wait),
        with_trampoline("given back without waiting", CORE, Fault::Freed, no_wait),
        with_trampoline("given back without waiting", MODULE, Fault::Freed, no_wait),
        with_trampoline(
            "given back when all CPUs have stopped",
            A32,
            Fault::Freed,
            |steps| {
                let stop = [Step::Stop, Step::Synchronise, Step::Go];
                replace(steps, Step::Wait, &stop);
            },
        ),
        with_trampoline("not flushed", A32, Fault::Outdated, |steps| {
            no_flush(steps, |start| start >= TRAMPOLINE);
        }),
        with_trampoline(
            "flushed only where it was turned on",
            CORE_UP,
            Fault::Outdated,
            |steps| no_flush(steps, |start| start == TRAMPOLINE),
        ),
        two_stores(
            "a trampoline with another lower half",
            (MODULE.0, MIPS, || {
                ours::mips_module_beside(&MIPS_MODULE, OTHER_TRAMPOLINE)
            }),
            &[OPS_ON, CALL_OFF, CALL_ON],
            to(Place::Call, On, OTHER_TRAMPOLINE),
            Fault::Wild,
        ),
        two_stores(
            "another ops for its trampoline",
            A32,
            &[OPS_ON, CALL_OFF, CALL_TRAMPOLINE],
            to(Place::Ops, On, OTHER_OPS),
            Fault::Wild,
        ),
        two_stores(
            "another ops for its trampoline",
            MODULE,
            &[OPS_ON, CALL_OFF, CALL_TRAMPOLINE],
            to(Place::Ops, On, OTHER_OPS),
            Fault::Wild,
        ),
    ]
}

/// Gives a trampoline, uses it and takes it back with a mistake in the plan.
fn with_trampoline(
    what: &str,
    (name, machine, code): Around,
    fault: Fault,
    make: impl Fn(&mut Vec<Step>),
) -> Scenario {
    let (code, mut steps) = trampoline_steps(code, CALL_ON, CALL_OFF);
    make(&mut steps);
    let name = format!("{name}, its trampoline, {what}");
    only(Scenario::new(&name, machine, code, steps), fault)
}

fn no_wait(steps: &mut Vec<Step>) {
    steps.retain(|step| *step != Step::Wait);
}

/// Leaves out the flushes from certain addresses on.
fn no_flush(steps: &mut Vec<Step>, is: impl Fn(u32) -> bool) {
    steps.retain(|step| !matches!(step, Step::Publish { start, .. } if is(*start)));
}

/// A T32 site goes to an entry whose call has another second halfword, while everything runs.
fn another_second_halfword() -> Scenario {
    let (name, machine, code) = T32;
    let mut code = boot(code(), &[CALL_OFF, CALL_ON]);
    code.put(OTHER_ENTRY, &[Op::Jump(ENTRY)]);
    let mut steps = plan::stores(&mut code, to(Place::Call, On, OTHER_ENTRY));
    let (start, end) = code.site(Place::Call).range();
    steps.extend([Step::Publish { start, end }, Step::Synchronise, Step::Go]);
    let name = format!("{name}, another second halfword");
    only(Scenario::new(&name, machine, code, steps), Fault::Wild)
}

/// Turns a site on and off with a mistake in the plan.
fn mistake(
    what: &str,
    (name, machine, code): Around,
    fault: Fault,
    make: impl Fn(&mut Code, &mut Vec<Step>),
) -> Scenario {
    let mut code = boot(code(), &[CALL_OFF]);
    let mut steps = batches(&mut code, &[&[CALL_ON], &[CALL_OFF]]);
    make(&mut code, &mut steps);
    only(
        Scenario::new(&format!("{name}, {what}"), machine, code, steps),
        fault,
    )
}

/// Changes a site, made ready by `before`, by as many stores as it takes, while all are stopped.
fn two_stores(
    what: &str,
    (name, machine, code): Around,
    before: &[Change],
    change: Change,
    fault: Fault,
) -> Scenario {
    let mut code = boot(code(), before);
    let mut steps = vec![Step::Stop];
    steps.extend(plan::stores(&mut code, change));
    let (start, end) = code.site(change.place).range();
    steps.extend([Step::Publish { start, end }, Step::Synchronise, Step::Go]);
    only(
        Scenario::new(&format!("{name}, {what}"), machine, code, steps),
        fault,
    )
}

/// Leaves all other properties out, which may fail as well.
fn only(mut scenario: Scenario, fault: Fault) -> Scenario {
    scenario.system.properties = vec![fault.always()];
    scenario.fails(&[fault])
}

/// Makes two stores of each: of the lower halfword, and of the upper one.
fn tear(steps: &mut Vec<Step>) {
    let torn = steps.iter().flat_map(|step| match *step {
        Step::Store { address, old, new } => {
            let half = (old & 0xffff_0000) | (new & 0xffff);
            vec![
                Step::Store {
                    address,
                    old,
                    new: half,
                },
                Step::Store {
                    address,
                    old: half,
                    new,
                },
            ]
        }
        step => vec![step],
    });
    *steps = torn.collect();
}
