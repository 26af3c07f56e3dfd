// SPDX-License-Identifier: GPL-2.0

//! Functions of the kernel that are traced.

use super::{
    arch,
    sandbox::{
        core_words,
        ftrace_caller, //
    }, //
};
use crate::{
    bindings::{
        self,
        dyn_ftrace, //
    },
    ffi::c_int,
    ftrace::site::State,
    num::casts::arch::usize_as_u32,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Counts calls of a function by the task that tests.
///
/// # Safety
///
/// No requirements: it is unsafe to be what C calls.
unsafe extern "C" fn count(
    ip: usize,
    _parent: usize,
    _ops: *mut bindings::ftrace_ops,
    _fregs: *mut bindings::ftrace_regs,
) {
    // SAFETY: No requirements.
    if unsafe { bindings::get_current() } as usize == TASK.load(Relaxed) {
        CALLS.store(CALLS.load(Relaxed).wrapping_add(1), Relaxed);
        CALLED_IP.store(ip, Relaxed);
    }
}

static TASK: Atomic<usize> = Atomic::new(0);

static CALLS: Atomic<usize> = Atomic::new(0);

static CALLED_IP: Atomic<usize> = Atomic::new(0);

#[kunit_tests(ftrace_rust_live)]
mod tests {
    use super::*;

    #[test]
    fn live_site() -> Result {
        let mut ops = bindings::ftrace_ops {
            func: Some(count),
            ..Default::default()
        };
        let name = c"msleep";
        // SAFETY: The task that runs the test.
        TASK.store(unsafe { bindings::get_current() } as usize, Relaxed);
        CALLS.store(0, Relaxed);

        let function = bindings::msleep as *const () as usize;
        // SAFETY: Takes any address.
        let ip = unsafe { bindings::ftrace_location(function) };
        assert!(ip != 0);
        let is = |state| arch::CORE.decode(usize_as_u32(ip), &core_words(ip), state);
        assert!(is(State::Off).is_some());
        let off = core_words(ip);

        // SAFETY: The string has this length.
        let ret = unsafe {
            bindings::ftrace_set_filter(
                &mut ops,
                name.to_bytes_with_nul().as_ptr().cast_mut(),
                6,
                1,
            )
        };
        assert_eq!(ret, 0);
        for round in 1..4 {
            // SAFETY: `ops` is set up and stays: it is unregistered below, which waits for those
            // who use it.
            assert_eq!(unsafe { bindings::register_ftrace_function(&mut ops) }, 0);
            let keeps = arch::CORE.keeps_target(usize_as_u32(ip));
            let called = if cfg!(CONFIG_THUMB2_KERNEL) || keeps {
                ftrace_caller()
            } else {
                assert!(ops.trampoline != 0);
                ops.trampoline
            };
            assert_eq!(is(State::On), Some(usize_as_u32(called)));
            let differ = core_words(ip)
                .iter()
                .zip(off)
                .filter(|(a, b)| **a != *b)
                .count();
            assert_eq!(differ, 1);
            // SAFETY: This may sleep.
            unsafe { bindings::msleep(1) };
            assert_eq!(CALLS.load(Relaxed), round);
            assert_eq!(CALLED_IP.load(Relaxed), ip);

            // SAFETY: `ops` is registered.
            assert_eq!(unsafe { bindings::unregister_ftrace_function(&mut ops) }, 0);
            assert_eq!(core_words(ip), off);
            assert_eq!(ops.trampoline, 0);
            // SAFETY: This may sleep.
            unsafe { bindings::msleep(1) };
            assert_eq!(CALLS.load(Relaxed), round);
        }
        // SAFETY: `ops` is not registered.
        unsafe { bindings::ftrace_free_filter(&mut ops) };
        Ok(())
    }

    /// An ops that is registered again with other flags, with the trampoline that it has kept.
    #[cfg(not(CONFIG_THUMB2_KERNEL))]
    #[test]
    fn trampoline_is_brought_up_to_date() {
        use crate::ftrace::{
            kunit::sandbox::read,
            site::{
                Width,
                MAX_WORDS, //
            }, //
        };
        use core::cell::UnsafeCell;

        struct Ops(UnsafeCell<bindings::ftrace_ops>);

        // SAFETY: Only the test uses it, and ftrace.
        unsafe impl Sync for Ops {}

        // ftrace takes back the trampolines of those that are not static.
        static OPS: Ops = Ops(UnsafeCell::new({
            // SAFETY: Zeroes are an ops.
            let mut ops: bindings::ftrace_ops = unsafe { core::mem::zeroed() };
            ops.func = Some(count);
            ops
        }));

        const RECURSION: usize = bindings::FTRACE_OPS_FL_RECURSION as usize;

        let (ops, name) = (OPS.0.get(), c"msleep");
        // SAFETY: The task that runs the test.
        TASK.store(unsafe { bindings::get_current() } as usize, Relaxed);
        CALLS.store(0, Relaxed);
        // SAFETY: The string has this length.
        let ret = unsafe {
            bindings::ftrace_set_filter(ops, name.to_bytes_with_nul().as_ptr().cast_mut(), 6, 1)
        };
        assert_eq!(ret, 0);

        let mut kept = 0;
        for (round, assisted) in [false, true, false].into_iter().enumerate() {
            let flag = if assisted { RECURSION } else { 0 };
            // SAFETY: `ops` is not registered.
            unsafe { (*ops).flags = (*ops).flags & !RECURSION | flag };
            // SAFETY: `ops` is set up and stays.
            assert_eq!(unsafe { bindings::register_ftrace_function(ops) }, 0);
            // SAFETY: Only the hook, which has returned, changes it.
            let trampoline = unsafe { (*ops).trampoline };
            assert!(trampoline != 0 && (kept == 0 || trampoline == kept));
            kept = trampoline;

            let call = usize_as_u32(trampoline) + bindings::FTRACE_TRAMPOLINE_CALL;
            let mut words = [0; MAX_WORDS];
            words[0] = read(call, Width::Word).unwrap_or_default();
            let is = |state| arch::OPS_CALL.decode(call, &words, state).is_some();
            assert_eq!((is(State::Off), is(State::On)), (!assisted, assisted));
            // SAFETY: This may sleep.
            unsafe { bindings::msleep(1) };
            assert_eq!(CALLS.load(Relaxed), round + 1);
            // SAFETY: `ops` is registered.
            assert_eq!(unsafe { bindings::unregister_ftrace_function(ops) }, 0);
        }
        // SAFETY: `ops` is not registered.
        unsafe { bindings::ftrace_free_filter(ops) };
    }

    /// A site at which QEMU would call the trampoline that it has called before.
    #[cfg(CONFIG_MIPS)]
    #[test]
    fn site_at_the_end_of_a_page() {
        /// Finds such a site.
        ///
        /// # Safety
        ///
        /// `rec` is a record of ftrace, `data` points to an address.
        unsafe extern "C" fn find(rec: *const dyn_ftrace, data: *mut c_void) -> c_int {
            // SAFETY: By the safety requirements.
            let (ip, found) = unsafe { ((*rec).ip, &mut *data.cast::<usize>()) };
            let words = core_words(ip);
            let is_off = arch::CORE
                .decode(usize_as_u32(ip), &words, State::Off)
                .is_some();
            if !is_off || !arch::CORE.keeps_target(usize_as_u32(ip)) {
                return 0;
            }
            *found = ip;
            1
        }

        let mut ip = 0usize;
        // SAFETY: `find` takes an address.
        unsafe { bindings::ftrace_walk_records(Some(find), (&raw mut ip).cast()) };
        // About one site in a thousand is there.
        assert!(ip != 0);

        let mut ops = bindings::ftrace_ops {
            func: Some(count),
            ..Default::default()
        };
        // SAFETY: `ops` is not registered.
        let ret = unsafe { bindings::ftrace_set_filter_ip(&mut ops, ip, 0, 1) };
        assert_eq!(ret, 0);
        // SAFETY: `ops` is set up, and is unregistered below.
        assert_eq!(unsafe { bindings::register_ftrace_function(&mut ops) }, 0);
        assert!(ops.trampoline != 0);
        let called = arch::CORE.decode(usize_as_u32(ip), &core_words(ip), State::On);
        // SAFETY: `ops` is registered.
        assert_eq!(unsafe { bindings::unregister_ftrace_function(&mut ops) }, 0);
        // SAFETY: `ops` is not registered.
        unsafe { bindings::ftrace_free_filter(&mut ops) };
        assert_eq!(called, Some(usize_as_u32(ftrace_caller())));
    }

    #[test]
    fn all_sites_need_one_store() {
        /// Counts the kernel's sites and those that are neither on nor off.
        ///
        /// # Safety
        ///
        /// `rec` is a record of ftrace, `data` points to the two numbers.
        unsafe extern "C" fn check(rec: *const dyn_ftrace, data: *mut c_void) -> c_int {
            // SAFETY: By the safety requirements.
            let (ip, numbers) = unsafe { ((*rec).ip, &mut *data.cast::<[usize; 2]>()) };
            // SAFETY: Takes any address.
            if unsafe { bindings::core_kernel_text(ip) } == 0 {
                return 0;
            }
            let words = core_words(ip);
            let is = |state| arch::CORE.decode(usize_as_u32(ip), &words, state).is_some();
            numbers[0] += 1;
            if !is(State::Off) && !is(State::On) {
                numbers[1] += 1;
            }
            0
        }

        let mut numbers = [0usize; 2];
        // SAFETY: `check` takes `numbers`.
        unsafe { bindings::ftrace_walk_records(Some(check), (&raw mut numbers).cast()) };
        assert!(numbers[0] > 1000);
        assert_eq!(numbers[1], 0);
    }
}
