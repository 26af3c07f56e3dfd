// SPDX-License-Identifier: GPL-2.0

//! The backend's own patch path, run on recorded text.
//!
//! [`text`](crate::ftrace::text) is the file that the kernel builds. What it asks of the kernel is
//! here: memory that can be read and written without faults, and a [`Machine`] that notes when text
//! is published.

use std::{
    cell::RefCell,
    collections::BTreeMap, //
};

use crate::{
    ftrace::text::{
        self,
        FailedStore,
        Machine, //
    },
    site::{
        Store,
        Width, //
    },
};

pub mod interrupt {
    pub struct LocalInterruptDisabled;

    pub fn local_interrupt_disable() -> LocalInterruptDisabled {
        LocalInterruptDisabled
    }
}

pub mod page {
    pub const PAGE_MASK: usize = !0xfff;
}

pub mod num {
    pub mod casts {
        pub mod arch {
            pub fn usize_as_u32(value: usize) -> u32 {
                super::super::super::bindings::address(value)
            }
        }
    }
}

pub mod stop_machine {
    pub struct Stopped;
}

pub mod prelude {
    pub use core::ffi::c_void;

    pub use super::bindings;

    pub type Result<T, E = core::convert::Infallible> = core::result::Result<T, E>;
}

pub mod bindings {
    use core::ffi::{
        c_int,
        c_void, //
    };

    use super::{
        Event,
        TEXT, //
    };

    const EFAULT: c_int = 14;

    /// # Safety
    ///
    /// `to` is valid for a write.
    pub unsafe fn get_insn_nofault(to: *mut u32, from: *const c_void, size: usize) -> c_int {
        let from = address(from.addr());
        TEXT.with_borrow_mut(|text| {
            let Some(&word) = text.words.get(&from) else {
                return -EFAULT;
            };
            assert!(size == 4 || (size == 2 && word < 1 << 16));
            // SAFETY: By the safety requirements.
            unsafe { to.write(word) };
            text.events.push(Event::Read(from));
            0
        })
    }

    /// # Safety
    ///
    /// None, the type is that of the kernel's function.
    pub unsafe fn put_insn_nofault(to: *mut c_void, insn: u32, size: usize) -> c_int {
        assert_eq!(to.addr() % size, 0, "a store that is not aligned");
        assert!(size == 4 || (size == 2 && insn < 1 << 16));
        let to = address(to.addr());
        TEXT.with_borrow_mut(|text| {
            let Some(word) = text.words.get_mut(&to) else {
                return -EFAULT;
            };
            *word = insn;
            text.events.push(Event::Store(to, insn));
            0
        })
    }

    pub fn address(host: usize) -> u32 {
        u32::try_from(host).expect("the text's addresses have 32 bits")
    }
}

/// Something that the patch path does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Reads the word at an address.
    Read(u32),
    /// Stores a word at an address.
    Store(u32, u32),
    /// Publishes the words between two addresses.
    Publish(u32, u32),
}

#[derive(Default)]
struct Text {
    /// Number of bytes of a word.
    size: u32,
    words: BTreeMap<u32, u32>,
    events: Vec<Event>,
}

thread_local! {
    static TEXT: RefCell<Text> = RefCell::default();
}

struct Recorder;

// SAFETY: Text is its own alias, and only `bindings` above uses the address.
unsafe impl Machine for Recorder {
    fn map(
        address: usize,
        _index: usize,
        _irq: &interrupt::LocalInterruptDisabled,
    ) -> prelude::Result<usize> {
        Ok(address & page::PAGE_MASK)
    }

    fn unmap(_alias: usize, _index: usize, _irq: &interrupt::LocalInterruptDisabled) {}

    fn flush_icache(stores: &[Store]) {
        let [Some(first), Some(last)] = [stores.first(), stores.last()] else {
            return;
        };
        TEXT.with_borrow_mut(|text| {
            let end = last.address + text.size;
            text.events.push(Event::Publish(first.address, end));
        });
    }

    unsafe fn read_mapped(address: usize, width: Width) -> u32 {
        let mut word = 0;
        let from = std::ptr::without_provenance(address);
        // SAFETY: `word` is valid for a write.
        let ret = unsafe { bindings::get_insn_nofault(&mut word, from, width.size() as usize) };
        assert_eq!(ret, 0, "{address:#x} is not mapped");
        word
    }

    unsafe fn write_mapped(address: usize, width: Width, insn: u32) {
        let to = std::ptr::without_provenance_mut(address);
        // SAFETY: No requirements.
        let ret = unsafe { bindings::put_insn_nofault(to, insn, width.size() as usize) };
        assert_eq!(ret, 0, "{address:#x} is not mapped");
    }

    fn sync_core() {
        unreachable!("the patch path leaves synchronisation to its caller");
    }
}

/// Does `stores` to text that consists of `words`, as the backend does, and returns what it did.
pub fn apply(
    words: &BTreeMap<u32, u32>,
    width: Width,
    stores: &[Store],
) -> (Result<usize, FailedStore>, Vec<Event>) {
    TEXT.set(Text {
        size: width.size(),
        words: words.clone(),
        events: Vec::new(),
    });
    // SAFETY: The text is this thread's, which does not use it meanwhile.
    let locked = unsafe { text::Locked::assume() };
    // SAFETY: As above.
    let exclusive = unsafe { text::Exclusive::assume(&locked) };
    // SAFETY: As above.
    let result = unsafe { text::poke::<Recorder>(&exclusive, width, stores) };
    (result, TEXT.take().events)
}
