// SPDX-License-Identifier: GPL-2.0

//! The counters.

use crate::{
    ftrace::stats::Stats,
    prelude::*,
    str::CString, //
};

#[kunit_tests(ftrace_rust_stats)]
mod tests {
    use super::*;

    #[test]
    fn stop_times_of_over_four_seconds() -> Result {
        let stats = Stats::new();
        // The third one is the longest, the last one is shorter.
        for nanoseconds in [0, 999_999_999, 5_000_000_001, 4_294_967_296] {
            stats.stopped(nanoseconds);
        }
        let [last, worst] = stats.stop_times();
        let text = CString::try_from_fmt(fmt!("{last} {worst}"))?;
        assert_eq!(text.to_bytes(), b"4294967296 5000000001");

        stats.stopped(7);
        let [last, _] = stats.stop_times();
        assert_eq!(CString::try_from_fmt(fmt!("{last}"))?.to_bytes(), b"7");
        Ok(())
    }
}
