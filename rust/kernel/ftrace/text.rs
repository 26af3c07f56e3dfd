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

/// Number of pages that are written at a time; a site lies in no more.
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

    /// Ends the use of `alias`, which [`alias`](Self::alias) returned for an index.
    fn release(alias: usize, index: usize, irq: &LocalInterruptDisabled);

    /// Makes `stores` the instructions that this processor executes. Other processors have to
    /// [`synchronise`](Self::synchronise) yet.
    fn publish(stores: &[Store]);

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

/// Why text was not changed.
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

/// Stores to the words of one page, in the order in which they are done.
struct Page<'a> {
    unit: Unit,
    first: &'a Store,
    others: &'a [Store],
}

impl<'a> Page<'a> {
    /// Takes the stores to one page from the start of `stores`, and compares each word with what
    /// it must be. Returns the rest too; [`None`] if there are no stores.
    #[inline]
    fn compare<M: Machine>(
        unit: Unit,
        stores: &'a [Store],
    ) -> Result<Option<(Self, &'a [Store])>, Fault> {
        let Some(first) = stores.first() else {
            return Ok(None);
        };
        // A page can be read if one word of it can.
        if unit.is_aligned(first.address) {
            read(first.address, unit).map_err(|reason| first.fault(reason))?;
        }
        // SAFETY: The word that was read is in the page, unless it is refused.
        let number = unsafe {
            match unit {
                Unit::Half => Self::compare_all::<M>(Unit::Half, first, stores),
                Unit::Word => Self::compare_all::<M>(Unit::Word, first, stores),
            }
        }?;
        let (page, rest) = stores.split_at_checked(number).unwrap_or((stores, &[]));
        let others = page.get(1..).unwrap_or_default();
        Ok(Some((
            Self {
                unit,
                first,
                others,
            },
            rest,
        )))
    }

    /// Compares the words of the page of `first`, the first of `stores`. Returns their number.
    ///
    /// # Safety
    ///
    /// If `first` is aligned, its page is mapped.
    #[inline(always)] // Once for each unit, which the loop takes for granted.
    unsafe fn compare_all<M: Machine>(
        unit: Unit,
        first: &Store,
        stores: &[Store],
    ) -> Result<usize, Fault> {
        let mut number = 0usize;
        for store in stores {
            if (store.address ^ first.address) as usize & PAGE_MASK != 0 {
                break;
            }
            if !unit.is_aligned(store.address) {
                return Err(store.fault(Refusal::Unsuitable));
            }
            // SAFETY: The address is aligned, and by the safety requirements the page is mapped:
            // `first` is aligned too, since it has been here before any other.
            let insn = unsafe { M::read_mapped(store.address as usize, unit) };
            if insn != store.old {
                return Err(store.fault(Refusal::Unexpected(store.old)));
            }
            number = number.wrapping_add(1);
        }
        Ok(number)
    }

    /// Returns the page's address.
    fn start(&self) -> usize {
        self.first.address as usize & PAGE_MASK
    }

    /// Returns how far the page is from its alias with an index.
    fn alias<M: Machine>(
        &self,
        index: usize,
        irq: &LocalInterruptDisabled,
    ) -> Result<usize, Fault> {
        let alias = M::alias(self.first.address as usize, index, irq);
        let alias = alias.map_err(|_| self.first.fault(Refusal::Unwritable))?;
        Ok(alias.wrapping_sub(self.start()))
    }

    /// Releases the alias with an index, which is `distance` away.
    fn release<M: Machine>(&self, distance: usize, index: usize, irq: &LocalInterruptDisabled) {
        M::release(self.start().wrapping_add(distance), index, irq);
    }

    /// Does the first store, through an alias that is `distance` away.
    ///
    /// # Safety
    ///
    /// `distance` is what [`alias`](Self::alias) returned, the alias has not been released, and the
    /// word is the caller's.
    #[inline]
    unsafe fn put_first(&self, distance: usize) -> Result<(), Fault> {
        let Self { unit, first, .. } = self;
        let to = (first.address as usize).wrapping_add(distance) as *mut c_void;
        // SAFETY: The safety requirements of `Machine` make this the address of the text for
        // writing, which is the caller's by the safety requirements. The callee copes with a fault.
        match unsafe { bindings::put_insn_nofault(to, first.new, unit.size() as usize) } {
            0 => Ok(()),
            _ => Err(first.fault(Refusal::Unwritable)),
        }
    }

