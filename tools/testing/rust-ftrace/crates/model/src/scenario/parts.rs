// SPDX-License-Identifier: GPL-2.0

//! A scenario, and what scenarios are put together from.

use crate::{
    code::{
        Code,
        Place,
        ASSIST,
        ENTRY,
        GRAPH_TRACER,
        OPS,
        OTHER_TRACER,
        REGS_ENTRY,
        STUB,
        TRACER,
        TRAMPOLINE, //
    },
    fault::Fault,
    insn::a32,
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
        Sight, //
    },
    site::{
        State::{
            Off,
            On, //
        },
        A32_MCOUNT,
        A32_PADS,
        MIPS_CORE,
        MIPS_MODULE,
        T32_MCOUNT,
        T32_PADS, //
    },
    state::{
        Word,
        WORDS, //
    },
    system::System, //
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
    pub(super) fn new(name: &str, machine: Machine, code: Code, steps: Vec<Step>) -> Self {
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
    pub(super) fn see(mut self, sights: &[Sight]) -> Self {
        let sights = sights.iter().map(|sight| sight.sometimes());
        self.system.properties.extend(sights);
        self
    }

    /// Says which faults the checker must find.
    pub(super) fn fails(mut self, faults: &[Fault]) -> Self {
        self.faults = faults.to_vec();
        self
    }
}

pub(super) const CALL_ON: Change = to(Place::Call, On, ENTRY);
pub(super) const CALL_OFF: Change = to(Place::Call, Off, ENTRY);
pub(super) const TRACER_ON: Change = to(Place::Func, On, TRACER);
pub(super) const GRAPH_ON: Change = to(Place::Func, On, GRAPH_TRACER);
pub(super) const CALL_TRAMPOLINE: Change = to(Place::Call, On, TRAMPOLINE);
pub(super) const OPS_ON: Change = to(Place::Ops, On, OPS);
pub(super) const ASSIST_ON: Change = to(Place::OpsCall, On, ASSIST);
pub(super) const ASSIST_OFF: Change = to(Place::OpsCall, Off, ASSIST);

/// Initialises the sites and makes `changes`, before there are tasks.
pub(super) fn boot(mut code: Code, changes: &[Change]) -> Code {
    for change in [TRACER_ON].iter().chain(changes) {
        plan::initialise(&mut code, *change);
    }
    code
}

/// Does each of `batches` in a `stop_machine()` of its own.
pub(super) fn batches(code: &mut Code, batches: &[&[Change]]) -> Vec<Step> {
    batches
        .iter()
        .flat_map(|batch| plan::change(code, batch))
        .collect()
}

/// A name, the machine and the code around its site.
pub(super) type Around = (&'static str, Machine, fn() -> Code);

pub(super) const A32: Around = ("a32-mcount", ARM, || ours::a32(&A32_MCOUNT));
pub(super) const T32: Around = ("t32-mcount", ARM, || ours::t32(&T32_MCOUNT));
pub(super) const A32_ENTRY: Around = ("a32-pads", ARM, || ours::a32(&A32_PADS));
pub(super) const T32_ENTRY: Around = ("t32-pads", ARM, || ours::t32(&T32_PADS));
pub(super) const CORE: Around = ("mips-core", MIPS, || ours::mips_core(&MIPS_CORE));
pub(super) const MODULE: Around = ("mips-module", MIPS, || ours::mips_module(&MIPS_MODULE));
pub(super) const CORE_UP: Around = ("mips-core", MIPS_UP, || ours::mips_core(&MIPS_CORE));
pub(super) const MODULE_UP: Around = ("mips-module", MIPS_UP, || ours::mips_module(&MIPS_MODULE));

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
pub(super) fn intrude(code: &mut Code) -> Vec<Step> {
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

pub(super) fn trampoline_steps(
    code: fn() -> Code,
    first: Change,
    then: Change,
) -> (Code, Vec<Step>) {
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

/// The CPU that changes a site executes it at any time until it synchronises, as if what
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

pub(super) fn by_the_patcher(name: &str, code: Code, mut steps: Vec<Step>) -> Scenario {
    steps.retain(|step| *step != Step::Stop);
    let name = format!("{name}, called by the patcher");
    Scenario::new(&name, ARM_UP, code, steps)
}

pub(super) fn replace(steps: &mut Vec<Step>, from: Step, to: &[Step]) {
    let replaced = steps.iter().flat_map(|step| match *step == from {
        true => to.to_vec(),
        false => vec![*step],
    });
    *steps = replaced.collect();
}
