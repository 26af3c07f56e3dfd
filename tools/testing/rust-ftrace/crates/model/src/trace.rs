// SPDX-License-Identifier: GPL-2.0

//! Executions as text.

use std::fmt::Write;

use crate::{
    code::{
        CALLER,
        HANDLER, //
    },
    fault::Fault,
    isa::{
        Op,
        Reg, //
    },
    plan::Step,
    site::Width,
    state::{
        Action,
        State,
        Task, //
    },
    system::System, //
};

/// Returns an execution, a line for each transition: who does it, where, what, and what changes.
pub fn text(system: &System, path: &[(State, Option<Action>)]) -> String {
    let mut text = String::new();
    for (number, pair) in path.windows(2).enumerate() {
        let [(before, Some(action)), (after, _)] = pair else {
            continue;
        };
        let (who, what) = line(system, before, *action, after);
        let _ = writeln!(text, "{:3}  {who:14}  {what}", number + 1);
        for fault in Fault::ALL {
            if after.faults.has(fault) {
                let why = why(system, before, *action, fault);
                let _ = writeln!(text, "     ^ breaks: {}{why}", fault.property());
            }
        }
    }
    text
}

fn name(task: u8) -> char {
    char::from(b'A' + task)
}

fn line(system: &System, before: &State, action: Action, after: &State) -> (String, String) {
    let code = &system.code;
    match action {
        Action::Run { task, value } => {
            let (old, new) = (
                &before.tasks[usize::from(task)],
                &after.tasks[usize::from(task)],
            );
            let what = match before.patcher.freed && code.trampoline.contains(&old.pc) {
                true => "whatever is there now".to_owned(),
                false => instruction(system, old, value),
            };
            let who = format!("task {} cpu {}", name(task), old.cpu);
            let what = format!("{:08x}  {what:42}{}", old.pc, effects(system, old, new));
            (who, what.trim_end().to_owned())
        }
        Action::Preempt(task) => {
            let old = &before.tasks[usize::from(task)];
            let who = format!("task {} cpu {}", name(task), old.cpu);
            (who, format!("is preempted{}", again(before, after, task)))
        }
        Action::Resume { task, cpu } => {
            let new = &after.tasks[usize::from(task)];
            let moved = match before.tasks[usize::from(task)] {
                old if old.cpu == cpu || !new.migrated => "",
                _ => ", on another CPU",
            };
            let verb = if new.pc == code.start && !new.migrated {
                "enters the function"
            } else {
                "goes on"
            };
            let who = format!("task {} cpu {cpu}", name(task));
            (who, format!("{verb} at {:08x}{moved}", new.pc))
        }
        Action::Stop(cpu) => {
            let running = (0u8..)
                .zip(&before.tasks)
                .find(|(_, t)| t.running && t.cpu == cpu);
            let preempts = running.map_or(String::new(), |(task, _)| {
                format!(
                    ", task {} is preempted{}",
                    name(task),
                    again(before, after, task)
                )
            });
            (format!("       cpu {cpu}"), format!("stops{preempts}"))
        }
        Action::Patch(cpu) => {
            let what = match system.steps[usize::from(before.patcher.step)] {
                Step::Compare { address, old } => {
                    let verdict = match after.patcher.refused {
                        true => "differs: the change is refused",
                        false => "is the same",
                    };
                    format!(
                        "compares {} with `{}`: it {verdict}",
                        code.symbol(address),
                        code.text(address, old)
                    )
                }
                Step::Store { address, old, new } => format!(
                    "stores to {}: `{}` becomes `{}`",
                    code.symbol(address),
                    code.text(address, old),
                    code.text(address, new)
                ),
                Step::Publish { start, end } => format!("flushes {start:08x} to {end:08x}"),
                Step::Free => "gives the trampoline back".to_owned(),
                step => format!("{step:?}"),
            };
            (format!("patcher cpu {cpu}"), what)
        }
        Action::Synchronise(cpu) => {
            let tasks = (0u8..).zip(&before.tasks);
            let again = tasks
                .filter(|(_, task)| task.running && task.cpu == cpu)
                .map(|(task, _)| again(before, after, task));
            (
                format!("       cpu {cpu}"),
                format!("synchronises{}", again.collect::<String>()),
            )
        }
        Action::Sleep(task) => {
            let who = format!("task {}", name(task));
            (who, "has slept, is not waited for any more".to_owned())
        }
        Action::Go => ("patcher".to_owned(), "the change is over".to_owned()),
    }
}