    /// Takes back what [`put_first`](Self::put_first) did.
    ///
    /// # Safety
    ///
    /// It succeeded with the same distance, and the alias has not been released since.
    unsafe fn take_first_back<M: Machine>(&self, distance: usize) {
        let Self { unit, first, .. } = self;
        let to = (first.address as usize).wrapping_add(distance);
        // SAFETY: By the safety requirements. The address is aligned since `compare`.
        unsafe { M::write_mapped(to, *unit, first.old) };
    }

    /// Does the other stores.
    ///
    /// # Safety
    ///
    /// As for [`take_first_back`](Self::take_first_back), and the words are the caller's.
    #[inline]
    unsafe fn put_others<M: Machine>(&self, distance: usize) {
        // SAFETY: By the safety requirements.
        unsafe {
            match self.unit {
                Unit::Half => self.put_all::<M>(Unit::Half, distance),
                Unit::Word => self.put_all::<M>(Unit::Word, distance),
            }
        }
    }

    /// Does the other stores.
    ///
    /// # Safety
    ///
    /// As for [`put_others`](Self::put_others).
    #[inline(always)] // As `compare_all`.
    unsafe fn put_all<M: Machine>(&self, unit: Unit, distance: usize) {
        for store in self.others {
            let to = (store.address as usize).wrapping_add(distance);
            // SAFETY: By the safety requirements: a page can be written if one word of it can. The
            // address is aligned since `compare`.
            unsafe { M::write_mapped(to, unit, store.new) };
        }
    }
}

/// Does the first of `stores`, those before the first one in a third page: all of these or none.
/// Returns their number, which is 0 only if there are no stores. Each of them writes a `unit`.
///
/// Each word is compared before the first store. Between the first store and the moment when this
/// processor executes the new words, nothing runs that ftrace can trace; a processor that executes
/// a site meanwhile could see some of the words.
///
/// # Safety
///
/// Only the caller changes this text until the function returns. No other processor, and no task
/// that goes on later, can observe that more than one word of a site changes: either there is only
/// one store for each site or the sites are not in use yet.
#[inline(never)] // The audit of the object code starts from it.
pub unsafe fn apply<M: Machine>(unit: Unit, stores: &[Store]) -> Result<usize, Fault> {
    let Some((page, rest)) = Page::compare::<M>(unit, stores)? else {
        return Ok(0);
    };
    let (next, rest) = match Page::compare::<M>(unit, rest)? {
        Some((next, rest)) => (Some(next), rest),
        None => (None, rest),
    };
    let number = stores.len().wrapping_sub(rest.len());
    let stores = stores.get(..number).unwrap_or_default();

    let irq = local_interrupt_disable();
    let distance = page.alias::<M>(0, &irq)?;
    let next_distance = next.as_ref().map_or(Ok(0), |next| next.alias::<M>(1, &irq));

    let put = |next_distance| {
        // SAFETY: The distances are those of the pages' aliases, which are released below. The
        // words are the caller's by the safety requirements.
        unsafe { page.put_first(distance)? };
        if let Some(next) = &next {
            // SAFETY: As above.
            unsafe { next.put_first(next_distance) }.inspect_err(|_| {
                // SAFETY: As above.
                unsafe { page.take_first_back::<M>(distance) };
            })?;
        }
        // SAFETY: As above.
        unsafe { page.put_others::<M>(distance) };
        if let Some(next) = &next {
            // SAFETY: As above.
            unsafe { next.put_others::<M>(next_distance) };
        }
        Ok(number)
    };
    let result = next_distance.and_then(put);
    // After a failure too: what was stored before it and taken back may have been fetched.
    M::publish(stores);

    if let (Some(next), Ok(distance)) = (&next, next_distance) {
        next.release::<M>(distance, 1, &irq);
    }
    page.release::<M>(distance, 0, &irq);
    result
}
