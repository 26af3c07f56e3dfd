// SPDX-License-Identifier: GPL-2.0

//! What is put before the checker: the backend as it is, the C backends, and mistakes.

use crate::{
    c,
    code::{
        Code,
        Place,
        ASSIST,
        ENTRY,
        GRAPH_TRACER,
        MCOUNT,
        OPS,
        OTHER_ENTRY,
        OTHER_OPS,
        OTHER_TRACER,
        OTHER_TRAMPOLINE,
        REGS_ENTRY,
        STUB,
        TRACER,
        TRAMPOLINE, //
    },
    insn::{
        a32,
        mips,
        t32, //
    },
    isa::Op,
    machine::{
        Machine,
        ARM,
        ARM_UP,
        MIPS,
        MIPS_UP, //
    },
    ours,
    plan::{
        self,
        to,
        Change,
        Step, //
    },
    property::{
        properties,
        Fault,
        Sight, //
    },
    site::{
        Layout,
        Slot,
        State::{
            Off,
            On, //
        },
        Unit,
        Word as Row,
        A32_MCOUNT,
        A32_PADS,
        MIPS_CORE,
        MIPS_MODULE,
        T32_MCOUNT,
        T32_PADS, //
    },
    system::{
        System,
        Word,
        WORDS, //
    },
};

/// A system, and what the checker is expected to find.
#[derive(Clone)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// The system.
    pub system: System,
    /// The faults that must be found; none of the others may.
    pub faults: Vec<Fault>,
}

impl Scenario {
    /// Returns the scenario in which `machine` executes `code` while the patcher does `steps`.
    fn new(name: &str, machine: Machine, code: Code, steps: Vec<Step>) -> Self {
        let mut words: Vec<Word> = Vec::new();
        for step in &steps {
            let Step::Store { address, new, .. } = *step else {
                continue;
            };
            match words.iter_mut().find(|word| word.address == address) {
                Some(word) => word.values.push(new),
                None => {
                    let (site, place) = code.word(address).expect("stores are to sites");
                    words.push(Word {
                        address,
                        values: vec![site.contents[0][place], new],
                    });
                }
            }
        }
        assert!(words.len() <= WORDS, "{name}: too many words change");
        Scenario {
            name: format!("{}: {name}", machine.name),
            system: System {
                machine,
                code,
                steps,
                words,
                properties: properties(&[]),
            },
            faults: Vec::new(),
        }
    }

    /// Adds what must happen in some execution.
    fn see(mut self, sights: &[Sight]) -> Self {
        let sights = sights.iter().map(|sight| sight.sometimes());
        self.system.properties.extend(sights);
        self
    }

    /// Says which faults the checker must find.
    fn fails(mut self, faults: &[Fault]) -> Self {
        self.faults = faults.to_vec();
        self
    }
}

const CALL_ON: Change = to(Place::Call, On, ENTRY);
const CALL_OFF: Change = to(Place::Call, Off, ENTRY);
const TRACER_ON: Change = to(Place::Func, On, TRACER);
const GRAPH_ON: Change = to(Place::Func, On, GRAPH_TRACER);
const CALL_TRAMPOLINE: Change = to(Place::Call, On, TRAMPOLINE);
const OPS_ON: Change = to(Place::Ops, On, OPS);
const ASSIST_ON: Change = to(Place::OpsCall, On, ASSIST);
const ASSIST_OFF: Change = to(Place::OpsCall, Off, ASSIST);

/// Initialises the sites and makes `changes`, before there are tasks.
fn boot(mut code: Code, changes: &[Change]) -> Code {
    for change in [TRACER_ON].iter().chain(changes) {
        plan::initialise(&mut code, *change);
    }
    code
}

/// Does each of `batches` in a `stop_machine()` of its own.
fn batches(code: &mut Code, batches: &[&[Change]]) -> Vec<Step> {
    batches
        .iter()
        .flat_map(|batch| plan::change(code, batch))
        .collect()
}

