// SPDX-License-Identifier: GPL-2.0

//! The function graph tracer: hooking the return of a traced function.

/// Returns whether returns may not be hooked: ftrace has given up, or the task is paused.
fn graph_is_off() -> bool {
    // SAFETY: May be called from any context.
    if unsafe { bindings::ftrace_graph_is_dead() } {
        return true;
    }
    // SAFETY: The current task is valid, and only it and its interrupts change the counter.
    unsafe {
        (&raw const (*bindings::get_current()).tracing_graph_pause.counter).read_volatile() != 0
    }
}

/// `ftrace_graph_func()`: makes the function that is traced at `ip` return to
/// `return_to_handler`.
///
/// The function will read its return address from `return_address`. `frame` identifies it: the
/// unwinder finds the address by it, and some architectures compare it on return.
///
/// # Safety
///
/// Called on entry of a function. `return_address` is in its caller, `fregs` are its registers.
pub unsafe fn hook_return(
    return_address: &mut usize,
    frame: usize,
    ip: usize,
    fregs: *mut bindings::ftrace_regs,
) {
    if graph_is_off() {
        return;
    }
    // SAFETY: By the safety requirements. `frame` is never accessed.
    let ret = unsafe {
        bindings::function_graph_enter_regs(*return_address, ip, frame, frame as *mut usize, fregs)
    };
    if ret == 0 {
        *return_address = bindings::return_to_handler as *const () as usize;
    }
}
