// SPDX-License-Identifier: GPL-2.0

//! Changing one site, and telling ftrace how that went.

use super::{
    arch::Arch,
    site::{
        Layout,
        SiteState,
        State,
        Store,
        Width,
        MAX_WORDS, //
    },
    stats::STATS,
    text::{
        self,
        Exclusive,
        FailedStore,
        Locked,
        Machine,
        PatchError,
        Reason, //
    }, //
};
use crate::{
    bindings::dyn_ftrace,
    ffi::c_int,
    num::casts::arch::usize_as_u32,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use core::ptr;

/// Changes text as [`text::poke`] does, and counts the result. All changes go through here.
///
/// # Safety
///
/// As for [`text::poke`].
pub(super) unsafe fn modify_code<M: Machine>(
    exclusive: &Exclusive<'_>,
    width: Width,
    stores: &[Store],
) -> Result<usize, FailedStore> {
    // SAFETY: By the safety requirements.
    let result = unsafe { text::poke::<M>(exclusive, width, stores) };
    STATS.count(result.map_err(|failed| failed.error));
    result
}

/// Turns `from` into `to` in the site at `ip` by one store, or by none if they are the same.
///
/// # Safety
///
/// `ip` is the address of a call site, an entry or a trampoline with this layout, and `to` is what
/// ftrace asked for.
pub(super) unsafe fn modify_site<M: Machine>(
    exclusive: &Exclusive<'_>,
    layout: &Layout,
    ip: usize,
    from: SiteState,
    to: SiteState,
) -> Result<(), PatchError> {
    let store = layout
        .store(usize_as_u32(ip), from, to)
        .inspect_err(|&error| STATS.count(Err(error.into())))?;
    // SAFETY: By the safety requirements. There is only one store.
    unsafe { modify_code::<M>(exclusive, layout.width, store.as_slice()) }?;
    Ok(())
}

/// Returns the error number of `result`, and tells `ftrace_bug()` which word was expected.
pub(super) fn report(_locked: &Locked, result: Result<(), PatchError>) -> c_int {
    static EXPECTED: Atomic<u32> = Atomic::new(0);

    let Err(error) = result else {
        return 0;
    };
    let expected = match error {
        PatchError::Unexpected(insn) => {
            EXPECTED.store(insn, Relaxed);
            EXPECTED.as_ptr().cast_const().cast()
        }
        _ => ptr::null(),
    };
    // SAFETY: By the invariants of `Locked`, nobody else uses the pointer: `ftrace_bug()` reads it
    // with `ftrace_lock` held too. It points to a static, or to nothing.
    unsafe { bindings::ftrace_expected = expected };
    let number = match error.reason() {
        Reason::Unreadable => EFAULT,
        Reason::Unexpected | Reason::Unsuitable => EINVAL,
        Reason::Unwritable => EPERM,
    };
    number.to_errno()
}

/// Returns the state of the site of `rec` when it is off.
///
/// A site that is off may hold a part of a target. This is a part of `ftrace_caller`, whatever the
/// site calls when it is on.
pub(super) fn off<A: Arch>(rec: &dyn_ftrace) -> SiteState {
    let entry = bindings::ftrace_caller as *const () as usize;
    SiteState::new(State::Off, A::target(rec, entry))
}

/// Reads the words of the site at `ip`.
///
/// # Safety
///
/// `ip` is the address of a record, of an entry or of a trampoline. It need not be mapped.
#[inline]
pub(super) unsafe fn read_site(layout: &Layout, ip: usize) -> Result<[u32; MAX_WORDS], PatchError> {
    let mut words = [0; MAX_WORDS];
    for (insn, word) in words.iter_mut().zip(layout.words) {
        // SAFETY: By the safety requirements. Loads from text have no side effects.
        *insn = unsafe { text::read(word.address(usize_as_u32(ip)), layout.width) }?;
    }
    Ok(words)
}

/// Returns what the site at `ip` calls or would call, [`None`] if it is not in `state`.
///
/// # Safety
///
/// As for [`read_site`].
pub(super) unsafe fn target_in(layout: &Layout, ip: usize, state: State) -> Option<u32> {
    // SAFETY: By the safety requirements.
    let words = unsafe { read_site(layout, ip) }.ok()?;
    layout.decode(usize_as_u32(ip), &words, state)
}

/// Turns `from` into `to` in the site of `rec`.
///
/// # Safety
///
/// `rec` is a record of ftrace, and `to` is what ftrace asks for.
pub(super) unsafe fn modify_record<A: Arch>(
    exclusive: &Exclusive<'_>,
    rec: &dyn_ftrace,
    from: SiteState,
    to: SiteState,
) -> Result<(), PatchError> {
    // SAFETY: By the safety requirements. The layout is that of the site by those of `Arch`.
    unsafe { modify_site::<A>(exclusive, A::layout(rec.ip), rec.ip, from, to) }
}
