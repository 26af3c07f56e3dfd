// SPDX-License-Identifier: GPL-2.0

//! Trampolines: entries that serve one ops each.
//!
//! `ftrace_caller` cannot know which ops traces the function that called it. So it asks all ops as
//! soon as there are two of them, or one that may be freed. A function that a single ops traces
//! calls the trampoline of that ops instead (`FTRACE_FL_TRAMP`). The trampoline calls the ops
//! directly.
//!
//! Two instructions of a trampoline hold the address of its ops. They are written while no site
//! calls it and no task is in it: ftrace waits for all tasks before it frees a trampoline. The
//! trampoline loads its callee from `ops->func`, because ftrace may change that at any time.

use super::{
    arch::Arch,
    patch::{
        modify_code,
        modify_site,
        read_site,
        report, //
    },
    site::{
        Layout,
        SiteState,
        State,
        Stores, //
    },
    text::{
        Exclusive,
        Locked,
        PatchError, //
    }, //
};
use crate::{
    bindings::ftrace_ops,
    num::casts::arch::usize_as_u32,
    prelude::*,
    stop_machine::stop_machine, //
};
use core::ptr;

/// What the backend needs to know of an architecture's trampolines.
///
/// # Safety
///
/// - [`allocate`](Self::allocate) returns the address of code that the layouts and offsets
///   describe. It is off, and nothing leads to it. It exists until [`free`](Self::free).
/// - A trampoline that is on preserves registers as `ftrace_caller` does.
pub unsafe trait Trampolines: Arch {
    /// Layout of the instructions that hold the address of the ops.
    const OPS: Layout;

    /// Layout of the call: of `ops->func` when off, of another function when on.
    const OPS_CALL: Layout;

    /// Bytes from the start of a trampoline, which sites call, to what [`OPS`](Self::OPS) lays out.
    const OPS_OFFSET: usize;

    /// Bytes from the start of a trampoline to what [`OPS_CALL`](Self::OPS_CALL) lays out.
    const CALL_OFFSET: usize;

    /// Bytes from the start of a trampoline to its end.
    const SIZE: usize;

    /// An ops with one of these flags gets no trampoline.
    const NO_TRAMPOLINE_FLAGS: u32;

    /// Prepares the entries for an ops with these flags, which may be registered after this.
    fn prepare(_flags: usize) {}

    /// Returns a trampoline that is off, which nothing executes, [`None`] if there is none left.
    fn allocate(locked: &Locked) -> Option<usize>;

    /// Takes back a trampoline.
    ///
    /// # Safety
    ///
    /// [`allocate`](Self::allocate) has returned it, it is off, and nothing leads to it.
    unsafe fn free(trampoline: usize);

    /// Makes all CPUs execute what has been stored to a new trampoline.
    ///
    /// # Safety
    ///
    /// [`allocate`](Self::allocate) has returned it. The function may sleep.
    unsafe fn flush(trampoline: usize);
}

/// Returns whether `trampoline` is off.
///
/// # Safety
///
/// It is the address of a trampoline.
pub unsafe fn is_off<A: Trampolines>(trampoline: usize) -> bool {
    let ip = trampoline.wrapping_add(A::OPS_OFFSET);
    let decode = |words| A::OPS.decode(usize_as_u32(ip), &words, State::Off);
    // SAFETY: By the safety requirements.
    unsafe { read_site(&A::OPS, ip) }.is_ok_and(|words| decode(words).is_some())
}

/// Returns what the trampoline of `ops` is to call.
///
/// # Safety
///
/// `ops` is valid.
unsafe fn wanted_call(ops: *mut ftrace_ops) -> SiteState {
    // SAFETY: By the safety requirements.
    let (own, func) = unsafe { ((*ops).func, bindings::ftrace_ops_get_func(ops)) };
    let address = |func: bindings::ftrace_func_t| func.map_or(0, |func| func as usize);
    let state = if address(func) == address(own) {
        State::Off
    } else {
        State::On
    };
    SiteState::new(state, usize_as_u32(address(func)))
}

/// Returns what `trampoline` calls.
///
/// # Safety
///
/// It is the address of a trampoline.
unsafe fn current_call<A: Trampolines>(trampoline: usize) -> Result<SiteState, PatchError> {
    let ip = trampoline.wrapping_add(A::CALL_OFFSET);
    // SAFETY: By the safety requirements.
    let words = unsafe { read_site(&A::OPS_CALL, ip) }?;
    let target = A::OPS_CALL.decode(usize_as_u32(ip), &words, State::On);
    Ok(target.map_or(OFF, |target| SiteState::new(State::On, target)))
}

/// A trampoline that serves no ops, and a call of `ops->func`.
const OFF: SiteState = SiteState::new(State::Off, 0);

/// Returns the state of the trampoline of `ops`.
fn on(ops: *mut ftrace_ops) -> SiteState {
    SiteState::new(State::On, usize_as_u32(ops as usize))
}

/// Turns `trampoline` on or off, and makes it call what `call` says.
///
/// # Safety
///
/// It is a trampoline that holds `from`, and `exclusive` is for one that nothing executes.
unsafe fn switch<A: Trampolines>(
    exclusive: &Exclusive<'_>,
    trampoline: usize,
    from: SiteState,
    to: SiteState,
    call: SiteState,
) -> Result<(), PatchError> {
    let ip = usize_as_u32(trampoline.wrapping_add(A::OPS_OFFSET));
    let mut stores = Stores::new(A::OPS.width);
    stores.add(&A::OPS, ip, from, to)?;
    let call_ip = usize_as_u32(trampoline.wrapping_add(A::CALL_OFFSET));
    // SAFETY: By the safety requirements.
    let call_before = unsafe { current_call::<A>(trampoline) }?;
    stores.add(&A::OPS_CALL, call_ip, call_before, call)?;
    // SAFETY: The words are those of a trampoline that is not in use.
    unsafe { modify_code::<A>(exclusive, stores.width(), &stores) }?;
    Ok(())
}

