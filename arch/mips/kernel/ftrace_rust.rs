// SPDX-License-Identifier: GPL-2.0

//! ftrace hooks for 32-bit MIPS.
//!
//! C header: [`arch/mips/include/asm/ftrace.h`](srctree/arch/mips/include/asm/ftrace.h)

use kernel::{
    bindings::{
        self,
        dyn_ftrace, //
    },
    ffi::c_int,
    ftrace::{
        arch::Arch,
        banner::Banner,
        debugfs::Debugfs,
        hooks,
        records,
        site::{
            Layout,
            Store,
            MIPS_CORE,
            MIPS_FUNC_CALL,
            MIPS_MODULE,
            MIPS_OPS,
            MIPS_OPS_CALL, //
        },
        text::{
            Exclusive,
            Locked,
            Machine, //
        },
        trampoline::Trampolines, //
    },
    interrupt::LocalInterruptDisabled,
    num::casts::arch::usize_as_u32,
    page::{
        PAGE_MASK,
        PAGE_SIZE, //
    },
    prelude::*, //
};

use core::{
    mem::offset_of,
    ptr, //
};

module! {
    type: FtraceRust,
    name: "ftrace_rust",
    authors: ["rust-ftrace maintainers"],
    description: "ftrace backend for MIPS",
    license: "GPL",
}

struct Mips;

// SAFETY: Text is writable by its own address, or a store to it faults. `flush_icache` calls
// assembly.
unsafe impl Machine for Mips {
    fn map(address: usize, _index: usize, _irq: &LocalInterruptDisabled) -> Result<usize> {
        Ok(address & PAGE_MASK)
    }

    fn unmap(_alias: usize, _index: usize, _irq: &LocalInterruptDisabled) {}

    fn flush_icache(stores: &[Store]) {
        for store in stores {
            // SAFETY: The word is mapped: it has been read before.
            unsafe { bindings::ftrace_synci(store.address as usize) };
        }
    }

    fn sync_core() {
        // `synci` need not reach other CPUs. flush_icache_range() would interrupt them, but their
        // interrupts are off. So each CPU drops all that its own instruction cache holds.
        if cfg!(CONFIG_SMP) {
            // SAFETY: Set when the caches were probed, before the first change of text.
            if let Some(flush) = unsafe { bindings::local_flush_icache_range } {
                // SAFETY: A range that is larger than the cache stands for the whole cache.
                unsafe { flush(0, usize::MAX) };
            }
        }
        // SAFETY: A barrier.
        unsafe { bindings::instruction_hazard() };
    }
}

// SAFETY: Modules are compiled with `-mlong-calls`, the kernel is not, and a site whose words are
// not of its layout is refused. `target` returns what ftrace asked for, or the entry from which
// ftrace asks all ops. A site of a module gets the entry for modules, which leads to the same.
unsafe impl Arch for Mips {
    const NAME: &'static str = "mips";
    const SYNC: &'static str = "stop_machine and jr.hb";
    const FUNC_CALL: Layout = MIPS_FUNC_CALL;
    const FUNC_CALLS: &'static [unsafe extern "C" fn()] = &[bindings::ftrace_call];
    const LAYOUTS: &'static [&'static Layout] = &[&MIPS_CORE, &MIPS_MODULE];
    const REGISTERS: &'static [(&'static str, usize)] = &[
        ("r2", offset_of!(bindings::__arch_ftrace_regs, rets)),
        ("r3", offset_of!(bindings::__arch_ftrace_regs, rets) + 4),
        ("r4", offset_of!(bindings::__arch_ftrace_regs, args)),
        ("r5", offset_of!(bindings::__arch_ftrace_regs, args) + 4),
        ("r6", offset_of!(bindings::__arch_ftrace_regs, args) + 8),
        ("r7", offset_of!(bindings::__arch_ftrace_regs, args) + 12),
        ("r31", offset_of!(bindings::__arch_ftrace_regs, ra)),
        ("c0_epc", offset_of!(bindings::__arch_ftrace_regs, pc)),
    ];

    fn layout(ip: usize) -> &'static Layout {
        if records::is_in_image(ip) {
            &MIPS_CORE
        } else {
            &MIPS_MODULE
        }
    }

    fn mcount(_rec: &dyn_ftrace) -> u32 {
        usize_as_u32(function(bindings::_mcount))
    }

    fn target(rec: &dyn_ftrace, address: usize) -> u32 {
        if !records::is_in_image(rec.ip) {
            return usize_as_u32(address.wrapping_sub(ENTRY_OFFSET));
        }
        // From `ftrace_caller`, ftrace asks all ops.
        usize_as_u32(if MIPS_CORE.keeps_target(usize_as_u32(rec.ip)) {
            function(bindings::ftrace_caller)
        } else {
            address
        })
    }
}

/// Bytes from the entry for sites of modules to that for sites of the kernel, in `ftrace_caller`
/// and in trampolines.
const ENTRY_OFFSET: usize = bindings::FTRACE_ENTRY_OFFSET as usize;

fn function(f: unsafe extern "C" fn()) -> usize {
    f as usize
}

// `ftrace_make_nop()`, `ftrace_make_call()` and the other hooks that all architectures have alike.

kernel::ftrace_hooks!(Mips);

/// Turns a site off for the first time.
///
/// # Safety
///
/// Only ftrace calls this, with `ftrace_lock` held. `rec` is one of its records, which nothing else
/// uses and whose site nothing executes yet. It is one of `module`, of the kernel if that is null.
#[export]
unsafe extern "C" fn ftrace_init_nop(module: *mut bindings::module, rec: *mut dyn_ftrace) -> c_int {
    // SAFETY: By the safety requirements.
    let locked = unsafe { Locked::assume() };
    // SAFETY: By the safety requirements.
    let exclusive = unsafe { Exclusive::assume(&locked) };
    // SAFETY: By the safety requirements.
    unsafe { hooks::init_nop::<Mips>(&exclusive, module, &*rec) }
}

