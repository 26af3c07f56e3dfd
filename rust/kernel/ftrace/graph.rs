// SPDX-License-Identifier: GPL-2.0

//! The function graph tracer: hooking the return of a traced function.

/// Returns whether returns may not be hooked: for the current task, or any more at all.
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
/// `return_address` is where its return address will be read from. `frame` stands for that: the
/// unwinder finds the address again by it, and some architectures compare it on return.
///
/// # Safety
///
/// Called on entry of a function, of whose caller `return_address` is. `fregs` are its registers.
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
