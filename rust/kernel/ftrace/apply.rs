// SPDX-License-Identifier: GPL-2.0

//! Applies a plan, and undoes it, while all other CPUs are stopped.

use super::{
    arch::Arch,
    patch::{
        modify_code,
        modify_record,
        off,
        target_in, //
    },
    plan::{
        Plan,
        StoreList, //
    },
    records::{
        record,
        records, //
    },
    request::{
        walk_updates,
        Failure, //
    },
    site::{
        SiteState,
        State,
        Store, //
    },
    text::Exclusive, //
};
use crate::prelude::*;
use core::{
    ptr,
    slice, //
};

impl Plan {
    /// Does the stores. If one fails, no further sites are turned on. Adds the number of sites that
    /// were turned on to `done`.
    pub(super) fn apply<A: Arch>(
        &self,
        exclusive: &Exclusive<'_>,
        done: &mut usize,
    ) -> Result<(), Failure> {
        // SAFETY: By the type invariants.
        let others = unsafe { self.others.apply::<A>(exclusive, true, &mut 0) };
        others.and(self.failure.map_or(Ok(()), Err))?;
        // SAFETY: By the type invariants.
        unsafe { self.calls.apply::<A>(exclusive, false, done) }
    }
}

impl StoreList {
    /// Does the stores up to the first that fails. Goes on after it if `go_on` is set. Adds the
    /// number of stores that were done to `done`.
    ///
    /// # Safety
    ///
    /// ftrace asks for these stores. There is one for each site.
    unsafe fn apply<A: Arch>(
        &self,
        exclusive: &Exclusive<'_>,
        go_on: bool,
        done: &mut usize,
    ) -> Result<(), Failure> {
        let mut result = Ok(());
        for chunk in self.0.iter() {
            // SAFETY: By the safety requirements.
            let applied = unsafe { apply_chunk::<A>(exclusive, chunk.stores(), go_on, done) };
            result = result.and(applied);
            if result.is_err() && !go_on {
                break;
            }
        }
        result
    }

    /// Undoes the first `number` stores.
    ///
    /// # Safety
    ///
    /// [`apply`](Self::apply) has done them.
    pub(super) unsafe fn undo<A: Arch>(&self, exclusive: &Exclusive<'_>, number: usize) {
        let stores = self.0.iter().flat_map(|chunk| chunk.stores());
        for store in stores.take(number) {
            let back = Store {
                old: store.new,
                new: store.old,
                ..*store
            };
            // A failure is counted, and ftrace is about to learn of an error anyway.
            // SAFETY: The word was that of a call site when it was changed. There is one store.
            let _ = unsafe { modify_code::<A>(exclusive, A::WIDTH, &[back]) };
        }
    }
}

/// Does the stores of a chunk, see [`StoreList::apply`].
///
/// # Safety
///
/// As for [`StoreList::apply`].
unsafe fn apply_chunk<A: Arch>(
    exclusive: &Exclusive<'_>,
    stores: &[Store],
    go_on: bool,
    done: &mut usize,
) -> Result<(), Failure> {
    let mut change = |stores| {
        // SAFETY: By the safety requirements.
        unsafe { modify_code::<A>(exclusive, A::WIDTH, stores) }
            .inspect(|number| *done = done.wrapping_add(*number))
    };
    let mut result = Ok(());
    let mut rest = stores;
    while !rest.is_empty() {
        let failed = match change(rest) {
            Ok(number) => {
                rest = rest.get(number..).unwrap_or_default();
                continue;
            }
            Err(failed) => failed,
        };
        result = result.and(Err(failed));
        if !go_on {
            break;
        }
        // `poke` does all stores or none. Those before the one that failed may succeed alone.
        let mut around = rest.splitn(2, |store| store.address == failed.address);
        for store in around.next().unwrap_or_default() {
            let _ = change(slice::from_ref(store));
        }
        rest = around.next().unwrap_or_default();
    }
    result.map_err(|failed| (record(exclusive.locked(), failed.address), failed.error))
}

/// Changes the sites that have not changed yet, one at a time, up to the first that fails.
pub(super) fn apply_rest<A: Arch>(exclusive: &Exclusive<'_>, enable: bool) -> Result<(), Failure> {
    let mut result = Ok(());
    walk_updates(exclusive.locked(), enable, |records, request| {
        for rec in records {
            if result.is_err() {
                break;
            }
            result = request
                .site_states::<A>(rec)
                // SAFETY: ftrace asks for this change of one of its records.
                .and_then(|(from, to)| unsafe { modify_record::<A>(exclusive, rec, from, to) })
                .map_err(|error| (ptr::from_ref(rec), error));
        }
        records.len()
    });
    result
}

/// Turns all sites off.
pub(super) fn turn_all_off<A: Arch>(exclusive: &Exclusive<'_>) {
    for record in records(exclusive.locked()) {
        // SAFETY: Records are valid by the invariants of `Locked`.
        let rec = unsafe { &*record };
        // SAFETY: It is the address of a record.
        if let Some(target) = unsafe { target_in(A::layout(rec.ip), rec.ip, State::On) } {
            let (from, to) = (SiteState::new(State::On, target), off::<A>(rec));
            // A failure is counted.
            // SAFETY: After an error, ftrace wants no site to be on.
            let _ = unsafe { modify_record::<A>(exclusive, rec, from, to) };
        }
    }
}
