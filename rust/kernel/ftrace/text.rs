// SPDX-License-Identifier: GPL-2.0

//! Reading and writing kernel text.
//!
//! [`poke`] is the only function that stores to text. Its caller shows a token: [`Exclusive`] says
//! that no other CPU executes the words meanwhile. It contains a [`Locked`], which says that ftrace
//! has called the backend.

use super::site::{
    EncodeError,
    Store,
    Width, //
};
use crate::{
    interrupt::{
        local_interrupt_disable,
        LocalInterruptDisabled, //
    },
    num::casts::arch::usize_as_u32,
    page::PAGE_MASK,
    prelude::*,
    stop_machine::Stopped, //
};
use core::marker::PhantomData;

/// Number of pages that are written at a time. No site lies in more.
pub const MAX_PAGES: usize = 2;

/// Proof that ftrace has called the backend.
///
/// # Invariants
///
/// While one exists, `ftrace_lock` is held on behalf of its holder. Therefore
///
/// - nobody else changes call sites, entries, trampolines or the backend's statics;
/// - the records of ftrace neither come nor go, and each is valid;
/// - the site of each record is mapped, as is the text of the kernel.
pub struct Locked(());

impl Locked {
    /// Takes the caller's word that ftrace holds `ftrace_lock`.
    ///
    /// Each hook that ftrace calls does this once.
    ///
    /// # Safety
    ///
    /// `ftrace_lock` is held until the token is dropped.
    pub unsafe fn assume() -> Self {
        // INVARIANT: By the safety requirements.
        Self(())
    }
}

/// Proof that text can be changed.
///
/// # Invariants
///
/// While one exists, so does a [`Locked`], and no other CPU executes the words that its holder
/// changes: all other CPUs are stopped, or nothing leads to these words yet.
pub struct Exclusive<'a>(&'a Locked);

impl<'a> Exclusive<'a> {
    /// All other CPUs are stopped.
    pub fn stopped(locked: &'a Locked, _stopped: &'a Stopped) -> Self {
        // INVARIANT: Both arguments are borrowed for as long as the token exists.
        Self(locked)
    }

    /// Takes the caller's word that no other CPU executes what is going to be changed.
    ///
    /// # Safety
    ///
    /// Until the token is dropped, it is used only for words that no other CPU executes: all other
    /// CPUs are stopped, or nothing leads to these words yet.
    pub unsafe fn assume(locked: &'a Locked) -> Self {
        // INVARIANT: By the safety requirements.
        Self(locked)
    }

    /// Returns the proof that ftrace has called.
    pub fn locked(&self) -> &'a Locked {
        self.0
    }
}

/// How an architecture stores to text.
///
/// # Safety
///
/// [`map`](Self::map) returns an address that this CPU can load from and store to, until interrupts
/// are turned on or [`unmap`](Self::unmap) is called with the same index. If it returns another
/// address, loads from it or stores to it fault.
///
/// [`flush_icache`](Self::flush_icache) calls nothing that ftrace can trace.
pub unsafe trait Machine {
    /// Returns the alias of the page of the text word at `address`: the start of a page through
    /// which it can be written.
    ///
    /// At most one page is mapped at a time for each `index` below [`MAX_PAGES`].
    fn map(address: usize, index: usize, irq: &LocalInterruptDisabled) -> Result<usize>;

    /// Ends the use of `alias`, which [`map`](Self::map) returned for `index`.
    fn unmap(alias: usize, index: usize, irq: &LocalInterruptDisabled);

    /// Makes this CPU fetch the words that `stores` wrote. Other CPUs still have to call
    /// [`sync_core`](Self::sync_core).
    fn flush_icache(stores: &[Store]);

    /// Makes this CPU fetch what was stored and flushed before, on whichever CPU.
    fn sync_core();

