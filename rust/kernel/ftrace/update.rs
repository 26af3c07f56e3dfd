// SPDX-License-Identifier: GPL-2.0

//! The hooks that change all sites.

use super::{
    apply::{
        apply_rest,
        turn_all_off, //
    },
    arch::Arch,
    patch::report,
    plan::Plan,
    stats::STATS,
    text::{
        Exclusive,
        Locked, //
    }, //
};
use crate::{
    ffi::c_int,
    prelude::*,
    stop_machine::stop_machine,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use core::ptr;

/// `arch_ftrace_update_code()`: does `command` with all CPUs stopped.
///
/// # Safety
///
/// ftrace has asked for `command`.
pub unsafe fn update_code<A: Arch>(locked: &Locked, command: c_int) {
    let is_asked = |bit| command.cast_unsigned() & bit != 0;
    let enable = is_asked(bindings::FTRACE_UPDATE_CALLS);
    let plan = if enable || is_asked(bindings::FTRACE_DISABLE_CALLS) {
        Some(Plan::new::<A>(locked, enable))
    } else {
        None
    };
    let mut time = 0;
    let result = stop_machine(
        |stopped| {
            let window = Window {
                plan: plan.as_ref(),
                exclusive: &Exclusive::stopped(locked, stopped),
            };
            // SAFETY: May be called from any context.
            let start = unsafe { bindings::ktime_get_mono_fast_ns() };
            PLAN.with(locked, &window, || {
                // SAFETY: ftrace has asked for it, and all other CPUs are stopped.
                unsafe { bindings::ftrace_modify_all_code(command) };
            });
            // SAFETY: May be called from any context.
            let end = unsafe { bindings::ktime_get_mono_fast_ns() };
            time = end.saturating_sub(start);
        },
        A::sync_core,
    );
    match result {
        Ok(()) => STATS.stopped(time),
        Err(error) => {
            pr_err!("ftrace: the CPUs cannot be stopped: {error:?}\n");
            // The records say that the sites have changed.
            // SAFETY: The record may be null.
            unsafe { bindings::ftrace_bug(error.to_errno(), ptr::null_mut()) };
        }
    }
}

/// `ftrace_replace_code()`: turns sites on or off as their records ask for. Turns all of them off
/// unless `enable` is set.
///
/// # Safety
///
/// No other CPU executes a site of ftrace until the function returns.
pub unsafe fn replace_code<A: Arch>(locked: &Locked, enable: bool) {
    // SAFETY: By the safety requirements.
    let assumed = unsafe { Exclusive::assume(locked) };
    let window = PLAN.get(locked);
    let exclusive = window.map_or(&assumed, |window| window.exclusive);
    let plan = window.and_then(|window| window.plan);
    // If a site cannot be changed, ftrace disables itself. An ops that was about to be registered
    // is not registered then: no site may call it. An ops that was about to be unregistered may be
    // freed: no site but the bad one may call it.
    let mut done = 0;
    let mut result = plan.map_or(Ok(()), |plan| plan.apply::<A>(exclusive, &mut done));
    let whole = plan.filter(|plan| plan.is_whole);
    if whole.is_none() {
        result = result.and_then(|()| apply_rest::<A>(exclusive, enable));
    }
    if let Err((record, error)) = result {
        match whole {
            // SAFETY: `done` is the number of those that were done.
            Some(plan) => unsafe { plan.calls.undo::<A>(exclusive, done) },
            // It is not known which sites this request has turned on.
            None => turn_all_off::<A>(exclusive),
        }
        // SAFETY: `record` is a record of ftrace, or null.
        unsafe { bindings::ftrace_bug(report(locked, Err(error)), record.cast_mut()) };
    }
}

/// The plan that is being applied while CPUs are stopped.
struct Window<'a> {
    plan: Option<&'a Plan>,
    exclusive: &'a Exclusive<'a>,
}

/// Where `arch_ftrace_update_code()` leaves the plan for `ftrace_replace_code()`. C calls that with
/// no argument of ours.
///
/// # Invariants
///
/// Null, or a window that exists until this is null again. It is used only while a [`Locked`]
/// exists.
struct PlanSlot(Atomic<*const Window<'static>>);

/// The plan that is being applied.
static PLAN: PlanSlot = PlanSlot::new();

impl PlanSlot {
    /// Returns an empty slot.
    const fn new() -> Self {
        // INVARIANT: It is null.
        Self(Atomic::new(ptr::null()))
    }

    /// Calls `f` while the slot has `window`.
    fn with(&self, _locked: &Locked, window: &Window<'_>, f: impl FnOnce()) {
        // INVARIANT: `window` is borrowed until after the slot is null again.
        self.0.store(ptr::from_ref(window).cast(), Relaxed);
        f();
        self.0.store(ptr::null(), Relaxed);
    }

    /// Returns the window that the slot has.
    #[inline]
    fn get<'a>(&self, _locked: &'a Locked) -> Option<&'a Window<'a>> {
        let window: *const Window<'a> = self.0.load(Relaxed).cast();
        // SAFETY: By the type invariants, it is null or exists: the function that `with` calls has
        // not returned, since it is called where text changes, one change after the other.
        unsafe { window.as_ref() }
    }
}
