// SPDX-License-Identifier: GPL-2.0

//! The ftrace backend.
//!
//! What is the same for all architectures. An architecture implements [`text::Machine`] and
//! [`arch::Arch`] and exports to C what `include/linux/ftrace.h` asks for, in
//! `arch/*/kernel/ftrace_rust.rs`.
//!
//! C header: [`include/linux/ftrace.h`](srctree/include/linux/ftrace.h)
//!
//! Reference: <https://docs.kernel.org/trace/ftrace-rust.html>

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
