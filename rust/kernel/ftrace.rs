// SPDX-License-Identifier: GPL-2.0

//! The ftrace backend: it turns call sites on and off.
//!
//! This page is the map. An architecture implements [`text::Machine`] and [`arch::Arch`] in
//! `arch/*/kernel/ftrace_rust.rs`, and exports to C what `include/linux/ftrace.h` asks for.
//!
//! C header: [`include/linux/ftrace.h`](srctree/include/linux/ftrace.h)
//!
//! Reference: <https://docs.kernel.org/trace/ftrace-rust.html>
//!
//! # One change
//!
//! `C` and `R` say which language a function is written in. `->` is a call.
//!
//! ```text
//! # echo function > /sys/kernel/tracing/current_tracer
//! |
//! C  kernel/trace/ftrace.c takes ftrace_lock and counts in each record who traces the site
//! |
//! R  arch_ftrace_update_code() -> update::update_code()
//!    |
//!    |  all CPUs run
//!    +- R  Plan::new() -> C ftrace_walk_updates() -> R Plan::add()
//!    |     asks the tables in site/ for one store for each site
//!    |
//!    |  all CPUs stop, with interrupts off
//!    +- C  stop_machine()
//!    |     |
//!    |     |  one CPU works, the others wait for it
//!    |     +- C  ftrace_modify_all_code()
//!    |     |     +- R  ftrace_update_ftrace_func() -> hooks::update_func()
//!    |     |     |     sets which tracer the entries call, before and after the sites change
//!    |     |     +- R  ftrace_replace_code() -> update::replace_code()
//!    |     |           finds the plan, and calls Plan::apply() -> text::poke() for the sites of
//!    |     |           two pages at a time:
//!    |     |              Machine::map()            makes a page writable
//!    |     |              compare                   each must be as planned, or none is stored
//!    |     |              store                     one store for each site
//!    |     |              Machine::flush_icache()   this CPU fetches the new words
//!    |     |              Machine::unmap()          ends the use of the page
//!    |     |
//!    |     |  each CPU, before it goes on
//!    |     +- R  Machine::sync_core()   it fetches the new words too
//!    |
//!    |  all CPUs run
//!    +- R  STATS notes how long they were stopped
//! ```
//!
//! The way goes from Rust to C and back to Rust twice. ftrace owns the records, so
//! `ftrace_walk_updates()` decides which sites change. ftrace also knows in which order entries
//! and sites change, so `ftrace_modify_all_code()` calls the hooks. C passes no argument of ours
//! on to them: `replace_code()` finds the plan in a static.
//!
//! If memory for the plan runs out, `replace_code()` changes the rest site by site. If a site is
//! refused, no more sites are turned on. Those that this request turned on are turned off again,
//! and `ftrace_bug()` disables ftrace.
//!
//! When a module is loaded, ftrace calls [`hooks`] for one site at a time. Nothing executes these
//! sites yet, so no CPU is stopped.
//!
//! # Files
//!
//! A file imports only files above it. There are no cycles.
//!
//! | file | one line |
//! |---|---|
//! | [`insn`] | encoders and decoders of single instructions: `a32`, `t32`, `mips` |
//! | `site/pattern.rs` | what one word of a site can hold |
//! | `site/layout.rs` | a layout: the words of a site in each state |
//! | `site/store.rs` | the stores that take a site from one state to another |
//! | `site/arm.rs`, `site/mips.rs` | the tables: the layouts of each architecture |
//! | [`text`] | the only stores to text; the tokens; what an architecture does for a store |
//! | [`arch`] | what else the backend asks of an architecture |
//! | [`stats`] | counters |
//! | [`records`] | ftrace's records, and which text a site is in |
//! | `patch.rs` | changes one site, and tells ftrace the result |
//! | [`hooks`] | the hooks for one site |
//! | `request.rs` | what ftrace asks for, record by record |
//! | `plan.rs` | the plan: one store for each site, computed while CPUs run |
//! | `apply.rs` | does the plan, and undoes it, while CPUs are stopped |
//! | [`update`] | the hooks for all sites: plan, stop, apply |
//! | [`trampoline`] | an entry for each ops |
//! | [`graph`] | hooks the return of a function |
//! | [`regs`] | looks up a register by its name |
//! | [`census`] | counts sites by what memory holds |
//! | [`banner`], [`debugfs`] | what the backend says at boot and in debugfs |
//! | `exports.rs` | macros: the hooks that all architectures export alike |
//! | `kunit.rs`, `kunit/` | tests that need a running kernel |
//!
//! [`insn`] and [`site`] use nothing of the kernel. The host tests in
//! `tools/testing/rust-ftrace` compile the same files, and so does a model checker, with [`text`].
//!
//! # Locks
//!
//! The backend takes no lock. It runs where ftrace holds `ftrace_lock`, and shows so by tokens:
//!
//! | token | says | made by |
//! |---|---|---|
//! | [`Locked`] | ftrace holds `ftrace_lock` | each exported hook |
//! | [`Stopped`] | all other CPUs wait, interrupts are off | `stop_machine()` |
//! | [`Exclusive`] | no other CPU executes the words that change | a `Stopped`, or a promise of C |
//!
//! [`Locked`]: text::Locked
//! [`Stopped`]: crate::stop_machine::Stopped
//! [`Exclusive`]: text::Exclusive
//!
//! | part | `ftrace_lock` | CPUs | may sleep |
//! |---|---|---|---|
//! | [`hooks`] while a module is loaded | held | run | yes, except in [`text`] |
//! | `plan.rs`, [`trampoline`] | held | run | yes |
//! | `apply.rs`, `patch.rs`, [`hooks`] from `stop_machine()` | held | stopped | no |
//! | [`text::Machine::sync_core`] | held | stopped | no |
//! | [`census`] | `ftrace_walk_records()` takes it | run | yes |
//! | [`graph`] | not held | run, the traced function is entered | no |
//! | [`stats`], [`debugfs`] | not held: counters are atomic | run | yes |
//!
//! # No panics
//!
//! A panic while CPUs are stopped, or between a store and its flush, is the end of the
//! machine. So no code here can panic, and an audit of the object code holds this:
//!
//! - Additions are `wrapping_add()`: a plain `+` panics on overflow if the kernel is built with
//!   `CONFIG_RUST_OVERFLOW_CHECKS`. No sum here overflows unless addresses do, and these wrap.
//! - Slices are read by `.get(..)`, with an empty slice or an error in place of a panic.
//! - There is no `unwrap()`. What cannot happen becomes an error, or changes nothing.
//!
//! Constant functions that run at compile time, and tests, are free to panic.

mod apply;
pub mod arch;
pub mod banner;
pub mod census;
pub mod debugfs;
mod exports;
#[cfg(CONFIG_FUNCTION_GRAPH_TRACER)]
pub mod graph;
pub mod hooks;
pub mod insn;
#[cfg(CONFIG_FTRACE_RUST_KUNIT_TEST)]
mod kunit;
mod patch;
mod plan;
pub mod records;
pub mod regs;
mod request;
pub mod site;
pub mod stats;
pub mod text;
pub mod trampoline;
pub mod update;
