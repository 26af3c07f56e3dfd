// SPDX-License-Identifier: GPL-2.0

//! Sites that only the tests know: their memory, and the hooks called on them.

use super::arch;
use crate::{
    bindings::{
        self,
        dyn_ftrace, //
    },
    ffi::c_int,
    ftrace::{
        site::{
            Layout,
            SiteState,
            State,
            Store,
            Width,
            MAX_WORDS, //
        },
        text::{
            self,
            Exclusive,
            FailedStore,
            Locked,
            Machine,
            PatchError, //
        }, //
    },
    num::casts::arch::usize_as_u32,
    page::PAGE_SIZE,
    prelude::*,
    stop_machine::stop_machine, //
};
use core::ptr;

/// Two pages of memory that modules are loaded to, followed by one that is not mapped.
pub(super) struct Text(*mut c_void);

impl Text {
    pub(super) const SIZE: usize = 2 * PAGE_SIZE;

    pub(super) fn new() -> Result<Self> {
        // SAFETY: No requirements.
        let memory = unsafe {
            bindings::execmem_alloc_rw(bindings::execmem_type_EXECMEM_MODULE_TEXT, Self::SIZE)
        };
        if memory.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: Fresh memory of this size.
        unsafe { ptr::write_bytes(memory.cast::<u8>(), 0, Self::SIZE) };
        Ok(Self(memory))
    }

    pub(super) fn at(&self, offset: usize) -> usize {
        self.0 as usize + offset
    }

    /// Returns a record of a compiled site whose words the boundary between the pages parts
    /// after the first `split`, and which lies in the first page if that is 0.
    pub(super) fn site(&self, split: usize) -> Result<Site> {
        let first = if split == 0 {
            64
        } else {
            PAGE_SIZE - arch::MODULE.width.size() as usize * split
        };
        let ip = match arch::MODULE.words.first() {
            Some(word) => usize_as_u32(self.at(first)).wrapping_add_signed(-word.offset),
            None => return Err(EINVAL),
        };
        let site = Site(dyn_ftrace {
            ip: ip as usize,
            ..Default::default()
        });
        site.write(&arch::compiled(ip).ok_or(EINVAL)?);
        Ok(site)
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        // SAFETY: Nothing uses the memory any more.
        unsafe { bindings::execmem_free(self.0) };
    }
}

pub(super) struct Site(pub(super) dyn_ftrace);

// SAFETY: A record is plain data, and the module that it points to is none.
unsafe impl Send for Site {}

/// What a hook returned, what it says that it expected, and what changed in memory.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) ret: c_int,
    pub(super) expected: Option<u32>,
    pub(super) changed: usize,
}

pub(super) const DONE: Outcome = Outcome {
    ret: 0,
    expected: None,
    changed: 1,
};

pub(super) fn refused(error: Error, expected: Option<u32>) -> Outcome {
    Outcome {
        ret: error.to_errno(),
        expected,
        changed: 0,
    }
}

/// Writes a word.
///
/// # Safety
///
/// It is aligned, in the memory of a [`Text`].
pub(super) unsafe fn write(address: u32, width: Width, insn: u32) {
    let address = address as usize;
    match width {
        // SAFETY: By the safety requirements.
        Width::Half => unsafe { (address as *mut u16).write_volatile(insn as u16) },
        // SAFETY: By the safety requirements.
        Width::Word => unsafe { (address as *mut u32).write_volatile(insn) },
    }
}

impl Site {
    pub(super) fn write(&self, words: &[u32; MAX_WORDS]) {
        for (word, insn) in arch::MODULE.words.iter().zip(words) {
            let address = word.address(usize_as_u32(self.0.ip));
            // SAFETY: The site lies in the memory of a `Text`.
            unsafe { write(address, arch::MODULE.width, *insn) };
        }
    }

    pub(super) fn words(&self) -> [u32; MAX_WORDS] {
        words(arch::MODULE, self.0.ip)
    }