/// Says so if a task that is interrupted has to execute a branch again.
fn again(before: &State, after: &State, task: u8) -> String {
    match before.tasks[usize::from(task)].branch {
        Some(_) => format!(
            " in a delay slot, will execute the branch at {:08x} again",
            after.tasks[usize::from(task)].pc
        ),
        None => String::new(),
    }
}

/// Returns the instruction that a task executes; if it is at a word that changes, the value of
/// this number.
fn instruction(system: &System, task: &Task, value: u8) -> String {
    let (code, pc) = (&system.code, task.pc);
    let Some((site, place)) = code.word(pc) else {
        let op = code.ops.get(&pc);
        return op.map_or_else(
            || "nothing is here".to_owned(),
            |op| code.isa.text(*op, |address| code.symbol(address)),
        );
    };
    let changes = system.words.iter().find(|word| word.address == pc);
    let word = changes.map_or(site.contents[0][place], |word| {
        word.values[usize::from(value)]
    });
    match task.first {
        Some(first) => code.text(pc.wrapping_sub(2), first | word << 16),
        None if site.layout.width == Width::Half && code.isa.is_first_half(word) => {
            format!("first halfword {word:#06x}")
        }
        None => code.text(pc, word),
    }
}

/// Returns what has changed in a task, but for its program counter going on by one instruction.
fn effects(system: &System, old: &Task, new: &Task) -> String {
    let code = &system.code;
    if matches!(code.ops.get(&old.pc), Some(Op::Body)) {
        return String::new();
    }
    let size = code
        .word(old.pc)
        .map_or(4, |(site, _)| site.layout.width.size());
    let op = code.ops.get(&old.pc);
    let clobbered = matches!(op, Some(Op::Tracer | Op::OpsTracer(_) | Op::GraphTracer(_)));
    let mut effects: Vec<_> = Reg::ALL
        .into_iter()
        .filter(|reg| !clobbered && old.reg(*reg) != new.reg(*reg))
        .map(|reg| format!("{} = {:08x}", code.isa.name(reg), new.reg(reg)))
        .collect();
    if old.used != new.used {
        effects.push(format!("sp = {}", -new.used));
    }
    if new.branch.is_some() {
        effects.push("delay slot next".to_owned());
    } else if new.first.is_none() && new.pc != old.pc.wrapping_add(size) {
        effects.push(format!("goes to {}", code.symbol(new.pc)));
    }
    effects.join(", ")
}

/// Returns what is wrong, in figures.
fn why(system: &System, before: &State, action: Action, fault: Fault) -> String {
    let Action::Run { task, .. } = action else {
        return String::new();
    };
    let task = &before.tasks[usize::from(task)];
    let code = &system.code;
    let reg = |reg| format!("{} is {:08x}", code.isa.name(reg), task.reg(reg));
    match fault {
        Fault::Return => {
            let right = if task.hooked { HANDLER } else { CALLER };
            format!(": {}, not {}", reg(Reg::Link), code.symbol(right))
        }
        Fault::Stack => format!(": sp is off by {}", -task.used),
        Fault::Tracer => {
            let args = [Reg::Arg0, Reg::Arg1, Reg::Arg2].map(reg);
            format!(": {}", args.join(", "))
        }
        _ => String::new(),
    }
}
