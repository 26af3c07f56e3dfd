// SPDX-License-Identifier: GPL-2.0

//! CPUs, tasks and the patcher as a state machine.

use stateright::{
    Model,
    Property, //
};

use crate::{
    code::{
        Code,
        Place,
        CALLER,
        HANDLER, //
    },
    fault::{
        Fault,
        Faults, //
    },
    isa::{
        Op,
        Reg, //
    },
    machine::{
        Machine,
        CPUS, //
    },
    plan::Step,
    site::{
        Pattern,
        Width, //
    },
    state::{
        Action,
        Cpu,
        Patcher,
        State,
        Task,
        Word,
        CLOBBERED,
        TASKS,
        WORDS, //
    },
};

/// The system.
#[derive(Clone)]
pub struct System {
    /// The CPUs.
    pub machine: Machine,
    /// What tasks execute.
    pub code: Code,
    /// What the patcher does.
    pub steps: Vec<Step>,
    /// The words that it changes.
    pub words: Vec<Word>,
    /// What is to be checked.
    pub properties: Vec<Property<System>>,
}

impl System {
    /// Returns the place in [`words`](Self::words) of the word at `address`.
    fn variable(&self, address: u32) -> Option<usize> {
        self.words.iter().position(|word| word.address == address)
    }

    fn online(&self) -> impl Iterator<Item = u8> {
        0..self.machine.cpus
    }

    /// Executes the next instruction of a task.
    fn run(&self, state: &mut State, task: u8, value: u8) {
        let cpu = state.tasks[usize::from(task)].cpu;
        let pc = state.tasks[usize::from(task)].pc;
        if state.patcher.freed && self.code.trampoline.contains(&pc) {
            state.faults.add(Fault::Freed);
            state.tasks[usize::from(task)].pc = 0;
            return;
        }
        let (op, next) = match self.code.word(pc) {
            None => {
                let task = &mut state.tasks[usize::from(task)];
                task.pass = 0;
                // What begins in a site does not end elsewhere.
                let op = match task.first.take() {
                    Some(_) => None,
                    None => self.code.ops.get(&pc).copied(),
                };
                (op, pc.wrapping_add(4))
            }
            Some((site, place)) => {
                let word = self.fetch(state, task, cpu, value);
                let next = pc.wrapping_add(site.layout.width.size());
                let task = &mut state.tasks[usize::from(task)];
                let (pc, insn) = match task.first.take() {
                    None if site.layout.width == Width::Half
                        && self.code.isa.is_first_half(word) =>
                    {
                        (task.first, task.pc) = (Some(word), next);
                        return;
                    }
                    None => (pc, word),
                    Some(first) => (pc.wrapping_sub(2), first | word << 16),
                };
                let kept = site.layout.words.get(place).map(|word| word.compiled);
                let kept = matches!(kept, Some(Pattern::Any));
                let op = self.code.isa.decode(pc, insn);
                (op.or(kept.then_some(Op::Nop)), next)
            }
        };
        let Some(op) = op else {
            state.faults.add(Fault::Undefined);
            state.tasks[usize::from(task)].pc = 0;
            return;
        };
        self.execute(state, usize::from(task), op, next);
    }

    /// Fetches a word of a site and checks that it may be executed.
    fn fetch(&self, state: &mut State, task: u8, cpu: u8, value: u8) -> u32 {
        let State { tasks, faults, .. } = state;
        let task = &mut tasks[usize::from(task)];
        let (pc, isa) = (task.pc, self.code.isa);
        let (site, place) = self.code.word(pc).expect("the task is at a word of a site");
        let insn = match self.variable(pc) {
            None => site.contents[0][place],
            Some(variable) => {
                let values = &self.words[variable].values;
                let oldest = usize::from(state.cpus[usize::from(cpu)].fetched[variable]);
                let candidates = &values[oldest..=usize::from(state.latest[variable])];
                let differ = candidates.iter().any(|insn| *insn != candidates[0]);
                if differ && !candidates.iter().all(|insn| isa.may_change_live(pc, *insn)) {
                    faults.add(Fault::Unsynchronised);
                }
                if value < state.settled[variable] {
                    faults.add(Fault::Outdated);
                }
                values[usize::from(value)]
            }
        };

        let all = ((1u16 << site.contents.len()) - 1) as u8;
        let before = if place == 0 || task.pass == 0 {
            all
        } else {
            task.pass
        };
        let same = |contents: &[u32; _]| contents[place] == insn;
        let fit = site.contents.iter().enumerate();
        let fit = fit.fold(0, |fit, (i, words)| fit | u8::from(same(words)) << i);
        task.pass_before = before;
        task.pass = before & fit;
        if task.pass == 0 {
            faults.add(Fault::Mixed);
        }
        insn
    }