    /// Reads the instruction word at `address` without being ready for a fault.
    ///
    /// # Safety
    ///
    /// `address` is aligned, and the page is mapped.
    #[inline]
    unsafe fn read_mapped(address: usize, width: Width) -> u32 {
        match width {
            // SAFETY: By the safety requirements.
            Width::Half => u32::from(unsafe { (address as *const u16).read_volatile() }),
            // SAFETY: By the safety requirements.
            Width::Word => unsafe { (address as *const u32).read_volatile() },
        }
    }

    /// Writes an instruction word to `address` without being ready for a fault.
    ///
    /// # Safety
    ///
    /// `address` is aligned, the page can be written, and the word is the caller's to write.
    #[inline]
    unsafe fn write_mapped(address: usize, width: Width, insn: u32) {
        match width {
            // SAFETY: By the safety requirements. A halfword has no upper bits.
            Width::Half => unsafe { (address as *mut u16).write_volatile(insn as u16) },
            // SAFETY: By the safety requirements.
            Width::Word => unsafe { (address as *mut u32).write_volatile(insn) },
        }
    }
}

/// Why text was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchError {
    /// The address of a word is not aligned.
    Unaligned,
    /// The instructions of a site cannot express what was asked for.
    Unencodable,
    /// A site is not in a module's text, or its words are none that the backend knows.
    UnknownSite,
    /// ftrace asks for an update that the backend does not know.
    UnknownUpdate,
    /// A word cannot be read.
    Unreadable,
    /// A word is not the one that must be there before the change. This is the one.
    Unexpected(u32),
    /// A word cannot be written.
    Unwritable,
}

/// The reason for a [`PatchError`] by which debugfs counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The change is none that the backend can make at this site.
    Unsuitable,
    /// As [`PatchError::Unreadable`].
    Unreadable,
    /// As [`PatchError::Unexpected`].
    Unexpected,
    /// As [`PatchError::Unwritable`].
    Unwritable,
}

impl PatchError {
    /// Returns the reason. Four errors are all "unsuitable".
    pub fn reason(self) -> Reason {
        match self {
            Self::Unaligned | Self::Unencodable | Self::UnknownSite | Self::UnknownUpdate => {
                Reason::Unsuitable
            }
            Self::Unreadable => Reason::Unreadable,
            Self::Unexpected(_) => Reason::Unexpected,
            Self::Unwritable => Reason::Unwritable,
        }
    }
}

/// A store that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedStore {
    /// The address of the word.
    pub address: u32,
    /// Why it failed.
    pub error: PatchError,
}

impl From<FailedStore> for PatchError {
    fn from(failed: FailedStore) -> Self {
        failed.error
    }
}

impl From<EncodeError> for PatchError {
    fn from(_: EncodeError) -> Self {
        PatchError::Unencodable
    }
}

impl Store {
    fn failed(&self, error: PatchError) -> FailedStore {
        FailedStore {
            address: self.address,
            error,
        }
    }
}

/// Reads the instruction word at `address`.
///
/// # Safety
///
/// `address` is one of the kernel's, and a load from it has no side effects. It need not be mapped.
#[inline]
pub unsafe fn read(address: u32, width: Width) -> Result<u32, PatchError> {
    let mut insn = 0u32;
    let (from, size) = (address as usize as *const c_void, width.size() as usize);
    // SAFETY: `insn` is valid for a write. The callee copes with a fault, and loads nothing else
    // than what the safety requirements allow.
    match unsafe { bindings::get_insn_nofault(&mut insn, from, size) } {
        0 => Ok(insn),
        _ => Err(PatchError::Unreadable),
    }
}

/// Stores to the words of one page, in their order, and the alias of the page.
///
/// # Invariants
///
/// - All stores are to aligned words of one page, and each word is what it must be before.
/// - A text address of the page plus `distance` is an address in its alias. `M` has returned the
///   alias for `index`. It is unmapped when this is dropped.
struct Page<'a, M: Machine> {
    width: Width,
    first: &'a Store,
    others: &'a [Store],
    distance: usize,
    index: usize,
    irq: &'a LocalInterruptDisabled,
    machine: PhantomData<M>,
}

