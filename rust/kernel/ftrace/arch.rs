// SPDX-License-Identifier: GPL-2.0

//! What the backend needs to know of an architecture.

use super::{
    site::{
        self,
        Layout,
        Width, //
    },
    text::Machine, //
};
use crate::{
    bindings::dyn_ftrace,
    prelude::*, //
};

/// What the backend needs to know of an architecture.
///
/// # Safety
///
/// The answers decide what is written to text:
///
/// - [`layout`](Self::layout) returns the layout of what the compiler emitted at the site, the same
///   for as long as the site exists.
/// - [`target`](Self::target) returns an address to which control can go from the site in the way
///   of its layout, and from where it gets to what was asked for.
pub unsafe trait Arch: Machine + Sized + 'static {
    /// Name for messages.
    const NAME: &'static str;

    /// How CPUs are synchronised, for messages.
    const SYNC: &'static str;

    /// Layout of the call of the tracer within `ftrace_caller`.
    ///
    /// It is always [`State::On`](site::State::On).
    const FUNC_CALL: Layout;

    /// The layouts that sites have, all of one width.
    const LAYOUTS: &'static [&'static Layout];

    /// The registers that `struct __arch_ftrace_regs` always holds: their names in `struct pt_regs`
    /// and their offsets.
    const REGISTERS: &'static [(&'static CStr, usize)];

    /// What is written to change a site.
    const WIDTH: Width = site::common_width(Self::LAYOUTS);

    /// Returns the layout of the site at `ip`, one of [`LAYOUTS`](Self::LAYOUTS).
    fn layout(ip: usize) -> &'static Layout;

    /// Returns what the site of `rec` was compiled to call: the profiling function.
    fn mcount(rec: &dyn_ftrace) -> u32;

    /// Returns whether the site of `rec`, compiled to call `target`, calls the profiling function.
    fn is_mcount(rec: &dyn_ftrace, target: u32) -> bool {
        target == Self::mcount(rec)
    }

    /// Returns what the site of `rec` must call to get to `address`: that, or a trampoline.
    ///
    /// All sites between `_stext` and `_etext` call the same to get to an address that is within
    /// their reach, unless their layout splits the target or they [keep](Layout::keeps_target) it.
    fn target(rec: &dyn_ftrace, address: usize) -> u32;
}
