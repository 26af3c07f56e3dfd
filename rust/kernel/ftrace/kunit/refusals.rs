// SPDX-License-Identifier: GPL-2.0

//! What the hooks refuse.

use super::{
    arch,
    sandbox::{
        ftrace_caller,
        refused,
        Text,
        DONE, //
    }, //
};
use crate::{
    bindings::{
        self,
        dyn_ftrace, //
    },
    ftrace::site,
    prelude::*, //
};
use core::ptr;

#[kunit_tests(ftrace_rust_refusals)]
mod tests {
    use super::*;

    #[test]
    fn unknown_layout_is_refused() -> Result {
        let text = Text::new()?;
        let mut site = text.site(0)?;
        let compiled = site.words();
        let at_ip = arch::MODULE.words.iter().position(|w| w.offset == 0);
        let expected = at_ip.map(|i| compiled[i]);
        for i in 0..arch::MODULE.words.len() {
            // The instruction that sets `$12` is the compiler's choice.
            if arch::MODULE.words[i].compiled == site::Pattern::Any {
                continue;
            }
            let mut words = compiled;
            words[i] ^= 1 << 4;
            site.write(&words);
            assert_eq!(site.init()?, refused(EINVAL, expected));
        }
        // A second initialisation finds a site that is not compiled any more.
        site.write(&compiled);
        assert_eq!(site.init()?.ret, 0);
        assert_eq!(site.init()?, refused(EINVAL, expected));
        Ok(())
    }

    #[test]
    fn unexpected_word_is_refused() -> Result {
        let text = Text::new()?;
        let mut site = text.site(0)?;
        assert_eq!(site.init()?.ret, 0);

        let off = site.words();
        assert_eq!(site.on()?, DONE);
        let on = site.words();
        let toggled = on.iter().zip(off).find(|(on, off)| **on != *off);
        let (on, off) = toggled.map(|(on, off)| (*on, off)).ok_or(EINVAL)?;

        assert_eq!(site.on()?, refused(EINVAL, Some(off)));
        assert_eq!(site.off()?, DONE);
        assert_eq!(site.off()?, refused(EINVAL, Some(on)));
        Ok(())
    }

    #[test]
    fn unaligned_address_is_refused() -> Result {
        let text = Text::new()?;
        for offset in 1..4 {
            let mut site = text.site(0)?;
            site.0.ip += offset;
            // SAFETY: The record is that of a site that nobody executes.
            let ret = unsafe { bindings::ftrace_init_nop(ptr::null_mut(), &mut site.0) };
            assert_eq!(ret, EINVAL.to_errno());
            // SAFETY: The record is that of a site that nobody executes.
            let ret = unsafe { bindings::ftrace_make_call(&mut site.0, ftrace_caller()) };
            assert_eq!(ret, EINVAL.to_errno());
            site.0.ip -= offset;
            assert_eq!(site.init()?.ret, 0);
        }
        Ok(())
    }

    #[test]
    fn unmapped_address_is_refused() -> Result {
        let text = Text::new()?;
        let mut rec = dyn_ftrace {
            ip: text.at(Text::SIZE + 64),
            ..Default::default()
        };
        // SAFETY: The record is that of a site that nobody executes.
        let ret = unsafe { bindings::ftrace_init_nop(ptr::null_mut(), &mut rec) };
        assert_eq!(ret, EFAULT.to_errno());
        // SAFETY: The record is that of a site that nobody executes.
        let ret = unsafe { bindings::ftrace_make_call(&mut rec, ftrace_caller()) };
        assert_eq!(ret, EFAULT.to_errno());
        Ok(())
    }

    #[test]
    fn unreachable_target_is_refused() -> Result {
        let text = Text::new()?;
        let mut site = text.site(0)?;
        assert_eq!(site.init()?.ret, 0);
        // Too far for `bl`, and not what `addiu` has been made to add.
        let far = ftrace_caller().wrapping_add((64 << 20) + 4);
        // SAFETY: The record is that of a site that nobody executes.
        let outcome = site.call(|rec| unsafe { bindings::ftrace_make_call(rec, far) })?;
        assert_eq!(outcome.ret, EINVAL.to_errno());
        assert_eq!(outcome.changed, 0);
        Ok(())
    }
}
