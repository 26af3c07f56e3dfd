// SPDX-License-Identifier: GPL-2.0

//! Sites that go on and off.

use super::{
    arch,
    sandbox::{
        Text,
        DONE, //
    }, //
};
use crate::{
    ftrace::site::State,
    prelude::*, //
};

#[kunit_tests(ftrace_rust_sites)]
mod tests {
    use super::*;

    #[test]
    fn site_in_one_page() -> Result {
        let text = Text::new()?;
        let mut site = text.site(0)?;
        let compiled = site.words();

        assert_eq!(site.init()?.ret, 0);
        assert!(site.is(State::Off));
        let off = site.words();
        assert!(off != compiled);

        for _ in 0..3 {
            assert_eq!(site.on()?, DONE);
            assert!(site.is(State::On));
            assert_eq!(site.off()?, DONE);
            assert_eq!(site.words(), off);
        }
        Ok(())
    }

    #[test]
    fn site_across_pages() -> Result {
        let text = Text::new()?;
        for split in 1..arch::MODULE.words.len() {
            let mut site = text.site(split)?;
            assert_eq!(site.init()?.ret, 0);
            assert!(site.is(State::Off));
            assert_eq!(site.on()?, DONE);
            assert!(site.is(State::On));
            assert_eq!(site.off()?, DONE);
            assert!(site.is(State::Off));
        }
        Ok(())
    }
}
