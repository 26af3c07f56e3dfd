// SPDX-License-Identifier: GPL-2.0

//! The ftrace backend.
//!
//! What is the same for all architectures. An architecture implements [`text::Machine`] and
//! [`backend::Arch`] and exports to C what `include/linux/ftrace.h` asks for, in
//! `arch/*/kernel/ftrace_rust.rs`.
//!
//! C header: [`include/linux/ftrace.h`](srctree/include/linux/ftrace.h)
//!
//! Reference: <https://docs.kernel.org/trace/ftrace-rust.html>

pub mod backend;
pub mod insn;
#[cfg(CONFIG_FTRACE_RUST_KUNIT_TEST)]
mod kunit;
pub mod site;
pub mod stats;
pub mod text;
pub mod trampoline;
