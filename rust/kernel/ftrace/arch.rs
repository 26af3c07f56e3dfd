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
use crate::bindings::dyn_ftrace;

/// What the backend needs to know of an architecture.
///
/// # Safety
///
/// The answers decide which words are written to text:
///
/// - [`layout`](Self::layout) returns the layout of the code that the compiler emitted at the site.
///   The answer stays the same for as long as the site exists.
/// - The entries call a tracer at each of [`FUNC_CALLS`](Self::FUNC_CALLS), by an instruction of
///   [`FUNC_CALL`](Self::FUNC_CALL).
/// - [`target`](Self::target) returns an address that the site can call by the instructions of its
///   layout. From there, control gets to the address that was asked for.
pub unsafe trait Arch: Machine + Sized + 'static {
    /// Name for messages.
    const NAME: &'static str;

    /// How CPUs are synchronised, for messages.
    const SYNC: &'static str;

    /// Layout of the call of the tracer within `ftrace_caller`.
    ///
    /// It is always [`State::On`](site::State::On).
    const FUNC_CALL: Layout;

    /// Where the entries call a tracer.
    const FUNC_CALLS: &'static [unsafe extern "C" fn()];

    /// The layouts that sites have. All are of one width.
    const LAYOUTS: &'static [&'static Layout];

    /// The registers that `struct __arch_ftrace_regs` always holds: their names in `struct pt_regs`
    /// and their offsets.
    const REGISTERS: &'static [(&'static str, usize)];

    /// The width of the store that changes a site.
    const WIDTH: Width = site::common_width(Self::LAYOUTS);

    /// Returns the layout of the site at `ip`, one of [`LAYOUTS`](Self::LAYOUTS).
    fn layout(ip: usize) -> &'static Layout;

    /// Returns the profiling function that the site of `rec` was compiled to call.
    fn mcount(rec: &dyn_ftrace) -> u32;

    /// Returns whether the site of `rec`, compiled to call `target`, calls the profiling function.
    fn is_mcount(rec: &dyn_ftrace, target: u32) -> bool {
        target == Self::mcount(rec)
    }

    /// Returns what the site of `rec` must call to get to `address`: `address`, or a veneer or an
    /// entry that gets there.
    ///
    /// The answer is the same for all sites between `_stext` and `_etext` that reach `address`,
    /// unless their layout splits the target or they [keep](Layout::keeps_target) it.
    fn target(rec: &dyn_ftrace, address: usize) -> u32;
}
