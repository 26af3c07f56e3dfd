// SPDX-License-Identifier: GPL-2.0

//! Counters of what the backend has done.

use super::text::{
    PatchError,
    Reason, //
};
use crate::{
    fmt,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Counters of the backend.
///
/// They are only changed where ftrace changes text, which one CPU does at a time.
pub struct Stats {
    pub(super) transitions: Atomic<usize>,
    pub(super) unsuitable: Atomic<usize>,
    pub(super) unreadable: Atomic<usize>,
    pub(super) unexpected: Atomic<usize>,
    pub(super) unwritable: Atomic<usize>,
    stop_last: Atomic<u64>,
    stop_worst: Atomic<u64>,
}

/// The counters since boot.
pub static STATS: Stats = Stats::new();

impl Stats {
    /// Returns counters that have counted nothing.
    pub(super) const fn new() -> Self {
        Self {
            transitions: Atomic::new(0),
            unsuitable: Atomic::new(0),
            unreadable: Atomic::new(0),
            unexpected: Atomic::new(0),
            unwritable: Atomic::new(0),
            stop_last: Atomic::new(0),
            stop_worst: Atomic::new(0),
        }
    }

    /// Returns for how long the last change kept the CPUs stopped, and the longest one.
    pub(super) fn stop_times(&self) -> [Nanoseconds; 2] {
        [&self.stop_last, &self.stop_worst].map(|time| Nanoseconds(time.load(Relaxed)))
    }

    /// Counts the stores that were done, or why there was none.
    pub(super) fn count(&self, result: Result<usize, PatchError>) {
        let (counter, number) = match result {
            Ok(stores) => (&self.transitions, stores),
            Err(error) => {
                let counter = match error.reason() {
                    Reason::Unsuitable => &self.unsuitable,
                    Reason::Unreadable => &self.unreadable,
                    Reason::Unexpected => &self.unexpected,
                    Reason::Unwritable => &self.unwritable,
                };
                (counter, 1)
            }
        };
        counter.store(counter.load(Relaxed).wrapping_add(number), Relaxed);
    }

    /// Notes for how many nanoseconds the CPUs were stopped.
    ///
    /// Not to be called while they are: on some CPUs 64-bit atomics call what ftrace can trace.
    pub(super) fn stopped(&self, nanoseconds: u64) {
        self.stop_last.store(nanoseconds, Relaxed);
        if nanoseconds > self.stop_worst.load(Relaxed) {
            self.stop_worst.store(nanoseconds, Relaxed);
        }
    }
}

/// A time.
pub(super) struct Nanoseconds(u64);

impl fmt::Display for Nanoseconds {
    /// Writes it in two parts: 32-bit kernels lack the division that 64 bits take.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NSEC_PER_SEC: u32 = 1_000_000_000;

        let mut rest = 0;
        // SAFETY: `rest` is valid for a write.
        let seconds = unsafe { bindings::div_u64_rem(self.0, NSEC_PER_SEC, &mut rest) };
        match u32::try_from(seconds) {
            Ok(0) => write!(f, "{rest}"),
            Ok(seconds) => write!(f, "{seconds}{rest:09}"),
            // Over 136 years.
            Err(_) => write!(f, "{}{:09}", u32::MAX, NSEC_PER_SEC.wrapping_sub(1)),
        }
    }
}
