// SPDX-License-Identifier: GPL-2.0

//! What is checked.

use stateright::Property;

use crate::{
    code::{
        Code,
        Place,
        OPS, //
    },
    insn::mips,
    isa::{
        Op,
        Reg, //
    },
    plan::Step,
    system::{
        State,
        System,
        Task, //
    },
};

/// Something that must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// In one pass through a site, a task executes words that do not belong to one of the states
    /// that the site has had.
    ///
    /// A branch that is executed again because the task was interrupted in its delay slot does
    /// not count the first time.
    Mixed,
    /// A branch goes where there is no code: to a half-formed address.
    Wild,
    /// What is executed is not an instruction of any site, or a branch in a delay slot.
    Undefined,
    /// The stack pointer is not that of the function when its body begins.
    Stack,
    /// The return address is not that of the function, or `return_to_handler` if the graph
    /// tracer has replaced it, when its body begins. The function is a leaf, for which it
    /// matters.
    Return,
    /// A tracer is entered with an `ip` that is not that of the call site, or a return address
    /// that is not that of the traced function.
    Tracer,
    /// A processor executes an old word after the change is over.
    Outdated,
    /// A processor that has not synchronised executes a word in change, and the architecture
    /// does not say what happens then.
    Unsynchronised,
    /// A word is overwritten that is not what the patcher takes it for.
    Overwritten,
    /// A task is in a trampoline that has been given back.
    Freed,
}

impl Fault {
    /// All faults.
    pub const ALL: [Fault; 10] = [
        Fault::Mixed,
        Fault::Wild,
        Fault::Undefined,
        Fault::Stack,
        Fault::Return,
        Fault::Tracer,
        Fault::Outdated,
        Fault::Unsynchronised,
        Fault::Overwritten,
        Fault::Freed,
    ];

    /// Returns the property that fails.
    pub const fn property(self) -> &'static str {
        match self {
            Fault::Mixed => "one pass executes words of one state of the site",
            Fault::Wild => "branches go to code",
            Fault::Undefined => "executed words are instructions of a site",
            Fault::Stack => "sp is right at the function's body",
            Fault::Return => "the return address is right at the function's body",
            Fault::Tracer => "a tracer gets the ip of the site and the function's return address",
            Fault::Outdated => "no processor executes an old word after synchronisation",
            Fault::Unsynchronised => "words in change are executed only where that is defined",
            Fault::Overwritten => "only the word that is expected is overwritten",
            Fault::Freed => "nothing executes a trampoline that has been given back",
        }
    }

    /// Returns the property.
    pub fn always(self) -> Property<System> {
        // `Property` takes a function that captures nothing.
        macro_rules! always {
            ($($fault:ident)*) => {
                match self {
                    $(Fault::$fault => Property::always(self.property(), |_, state: &State| {
                        !state.faults.has(Fault::$fault)
                    }),)*
                }
            };
        }
        always!(
            Mixed Wild Undefined Stack Return Tracer Outdated Unsynchronised Overwritten Freed
        )
    }
}

/// A set of faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults(u16);

impl Faults {
    /// Adds a fault.
    pub fn add(&mut self, fault: Fault) {
        self.0 |= 1 << fault as u16;
    }

    /// Returns whether a fault is in the set.
    pub fn has(self, fault: Fault) -> bool {
        self.0 & 1 << fault as u16 != 0
    }
}

/// Something that must happen in some execution: a model in which it does not says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// A tracer is entered.
    Tracer,
    /// A function's body begins.
    Body,
    /// A function's body begins with `return_to_handler` as its return address.
    Hooked,
    /// A task has been preempted between two words of the call site.
    Between,
    /// A task goes on between two words of the call site, on another processor.
    Migrated,
    /// A task has been interrupted in the delay slot of a call, and will execute that again.
    Again,
    /// A processor may execute an old word, or a new one.
    Stale,
    /// A task stands in the entry while a word changes.
    Entry,
    /// All changes have been made.
    Changed,
    /// A change was refused.
    Refused,
    /// The tracer of an ops is entered.
    OpsTracer,
    /// A task is in the trampoline, which its site does not call any more.
    Left,
    /// A task in the call site has formed a part or all of the address of the trampoline, which
    /// that does not call any more.
    Bound,
}