// SAFETY: Each is a copy of the template of `ftrace_caller.S`, which asserts the offsets, in a page
// of its own. It is off, as the template is.
unsafe impl Trampolines for Mips {
    const OPS: Layout = MIPS_OPS;
    const OPS_CALL: Layout = MIPS_OPS_CALL;
    const OPS_OFFSET: usize = bindings::FTRACE_TRAMPOLINE_OPS as usize;
    const CALL_OFFSET: usize = bindings::FTRACE_TRAMPOLINE_CALL as usize;
    const SIZE: usize = bindings::FTRACE_TRAMPOLINE_SIZE as usize;
    // `ftrace_caller` alone saves all registers.
    const NO_TRAMPOLINE_FLAGS: u32 = bindings::FTRACE_OPS_FL_SAVE_REGS;

    fn prepare(flags: usize) {
        if flags & bindings::FTRACE_OPS_FL_SAVE_REGS as usize != 0 {
            // SAFETY: Only this stores to it. The entry takes either value while the ops is not
            // registered yet.
            unsafe { (&raw mut bindings::ftrace_saves_regs).write_volatile(1) };
        }
    }

    /// Copies the template to memory that is mapped without the TLB, a page of its own.
    ///
    /// The lower half of its address is that of `ftrace_module_caller`. So one store takes a site
    /// of a module from one to the other.
    fn allocate(_locked: &Locked) -> Option<usize> {
        const SPAN: usize = 1 << 16;
        let entry = function(bindings::ftrace_module_caller);
        // SAFETY: May be called where it can sleep.
        let block = unsafe {
            bindings::alloc_pages_exact_noprof(SPAN, bindings::GFP_KERNEL | bindings::__GFP_NOWARN)
        };
        if block.is_null() {
            return None;
        }
        let start = (block as usize).wrapping_add(entry % SPAN);
        let page = start & PAGE_MASK;
        let before = page.wrapping_sub(block as usize);
        let after = page.wrapping_add(PAGE_SIZE) as *mut c_void;
        // SAFETY: All pages but one of those that were allocated.
        unsafe {
            bindings::free_pages_exact(block, before);
            bindings::free_pages_exact(after, SPAN.wrapping_sub(before).wrapping_sub(PAGE_SIZE));
        }

        let trampoline = start.wrapping_add(ENTRY_OFFSET);
        if !MIPS_CORE.reaches(usize_as_u32(entry), usize_as_u32(trampoline)) {
            // SAFETY: Nothing leads to it yet.
            unsafe { Self::free(trampoline) };
            return None;
        }
        let template = function(bindings::ftrace_trampoline);
        // SAFETY: `ftrace_module_caller` stands on a multiple of a power of two that is not less
        // than the template's size. The copy has the same offset in its page, so it ends in it.
        unsafe {
            ptr::copy_nonoverlapping(
                template as *const u8,
                start as *mut u8,
                ENTRY_OFFSET.wrapping_add(Self::SIZE),
            )
        };
        Some(trampoline)
    }

    unsafe fn free(trampoline: usize) {
        // SAFETY: `allocate` has kept this page.
        unsafe { bindings::free_pages(trampoline & PAGE_MASK, 0) };
    }

    unsafe fn flush(trampoline: usize) {
        let start = trampoline.wrapping_sub(ENTRY_OFFSET);
        // SAFETY: Set when the caches were probed, before there was an ops.
        if let Some(flush) = unsafe { bindings::flush_icache_range } {
            // SAFETY: The trampoline is mapped, and by the safety requirements interrupts are on.
            unsafe { flush(start, trampoline.wrapping_add(Self::SIZE)) };
        }
    }
}

// `arch_ftrace_update_trampoline()` and the other hooks for trampolines.
kernel::ftrace_trampoline_hooks!(Mips);

#[cfg(CONFIG_FUNCTION_GRAPH_TRACER)]
mod graph {
    use super::*;
    use kernel::ftrace::graph::hook_return;

    /// Makes the traced function return to `return_to_handler`.
    ///
    /// # Safety
    ///
    /// Only the entry calls this, with the registers of a function that is traced at `ip`.
    #[export]
    unsafe extern "C" fn ftrace_graph_func(
        ip: usize,
        _parent_ip: usize,
        _op: *mut bindings::ftrace_ops,
        fregs: *mut bindings::ftrace_regs,
    ) {
        // SAFETY: By the safety requirements.
        let regs = unsafe { &mut *fregs.cast::<bindings::__arch_ftrace_regs>() };
        // SAFETY: A function that has saved its return address reads it from there, and nothing
        // else does meanwhile. A leaf returns by `ra`, which the entry restores.
        let return_address = unsafe { regs.ra_address.as_mut() }.unwrap_or(&mut regs.ra);
        let frame = ptr::from_ref(return_address) as usize;
        // SAFETY: By the safety requirements.
        unsafe { hook_return(return_address, frame, ip, fregs) };
    }
}

#[pin_data]
struct FtraceRust {
    #[pin]
    debugfs: Debugfs<Mips>,
}

impl kernel::InPlaceModule for FtraceRust {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let banner = Banner::<Mips>::prepare();
        pr_info!("{banner}\n");
        try_pin_init!(Self {
            debugfs <- Debugfs::new(),
        })
    }
}