    /// Executes `op`. The next instruction is at `next`.
    fn execute(&self, state: &mut State, index: usize, op: Op, next: u32) {
        let State { tasks, faults, .. } = state;
        let task = &mut tasks[index];
        let isa = self.code.isa;
        let pc = task.pc;
        let slot = if isa.has_delay_slots() { 4 } else { 0 };
        let back = isa.pointer(next.wrapping_add(slot));
        let mut target = None;

        match op {
            Op::Nop => {}
            Op::Add { to, from, add } => task.set(to, task.reg(from).wrapping_add_signed(add)),
            Op::Upper { to, value } | Op::Lower { to, value } => task.set(to, value),
            Op::Top { to, value } => task.set(to, value | task.reg(to) & 0xffff),
            Op::AddSp(add) => task.add_sp(add),
            Op::Enter(frame, saved) => {
                task.add_sp(-(frame as i32));
                for (reg, offset) in saved {
                    let value = task.reg(*reg);
                    if let Some(slot) = task.slot(*offset) {
                        *slot = value;
                    }
                }
            }
            Op::Load(reg, offset) => {
                let value = task.load(offset);
                task.set(reg, value);
            }
            Op::LoadFunc { to, ops } => {
                let func = self.code.funcs.get(&task.reg(ops));
                task.set(to, func.copied().unwrap_or(CLOBBERED));
            }
            Op::Leave {
                frame,
                parent,
                site,
            } => {
                let (parent, site) = (task.load(parent), task.load(site));
                task.add_sp(frame as i32);
                task.clobber();
                task.set(Reg::Link, parent);
                target = Some(site);
            }
            Op::Back => {
                target = Some(task.reg(Reg::Link));
                let parent = task.reg(Reg::Parent);
                task.clobber();
                task.set(Reg::Link, parent);
            }
            Op::Jump(address) => target = Some(address),
            Op::Call(address) => {
                task.set(Reg::Link, back);
                target = Some(address);
            }
            Op::CallReg(reg) => {
                target = Some(task.reg(reg));
                task.set(Reg::Link, back);
            }
            Op::Return => target = Some(task.reg(Reg::Link)),
            Op::Tracer | Op::OpsTracer(_) | Op::GraphTracer(_) => {
                let ip = self.code.site(Place::Call).ip;
                let is_another = matches!(op, Op::OpsTracer(ops) if task.reg(Reg::Arg2) != ops);
                if task.reg(Reg::Arg0) != ip || task.reg(Reg::Arg1) != CALLER || is_another {
                    faults.add(Fault::Tracer);
                }
                if let Op::GraphTracer(offset) = op {
                    if let Some(slot) = task.slot(offset) {
                        if *slot != CALLER {
                            faults.add(Fault::Tracer);
                        }
                        *slot = HANDLER;
                    }
                    task.hooked = true;
                }
                target = Some(task.reg(Reg::Link));
                task.clobber();
            }
            Op::Body => {
                let expected = if task.hooked { HANDLER } else { CALLER };
                if task.reg(Reg::Link) != expected {
                    faults.add(Fault::Return);
                }
                if task.used != 0 {
                    faults.add(Fault::Stack);
                }
                let Task { cpu, running, .. } = *task;
                *task = Task {
                    cpu,
                    running,
                    ..Task::new(&self.code)
                };
                return;
            }
        }

        // The runs of instructions that the model takes as one have executed their delay slots.
        let is_word = self.code.word(pc).is_some();
        let delayed = isa.has_delay_slots() && is_word && target.is_some();
        if let Some(branch) = task.branch.take() {
            if target.is_some() {
                faults.add(Fault::Undefined);
            }
            self.go(task, faults, branch);
        } else if delayed {
            task.pc = next;
            task.branch = target;
        } else {
            self.go(task, faults, target.unwrap_or(next));
        }
    }

