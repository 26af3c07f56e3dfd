// SPDX-License-Identifier: GPL-2.0

//! The records that ftrace has of call sites, and where those are.

use super::text::Locked;
use crate::bindings::{
    self,
    dyn_ftrace, //
};
use core::{
    iter,
    ops::Range,
    ptr, //
};

/// Returns the records of all sites.
pub(super) fn records(_locked: &Locked) -> impl Iterator<Item = *const dyn_ftrace> {
    // SAFETY: By the invariants of `Locked`, records neither come nor go.
    let mut iter = unsafe { bindings::ftrace_rec_iter_start() };
    iter::from_fn(move || {
        if iter.is_null() {
            return None;
        }
        // SAFETY: `iter` is what `ftrace_rec_iter_start()` or `_next()` returned, and not null.
        let record = unsafe { bindings::ftrace_rec_iter_record(iter) };
        // SAFETY: `iter` is still that.
        iter = unsafe { bindings::ftrace_rec_iter_next(iter) };
        Some(record.cast_const())
    })
}

/// Returns the record of the site at `ip`, null if there is none.
pub(super) fn record(locked: &Locked, ip: u32) -> *const dyn_ftrace {
    // SAFETY: Records are valid by the invariants of `Locked`.
    let is_there = |record: &*const dyn_ftrace| unsafe { (**record).ip } == ip as usize;
    records(locked).find(is_there).unwrap_or(ptr::null())
}

/// Returns where the kernel's text is, but for `.init.text`.
pub(super) fn core_text() -> Range<usize> {
    (&raw const bindings::_stext as usize)..(&raw const bindings::_etext as usize)
}

/// Returns whether an address is in the image of the kernel, `.init.text` included. Modules are
/// elsewhere.
///
/// The addresses come from the linker. `core_kernel_text()` changes its answer for `.init.text` too
/// early: a site there still changes when a kprobe of the command line is removed from it.
#[inline]
pub fn is_in_image(address: usize) -> bool {
    let start = &raw const bindings::_stext as usize;
    let end = &raw const bindings::_end as usize;
    (start..end).contains(&address)
}
