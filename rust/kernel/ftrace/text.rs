// SPDX-License-Identifier: GPL-2.0

//! Reading and writing kernel text.
//!
//! The only place that stores to text.

use super::site::{
    Store,
    Unit, //
};
use crate::{
    interrupt::{
        local_interrupt_disable,
        LocalInterruptDisabled, //
    },
    num::casts::arch::usize_as_u32,
    page::PAGE_MASK,
    prelude::*, //
};
use core::ops::Range;

/// Number of pages that the words of a site can lie in.
pub const MAX_PAGES: usize = 2;

/// What storing to text takes on an architecture.
///
/// # Safety
///
/// [`alias`](Self::alias) returns an address that is valid for stores to the page, on this
/// processor, until interrupts are turned on or [`release`](Self::release) is called with the
/// same index; or it returns one for which a store faults.
///
/// [`publish`](Self::publish) calls nothing that ftrace can trace.
pub unsafe trait Machine {
    /// Returns the start of a page through which the page of the text word at `address` can be
    /// written.
    ///
    /// At most one page at a time for each `index` below [`MAX_PAGES`].
    fn alias(address: usize, index: usize, irq: &LocalInterruptDisabled) -> Result<usize>;

    /// Ends the use of what [`alias`](Self::alias) returned.
    fn release(address: usize, index: usize, irq: &LocalInterruptDisabled);

    /// Makes `stores` the instructions that this processor executes. Other processors have to
    /// [`synchronise`](Self::synchronise) yet.
    fn publish(stores: &[Option<Store>]);

    /// Makes this processor execute what was stored and published before, wherever that was.
    fn synchronise();
}

/// Why text was not changed. In any case nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An address is not that of an instruction word, or a branch cannot reach its target.
    Unsuitable,
    /// A word cannot be read.
    Unreadable,
    /// A word is not what it must be before the change; this is what it must be.
    Unexpected(u32),
    /// A word cannot be written.
    Unwritable,
}

/// A word that could not be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its address.
    pub address: u32,
    /// Why it could not be changed.
    pub reason: Refusal,
}

impl Store {
    fn fault(&self, reason: Refusal) -> Fault {
        Fault {
            address: self.address,
            reason,
        }
    }
}

/// Reads the instruction word at `address`, which is one of the kernel's.
#[inline]
pub fn read(address: u32, unit: Unit) -> Result<u32, Refusal> {
    let mut insn = 0u32;
    let (from, size) = (address as usize as *const c_void, unit.size() as usize);
    // SAFETY: `insn` is valid for a write; the callee copes with a fault.
    match unsafe { bindings::get_insn_nofault(&mut insn, from, size) } {
        0 => Ok(insn),
        _ => Err(Refusal::Unreadable),
    }
}

/// Returns the first and the last of `stores`, [`None`] if there are no stores.
#[inline]
fn ends(stores: &[Option<Store>]) -> Option<(&Store, &Store)> {
    let mut stores = stores.iter().flatten();
    let first = stores.next()?;
    Some((first, stores.next_back().unwrap_or(first)))
}

/// Returns the addresses from the first to the last byte that `stores`, which are in the order of
/// their addresses, change. [`None`] if there are no stores.
pub fn span(stores: &[Option<Store>]) -> Option<Range<usize>> {
    let (first, last) = ends(stores)?;
    let end = last.address.wrapping_add(last.unit.size());
    Some(first.address as usize..end as usize)
}

/// Does all of `stores`, or none.
///
/// The stores lie in at most [`MAX_PAGES`] pages and are in the order of their addresses. Each word
/// is compared before the first store. Between the first store and the moment when this processor
/// executes the new words, nothing runs that ftrace can trace; a processor that executes a site
/// meanwhile could see some of the words.
///
/// # Safety
///
/// Only the caller changes this text until the function returns. No other processor, and no task
/// that goes on later, can observe that more than one word of a site changes: either there is only
/// one store for each site or the sites are not in use yet.
#[inline(never)] // The audit of the object code starts from it.
pub unsafe fn apply<M: Machine>(stores: &[Option<Store>]) -> Result<(), Fault> {
    let Some((first, last)) = ends(stores) else {
        return Ok(());
    };
    let (first, last) = (first.address as usize, last.address as usize);
    let in_page_of = |store: &Store, address| (store.address as usize ^ address) & PAGE_MASK == 0;

    for store in stores.iter().flatten() {
        let in_pages = in_page_of(store, first) || in_page_of(store, last);
        if !store.unit.is_aligned(store.address) || !in_pages {
            return Err(store.fault(Refusal::Unsuitable));
        }
        match read(store.address, store.unit) {
            Ok(insn) if insn == store.old => (),
            Ok(_) => return Err(store.fault(Refusal::Unexpected(store.old))),
            Err(reason) => return Err(store.fault(reason)),
        }
    }

    let one_page = (first ^ last) & PAGE_MASK == 0;
    let irq = local_interrupt_disable();
    // How far the alias of a page is from the page.
    let alias = |address, index| {
        let alias = M::alias(address, index, &irq).map_err(|_| Fault {
            address: usize_as_u32(address),
            reason: Refusal::Unwritable,
        })?;
        Ok(alias.wrapping_sub(address & PAGE_MASK))
    };
    let first_alias = alias(first, 0)?;
    let last_alias = if one_page {
        Ok(first_alias)
    } else {
        alias(last, 1)
    };

    let result = match last_alias {
        Ok(last_alias) => {
            let alias = |store: &Store| {
                let distance = if in_page_of(store, first) {
                    first_alias
                } else {
                    last_alias
                };
                (store.address as usize).wrapping_add(distance) as *mut c_void
            };
            // SAFETY: The safety requirements of `Machine` make `alias` return the address of the
            // text for writing, which is the caller's by the safety requirements.
            unsafe { store_all(stores, alias) }
        }
        Err(fault) => Err(fault),
    };
    // After a failure too: what was stored before it and taken back may have been fetched.
    M::publish(stores);

    if !one_page && last_alias.is_ok() {
        M::release(last, 1, &irq);
    }
    M::release(first, 0, &irq);
    result
}

/// # Safety
///
/// For each of `stores`, `alias` returns an aligned address that is the caller's to write, or one
/// for which a store faults.
unsafe fn store_all(
    stores: &[Option<Store>],
    alias: impl Fn(&Store) -> *mut c_void,
) -> Result<(), Fault> {
    let put = |store: &Store, insn| {
        // SAFETY: By the safety requirements; the callee copes with a fault.
        unsafe { bindings::put_insn_nofault(alias(store), insn, store.unit.size() as usize) == 0 }
    };
    for (done, store) in stores.iter().enumerate() {
        let Some(store) = store else { continue };
        if put(store, store.new) {
            continue;
        }
        for done in stores.iter().take(done).flatten() {
            // This has worked before.
            put(done, done.old);
        }
        return Err(store.fault(Refusal::Unwritable));
    }
    Ok(())
}
