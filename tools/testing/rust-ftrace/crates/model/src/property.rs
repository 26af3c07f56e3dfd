// SPDX-License-Identifier: GPL-2.0

//! What is checked.

use stateright::Property;

use crate::{
    code::{
        Code,
        Place,
        OPS, //
    },
    fault::Fault,
    insn::mips,
    isa::{
        Op,
        Reg, //
    },
    plan::Step,
    state::{
        State,
        Task, //
    },
    system::System, //
};

impl Fault {
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
    /// A task goes on between two words of the call site, on another CPU.
    Migrated,
    /// A task has been interrupted in the delay slot of a call, and will execute that again.
    Again,
    /// A CPU may execute an old word, or a new one.
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
            Sight::Migrated => "a task goes on between two words on another CPU",
            Sight::Again => "a task is interrupted in the delay slot of a call",
            Sight::Stale => "a CPU holds an old word",
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
