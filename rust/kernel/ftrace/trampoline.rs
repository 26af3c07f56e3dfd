// SPDX-License-Identifier: GPL-2.0

//! Trampolines: entries that serve one ops each.
//!
//! `ftrace_caller` cannot know whose function it is called from, so it has all ops asked as soon as
//! there are two of them, or one that may be freed. A function that a single ops traces calls the
//! trampoline of that ops instead (`FTRACE_FL_TRAMP`), and from there the ops directly, whatever
//! else is traced.
//!
//! A trampoline that is on holds the address of its ops in two instructions. They are written
//! while no site calls it and no task is in it: ftrace has waited for all tasks before it lets go
//! of a trampoline. What it calls is read from `ops->func`, which ftrace may change any time.

use super::{
    backend::{
        content,
        modify_code,
        read_site,
        report,
        Arch, //
    },
    site::{
        Content,
        Layout,
        State,
        Store,
        Stores, //
    },
    text::Refusal, //
};
use crate::{
    bindings::ftrace_ops,
    num::casts::arch::usize_as_u32,
    prelude::*,
    stop_machine::stop_machine, //
};
use core::ptr;

/// What the backend needs to know of an architecture's trampolines.
pub trait Trampolines: Arch {
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

    /// The ops with one of these flags are entered otherwise.
    const OTHERWISE: u32;

    /// Returns a trampoline that is off, which nothing executes, [`None`] if there is none left.
    fn allocate() -> Option<usize>;

    /// Takes back a trampoline that is off, which nothing executes.
    fn free(trampoline: usize);

    /// Makes all processors execute what has been stored to a new trampoline.
    fn flush(trampoline: usize);
}

/// Returns whether `trampoline` is off.
pub fn is_off<A: Trampolines>(trampoline: usize) -> bool {
    let ip = trampoline.wrapping_add(A::OPS_OFFSET);
    let decode = |words| A::OPS.decode(usize_as_u32(ip), &words, State::Off);
    read_site(&A::OPS, ip).is_ok_and(|words| decode(words).is_some())
}

/// Returns what the trampoline of `ops` is to call.
///
/// # Safety
///
/// `ops` is valid.
unsafe fn call_for(ops: *mut ftrace_ops) -> Content {
    // SAFETY: By the safety requirements.
    let (own, func) = unsafe { ((*ops).func, bindings::ftrace_ops_get_func(ops)) };
    let address = |func: bindings::ftrace_func_t| func.map_or(0, |func| func as usize);
    let state = if address(func) == address(own) {
        State::Off
    } else {
        State::On
    };
    content(state, usize_as_u32(address(func)))
}

/// Returns what `trampoline` calls.
fn call_of<A: Trampolines>(trampoline: usize) -> Result<Content, Refusal> {
    let ip = trampoline.wrapping_add(A::CALL_OFFSET);
    let words = read_site(&A::OPS_CALL, ip)?;
    let target = A::OPS_CALL.decode(usize_as_u32(ip), &words, State::On);
    Ok(target.map_or(OFF, |target| content(State::On, target)))
}

/// Returns the store that makes `trampoline` call what `to` says.
fn call_store<A: Trampolines>(trampoline: usize, to: Content) -> Result<Option<Store>, Refusal> {
    let ip = trampoline.wrapping_add(A::CALL_OFFSET);
    let from = call_of::<A>(trampoline)?;
    Ok(A::OPS_CALL.store(usize_as_u32(ip), from, to)?)
}

/// What a trampoline that serves no ops holds, and a call of `ops->func`.
const OFF: Content = content(State::Off, 0);

/// Returns what the trampoline of `ops` holds.
fn on(ops: *mut ftrace_ops) -> Content {
    content(State::On, usize_as_u32(ops as usize))
}

/// Turns `trampoline`, which nothing executes, on or off, and makes it call what `call` says.
fn switch<A: Trampolines>(
    trampoline: usize,
    from: Content,
    to: Content,
    call: Content,
) -> Result<(), Refusal> {
    let ip = usize_as_u32(trampoline.wrapping_add(A::OPS_OFFSET));
    let mut stores = Stores::new(A::OPS.unit);
    stores.add(&A::OPS, ip, from, to)?;
    let call_ip = usize_as_u32(trampoline.wrapping_add(A::CALL_OFFSET));
    stores.add(&A::OPS_CALL, call_ip, call_of::<A>(trampoline)?, call)?;
    // SAFETY: ftrace calls the hooks one at a time, and nobody else changes trampolines. Nothing
    // executes this one.
    unsafe { modify_code::<A>(stores.unit(), &stores) }?;
    Ok(())
}

/// `arch_ftrace_update_trampoline()`: gives `ops` a trampoline, or brings that up to date.
///
/// # Safety
///
/// `ops` is valid, and about to be registered unless it is already.
pub unsafe fn update<A: Trampolines>(ops: *mut ftrace_ops) {
    // SAFETY: By the safety requirements.
    let (flags, trampoline, call) = unsafe { ((*ops).flags, (*ops).trampoline, call_for(ops)) };
    let has = |flag| flags & flag as usize != 0;

    if trampoline != 0 {
        if has(bindings::FTRACE_OPS_FL_ALLOC_TRAMP) {
            update_call::<A>(trampoline, call);
        }
        return;
    }
    // The records of an ops that is registered without a trampoline say so.
    if has(bindings::FTRACE_OPS_FL_ENABLED | bindings::FTRACE_OPS_FL_STUB | A::OTHERWISE) {
        return;
    }
    let Some(trampoline) = A::allocate() else {
        return;
    };
    if switch::<A>(trampoline, OFF, on(ops), call).is_err() {
        A::free(trampoline);
        return;
    }
    A::flush(trampoline);
    // SAFETY: By the safety requirements. Only ftrace, which has called, uses the fields.
    unsafe {
        (*ops).trampoline = trampoline;
        (*ops).trampoline_size = A::SIZE;
        (*ops).flags |= bindings::FTRACE_OPS_FL_ALLOC_TRAMP as usize;
    }
}

/// Makes `trampoline`, which may be in use, call what `call` says.
fn update_call<A: Trampolines>(trampoline: usize, call: Content) {
    let store = match call_store::<A>(trampoline, call) {
        Ok(None) => return,
        store => store,
    };
    let mut done = store.map(|_| ());
    let stopped = stop_machine(
        |_| {
            let Ok(store) = store else { return };
            // SAFETY: ftrace calls the hooks one at a time, and nobody else changes trampolines.
            // There is only one store.
            let number = unsafe { modify_code::<A>(A::OPS_CALL.unit, store.as_slice()) };
            done = number.map(|_| ()).map_err(Refusal::from);
        },
        A::synchronise,
    );
    let error = stopped.map_or_else(Error::to_errno, |()| report(done));
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
pub unsafe fn free<A: Trampolines>(ops: *mut ftrace_ops) {
    // SAFETY: By the safety requirements.
    let (flags, trampoline) = unsafe { ((*ops).flags, (*ops).trampoline) };
    if trampoline == 0 || flags & bindings::FTRACE_OPS_FL_ALLOC_TRAMP as usize == 0 {
        return;
    }
    // SAFETY: By the safety requirements.
    unsafe { (*ops).trampoline = 0 };
    if switch::<A>(trampoline, on(ops), OFF, OFF).is_ok() {
        A::free(trampoline);
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