    pub(super) fn is(&self, state: State) -> bool {
        let target = arch::MODULE.decode(usize_as_u32(self.0.ip), &self.words(), state);
        match state {
            State::Off => target.is_some(),
            _ => target == Some(usize_as_u32(arch::entry())),
        }
    }

    /// Calls `hook` as ftrace does: with all CPUs stopped.
    pub(super) fn call(
        &mut self,
        hook: impl FnOnce(*mut dyn_ftrace) -> c_int + Send,
    ) -> Result<Outcome> {
        let before = self.words();
        let (mut ret, mut expected) = (0, None);
        let (site, result) = (&mut *self, (&mut ret, &mut expected));
        stop_machine(
            move |_| {
                let (site, (ret, expected)) = (site, result);
                *ret = hook(&mut site.0);
                // SAFETY: What a hook leaves there is null or the address of a static word.
                *expected = unsafe { bindings::ftrace_expected.cast::<u32>().as_ref().copied() };
            },
            || (),
        )?;
        let after = self.words();
        let changed = before.iter().zip(after).filter(|(a, b)| **a != *b).count();
        Ok(Outcome {
            ret,
            expected: expected.filter(|_| ret != 0),
            changed,
        })
    }

    pub(super) fn init(&mut self) -> Result<Outcome> {
        // SAFETY: The record is that of a site that nobody executes.
        self.call(|rec| unsafe { bindings::ftrace_init_nop(ptr::null_mut(), rec) })
    }

    pub(super) fn on(&mut self) -> Result<Outcome> {
        // SAFETY: The record is that of a site that nobody executes.
        self.call(|rec| unsafe { bindings::ftrace_make_call(rec, ftrace_caller()) })
    }

    pub(super) fn off(&mut self) -> Result<Outcome> {
        // SAFETY: The record is that of a site that nobody executes.
        self.call(|rec| unsafe { bindings::ftrace_make_nop(ptr::null_mut(), rec, ftrace_caller()) })
    }
}

/// Returns what a module's site holds.
pub(super) fn site_state(state: State) -> SiteState {
    SiteState::new(state, usize_as_u32(arch::entry()))
}

pub(super) fn ftrace_caller() -> usize {
    bindings::ftrace_caller as *const () as usize
}

/// Calls `f` with what proves that text can be changed: that of a [`Text`], which nobody else
/// knows.
pub(super) fn exclusively<T>(f: impl FnOnce(&Exclusive<'_>) -> T) -> T {
    // SAFETY: ftrace has no records of the memory of a `Text`.
    let locked = unsafe { Locked::assume() };
    // SAFETY: No other CPU executes that.
    let exclusive = unsafe { Exclusive::assume(&locked) };
    f(&exclusive)
}

/// Does `stores` to the memory of a [`Text`].
pub(super) fn apply<M: Machine>(width: Width, stores: &[Store]) -> Result<usize, FailedStore> {
    // SAFETY: Nobody else uses that memory.
    exclusively(|exclusive| unsafe { text::poke::<M>(exclusive, width, stores) })
}

/// Reads a word of text.
pub(super) fn read(address: u32, width: Width) -> Result<u32, PatchError> {
    // SAFETY: The tests have addresses of memory alone.
    unsafe { text::read(address, width) }
}

/// Returns the words of the site at `ip`.
pub(super) fn words(layout: &Layout, ip: usize) -> [u32; MAX_WORDS] {
    let mut words = [0; MAX_WORDS];
    for (word, insn) in layout.words.iter().zip(&mut words) {
        *insn = read(word.address(usize_as_u32(ip)), layout.width).unwrap_or(0);
    }
    words
}

/// Returns the words of the kernel's site at `ip`.
pub(super) fn core_words(ip: usize) -> [u32; MAX_WORDS] {
    words(arch::CORE, ip)
}