impl<'a, M: Machine> Page<'a, M> {
    /// Takes the stores to one page from the start of `stores`, makes the page writable and
    /// compares each word, through the alias, with what it must be. Returns the rest too; [`None`]
    /// if there are no stores.
    ///
    /// # Safety
    ///
    /// The stores are to text, and nothing else uses the alias of the page with `index`.
    #[inline]
    unsafe fn open(
        width: Width,
        stores: &'a [Store],
        index: usize,
        irq: &'a LocalInterruptDisabled,
    ) -> Result<Option<(Self, &'a [Store])>, FailedStore> {
        let Some(first) = stores.first() else {
            return Ok(None);
        };
        let address = first.address as usize;
        if !width.is_aligned(first.address) {
            return Err(first.failed(PatchError::Unaligned));
        }
        // SAFETY: By the safety requirements, it is the address of text.
        unsafe { read(first.address, width) }.map_err(|error| first.failed(error))?;
        let alias =
            M::map(address, index, irq).map_err(|_| first.failed(PatchError::Unwritable))?;
        // INVARIANT: Dropping the page unmaps the alias. The first store is the only one so far. It
        // is aligned, and it is compared below before anything is done with it.
        let mut page = Self {
            width,
            first,
            others: &[],
            distance: alias.wrapping_sub(address & PAGE_MASK),
            index,
            irq,
            machine: PhantomData,
        };
        // A page that is its own alias has just been read.
        if page.distance != 0 {
            let alias = usize_as_u32(page.alias_of(first));
            // SAFETY: By the safety requirements of `Machine`, a load from it is valid, or faults.
            unsafe { read(alias, width) }.map_err(|_| first.failed(PatchError::Unwritable))?;
        }
        // SAFETY: The alias is mapped, since it has been read.
        let number = unsafe {
            match width {
                Width::Half => page.compare(Width::Half, stores),
                Width::Word => page.compare(Width::Word, stores),
            }
        }?;
        let (stores, rest) = stores.split_at_checked(number).unwrap_or((stores, &[]));
        // INVARIANT: Those that have been compared.
        page.others = stores.get(1..).unwrap_or_default();
        Ok(Some((page, rest)))
    }

    /// Compares the words of the page, those of the first of `stores`. Returns their number.
    ///
    /// # Safety
    ///
    /// The alias of the page is mapped, and `width` is that of the page.
    #[inline(always)] // Once for each width, which the loop takes for granted.
    unsafe fn compare(&self, width: Width, stores: &[Store]) -> Result<usize, FailedStore> {
        let mut number = 0usize;
        for store in stores {
            if (store.address ^ self.first.address) as usize & PAGE_MASK != 0 {
                break;
            }
            if !width.is_aligned(store.address) {
                return Err(store.failed(PatchError::Unaligned));
            }
            let from = self.alias_of(store);
            // SAFETY: The word is aligned, and its page is mapped by the safety requirements.
            let insn = unsafe { M::read_mapped(from, width) };
            if insn != store.old {
                return Err(store.failed(PatchError::Unexpected(store.old)));
            }
            number = number.wrapping_add(1);
        }
        Ok(number)
    }

    /// Returns where the word of a store to the page can be written.
    #[inline]
    fn alias_of(&self, store: &Store) -> usize {
        (store.address as usize).wrapping_add(self.distance)
    }

    /// Does the first store.
    ///
    /// # Safety
    ///
    /// The word is the caller's.
    #[inline]
    unsafe fn store_first(&self) -> Result<(), FailedStore> {
        let Self { width, first, .. } = self;
        let to = self.alias_of(first) as *mut c_void;
        // SAFETY: By the type invariants and the safety requirements of `Machine`, this is the
        // address of the text for writing, which is the caller's by the safety requirements. The
        // callee copes with a fault.
        match unsafe { bindings::put_insn_nofault(to, first.new, width.size() as usize) } {
            0 => Ok(()),
            _ => Err(first.failed(PatchError::Unwritable)),
        }
    }

