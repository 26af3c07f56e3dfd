// SPDX-License-Identifier: GPL-2.0

//! The hooks that C calls, as far as all architectures have the same ones.
//!
//! An architecture writes `kernel::ftrace_hooks!(Arch)` and, if it has trampolines,
//! `kernel::ftrace_trampoline_hooks!(Arch)`. Its own file has the rest: `ftrace_init_nop()` and
//! `ftrace_graph_func()`.

/// Exports hooks of `include/linux/ftrace.h` for an implementation of
/// [`Arch`](crate::ftrace::arch::Arch).
#[macro_export]
macro_rules! ftrace_hooks {
    ($arch:ty) => {
        /// Turns a site off.
        ///
        /// # Safety
        ///
        /// Only ftrace calls this, with `ftrace_lock` held. `rec` is one of its records, and no
        /// other CPU executes the site: it is stopped, or the module is not running yet.
        #[$crate::prelude::export]
        unsafe extern "C" fn ftrace_make_nop(
            _module: *mut $crate::bindings::module,
            rec: *mut $crate::bindings::dyn_ftrace,
            addr: usize,
        ) -> $crate::ffi::c_int {
            // SAFETY: By the safety requirements.
            let locked = unsafe { $crate::ftrace::text::Locked::assume() };
            // SAFETY: By the safety requirements.
            let exclusive = unsafe { $crate::ftrace::text::Exclusive::assume(&locked) };
            // SAFETY: By the safety requirements.
            unsafe { $crate::ftrace::hooks::make_nop::<$arch>(&exclusive, &*rec, addr) }
        }

        /// Turns a site on.
        ///
        /// # Safety
        ///
        /// As for [`ftrace_make_nop`].
        #[$crate::prelude::export]
        unsafe extern "C" fn ftrace_make_call(
            rec: *mut $crate::bindings::dyn_ftrace,
            addr: usize,
        ) -> $crate::ffi::c_int {
            // SAFETY: By the safety requirements.
            let locked = unsafe { $crate::ftrace::text::Locked::assume() };
            // SAFETY: By the safety requirements.
            let exclusive = unsafe { $crate::ftrace::text::Exclusive::assume(&locked) };
            // SAFETY: By the safety requirements.
            unsafe { $crate::ftrace::hooks::make_call::<$arch>(&exclusive, &*rec, addr) }
        }

        /// Makes a site call something else.
        ///
        /// # Safety
        ///
        /// As for [`ftrace_make_nop`].
        #[cfg(CONFIG_DYNAMIC_FTRACE_WITH_REGS)]
        #[$crate::prelude::export]
        unsafe extern "C" fn ftrace_modify_call(
            rec: *mut $crate::bindings::dyn_ftrace,
            old_addr: usize,
            addr: usize,
        ) -> $crate::ffi::c_int {
            // SAFETY: By the safety requirements.
            let locked = unsafe { $crate::ftrace::text::Locked::assume() };
            // SAFETY: By the safety requirements.
            let exclusive = unsafe { $crate::ftrace::text::Exclusive::assume(&locked) };
            // SAFETY: By the safety requirements.
            unsafe {
                $crate::ftrace::hooks::modify_call::<$arch>(&exclusive, &*rec, old_addr, addr)
            }
        }

        /// Makes the entries call another tracer.
        ///
        /// # Safety
        ///
        /// Only ftrace calls this, with `ftrace_lock` held. No other CPU executes an entry.
        #[$crate::prelude::export]
        unsafe extern "C" fn ftrace_update_ftrace_func(
            func: $crate::bindings::ftrace_func_t,
        ) -> $crate::ffi::c_int {
            // SAFETY: By the safety requirements.
            let locked = unsafe { $crate::ftrace::text::Locked::assume() };
            // SAFETY: By the safety requirements.
            let exclusive = unsafe { $crate::ftrace::text::Exclusive::assume(&locked) };
            let func = func.map_or(0, |func| func as usize);
            // SAFETY: ftrace asks for `func`.
            unsafe { $crate::ftrace::hooks::update_func::<$arch>(&exclusive, func) }
        }

        /// Turns sites on or off as their records ask for, all of them off unless `enable` is set.
        ///
        /// # Safety
        ///
        /// Only ftrace calls this, with `ftrace_lock` held. No other CPU executes a site.
        #[$crate::prelude::export]
        unsafe extern "C" fn ftrace_replace_code(enable: $crate::ffi::c_int) {
            // SAFETY: By the safety requirements.
            let locked = unsafe { $crate::ftrace::text::Locked::assume() };
            // SAFETY: By the safety requirements.
            unsafe { $crate::ftrace::update::replace_code::<$arch>(&locked, enable != 0) };
        }

        /// Changes all sites as `command` says.
        ///
        /// # Safety
        ///
        /// Only ftrace calls this, with `ftrace_lock` held, for a command of its own.
        #[$crate::prelude::export]
        unsafe extern "C" fn arch_ftrace_update_code(command: $crate::ffi::c_int) {
            // SAFETY: By the safety requirements.
            let locked = unsafe { $crate::ftrace::text::Locked::assume() };
            // SAFETY: By the safety requirements.
            unsafe { $crate::ftrace::update::update_code::<$arch>(&locked, command) };
        }

        /// Returns where a register is in `struct __arch_ftrace_regs`, an error if it is not there.
        ///
        /// # Safety
        ///
        /// `name` is a string that ends in NUL.
        #[$crate::prelude::export]
        unsafe extern "C" fn ftrace_regs_query_register_offset(
            name: *const $crate::ffi::c_char,
        ) -> $crate::ffi::c_int {
            // SAFETY: By the safety requirements.
            let name = unsafe { $crate::str::CStr::from_char_ptr(name) };
            $crate::ftrace::regs::register_offset(
                <$arch as $crate::ftrace::arch::Arch>::REGISTERS,
                name,
            )
        }
    };
}

