// SPDX-License-Identifier: GPL-2.0

//! Sites of ARM that are executed while they change, and that go from one entry to the other.

use super::{
    arch,
    sandbox::{
        apply,
        ftrace_caller,
        site_state,
        Outcome,
        Site,
        Text,
        DONE, //
    }, //
};
use crate::{
    bindings::{
        self,
        dyn_ftrace, //
    },
    ftrace::{
        site::{
            State,
            Store, //
        },
        text::Machine, //
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
use core::ptr;

/// Changes a site, and calls its function between the store and the flush. This moment is worse
/// than any at which the code that changes text may call a function that can be traced.
struct InUse;

/// The function, and what it returned last.
static FUNCTION: Atomic<usize> = Atomic::new(0);

static RETURNED: Atomic<u32> = Atomic::new(0);

impl InUse {
    fn call(argument: u32) {
        let function = FUNCTION.load(Relaxed) as *const ();
        // SAFETY: `FUNCTION` is a function of this type in the memory of a `Text`.
        let function =
            unsafe { core::mem::transmute::<*const (), extern "C" fn(u32) -> u32>(function) };
        RETURNED.store(function(argument), Relaxed);
    }
}

// SAFETY: The address is that of the page. ftrace does not know the function that `flush_icache`
// calls.
unsafe impl Machine for InUse {
    fn map(address: usize, _index: usize, _irq: &LocalInterruptDisabled) -> Result<usize> {
        Ok(address & PAGE_MASK)
    }

    fn unmap(_alias: usize, _index: usize, _irq: &LocalInterruptDisabled) {}

    fn flush_icache(stores: &[Store]) {
        Self::call(1);
        for store in stores {
            let start = store.address as usize;
            // SAFETY: The word is in the memory of a `Text`.
            unsafe { bindings::flush_icache_range(start, start + 1) };
        }
    }

    fn sync_core() {}
}

#[kunit_tests(ftrace_rust_arm_sites)]
mod tests {
    use super::*;

    /// A site across two cache lines, or two pages, can be executed whatever of the old and the new
    /// content a CPU sees in each. In T32 code the boundary parts the halves of an instruction.
    #[test]
    fn site_in_use_across_lines() -> Result {
        let text = Text::new()?;
        let layout = arch::MODULE;
        let (off, on) = (site_state(State::Off), site_state(State::On));

        for after_line in [256, PAGE_SIZE] {
            let ip = usize_as_u32(text.at(after_line)) - layout.width.size();
            let mut site = Site(dyn_ftrace {
                ip: ip as usize,
                ..Default::default()
            });
            site.write(&arch::compiled(ip).ok_or(EINVAL)?);
            let start = layout.words.first().ok_or(EINVAL)?.address(ip) as usize;
            let end = layout.words.last().ok_or(EINVAL)?.address(ip) + layout.width.size();
            // SAFETY: The address is in the memory of `text`.
            unsafe { arch::write_body(end) };
            assert_eq!(site.init()?.ret, 0);
            // SAFETY: The function is in the memory of `text`.
            let flush =
                || unsafe { bindings::flush_icache_range(start, end as usize + arch::BODY_SIZE) };
            flush();
            FUNCTION.store(start | arch::ISA_BIT, Relaxed);

            for (from, to) in [(off, on), (on, off), (off, on)] {
                let old = site.words();
                let store = layout.store(ip, from, to).map_err(|_| EINVAL)?;
                assert_eq!(apply::<InUse>(layout.width, store.as_slice()), Ok(1));
                assert_eq!(RETURNED.load(Relaxed), 2);
                InUse::call(2);
                assert_eq!(RETURNED.load(Relaxed), 3);
                assert!(site.is(to.state));

                // Until a line is flushed, a CPU may have its old content. Not all CPUs that this
                // test runs on have such caches, so memory holds what they would.
                let new = site.words();
                for boundary in 1..layout.words.len() {
                    for (first, second) in [(old, new), (new, old)] {
                        let mut seen = first;
                        seen[boundary..].copy_from_slice(&second[boundary..]);
                        site.write(&seen);
                        flush();
                        InUse::call(3);
                        assert_eq!(RETURNED.load(Relaxed), 4);
                    }
                }
                site.write(&new);
                flush();
            }
        }
        Ok(())
    }

    /// A site goes from one entry to the other while it is on, by one store or by none.
    #[cfg(CONFIG_DYNAMIC_FTRACE_WITH_REGS)]
    #[test]
    fn entries_are_exchanged() -> Result {
        let text = Text::new()?;
        let mut site = text.site(0)?;
        assert_eq!(site.init()?.ret, 0);
        let plain = ftrace_caller();
        let regs = bindings::ftrace_regs_caller as *const () as usize;
        let ip = usize_as_u32(site.0.ip);
        let for_regs = usize_as_u32(regs);
        let for_plain = arch::MODULE.exchangeable_target(ip, usize_as_u32(plain), for_regs);
        let exchanged = Outcome {
            changed: usize::from(for_plain != for_regs),
            ..DONE
        };
        let target = |site: &Site| arch::MODULE.decode(ip, &site.words(), State::On);

        assert_eq!(site.on()?, DONE);
        assert_eq!(target(&site), Some(for_plain));
        for _ in 0..2 {
            // SAFETY: The record is that of a site that nobody executes.
            let to_regs = |rec| unsafe { bindings::ftrace_modify_call(rec, plain, regs) };
            assert_eq!(site.call(to_regs)?, exchanged);
            assert_eq!(target(&site), Some(for_regs));
            // SAFETY: The record is that of a site that nobody executes.
            let to_plain = |rec| unsafe { bindings::ftrace_modify_call(rec, regs, plain) };
            assert_eq!(site.call(to_plain)?, exchanged);
            assert_eq!(target(&site), Some(for_plain));
        }
        assert_eq!(site.off()?, DONE);

        // SAFETY: The record is that of a site that nobody executes.
        let on = |rec| unsafe { bindings::ftrace_make_call(rec, regs) };
        assert_eq!(site.call(on)?, DONE);
        assert_eq!(target(&site), Some(for_regs));
        // SAFETY: The record is that of a site that nobody executes.
        let off = |rec| unsafe { bindings::ftrace_make_nop(ptr::null_mut(), rec, regs) };
        assert_eq!(site.call(off)?, DONE);
        assert!(site.is(State::Off));
        Ok(())
    }
}
