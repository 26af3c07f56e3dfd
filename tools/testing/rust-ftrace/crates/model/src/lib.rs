// SPDX-License-Identifier: GPL-2.0

//! A model checker of call sites that change while they are executed.
//!
//! The sites, what they hold and the stores that change them are those of the kernel: the tables
//! in `rust/kernel/ftrace/site/`, put into steps by `rust/kernel/ftrace/text.rs`, both of which
//! this crate compiles. Everything else is a model, of which the checker visits every state:
//!
//! - Two **tasks** execute a traced function, a leaf, over and over. A task has a program counter,
//!   a stack, and the registers that a site and what it calls use. It can be preempted between any
//!   two instructions and go on on any CPU. On MIPS, one that is interrupted in a delay slot
//!   goes on at the branch, which has changed the link register already.
//! - Two **CPUs** (one in `mips-up` and `arm-up`) fetch each word of a site on their own: any
//!   value that it has had since what the CPU last synchronised with, and not always the
//!   same. The halfwords of a T32 instruction are fetched one after the other, as if each were in
//!   a cache line of its own. Data is coherent. See [`machine`] for what a flush and a barrier
//!   reach.
//! - The **patcher** goes through a [plan](plan) of stop, compare, store, flush, synchronise and
//!   go on, at any time and, where nothing is stopped, with anything in between. While CPUs
//!   are stopped, tasks stay where they were preempted.
//! - What call sites call is in [`ours`] and [`c`], after the assembly in `arch/*/kernel`.
//!   Instructions between which nothing can be told apart are one step there. The words of sites
//!   are decoded one by one, by the kernel's own decoders.
//!
//! - The **trampoline** of an ops comes and goes. On MIPS its memory holds anything until it is
//!   allocated. When it is given back, it holds anything again, and nothing may execute it; before
//!   that, the patcher waits until each task has been outside the function, its site and what that
//!   calls, as `synchronize_rcu_tasks()` does.
//!
//! # What is promised
//!
//! A [`fault::Fault`] must never happen. A [`property::Sight`] must happen in some execution: a
//! model in which nothing happens has no faults either. Both hold for [`scenario::ours`].
//!
//! [`scenario::c`] are the C backends. [`scenario::mistakes`] are plans and tables that are wrong.
//! For each of these, the checker must find the faults that the scenario names.
//!
//! # What is left out
//!
//! - That instructions are encoded as CPUs have them: words are decoded by the functions
//!   that the kernel encodes them with. The tests of `../pure` compare these with LLVM's assembler.
//! - A word is fetched whole, in T32 sites a halfword: stores that are not aligned are refused.
//!   Among instructions that the architecture allows to be exchanged live, an unsynchronised fetch
//!   gets one of the values; with any other it counts as a fault, but is then modelled in the same
//!   way.
//! - Exceptions and their returns do not count as synchronisation, though they are on ARM. Nothing
//!   that the backend does depends on it.
//! - The order in which a CPU's own steps become visible to others, apart from instruction
//!   fetches. `stop_machine()` and its acquire and release of `done` are taken for what they
//!   promise; that `rust/kernel/ftrace/update.rs` does what [`plan::change`] does, and
//!   `rust/kernel/ftrace/trampoline.rs` what [`plan::give`] and [`plan::take_back`] do, one has to
//!   read.
//! - Several trampolines, a tracer that is exchanged while it is called, an ops that is freed
//!   before its trampoline.
//! - Traced functions that save their return address, entries that save all registers, PLT
//!   entries and veneers, kprobes, modules that are unloaded.
//! - Two states count as one if the checker's 64-bit hash of them is the same.

pub mod c;
pub mod check;
pub mod code;
pub mod fault;
pub mod isa;
mod kernel;
pub mod machine;
pub mod ours;
pub mod plan;
pub mod property;
pub mod scenario;
pub mod state;
pub mod system;
pub mod trace;

// The attribute names the folder in which the modules inside are looked up.
#[path = "../../../../../../rust/kernel/ftrace"]
mod ftrace {
    pub mod insn;
    pub mod site;
    #[expect(dead_code, reason = "the model has its own pages and synchronisation")]
    pub mod text;
}

pub use ftrace::{
    insn,
    site, //
};

// What `rust/kernel/ftrace/text.rs` looks for in the crate's root.
use kernel::{
    interrupt,
    num,
    page,
    prelude,
    stop_machine, //
};
