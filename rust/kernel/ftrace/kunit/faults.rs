// SPDX-License-Identifier: GPL-2.0

//! Memory that cannot be written.

use super::{
    arch,
    sandbox::{
        apply,
        exclusively,
        read,
        refused,
        site_state,
        write,
        Text, //
    }, //
};
use crate::{
    bindings::dyn_ftrace,
    ftrace::{
        patch,
        site::{
            State,
            Store,
            Width, //
        },
        text::{
            FailedStore,
            Machine,
            PatchError, //
        }, //
    },
    interrupt::LocalInterruptDisabled,
    num::casts::arch::usize_as_u32,
    page::{
        PAGE_MASK,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Stores to memory that is not mapped, or to another page than it should.
struct Broken;

/// What is wrong: one of the following.
static BROKEN: Atomic<u32> = Atomic::new(NOTHING);

const NOTHING: u32 = 0;
/// The alias of the first page is not mapped.
const FIRST_PAGE: u32 = 1;
/// The alias of the second page is not mapped.
const SECOND_PAGE: u32 = 2;
/// No page has an alias.
const ALIAS: u32 = 3;
/// The alias of a page is the next page.
const NEXT_PAGE: u32 = 4;

// SAFETY: The address is that of a page of a `Text`, or loads from it fault. `flush_icache` calls
// nothing.
unsafe impl Machine for Broken {
    fn map(address: usize, index: usize, _irq: &LocalInterruptDisabled) -> Result<usize> {
        let page = address & PAGE_MASK;
        match (BROKEN.load(Relaxed), index) {
            // The page after the memory of a `Text`.
            (FIRST_PAGE, 0) => Ok(page + Text::SIZE),
            (SECOND_PAGE, 1) | (NEXT_PAGE, _) => Ok(page + PAGE_SIZE),
            (ALIAS, _) => Err(EFAULT),
            _ => Ok(page),
        }
    }

    fn unmap(_alias: usize, _index: usize, _irq: &LocalInterruptDisabled) {}

    fn flush_icache(_stores: &[Store]) {}

    fn sync_core() {}
}

#[kunit_tests(ftrace_rust_faults)]
mod tests {
    use super::*;

    #[test]
    fn unwritable_site_is_refused() -> Result {
        let text = Text::new()?;
        let mut site = text.site(0)?;
        assert_eq!(site.init()?.ret, 0);
        // The store faults, or there is no mapping to store through.
        for broken in [FIRST_PAGE, ALIAS] {
            BROKEN.store(broken, Relaxed);
            let on = |rec: *mut dyn_ftrace| {
                // SAFETY: The record is valid.
                let ip = unsafe { (*rec).ip };
                let [from, to] = [State::Off, State::On].map(site_state);
                exclusively(|exclusive| {
                    // SAFETY: It is a site in the memory of a `Text`.
                    let result = unsafe {
                        patch::modify_site::<Broken>(exclusive, arch::MODULE, ip, from, to)
                    };
                    patch::report(exclusive.locked(), result)
                })
            };
            assert_eq!(site.call(on)?, refused(EPERM, None));
            assert!(site.is(State::Off));
        }
        Ok(())
    }

    #[test]
    fn failed_store_changes_nothing() -> Result {
        const NEW: u32 = 0x5678;

        let failed = |address, error| Err(FailedStore { address, error });
        for width in [Width::Half, Width::Word] {
            let text = Text::new()?;
            let address = |offset| usize_as_u32(text.at(offset));
            let store = |address| Store {
                address,
                old: 0,
                new: NEW,
            };
            let (first, second) = (address(PAGE_SIZE) - width.size(), address(PAGE_SIZE));
            let stores = [store(first), store(second)];

            for (broken, faulty) in [(FIRST_PAGE, first), (SECOND_PAGE, second), (ALIAS, first)] {
                BROKEN.store(broken, Relaxed);
                let result = apply::<Broken>(width, &stores);
                assert_eq!(result, failed(faulty, PatchError::Unwritable));
                assert_eq!(read(first, width), Ok(0));
                assert_eq!(read(second, width), Ok(0));
            }

            // The second page can be read alone: the store to the first one is taken back.
            #[cfg(CONFIG_ARCH_HAS_SET_MEMORY)]
            {
                let page = text.at(PAGE_SIZE);
                BROKEN.store(NOTHING, Relaxed);
                // SAFETY: The page is one of `text`.
                assert_eq!(unsafe { bindings::set_memory_ro(page, 1) }, 0);
                let result = apply::<Broken>(width, &stores);
                // SAFETY: The page is one of `text`.
                assert_eq!(unsafe { bindings::set_memory_rw(page, 1) }, 0);
                assert_eq!(result, failed(second, PatchError::Unwritable));
                assert_eq!(read(first, width), Ok(0));
                assert_eq!(read(second, width), Ok(0));
            }

            // What is taken for the alias is another page: its words are none of those.
            let other = [store(address(8)), store(address(16))];
            for wrong in [address(PAGE_SIZE + 8), address(PAGE_SIZE + 16)] {
                BROKEN.store(NEXT_PAGE, Relaxed);
                // SAFETY: The word is in the memory of `text`.
                unsafe { write(wrong, width, NEW) };
                let result = apply::<Broken>(width, &other);
                // SAFETY: The word is in the memory of `text`.
                unsafe { write(wrong, width, 0) };
                let word = wrong - usize_as_u32(PAGE_SIZE);
                assert_eq!(result, failed(word, PatchError::Unexpected(0)));
                for offset in [8, 16] {
                    assert_eq!(read(address(offset), width), Ok(0));
                    assert_eq!(read(address(PAGE_SIZE + offset), width), Ok(0));
                }
            }

            // The word of a third page, which is not mapped, has its turn later.
            let [before, after] = [address(PAGE_SIZE) - 8, address(2 * PAGE_SIZE)];
            let stores = [store(before), store(first), store(second), store(after)];
            BROKEN.store(NOTHING, Relaxed);
            assert_eq!(apply::<Broken>(width, &stores), Ok(3));
            for address in [before, first, second] {
                assert_eq!(read(address, width), Ok(NEW));
            }

            // What is not aligned takes more than one store.
            let unaligned = address(0) + width.size() / 2;
            let result = apply::<Broken>(width, &[store(unaligned)]);
            assert_eq!(result, failed(unaligned, PatchError::Unaligned));

            // The second of three words is not what it is thought to be: none changes.
            let mut stores = [store(address(0)), store(address(8)), store(address(16))];
            stores[1].old = 1;
            BROKEN.store(NOTHING, Relaxed);
            let result = apply::<Broken>(width, &stores);
            assert_eq!(result, failed(address(8), PatchError::Unexpected(1)));
            assert_eq!(read(address(0), width), Ok(0));

            // A store changes what it is to change and nothing beside it.
            BROKEN.store(NOTHING, Relaxed);
            assert_eq!(apply::<Broken>(width, &[store(address(32))]), Ok(1));
            assert_eq!(read(address(32), width), Ok(NEW));
            assert_eq!(read(address(32) - width.size(), width), Ok(0));
            assert_eq!(read(address(32) + width.size(), width), Ok(0));
        }
        Ok(())
    }
}
