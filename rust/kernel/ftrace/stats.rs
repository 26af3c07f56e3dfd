// SPDX-License-Identifier: GPL-2.0

//! What the backend tells about itself: counters and their folder in debugfs.

use super::{
    backend::{
        self,
        Arch, //
    },
    text::Refusal, //
};
use crate::{
    debugfs::{
        Dir,
        File, //
    },
    fmt,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use core::marker::PhantomData;

/// Counters of the backend.
///
/// They are only changed where ftrace changes text, which one CPU does at a time.
pub struct Stats {
    transitions: Atomic<usize>,
    unsuitable: Atomic<usize>,
    unreadable: Atomic<usize>,
    unexpected: Atomic<usize>,
    unwritable: Atomic<usize>,
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
    pub(super) fn count(&self, result: Result<usize, Refusal>) {
        let (counter, number) = match result {
            Ok(stores) => (&self.transitions, stores),
            Err(Refusal::Unsuitable) => (&self.unsuitable, 1),
            Err(Refusal::Unreadable) => (&self.unreadable, 1),
            Err(Refusal::Unexpected(_)) => (&self.unexpected, 1),
            Err(Refusal::Unwritable) => (&self.unwritable, 1),
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

/// The folder `ftrace_rust` in debugfs.
///
/// | file | content |
/// |---|---|
/// | `sites` | call sites known, off, on, and those whose words fit neither, in this order |
/// | `transitions` | stores to text since boot |
/// | `errors` | refused changes since boot by error and reason |
/// | `stop_last_ns` | nanoseconds that the last change kept the CPUs stopped |
/// | `stop_worst_ns` | the same for the longest change |
#[pin_data]
pub struct Debugfs<A: Arch + Send + Sync + 'static> {
    _dir: Dir,
    #[pin]
    _sites: File<PhantomData<A>>,
    #[pin]
    _transitions: File<()>,
    #[pin]
    _errors: File<()>,
    #[pin]
    _stop_last: File<()>,
    #[pin]
    _stop_worst: File<()>,
}

impl<A: Arch + Send + Sync + 'static> Debugfs<A> {
    /// Makes the folder.
    pub fn new() -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(|| {
            let dir = Dir::new(c"ftrace_rust");
            Ok(try_pin_init!(Self {
                _sites <- dir.read_callback_file(c"sites", PhantomData, &Self::sites),
                _transitions <- dir.read_callback_file(c"transitions", (), &transitions),
                _errors <- dir.read_callback_file(c"errors", (), &errors),
                _stop_last <- dir.read_callback_file(c"stop_last_ns", (), &stop_last),
                _stop_worst <- dir.read_callback_file(c"stop_worst_ns", (), &stop_worst),
                _dir: dir,
            }))
        })
    }

    fn sites(_: &PhantomData<A>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let census = backend::census::<A>();
        writeln!(f, "known {}", census.known())?;
        writeln!(f, "off {}", census.off)?;
        writeln!(f, "on {}", census.on)?;
        writeln!(f, "odd {}", census.odd)
    }
}

fn transitions(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}", STATS.transitions.load(Relaxed))
}

fn errors(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "EFAULT unreadable {}", STATS.unreadable.load(Relaxed))?;
    writeln!(f, "EINVAL unexpected {}", STATS.unexpected.load(Relaxed))?;
    writeln!(f, "EINVAL unsuitable {}", STATS.unsuitable.load(Relaxed))?;
    writeln!(f, "EPERM unwritable {}", STATS.unwritable.load(Relaxed))
}

fn stop_last(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [last, _] = STATS.stop_times();
    f.write_fmt(fmt!("{last}\n"))
}

fn stop_worst(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [_, worst] = STATS.stop_times();
    f.write_fmt(fmt!("{worst}\n"))
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
