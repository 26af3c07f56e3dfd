// SPDX-License-Identifier: GPL-2.0

//! The states of the system, and the steps from one to the next.

use crate::{
    code::{
        Code,
        CALLER, //
    },
    fault::Faults,
    isa::{
        Reg,
        Regs, //
    },
    machine::CPUS, //
};

/// Number of tasks.
pub const TASKS: usize = 2;

/// The largest number of words that change.
pub const WORDS: usize = 4;

/// Bytes of stack of a task.
const STACK: usize = 64;

/// What a register holds that the C code of a tracer has used.
pub const CLOBBERED: u32 = 0xdead_dead;

/// A task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Task {
    /// Address of the next instruction; one that is nowhere if the task is dead.
    pub pc: u32,
    /// Where the branch goes in whose delay slot `pc` is.
    pub branch: Option<u32>,
    /// The first halfword of the instruction whose second one is at `pc`.
    pub first: Option<u32>,
    /// Its registers.
    pub regs: Regs,
    /// Its stack, from the lowest address on. The traced function's frame ends above it.
    pub stack: [u32; STACK / 4],
    /// Bytes of stack in use. Negative if more was given back than taken.
    pub used: i32,
    /// The contents of the site, by bits, that all words executed in this pass belong to.
    pub pass: u8,
    /// `pass` before the branch in whose delay slot `pc` is, or before `first`.
    pub pass_before: u8,
    /// Whether `return_to_handler` stands in for the return address.
    pub hooked: bool,
    /// The CPU that executes the task, or did so last.
    pub cpu: u8,
    /// Whether it executes the task now.
    pub running: bool,
    /// Whether the task has gone from CPU to CPU since it entered the function.
    pub migrated: bool,
}

impl Task {
    /// Returns a task that is about to call the function.
    pub fn new(code: &Code) -> Self {
        let mut regs = [0; Reg::ALL.len()];
        regs[Reg::Link as usize] = CALLER;
        Task {
            pc: code.start,
            branch: None,
            first: None,
            regs,
            stack: [0; STACK / 4],
            used: 0,
            pass: 0,
            pass_before: 0,
            hooked: false,
            cpu: 0,
            running: false,
            migrated: false,
        }
    }

    /// Returns a register.
    pub fn reg(&self, reg: Reg) -> u32 {
        self.regs[reg as usize]
    }

    /// Sets a register.
    pub fn set(&mut self, reg: Reg, value: u32) {
        self.regs[reg as usize] = value;
    }

    /// Leaves nothing in the registers.
    pub fn clobber(&mut self) {
        self.regs = [CLOBBERED; Reg::ALL.len()];
    }

    /// Whether the task executes within the traced function, its entry excepted.
    pub fn is_inside(&self, code: &Code) -> bool {
        self.pc != code.start || self.branch.is_some() || self.first.is_some()
    }

    /// Stops the task between two instructions. A branch is executed again if its delay slot has
    /// not been: that is where the CPU says that it was interrupted. One of which only the
    /// first halfword has been fetched has not been executed.
    pub fn interrupt(&mut self) {
        let back = match (self.branch.take(), self.first.take()) {
            (Some(_), _) => 4,
            (None, Some(_)) => 2,
            (None, None) => return,
        };
        self.pc = self.pc.wrapping_sub(back);
        self.pass = self.pass_before;
    }

    /// Returns a word of the stack, by its distance from the stack pointer.
    pub fn slot(&mut self, offset: u32) -> Option<&mut u32> {
        let index = (STACK as i32 - self.used + offset as i32) / 4;
        self.stack.get_mut(usize::try_from(index).ok()?)
    }

    /// Reads a word of the stack.
    pub fn load(&mut self, offset: u32) -> u32 {
        self.slot(offset).map_or(CLOBBERED, |slot| *slot)
    }

    /// Moves the stack pointer.
    pub fn add_sp(&mut self, add: i32) {
        self.used -= add;
        // What is below the stack pointer is lost.
        let free = (STACK as i32 - self.used).clamp(0, STACK as i32) as usize / 4;
        self.stack[..free].fill(0);
    }
}

/// What a CPU may hold of the words that change, by the numbers of their values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cpu {
    /// The oldest value that its instruction cache may hold.
    pub cached: [u8; WORDS],
    /// The oldest value that it may execute: that, or what it prefetched before.
    pub fetched: [u8; WORDS],
    /// Whether it waits in `stop_machine()`.
    pub stopped: bool,
}

/// Who changes text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Patcher {
    /// The next step of the plan.
    pub step: u8,
    /// The CPU that works, when one has claimed the work.
    pub writer: Option<u8>,
    /// The CPUs, by bits, that have done the step; the tasks if it waits for these.
    pub done: u8,
    /// Whether a word was not what it must be.
    pub refused: bool,
    /// Whether the trampoline has been given back.
    pub freed: bool,
}

/// A state of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The tasks.
    pub tasks: [Task; TASKS],
    /// The CPUs.
    pub cpus: [Cpu; CPUS],
    /// The patcher.
    pub patcher: Patcher,
    /// Number of the value in memory of each word that changes.
    pub latest: [u8; WORDS],
    /// Number of the newest value that instruction fetches of any CPU can get from memory.
    pub published: [u8; WORDS],
    /// Number of the value when the last change was over.
    pub settled: [u8; WORDS],
    /// What went wrong in the last transition.
    pub faults: Faults,
}

/// A transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A task executes an instruction; if that is a word that changes, the value of this number.
    Run {
        /// The task.
        task: u8,
        /// Number of the value.
        value: u8,
    },
    /// A task is taken off its CPU.
    Preempt(u8),
    /// A task goes on.
    Resume {
        /// The task.
        task: u8,
        /// The CPU.
        cpu: u8,
    },
    /// A CPU stops.
    Stop(u8),
    /// A CPU does the next step of the plan.
    Patch(u8),
    /// A CPU synchronises its instruction fetch.
    Synchronise(u8),
    /// A task has slept.
    Sleep(u8),
    /// The change is over, all CPUs go on.
    Go,
}

/// A word that changes.
#[derive(Clone, Debug)]
pub struct Word {
    /// Its address.
    pub address: u32,
    /// Its values in the order in which it gets them.
    pub values: Vec<u32>,
}