impl Sight {
    /// Returns the name of the property.
    pub const fn property(self) -> &'static str {
        match self {
            Sight::Tracer => "the tracer is entered",
            Sight::Body => "the body begins",
            Sight::Hooked => "the body begins with a hooked return",
            Sight::Between => "a task is preempted between two words of the site",
            Sight::Migrated => "a task goes on between two words on another processor",
            Sight::Again => "a task is interrupted in the delay slot of a call",
            Sight::Stale => "a processor holds an old word",
            Sight::Entry => "a task is in the entry while a word changes",
            Sight::Changed => "all changes are made",
            Sight::Refused => "a change is refused",
            Sight::OpsTracer => "the tracer of the ops is entered",
            Sight::Left => "a task that is waited for is in the trampoline",
            Sight::Bound => "a task that is waited for is in the site, bound for the trampoline",
        }
    }

    /// Returns the property.
    pub fn sometimes(self) -> Property<System> {
        let name = self.property();
        match self {
            Sight::Tracer => Property::sometimes(name, |system: &System, state: &State| {
                any(state, |task| at(&system.code, task, Op::Tracer))
            }),
            Sight::Body => Property::sometimes(name, |system: &System, state: &State| {
                any(state, |task| at(&system.code, task, Op::Body))
            }),
            Sight::Hooked => Property::sometimes(name, |system: &System, state: &State| {
                any(state, |task| {
                    task.hooked && at(&system.code, task, Op::Body)
                })
            }),
            Sight::Between => Property::sometimes(name, |system: &System, state: &State| {
                any(state, |task| {
                    !task.running && is_between(&system.code, task)
                })
            }),
            Sight::Migrated => Property::sometimes(name, |system: &System, state: &State| {
                any(state, |task| {
                    task.running && task.migrated && is_between(&system.code, task)
                })
            }),
            Sight::Again => Property::sometimes(name, |system: &System, state: &State| {
                let after = |task: &Task| task.pc.wrapping_add(system.code.isa.call_size());
                any(state, |task| {
                    !task.running
                        && system.code.word(task.pc).is_some()
                        && task.reg(Reg::Link) == after(task)
                })
            }),
            Sight::Stale => Property::sometimes(name, |system: &System, state: &State| {
                let online = &state.cpus[..usize::from(system.machine.cpus)];
                online.iter().any(|cpu| cpu.fetched != state.latest)
            }),
            Sight::Entry => Property::sometimes(name, |system: &System, state: &State| {
                let in_entry = |task: &Task| system.code.is_entry(task.pc);
                state.published != state.latest && any(state, in_entry)
            }),
            Sight::Changed => Property::sometimes(name, |system: &System, state: &State| {
                is_over(system, state) && !state.patcher.refused
            }),
            Sight::Refused => Property::sometimes(name, |system: &System, state: &State| {
                is_over(system, state) && state.patcher.refused
            }),
            Sight::OpsTracer => Property::sometimes(name, |system: &System, state: &State| {
                any(state, |task| at(&system.code, task, Op::OpsTracer(OPS)))
            }),
            Sight::Left => Property::sometimes(name, |system: &System, state: &State| {
                let is_inside = |task: &Task| system.code.trampoline.contains(&task.pc);
                waits(system, state) && any(state, is_inside)
            }),
            Sight::Bound => Property::sometimes(name, |system: &System, state: &State| {
                let target = system.code.trampoline.start;
                let is_bound = |task: &Task| {
                    let v1 = task.reg(Reg::V1);
                    is_between(&system.code, task)
                        && [mips::lui_v1(target) << 16, target].contains(&v1)
                };
                waits(system, state) && any(state, is_bound)
            }),
        }
    }
}

fn any(state: &State, is: impl Fn(&Task) -> bool) -> bool {
    state.tasks.iter().any(is)
}

fn at(code: &Code, task: &Task, op: Op) -> bool {
    code.ops.get(&task.pc) == Some(&op)
}

/// Whether a task has executed a word of the call site, and has another one ahead.
fn is_between(code: &Code, task: &Task) -> bool {
    task.pass != 0
        && code
            .site(Place::Call)
            .place(task.pc)
            .is_some_and(|place| place > 0)
}

/// Whether the patcher waits for tasks. The site does not call the trampoline any more.
fn waits(system: &System, state: &State) -> bool {
    system.steps.get(usize::from(state.patcher.step)) == Some(&Step::Wait)
}

fn is_over(system: &System, state: &State) -> bool {
    usize::from(state.patcher.step) == system.steps.len()
}

/// Returns the properties of which all must hold, and those given.
pub fn properties(sights: &[Sight]) -> Vec<Property<System>> {
    let always = Fault::ALL.into_iter().map(Fault::always);
    let sometimes = sights.iter().map(|sight| sight.sometimes());
    always.chain(sometimes).collect()
}