    /// Takes back what [`store_first`](Self::store_first) did.
    ///
    /// # Safety
    ///
    /// It succeeded.
    unsafe fn restore_first(&self) {
        // SAFETY: The word is aligned by the type invariants. Its page can be written, and the word
        // is the caller's, by the safety requirements.
        unsafe { M::write_mapped(self.alias_of(self.first), self.width, self.first.old) };
    }

    /// Does the other stores.
    ///
    /// # Safety
    ///
    /// [`store_first`](Self::store_first) succeeded, and the words are the caller's.
    #[inline]
    unsafe fn store_others(&self) {
        // SAFETY: By the safety requirements.
        unsafe {
            match self.width {
                Width::Half => self.store_each(Width::Half),
                Width::Word => self.store_each(Width::Word),
            }
        }
    }

    /// As [`store_others`](Self::store_others), for one width.
    ///
    /// # Safety
    ///
    /// As for [`store_others`](Self::store_others), and `width` is that of the page.
    #[inline(always)] // As `compare`.
    unsafe fn store_each(&self, width: Width) {
        for store in self.others {
            // SAFETY: The word is aligned and in the page by the type invariants. The page can be
            // written if one word of it can, and the word is the caller's, by the safety
            // requirements.
            unsafe { M::write_mapped(self.alias_of(store), width, store.new) };
        }
    }
}

impl<M: Machine> Drop for Page<'_, M> {
    #[inline]
    fn drop(&mut self) {
        let page = self.first.address as usize & PAGE_MASK;
        M::unmap(page.wrapping_add(self.distance), self.index, self.irq);
    }
}

/// Does the first of `stores`, up to a third page: all of these or none. Each has this `width`.
/// Returns their number. It is 0 only if there are no stores.
///
/// Each word is compared before the first store. From the first store until this CPU fetches the
/// new words, nothing runs that ftrace can trace.
///
/// # Safety
///
/// The stores are to words of call sites, entries or trampolines, and do what ftrace asked for. No
/// task can observe that more than one word of a site changes: there is only one store for each
/// site, or the sites are not in use yet.
#[inline(never)] // The audit of the object code starts from it.
pub unsafe fn poke<M: Machine>(
    _exclusive: &Exclusive<'_>,
    width: Width,
    stores: &[Store],
) -> Result<usize, FailedStore> {
    let irq = local_interrupt_disable();
    // SAFETY: The stores are to text by the safety requirements. By the invariants of `Exclusive`
    // and `Locked`, nobody else changes text, so nobody else uses the aliases.
    let Some((page, rest)) = unsafe { Page::<M>::open(width, stores, 0, &irq) }? else {
        return Ok(0);
    };
    // SAFETY: As for the first page. This one has another index.
    let (next, rest) = match unsafe { Page::<M>::open(width, rest, 1, &irq) }? {
        Some((next, rest)) => (Some(next), rest),
        None => (None, rest),
    };
    let number = stores.len().wrapping_sub(rest.len());
    let stores = stores.get(..number).unwrap_or_default();

    let put = || {
        // SAFETY: The words are the caller's: nobody else changes text, by the invariants of
        // `Exclusive` and `Locked`, and ftrace asked for the change by the safety requirements.
        unsafe { page.store_first() }?;
        if let Some(next) = &next {
            // SAFETY: As for the first page.
            unsafe { next.store_first() }.inspect_err(|_| {
                // SAFETY: `page.store_first()` succeeded.
                unsafe { page.restore_first() };
            })?;
        }
        // SAFETY: `page.store_first()` succeeded, and the words are the caller's, as the first one
        // is.
        unsafe { page.store_others() };
        if let Some(next) = &next {
            // SAFETY: As for the first page.
            unsafe { next.store_others() };
        }
        Ok(number)
    };
    let result = put();
    // After a failure too: this CPU may have fetched a word that was stored and restored.
    M::flush_icache(stores);
    result
}