/// Exports hooks of `include/linux/ftrace.h` for an implementation of
/// [`Trampolines`](crate::ftrace::trampoline::Trampolines).
#[macro_export]
macro_rules! ftrace_trampoline_hooks {
    ($arch:ty) => {
        /// Gives an ops a trampoline.
        ///
        /// # Safety
        ///
        /// Only ftrace calls this, with `ftrace_lock` held. `ops` is valid.
        #[$crate::prelude::export]
        unsafe extern "C" fn arch_ftrace_update_trampoline(ops: *mut $crate::bindings::ftrace_ops) {
            // SAFETY: By the safety requirements.
            let locked = unsafe { $crate::ftrace::text::Locked::assume() };
            // SAFETY: By the safety requirements.
            unsafe { $crate::ftrace::trampoline::update::<$arch>(&locked, ops) };
        }

        /// Takes the trampoline of an ops back.
        ///
        /// # Safety
        ///
        /// Only ftrace calls this, with `ftrace_lock` held. `ops` is valid, and no task is in its
        /// trampoline.
        #[$crate::prelude::export]
        unsafe extern "C" fn arch_ftrace_trampoline_free(ops: *mut $crate::bindings::ftrace_ops) {
            // SAFETY: By the safety requirements.
            let locked = unsafe { $crate::ftrace::text::Locked::assume() };
            // SAFETY: By the safety requirements.
            unsafe { $crate::ftrace::trampoline::free::<$arch>(&locked, ops) };
        }

        /// Returns what the trampoline of an ops calls.
        ///
        /// # Safety
        ///
        /// `ops` is null or valid.
        #[$crate::prelude::export]
        unsafe extern "C" fn arch_ftrace_trampoline_func(
            ops: *mut $crate::bindings::ftrace_ops,
            _rec: *mut $crate::bindings::dyn_ftrace,
        ) -> *mut $crate::ffi::c_void {
            // SAFETY: By the safety requirements.
            unsafe { $crate::ftrace::trampoline::func::<$arch>(ops) }
        }
    };
}
