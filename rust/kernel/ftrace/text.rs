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
    page::PAGE_MASK,
    prelude::*, //
};
use core::{
    ops::Range,
    ptr, //
};

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

    /// Reads the instruction word at `address` without being ready for a fault.
    ///
    /// # Safety
    ///
    /// `address` is aligned, and the page is mapped.
    #[inline]
    unsafe fn read_mapped(address: usize, unit: Unit) -> u32 {
        match unit {
            // SAFETY: By the safety requirements.
            Unit::Half => u32::from(unsafe { (address as *const u16).read_volatile() }),
            // SAFETY: By the safety requirements.
            Unit::Word => unsafe { (address as *const u32).read_volatile() },
        }
    }

    /// Writes an instruction word to `address` without being ready for a fault.
    ///
    /// # Safety
    ///
    /// `address` is aligned, the page can be written, and the word is the caller's to write.
    #[inline]
    unsafe fn write_mapped(address: usize, unit: Unit, insn: u32) {
        match unit {
            // SAFETY: By the safety requirements. A halfword has no upper bits.
            Unit::Half => unsafe { (address as *mut u16).write_volatile(insn as u16) },
            // SAFETY: By the safety requirements.
            Unit::Word => unsafe { (address as *mut u32).write_volatile(insn) },
        }
    }
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
    let is_in_page_of =
        |address: u32, other: &Store| (address ^ other.address) as usize & PAGE_MASK == 0;
    let one_page = is_in_page_of(first.address, last);

    for store in stores.iter().flatten() {
        let address = store.address;
        let in_pages = is_in_page_of(address, first) || is_in_page_of(address, last);
        if !store.unit.is_aligned(address) || !in_pages {
            return Err(store.fault(Refusal::Unsuitable));
        }
    }
    // A page can be read if one word of it can.
    for store in [first, last] {
        read(store.address, store.unit).map_err(|reason| store.fault(reason))?;
    }
    for store in stores.iter().flatten() {
        // SAFETY: The address is aligned, and its page is that of one of the two words above.
        let insn = unsafe { M::read_mapped(store.address as usize, store.unit) };
        if insn != store.old {
            return Err(store.fault(Refusal::Unexpected(store.old)));
        }
    }

    let irq = local_interrupt_disable();
    // How far the alias of a page is from the page.
    let alias = |store: &Store, index| {
        let address = store.address as usize;
        let alias = M::alias(address, index, &irq).map_err(|_| store.fault(Refusal::Unwritable))?;
        Ok(alias.wrapping_sub(address & PAGE_MASK))
    };
    let first_alias = alias(first, 0)?;
    let last_alias = if one_page {
        Ok(first_alias)
    } else {
        alias(last, 1)
    };

    let result = last_alias.and_then(|last_alias| {
        let alias = |store: &Store| {
            let distance = if is_in_page_of(store.address, first) {
                first_alias
            } else {
                last_alias
            };
            (store.address as usize).wrapping_add(distance)
        };
        let put = |store: &Store| {
            let (to, size) = (alias(store) as *mut c_void, store.unit.size() as usize);
            // SAFETY: The safety requirements of `Machine` make `alias` return the address of the
            // text for writing, which is the caller's by the safety requirements. The callee
            // copes with a fault.
            match unsafe { bindings::put_insn_nofault(to, store.new, size) } {
                0 => Ok(()),
                _ => Err(store.fault(Refusal::Unwritable)),
            }
        };
        // A page can be written if one word of it can.
        put(first)?;
        if !one_page {
            put(last).inspect_err(|_| {
                // SAFETY: As above. This word has been written.
                unsafe { M::write_mapped(alias(first), first.unit, first.old) };
            })?;
        }
        for store in stores.iter().flatten() {
            if !ptr::eq(store, first) && (one_page || !ptr::eq(store, last)) {
                // SAFETY: As above. Another word of the page has been written.
                unsafe { M::write_mapped(alias(store), store.unit, store.new) };
            }
        }
        Ok(())
    });
    // After a failure too: what was stored before it and taken back may have been fetched.
    M::publish(stores);

    if !one_page && last_alias.is_ok() {
        M::release(last.address as usize, 1, &irq);
    }
    M::release(first.address as usize, 0, &irq);
    result
}
