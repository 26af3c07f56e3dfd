// SPDX-License-Identifier: GPL-2.0

//! What ftrace asks for: the sites that have to change, and how.

use super::{
    arch::Arch,
    patch::off,
    records::core_text,
    site::{
        SiteState,
        State,
        Store,
        Transition, //
    },
    text::{
        Locked,
        PatchError, //
    }, //
};
use crate::{
    bindings::dyn_ftrace,
    ffi::c_int,
    num::casts::arch::usize_as_u32,
    prelude::*, //
};
use core::slice;

/// The record of a site that cannot be changed, and why.
pub(super) type Failure = (*const dyn_ftrace, PatchError);

/// The change that ftrace asks for: `update` is one of `FTRACE_UPDATE_*`. The site calls `old`
/// before and `new` after, unless it is off.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    update: c_int,
    old: usize,
    new: usize,
}

impl Request {
    /// Returns whether a site that goes from `from` to `to` calls the very addresses that were
    /// asked for, not a veneer or an entry in their place.
    fn calls_as_asked(self, from: SiteState, to: SiteState) -> bool {
        let is = |site: SiteState, address| {
            site.state == State::Off || site.target == usize_as_u32(address)
        };
        is(from, self.old) && is(to, self.new)
    }

    /// Returns whether a site is to be turned on.
    pub(super) fn turns_on(self) -> bool {
        self.update.cast_unsigned() == bindings::FTRACE_UPDATE_MAKE_CALL
    }

    /// Returns the states of the site of `rec` before and after.
    pub(super) fn site_states<A: Arch>(
        self,
        rec: &dyn_ftrace,
    ) -> Result<(SiteState, SiteState), PatchError> {
        let on = |address| SiteState::new(State::On, A::target(rec, address));
        match self.update.cast_unsigned() {
            bindings::FTRACE_UPDATE_MAKE_CALL => Ok((off::<A>(rec), on(self.new))),
            bindings::FTRACE_UPDATE_MAKE_NOP => Ok((on(self.old), off::<A>(rec))),
            bindings::FTRACE_UPDATE_MODIFY_CALL => Ok((on(self.old), on(self.new))),
            _ => Err(PatchError::UnknownUpdate),
        }
    }

    /// Returns the store that changes the site of `rec`, [`None`] if that takes none.
    ///
    /// Also returns a [`Transition`] if other sites in [`core_text`] can reuse it for the same
    /// request.
    #[inline(never)]
    pub(super) fn plan_site<A: Arch>(
        self,
        rec: &dyn_ftrace,
    ) -> Result<(Option<Store>, Option<Transition>), PatchError> {
        let layout = A::layout(rec.ip);
        let (from, to) = self.site_states::<A>(rec)?;
        let store = layout.store(usize_as_u32(rec.ip), from, to)?;
        let is_alike = core_text().contains(&rec.ip)
            && !layout.splits_target()
            && self.calls_as_asked(from, to);
        let transition = is_alike
            .then(|| layout.transition_at_ip(from, to))
            .flatten();
        Ok((store, transition))
    }
}

/// Calls `f` for runs of records whose sites have to change alike. A run is in the order of the
/// sites.
///
/// `f` returns how many records of the run it has dealt with. These are updated. The walk ends if
/// they are not all.
pub(super) fn walk_updates<F>(_locked: &Locked, enable: bool, mut f: F)
where
    F: FnMut(&[dyn_ftrace], Request) -> usize,
{
    /// # Safety
    ///
    /// `records` is the first of `number` records of ftrace, `data` points to an `F`.
    unsafe extern "C" fn call<F>(
        records: *mut dyn_ftrace,
        number: usize,
        update: c_int,
        old: usize,
        new: usize,
        data: *mut c_void,
    ) -> usize
    where
        F: FnMut(&[dyn_ftrace], Request) -> usize,
    {
        // SAFETY: By the safety requirements.
        let (records, f) = unsafe {
            (
                slice::from_raw_parts(records, number),
                &mut *data.cast::<F>(),
            )
        };
        f(records, Request { update, old, new })
    }

    // SAFETY: `ftrace_lock` is held by the invariants of `Locked`. `call` takes an `F`, which the
    // callee does not keep.
    unsafe { bindings::ftrace_walk_updates(enable, Some(call::<F>), (&raw mut f).cast()) };
}