/// `arch_ftrace_update_trampoline()`: gives `ops` a trampoline, or brings that up to date.
///
/// # Safety
///
/// `ops` is valid, and about to be registered unless it is already.
pub unsafe fn update<A: Trampolines>(locked: &Locked, ops: *mut ftrace_ops) {
    // SAFETY: By the safety requirements.
    let (flags, trampoline, call) = unsafe { ((*ops).flags, (*ops).trampoline, wanted_call(ops)) };
    let has = |flag| flags & flag as usize != 0;
    A::prepare(flags);

    if trampoline != 0 {
        if has(bindings::FTRACE_OPS_FL_ALLOC_TRAMP) {
            // SAFETY: The flag says that the trampoline is one of ours. `call` is a tracer.
            unsafe { update_call::<A>(locked, trampoline, call) };
        }
        return;
    }
    // The records of a registered ops say whether it has a trampoline.
    if has(bindings::FTRACE_OPS_FL_ENABLED | bindings::FTRACE_OPS_FL_STUB | A::NO_TRAMPOLINE_FLAGS)
    {
        return;
    }
    let Some(trampoline) = A::allocate(locked) else {
        return;
    };
    // SAFETY: Nothing leads to a new trampoline.
    let exclusive = unsafe { Exclusive::assume(locked) };
    // SAFETY: `allocate` returns a trampoline that is off.
    if unsafe { switch::<A>(&exclusive, trampoline, OFF, on(ops), call) }.is_err() {
        // SAFETY: It is off still, and nothing leads to it.
        unsafe { A::free(trampoline) };
        return;
    }
    // SAFETY: It is a new trampoline. ftrace calls this hook where it may sleep.
    unsafe { A::flush(trampoline) };
    // SAFETY: By the safety requirements. Only ftrace, which has called, uses the fields.
    unsafe {
        (*ops).trampoline = trampoline;
        (*ops).trampoline_size = A::SIZE;
        (*ops).flags |= bindings::FTRACE_OPS_FL_ALLOC_TRAMP as usize;
    }
}

/// Makes `trampoline`, which may be in use, call what `call` says.
///
/// # Safety
///
/// It is the trampoline of an ops, and `call` is a tracer.
unsafe fn update_call<A: Trampolines>(locked: &Locked, trampoline: usize, call: SiteState) {
    let ip = trampoline.wrapping_add(A::CALL_OFFSET);
    // SAFETY: By the safety requirements.
    let from = match unsafe { current_call::<A>(trampoline) } {
        Ok(from) if from == call => return,
        from => from,
    };
    let mut done = from.map(|_| ());
    let stopped = stop_machine(
        |stopped| {
            let exclusive = Exclusive::stopped(locked, stopped);
            done = from.and_then(|from| {
                // SAFETY: The call is that of a trampoline, and ftrace asks for `call`.
                unsafe { modify_site::<A>(&exclusive, &A::OPS_CALL, ip, from, call) }
            });
        },
        A::sync_core,
    );
    let error = stopped.map_or_else(Error::to_errno, |()| report(locked, done));
    if error != 0 {
        // SAFETY: The record may be null.
        unsafe { bindings::ftrace_bug(error, ptr::null_mut()) };
    }
}

/// `arch_ftrace_trampoline_free()`: takes the trampoline of `ops` back.
///
/// # Safety
///
/// `ops` is valid and not registered any more. No task is in its trampoline.
pub unsafe fn free<A: Trampolines>(locked: &Locked, ops: *mut ftrace_ops) {
    // SAFETY: By the safety requirements.
    let (flags, trampoline) = unsafe { ((*ops).flags, (*ops).trampoline) };
    if trampoline == 0 || flags & bindings::FTRACE_OPS_FL_ALLOC_TRAMP as usize == 0 {
        return;
    }
    // SAFETY: By the safety requirements.
    unsafe { (*ops).trampoline = 0 };
    // SAFETY: No site calls the trampoline of an ops that is not registered, and no task is in it.
    let exclusive = unsafe { Exclusive::assume(locked) };
    // SAFETY: `update` has turned it on for this ops.
    if unsafe { switch::<A>(&exclusive, trampoline, on(ops), OFF, OFF) }.is_ok() {
        // SAFETY: `update` has it from `allocate`. It is off, and nothing leads to it.
        unsafe { A::free(trampoline) };
    }
}

/// `arch_ftrace_trampoline_func()`: returns what the trampoline of `ops` calls, null without one.
///
/// # Safety
///
/// `ops` is null or valid.
pub unsafe fn func<A: Trampolines>(ops: *mut ftrace_ops) -> *mut c_void {
    // SAFETY: By the safety requirements.
    if ops.is_null() || unsafe { (*ops).trampoline } == 0 {
        return ptr::null_mut();
    }
    // SAFETY: By the safety requirements.
    let func = unsafe { bindings::ftrace_ops_get_func(ops) };
    func.map_or(ptr::null_mut(), |func| func as *mut c_void)
}
