// SPDX-License-Identifier: GPL-2.0

//! Running code while every CPU is stopped.
//!
//! C header: [`include/linux/stop_machine.h`](srctree/include/linux/stop_machine.h)

use crate::{
    error::to_result,
    ffi::c_int,
    prelude::*,
    processor::cpu_relax,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
    types::NotThreadSafe, //
};
use core::cell::UnsafeCell;

/// Proof that all other CPUs are stopped: they only wait for this one. Interrupts are off on all
/// CPUs.
///
/// A task stays where it was preempted. This can be between any two instructions.
///
/// # Invariants
///
/// Exists only on the one CPU that works, and only while the others wait for it.
pub struct Stopped(NotThreadSafe);

/// Stops all CPUs, calls `work` on one of them and then `after` on each of them before any
/// of them goes on.
///
/// `work` must be short: nothing else runs meanwhile. It may not sleep. Before the scheduler can
/// stop CPUs there is only one, which then calls `work` and `after` with interrupts off.
///
/// Fails, with `EAGAIN` or another error, if the CPUs cannot be stopped. Then neither function was
/// called.
pub fn stop_machine<W, A>(work: W, after: A) -> Result
where
    W: FnOnce(&Stopped) + Send,
    A: Fn() + Sync,
{
    let mut call = Call {
        work: UnsafeCell::new(Some(work)),
        claimed: Atomic::new(0),
        done: Atomic::new(0),
        after,
    };

    // SAFETY: `run` takes a `Call` of these types. It outlives the call of `stop_machine()`, which
    // returns only when all CPUs are through with it. `__cpu_online_mask` is valid for as long as
    // the kernel runs. It does not change while it is in use: the callee holds the lock for that.
    to_result(unsafe {
        bindings::stop_machine(
            Some(run::<W, A>),
            (&raw mut call).cast(),
            &raw const bindings::__cpu_online_mask,
        )
    })
}

/// What the CPUs share.
///
/// # Invariants
///
/// - `claimed` is 0 until a CPU takes `work`; the one that changes it to 1 has exclusive
///   access to `work`.
/// - `done` is 1 if and only if `work` has returned.
struct Call<W, A> {
    work: UnsafeCell<Option<W>>,
    claimed: Atomic<i32>,
    done: Atomic<i32>,
    after: A,
}

/// # Safety
///
/// All CPUs call this function, with interrupts off. `data` points to a `Call<W, A>` that all of
/// them can use.
unsafe extern "C" fn run<W, A>(data: *mut c_void) -> c_int
where
    W: FnOnce(&Stopped) + Send,
    A: Fn() + Sync,
{
    // SAFETY: By the safety requirements. Only `work` is changed, which is an `UnsafeCell`.
    let call = unsafe { &*data.cast::<Call<W, A>>() };

    if call.claimed.xchg(1, Relaxed) == 0 {
        // SAFETY: By the type invariants, this CPU has exclusive access to `work`.
        let work = unsafe { (*call.work.get()).take() };
        if let Some(work) = work {
            // INVARIANT: All other CPUs are in the loop below or on their way to it with
            // interrupts off, and leave it only after `done` changes.
            work(&Stopped(NotThreadSafe));
        }
        // INVARIANT: `work` has returned.
        call.done.store(1, Release);
    } else {
        while call.done.load(Acquire) == 0 {
            cpu_relax();
        }
    }
    (call.after)();
    0
}