    fn go(&self, task: &mut Task, faults: &mut Faults, target: u32) {
        task.pc = self.code.isa.address(target);
        if !self.code.contains(task.pc) {
            faults.add(Fault::Wild);
        }
    }

    /// Does the step of the plan that one CPU alone does.
    fn patch(&self, state: &mut State, cpu: u8) {
        let State {
            patcher,
            cpus,
            latest,
            published,
            faults,
            ..
        } = state;
        patcher.writer = Some(cpu);
        match self.steps[usize::from(patcher.step)] {
            Step::Compare { address, old } => {
                if self.value(latest, address) != Some(old) {
                    patcher.refused = true;
                    // What is left of the change: to go on.
                    let rest = &self.steps[usize::from(patcher.step)..];
                    let skipped = rest.iter().take_while(|step| **step != Step::Synchronise);
                    patcher.step += skipped.count() as u8;
                    return;
                }
            }
            Step::Store { address, old, .. } => {
                if self.value(latest, address) != Some(old) {
                    faults.add(Fault::Overwritten);
                }
                if let Some(variable) = self.variable(address) {
                    latest[variable] += 1;
                }
            }
            Step::Publish { start, end } => {
                let local = usize::from(cpu);
                for (variable, word) in self.words.iter().enumerate() {
                    if !(start..end).contains(&word.address) {
                        continue;
                    }
                    published[variable] = latest[variable];
                    for (number, cpu) in cpus.iter_mut().enumerate() {
                        if number == local || self.machine.publishes_to_all {
                            cpu.cached[variable] = published[variable];
                        }
                    }
                    cpus[local].fetched[variable] = cpus[local].cached[variable];
                }
            }
            Step::Free => patcher.freed = true,
            Step::Stop | Step::Synchronise | Step::SynchroniseWriter | Step::Go | Step::Wait => {}
        }
        patcher.step += 1;
    }

    /// Returns the word at `address` in memory.
    fn value(&self, latest: &[u8; WORDS], address: u32) -> Option<u32> {
        match self.variable(address) {
            Some(variable) => Some(self.words[variable].values[usize::from(latest[variable])]),
            None => {
                let (site, place) = self.code.word(address)?;
                Some(site.contents[0][place])
            }
        }
    }

    fn synchronise(&self, state: &mut State, cpu: u8) {
        let published = state.published;
        let cpu = &mut state.cpus[usize::from(cpu)];
        if self.machine.synchronise_flushes {
            cpu.cached = published;
        }
        cpu.fetched = cpu.cached;
    }

    /// Notes that a CPU, or a task, has done the step, and goes on if all of them have.
    fn done(state: &mut State, number: u8, all: usize) {
        state.patcher.done |= 1 << number;
        if state.patcher.done.count_ones() as usize == all {
            state.patcher.done = 0;
            state.patcher.step += 1;
        }
    }

    /// Takes the task that `cpu` executes, if any, off it.
    fn preempt_cpu(state: &mut State, cpu: u8) {
        let mut tasks = state.tasks.iter_mut();
        if let Some(task) = tasks.find(|task| task.running && task.cpu == cpu) {
            task.interrupt();
            task.running = false;
        }
    }
}

