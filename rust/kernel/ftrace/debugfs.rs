// SPDX-License-Identifier: GPL-2.0

//! The folder of the backend in debugfs.

use super::{
    arch::Arch,
    census::census,
    stats::STATS, //
};
use crate::{
    c_str,
    debugfs::{
        Dir,
        File, //
    },
    fmt,
    prelude::*,
    sync::atomic::Relaxed, //
};
use core::marker::PhantomData;

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
            let dir = Dir::new(c_str!("ftrace_rust"));
            Ok(try_pin_init!(Self {
                _sites <- dir.read_callback_file(c_str!("sites"), PhantomData, &Self::sites),
                _transitions <- dir.read_callback_file(c_str!("transitions"), (), &transitions),
                _errors <- dir.read_callback_file(c_str!("errors"), (), &errors),
                _stop_last <- dir.read_callback_file(c_str!("stop_last_ns"), (), &stop_last),
                _stop_worst <- dir.read_callback_file(c_str!("stop_worst_ns"), (), &stop_worst),
                _dir: dir,
            }))
        })
    }

    fn sites(_: &PhantomData<A>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let census = census::<A>();
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