/// A name, the machine and the code around its site.
type Around = (&'static str, Machine, fn() -> Code);

const A32: Around = ("a32-mcount", ARM, || ours::a32(&A32_MCOUNT));
const T32: Around = ("t32-mcount", ARM, || ours::t32(&T32_MCOUNT));
const A32_ENTRY: Around = ("a32-pads", ARM, || ours::a32(&A32_PADS));
const T32_ENTRY: Around = ("t32-pads", ARM, || ours::t32(&T32_PADS));
const CORE: Around = ("mips-core", MIPS, || ours::mips_core(&MIPS_CORE));
const MODULE: Around = ("mips-module", MIPS, || ours::mips_module(&MIPS_MODULE));
const CORE_UP: Around = ("mips-core", MIPS_UP, || ours::mips_core(&MIPS_CORE));
const MODULE_UP: Around = ("mips-module", MIPS_UP, || ours::mips_module(&MIPS_MODULE));

/// A call site goes from off to on to off, or the other way.
pub fn call((name, machine, code): Around, from_off: bool) -> Scenario {
    let (name, first, then) = if from_off {
        (
            format!("{name} off, on, off"),
            CALL_OFF,
            [CALL_ON, CALL_OFF],
        )
    } else {
        (format!("{name} on, off, on"), CALL_ON, [CALL_OFF, CALL_ON])
    };
    let mut code = boot(code(), &[CALL_OFF, first]);
    let steps = batches(&mut code, &[&then[..1], &then[1..]]);
    let mut sights = vec![
        Sight::Tracer,
        Sight::Body,
        Sight::Between,
        Sight::Stale,
        Sight::Changed,
    ];
    if machine.cpus > 1 {
        sights.push(Sight::Migrated);
    }
    if code.isa.has_delay_slots() {
        sights.push(Sight::Again);
    }
    Scenario::new(&name, machine, code, steps).see(&sights)
}

/// The entry goes from `ftrace_stub` to a tracer to another one, while its site is on.
pub fn tracer((name, machine, code): Around) -> Scenario {
    let stub = to(Place::Func, On, STUB);
    let other = to(Place::Func, On, OTHER_TRACER);
    let mut code = boot(code(), &[stub, CALL_OFF, CALL_ON]);
    let steps = batches(&mut code, &[&[TRACER_ON], &[other]]);
    let sights = [Sight::Tracer, Sight::Entry, Sight::Stale, Sight::Changed];
    Scenario::new(&format!("{name}, its tracer"), machine, code, steps).see(&sights)
}

/// The entry goes from a tracer to the graph tracer and back, while its site is on.
pub fn graph((name, machine, code): Around) -> Scenario {
    let mut code = boot(code(), &[CALL_OFF, CALL_ON]);
    let steps = batches(&mut code, &[&[GRAPH_ON], &[TRACER_ON]]);
    let sights = [
        Sight::Tracer,
        Sight::Hooked,
        Sight::Entry,
        Sight::Stale,
        Sight::Changed,
    ];
    Scenario::new(&format!("{name}, its graph tracer"), machine, code, steps).see(&sights)
}

/// A call site and a tracer are turned on together, the graph tracer takes its place, and both are
/// turned off.
pub fn all((name, machine, code): Around) -> Scenario {
    let stub = to(Place::Func, On, STUB);
    let mut code = boot(code(), &[stub, CALL_OFF]);
    let (on, off) = ([TRACER_ON, CALL_ON], [stub, CALL_OFF]);
    let steps = batches(&mut code, &[&on, &[GRAPH_ON], &off]);
    let sights = [
        Sight::Tracer,
        Sight::Hooked,
        Sight::Between,
        Sight::Migrated,
        Sight::Entry,
        Sight::Changed,
    ];
    Scenario::new(&format!("{name}, all at once"), machine, code, steps).see(&sights)
}

/// Somebody else changes a site before it is turned on.
pub fn intruded() -> Scenario {
    let (name, machine, code) = A32;
    let mut code = boot(code(), &[CALL_OFF]);
    let mut steps = intrude(&mut code);
    steps.extend(plan::change(&mut code, &[CALL_ON]));
    let name = format!("{name}, changed by somebody else");
    Scenario::new(&name, machine, code, steps).see(&[Sight::Refused, Sight::Body])
}

/// Replaces the word of an A32 site that is off by one that does no harm: as somebody else does
/// who knows how to change text.
fn intrude(code: &mut Code) -> Vec<Step> {
    let site = &mut code.sites[Place::Call as usize];
    let (address, new) = (site.ip, a32::MOV_IP_LR);
    let mut words = site.words;
    let old = std::mem::replace(&mut words[1], new);
    site.contents.push(words);
    vec![
        Step::Stop,
        Step::Store { address, old, new },
        Step::Publish {
            start: address,
            end: address + 4,
        },
        Step::Synchronise,
        Step::Go,
    ]
}

/// A site goes from the entry that it calls to the other one, and back.
pub fn entries((name, machine, code): Around) -> Scenario {
    let other = to(Place::Call, On, REGS_ENTRY);
    let mut code = boot(code(), &[CALL_OFF, CALL_ON]);
    let steps = batches(&mut code, &[&[other], &[CALL_ON]]);
    let sights = [
        Sight::Tracer,
        Sight::Between,
        Sight::Migrated,
        Sight::Stale,
        Sight::Changed,
    ];
    Scenario::new(&format!("{name}, its entry"), machine, code, steps).see(&sights)
}

/// What an ops with a trampoline goes through: it is given one, a call site goes from `first` to
/// that and on to `then`, and the trampoline is taken back.
pub fn trampoline((name, machine, code): Around, first: Change, then: Change) -> Scenario {
    let (code, steps) = trampoline_steps(code, first, then);
    let mut sights = vec![
        Sight::OpsTracer,
        Sight::Body,
        Sight::Left,
        Sight::Stale,
        Sight::Changed,
    ];
    if first.to.state == On {
        sights.push(Sight::Tracer);
    }
    if machine.cpus > 1 {
        sights.push(Sight::Migrated);
    }
    if code.isa.has_delay_slots() {
        sights.push(Sight::Again);
    }
    if code.site(Place::Call).layout.splits_target() {
        sights.push(Sight::Bound);
    }
    let [first, then] = [first, then].map(|change| match change.to.state {
        Off => "off",
        _ => "on",
    });
    let name = format!("{name} {first}, trampoline, {then}");
    Scenario::new(&name, machine, code, steps).see(&sights)
}

fn trampoline_steps(code: fn() -> Code, first: Change, then: Change) -> (Code, Vec<Step>) {
    let mut code = boot(code(), &[CALL_OFF, first]);
    plan::deallocate(&mut code);
    let mut steps = plan::give(&mut code, OPS);
    steps.extend(batches(&mut code, &[&[CALL_TRAMPOLINE], &[then]]));
    steps.extend(plan::take_back(&mut code));
    (code, steps)
}

/// The trampoline goes from calling the tracer of its ops to what takes care of that and back,
/// while its site is on.
pub fn trampoline_call((name, machine, code): Around) -> Scenario {
    let mut code = boot(code(), &[OPS_ON, CALL_OFF, CALL_TRAMPOLINE]);
    let steps = batches(&mut code, &[&[ASSIST_ON], &[ASSIST_OFF]]);
    let sights = [Sight::OpsTracer, Sight::Entry, Sight::Stale, Sight::Changed];
    let name = format!("{name}, its trampoline's call");
    Scenario::new(&name, machine, code, steps).see(&sights)
}

/// Sites are changed while everything runs, which the architecture allows.
pub fn live((name, machine, code): Around) -> Scenario {
    let mut code = boot(code(), &[CALL_OFF]);
    let mut steps = batches(&mut code, &[&[CALL_ON], &[CALL_OFF]]);
    steps.retain(|step| *step != Step::Stop);
    let sights = [Sight::Tracer, Sight::Body, Sight::Stale, Sight::Changed];
    Scenario::new(&format!("{name}, without stopping"), machine, code, steps).see(&sights)
}

/// The processor that changes a site executes it at any time until it synchronises, as if what
/// changes text called the function.
pub fn called((name, _, code): Around) -> Scenario {
    let mut code = boot(code(), &[CALL_OFF]);
    let steps = batches(&mut code, &[&[CALL_ON], &[CALL_OFF]]);
    by_the_patcher(name, code, steps).see(&[
        Sight::Tracer,
        Sight::Body,
        Sight::Stale,
        Sight::Changed,
    ])
}

fn by_the_patcher(name: &str, code: Code, mut steps: Vec<Step>) -> Scenario {
    steps.retain(|step| *step != Step::Stop);
    let name = format!("{name}, called by the patcher");
    Scenario::new(&name, ARM_UP, code, steps)
}

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

    // `stop_machine()` makes no other processor synchronise, unless one counts exception returns.
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

const fn row(offset: i32, off: Slot, on: Slot) -> Row {
    Row {
        offset,
        compiled: on,
        off,
        on,
    }
}

/// A32, with nothing ahead of a site that is off.
static TWO_WORDS: Layout = Layout {
    name: "two-words",
    unit: Unit::Word,
    words: &[
        row(-4, Slot::Insn(a32::NOP), Slot::Insn(a32::MOV_IP_LR)),
        row(0, Slot::Insn(a32::NOP), Slot::A32Bl),
    ],
};

/// T32, off as two instructions of the size of the call.
static TWO_NOPS: Layout = Layout {
    name: "two-nops",
    unit: Unit::Half,
    words: &[
        row(
            -2,
            Slot::Insn(t32::MOV_IP_LR as u32),
            Slot::Insn(t32::MOV_IP_LR as u32),
        ),
        row(0, Slot::Insn(t32::NOP as u32), Slot::T32Bl),
        row(2, Slot::Insn(t32::NOP as u32), Slot::T32BlSecond),
    ],
};

/// MIPS, off without giving back what a call that is interrupted has taken.
static NOP_WHEN_OFF: Layout = Layout {
    name: "nop-when-off",
    unit: Unit::Word,
    words: &[
        row(0, Slot::Insn(mips::NOP), Slot::MipsJal),
        row(4, Slot::Insn(mips::NOP), Slot::Insn(mips::NOP)),
    ],
};

/// MIPS, with the compiler's instruction in the delay slot.
static TAKES_STACK: Layout = Layout {
    name: "takes-stack",
    unit: Unit::Word,
    words: &[
        row(0, Slot::Insn(mips::MOVE_RA_AT), Slot::MipsJal),
        row(
            4,
            Slot::Insn(mips::ADDIU_SP_M8),
            Slot::Insn(mips::ADDIU_SP_M8),
        ),
    ],
};

/// MIPS, with the compiler's instruction in the delay slot while the site is on: the double NOP.
static TAKES_STACK_WHEN_ON: Layout = Layout {
    name: "takes-stack-when-on",
    unit: Unit::Word,
    words: &[
        row(0, Slot::Insn(mips::MOVE_RA_AT), Slot::MipsJal),
        row(4, Slot::Insn(mips::NOP), Slot::Insn(mips::ADDIU_SP_M8)),
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
            "no barrier on the other processors",
            A32,
            Fault::Outdated,
            |_, steps| replace(steps, Step::Synchronise, &[Step::SynchroniseWriter]),
        ),
        mistake("no flush", MODULE_UP, Fault::Outdated, |_, steps| {
            steps.retain(|step| !matches!(step, Step::Publish { .. }));
        }),
        mistake(
            "a flush that reaches one processor",
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
            "a barrier on the other processors, but no flush",
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
            "given back when all processors have stopped",
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

fn replace(steps: &mut Vec<Step>, from: Step, to: &[Step]) {
    let replaced = steps.iter().flat_map(|step| match *step == from {
        true => to.to_vec(),
        false => vec![*step],
    });
    *steps = replaced.collect();
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