impl Model for System {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            tasks: [Task::new(&self.code); TASKS],
            cpus: [Cpu::default(); CPUS],
            patcher: Patcher::default(),
            latest: [0; WORDS],
            published: [0; WORDS],
            settled: [0; WORDS],
            faults: Faults::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, task) in (0..).zip(&state.tasks) {
            if !self.code.contains(task.pc) {
                continue;
            }
            if task.running {
                let (oldest, latest) = match self.variable(task.pc) {
                    Some(word) => {
                        let cpu = &state.cpus[usize::from(task.cpu)];
                        (cpu.fetched[word], state.latest[word])
                    }
                    None => (0, 0),
                };
                actions.extend((oldest..=latest).map(|value| Action::Run {
                    task: number,
                    value,
                }));
                actions.push(Action::Preempt(number));
                continue;
            }
            let free = |cpu: &u8| {
                !state.cpus[usize::from(*cpu)].stopped
                    && !state.tasks.iter().any(|t| t.running && t.cpu == *cpu)
            };
            actions.extend(
                self.online()
                    .filter(free)
                    .map(|cpu| Action::Resume { task: number, cpu }),
            );
        }

        let patcher = &state.patcher;
        let waiting = |cpu: &u8| patcher.done & 1 << cpu == 0;
        match self.steps.get(usize::from(patcher.step)) {
            None => {}
            Some(Step::Stop) => actions.extend(self.online().filter(waiting).map(Action::Stop)),
            Some(Step::Synchronise) => {
                actions.extend(self.online().filter(waiting).map(Action::Synchronise));
            }
            Some(Step::SynchroniseWriter) => {
                actions.extend(patcher.writer.map(Action::Synchronise));
            }
            Some(Step::Wait) => {
                let tasks = (0..).zip(&state.tasks);
                let outside = tasks.filter(|(_, task)| !task.is_inside(&self.code));
                let outside = outside.map(|(number, _)| number).filter(waiting);
                actions.extend(outside.map(Action::Sleep));
            }
            Some(Step::Go) => actions.push(Action::Go),
            Some(Step::Compare { .. } | Step::Store { .. } | Step::Publish { .. } | Step::Free) => {
                let free = |cpu: &u8| patcher.writer.is_none_or(|writer| writer == *cpu);
                actions.extend(self.online().filter(free).map(Action::Patch));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        state.faults = Faults::default();
        match action {
            Action::Run { task, value } => self.run(&mut state, task, value),
            Action::Preempt(task) => {
                Self::preempt_cpu(&mut state, last.tasks[usize::from(task)].cpu)
            }
            Action::Resume { task, cpu } => {
                let task = &mut state.tasks[usize::from(task)];
                task.migrated |= task.cpu != cpu && task.is_inside(&self.code);
                task.cpu = cpu;
                task.running = true;
            }
            Action::Stop(cpu) => {
                Self::preempt_cpu(&mut state, cpu);
                state.cpus[usize::from(cpu)].stopped = true;
                Self::done(&mut state, cpu, self.machine.cpus.into());
            }
            Action::Patch(cpu) => self.patch(&mut state, cpu),
            Action::Synchronise(cpu) => {
                // An interrupt, unless the CPU is stopped.
                let mut tasks = state.tasks.iter_mut();
                if let Some(task) = tasks.find(|task| task.running && task.cpu == cpu) {
                    task.interrupt();
                }
                self.synchronise(&mut state, cpu);
                match self.steps[usize::from(state.patcher.step)] {
                    Step::SynchroniseWriter => state.patcher.step += 1,
                    _ => Self::done(&mut state, cpu, self.machine.cpus.into()),
                }
            }
            Action::Sleep(task) => Self::done(&mut state, task, TASKS),
            Action::Go => {
                for cpu in &mut state.cpus {
                    cpu.stopped = false;
                }
                state.settled = state.latest;
                state.patcher.writer = None;
                state.patcher.step = match state.patcher.refused {
                    // ftrace disables itself.
                    true => self.steps.len() as u8,
                    false => state.patcher.step + 1,
                };
            }
        }
        // Where a task that is not in the function last ran makes no difference.
        for task in &mut state.tasks {
            if !task.running && !task.is_inside(&self.code) {
                task.cpu = 0;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.properties.clone()
    }
}
