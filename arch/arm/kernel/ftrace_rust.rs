// SPDX-License-Identifier: GPL-2.0

//! ftrace hooks for ARM.
//!
//! C header: [`arch/arm/include/asm/ftrace.h`](srctree/arch/arm/include/asm/ftrace.h)

use kernel::{
    bindings::{
        self,
        dyn_ftrace,
        fixed_addresses_FIX_FTRACE_POKE0 as FIX_FTRACE_POKE0,
        fixed_addresses_FIX_FTRACE_POKE1 as FIX_FTRACE_POKE1, //
    },
    ffi::c_int,
    ftrace::{
        arch::Arch,
        banner::Banner,
        debugfs::Debugfs,
        hooks,
        records,
        site::{
            self,
            Layout,
            Store, //
        },
        text::{
            Exclusive,
            Locked,
            Machine,
            MAX_PAGES, //
        }, //
    },
    interrupt::LocalInterruptDisabled,
    num::casts::arch::usize_as_u32,
    page::PAGE_MASK,
    prelude::*, //
};

use core::{
    arch::asm,
    mem::offset_of, //
};

module! {
    type: FtraceRust,
    name: "ftrace_rust",
    authors: ["rust-ftrace maintainers"],
    description: "ftrace backend for ARM",
    license: "GPL",
}

struct Arm;

/// The layout of all sites.
const SITE: &Layout = match (HAS_PADS, cfg!(CONFIG_THUMB2_KERNEL)) {
    (true, false) => &site::A32_PADS,
    (true, true) => &site::T32_PADS,
    (false, false) => &site::A32_MCOUNT,
    (false, true) => &site::T32_MCOUNT,
};

/// Whether the compiler leaves room for a call before a function's own instructions.
const HAS_PADS: bool = cfg!(CONFIG_ARM_FTRACE_PADS);

/// Fixmap slots of the writable aliases.
///
/// They are not those of `patch_text()`. Its lock cannot be taken here: the site that is being
/// changed may be in a function that taking the lock calls.
const POKE: [u32; MAX_PAGES] = [FIX_FTRACE_POKE0, FIX_FTRACE_POKE1];

/// Returns the page of one of [`POKE`].
fn poke_page(slot: u32) -> usize {
    // SAFETY: `slot` is a slot of the fixmap.
    unsafe { bindings::fix_to_virt(slot) }
}

/// Returns whether text, the kernel's if `is_core` is set, may be mapped read-only.
///
/// The answer for the kernel changes once, while CPUs run: never between a store and its flush.
fn is_read_only(is_core: bool) -> bool {
    if !is_core {
        return cfg!(CONFIG_STRICT_MODULE_RWX);
    }
    // SAFETY: May be read any time.
    let state = unsafe { bindings::system_state };
    // mark_readonly() runs in that state.
    cfg!(CONFIG_STRICT_KERNEL_RWX) && state >= bindings::system_states_SYSTEM_FREEING_INITMEM
}

// SAFETY: `map` maps the page in a fixmap slot of its own, on this CPU only. The CPU stays the same
// while interrupts are off. If text is not read-only, it is its own alias. `flush_icache` calls
// assembly.
unsafe impl Machine for Arm {
    fn map(address: usize, index: usize, _irq: &LocalInterruptDisabled) -> Result<usize> {
        let is_core = records::is_in_image(address);
        if !is_read_only(is_core) {
            return Ok(address & PAGE_MASK);
        }
        let slot = *POKE.get(index).ok_or(EINVAL)?;

        let phys = if is_core {
            // SAFETY: The kernel image is in the linear map.
            unsafe { bindings::virt_to_phys(address as *const c_void) }
        } else {
            // SAFETY: Takes any address of memory that modules are loaded to.
            let page = unsafe { bindings::vmalloc_to_page(address as *const c_void) };
            if page.is_null() {
                return Err(EFAULT);
            }
            // SAFETY: `page` is a valid page.
            unsafe { bindings::page_to_phys(page) }
        };
        // SAFETY: The slot is only used here, by one CPU at a time.
        unsafe { bindings::set_fixmap(slot, phys) };
        Ok(poke_page(slot))
    }

    fn unmap(alias: usize, index: usize, _irq: &LocalInterruptDisabled) {
        if let Some(slot) = POKE.get(index).filter(|slot| alias == poke_page(**slot)) {
            // SAFETY: The slot is only used here, by one CPU at a time.
            unsafe { bindings::clear_fixmap(*slot) };
        }
    }

    fn flush_icache(stores: &[Store]) {
        let Some(last) = stores.last() else {
            return;
        };
        let addresses = || stores.iter().map(|store| store.address);
        let start = last.address as usize;
        // Line by line, as a range would take in every line between the sites of a page.
        // SAFETY: The words are text. The data cache of an ARMv7 CPU does not alias, so
        // maintenance by the text's address finds what was stored through the fixmap.
        unsafe {
            bindings::dsb_ishst(); // For erratum 764369.
            for address in addresses() {
                asm!("mcr p15, 0, {}, c7, c11, 1", in(reg) address, options(nostack));
            }
            bindings::dsb_ishst();
            for address in addresses() {
                asm!("mcr p15, 0, {}, c7, c5, 1", in(reg) address, options(nostack));
            }
            // Does this once more for the last line, and completes all of it.
            bindings::flush_icache_range(start, start.wrapping_add(1));
        }
    }

    fn sync_core() {
        // The caches of the inner shareable domain were maintained by the CPU that stored.
        // SAFETY: A barrier.
        unsafe { bindings::isb() };
    }
}

// SAFETY: The compiler emits one layout everywhere, and a site whose words are not of it is
// refused. `target` returns what ftrace asked for, or a veneer, a PLT entry or an entry that gets
// there.
unsafe impl Arch for Arm {
    const NAME: &'static str = "arm";
    const SYNC: &'static str = "stop_machine and isb";
    const FUNC_CALL: Layout = if cfg!(CONFIG_THUMB2_KERNEL) {
        site::T32_FUNC_CALL
    } else {
        site::A32_FUNC_CALL
    };
    const FUNC_CALLS: &'static [unsafe extern "C" fn()] = &[
        bindings::ftrace_call,
        #[cfg(CONFIG_DYNAMIC_FTRACE_WITH_REGS)]
        bindings::ftrace_regs_call,
    ];
    const LAYOUTS: &'static [&'static Layout] = &[SITE];
    const REGISTERS: &'static [(&'static str, usize)] = &[
        ("r0", offset_of!(bindings::__arch_ftrace_regs, args)),
        ("r1", offset_of!(bindings::__arch_ftrace_regs, args) + 4),
        ("r2", offset_of!(bindings::__arch_ftrace_regs, args) + 8),
        ("r3", offset_of!(bindings::__arch_ftrace_regs, args) + 12),
        (
            if cfg!(CONFIG_THUMB2_KERNEL) {
                "r7"
            } else {
                "fp"
            },
            offset_of!(bindings::__arch_ftrace_regs, fp),
        ),
    ];

    fn layout(_ip: usize) -> &'static Layout {
        SITE
    }

    fn mcount(rec: &dyn_ftrace) -> u32 {
        if HAS_PADS {
            return 0;
        }
        Self::target(rec, function(bindings::__gnu_mcount_nc))
    }

    fn is_mcount(rec: &dyn_ftrace, target: u32) -> bool {
        // If `.init.text` is too far away, the linker puts a veneer between.
        is_init_text(rec.ip) || target == Self::mcount(rec)
    }

    fn target(rec: &dyn_ftrace, address: usize) -> u32 {
        self::target(rec, address)
    }
}

fn is_init_text(ip: usize) -> bool {
    let start = &raw const bindings::_sinittext as usize;
    let end = &raw const bindings::_einittext as usize;
    (start..end).contains(&ip)
}

fn function(f: unsafe extern "C" fn()) -> usize {
    f as usize
}

/// What distinguishes a pointer to a function of the kernel from the address of its first
/// instruction.
#[cfg(CONFIG_ARM_MODULE_PLTS)]
const ISA_BIT: u32 = cfg!(CONFIG_THUMB2_KERNEL) as u32;

/// Returns the veneer in `.init.text` that goes on to `address`, or else `address`.
///
/// What C marks with `__ref`: only sites in `.init.text` are given the veneer.
#[inline(never)]
#[link_section = ".ref.text"]
fn init_veneer(address: usize) -> usize {
    if address == function(bindings::ftrace_caller) {
        return function(bindings::ftrace_caller_from_init);
    }
    #[cfg(CONFIG_DYNAMIC_FTRACE_WITH_REGS)]
    if address == function(bindings::ftrace_regs_caller) {
        return function(bindings::ftrace_regs_caller_from_init);
    }
    address
}

/// Returns what the site of `rec` calls to get to `address`.
///
/// If a site cannot go from one entry to the other by one store, it always calls the entry that
/// saves all registers.
fn target(rec: &dyn_ftrace, address: usize) -> u32 {
    let target = callable_addr(rec, address);
    #[cfg(CONFIG_DYNAMIC_FTRACE_WITH_REGS)]
    if SITE.splits_target() && address == function(bindings::ftrace_caller) {
        let with_regs = callable_addr(rec, function(bindings::ftrace_regs_caller));
        return SITE.exchangeable_target(usize_as_u32(rec.ip), target, with_regs);
    }
    target
}

/// Returns `address`, or the veneer through which the site of `rec` gets there.
fn callable_addr(rec: &dyn_ftrace, address: usize) -> u32 {
    #[cfg(not(CONFIG_THUMB2_KERNEL))]
    let address = trampolines::trampoline_or_entry(rec, address);
    if is_init_text(rec.ip) {
        return usize_as_u32(init_veneer(address));
    }
    let target = usize_as_u32(address);
    #[cfg(CONFIG_ARM_MODULE_PLTS)]
    if !rec.arch.mod_.is_null() && !SITE.reaches(usize_as_u32(rec.ip), target) && is_entry(address)
    {
        // SAFETY: The module is loaded as long as there is a record of it. `is_entry` says
        // that the entry exists since `ftrace_init_nop`, so that none is made now, when the
        // module's text may be read-only already.
        return unsafe { bindings::get_module_plt(rec.arch.mod_, rec.ip, target) } | ISA_BIT;
    }
    target
}

/// Returns whether `address` is what any site may have to call: that of an entry, or of the
/// compiler's profiling function. Every module has a PLT entry for it, see `fixed_plts` in
/// `arch/arm/kernel/module-plts.c`.
#[cfg(any(CONFIG_ARM_MODULE_PLTS, CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS))]
fn is_entry(address: usize) -> bool {
    #[cfg(CONFIG_DYNAMIC_FTRACE_WITH_REGS)]
    if address == function(bindings::ftrace_regs_caller) {
        return true;
    }
    address == function(bindings::ftrace_caller)
        || (!HAS_PADS && address == function(bindings::__gnu_mcount_nc))
}

// `ftrace_make_nop()`, `ftrace_make_call()` and the other hooks that all architectures have alike.

kernel::ftrace_hooks!(Arm);

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
    let rec = unsafe { &mut *rec };
    #[cfg(CONFIG_ARM_MODULE_PLTS)]
    if !module.is_null() {
        rec.arch.mod_ = module;
        // The first call fills in all fixed entries, which can be written only now.
        // SAFETY: `module` is being loaded, and `rec` is one of its sites.
        unsafe {
            bindings::get_module_plt(
                module,
                rec.ip,
                usize_as_u32(function(bindings::ftrace_caller)),
            )
        };
    }
    // SAFETY: By the safety requirements.
    unsafe { hooks::init_nop::<Arm>(&exclusive, module, rec) }
}

/// Trampolines. They stand in the kernel's text, because `bl` may not reach the memory of modules.
///
/// T32 code has none. With `-pg`, one store cannot make a site call a target whose lower 12 bits
/// differ from those of its entry.
#[cfg(not(CONFIG_THUMB2_KERNEL))]
mod trampolines {
    use super::*;
    use core::ops::Range;
    use kernel::ftrace::trampoline::{
        self,
        Trampolines, //
    };

    // SAFETY: `ftrace_caller.S` made the pool, and asserts the offsets. A trampoline that is off
    // serves no ops, so no site calls it.
    unsafe impl Trampolines for Arm {
        const OPS: Layout = site::A32_OPS;
        const OPS_CALL: Layout = site::A32_OPS_CALL;
        const OPS_OFFSET: usize = bindings::FTRACE_TRAMPOLINE_OPS as usize;
        const CALL_OFFSET: usize = bindings::FTRACE_TRAMPOLINE_CALL as usize;
        const SIZE: usize = bindings::FTRACE_TRAMPOLINE_SIZE as usize;
        const NO_TRAMPOLINE_FLAGS: u32 = bindings::FTRACE_OPS_FL_SAVE_REGS;

        fn allocate(_locked: &Locked) -> Option<usize> {
            let mut all = pool().step_by(Self::SIZE);
            // SAFETY: It is a trampoline of the pool.
            all.find(|start| unsafe { trampoline::is_off::<Self>(*start) })
        }

        unsafe fn free(_trampoline: usize) {}

        unsafe fn flush(_trampoline: usize) {}
    }

    /// Returns what the site of `rec` calls to get to `address`: `address` itself, unless it is a
    /// trampoline out of reach. Then it is an entry, from which ftrace asks all ops.
    pub(super) fn trampoline_or_entry(rec: &dyn_ftrace, address: usize) -> usize {
        let is_reached = || SITE.reaches(usize_as_u32(rec.ip), usize_as_u32(address));
        if pool().contains(&address) && !is_reached() {
            return function(bindings::ftrace_caller);
        }
        #[cfg(CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)]
        if !is_entry(address) && !is_reached() && has_direct_call(rec, address) {
            return function(bindings::ftrace_regs_caller);
        }
        address
    }

    /// Returns whether the site of `rec` has a direct call of `address`.
    #[cfg(CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)]
    fn has_direct_call(rec: &dyn_ftrace, address: usize) -> bool {
        // SAFETY: Takes any address.
        unsafe { bindings::ftrace_find_rec_direct(rec.ip) == address }
    }

    /// Returns where the trampolines of `ftrace_caller.S` lie. One that is off is free.
    fn pool() -> Range<usize> {
        function(bindings::ftrace_trampolines)..function(bindings::ftrace_trampolines_end)
    }

    // `arch_ftrace_update_trampoline()` and the other hooks for trampolines.
    kernel::ftrace_trampoline_hooks!(Arm);
}

#[cfg(CONFIG_FUNCTION_GRAPH_TRACER)]
mod graph {
    use super::*;
    use core::ptr;
    use kernel::ftrace::graph::hook_return;

    /// Where a traced function has its return address, and what its stack pointer was on entry.
    struct Frame {
        return_address: *mut usize,
        stack_pointer: usize,
    }

    /// Finds the frame of the function that is traced at `ip`, after its prologue.
    ///
    /// `parent` points to its return address as the site found it, in `lr`. A leaf function keeps
    /// it there; one that saved it returns by its own copy.
    ///
    /// # Safety
    ///
    /// The other arguments are the registers at the site, and `parent` can be read.
    unsafe fn find_frame(parent: *mut usize, ip: usize, fp: usize, sp: usize) -> Option<Frame> {
        // SAFETY: By the safety requirements.
        let expected = unsafe { *parent };

        if cfg!(CONFIG_UNWINDER_FRAME_POINTER) {
            // The frame is {fp, sp, lr, pc}, and fp points to the last of them.
            let saved = fp as *mut usize;
            // SAFETY: Every function that is traced has set up such a frame.
            let (return_address, stack_pointer) =
                unsafe { (saved.wrapping_sub(1), *saved.wrapping_sub(2)) };
            // SAFETY: It is the word of that frame that holds the return address.
            return (unsafe { *return_address } == expected).then_some(Frame {
                return_address,
                stack_pointer,
            });
        }

        // With 0 for `lr`, which is no return address, the frame tells whether `lr` was saved.
        let mut frame = bindings::stackframe {
            fp,
            sp,
            lr: 0,
            pc: ip,
            lr_addr: ptr::null_mut(),
            ..Default::default()
        };
        // SAFETY: `frame` holds the registers at the site.
        if unsafe { bindings::unwind_frame(&mut frame) } < 0 {
            return None;
        }
        let return_address = match frame.lr {
            0 => parent,
            lr if lr == expected => frame.lr_addr,
            _ => return None,
        };
        Some(Frame {
            return_address,
            stack_pointer: frame.sp,
        })
    }

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
        let (parent, fp, sp) = unsafe {
            (
                bindings::arch_ftrace_regs_lr(fregs),
                bindings::ftrace_regs_get_frame_pointer(fregs),
                bindings::ftrace_regs_get_stack_pointer(fregs),
            )
        };
        let frame = if HAS_PADS {
            Some(Frame {
                return_address: parent,
                stack_pointer: sp,
            })
        } else {
            // SAFETY: By the safety requirements.
            unsafe { find_frame(parent, ip, fp, sp) }
        };
        let Some(frame) = frame else {
            return;
        };
        // SAFETY: The entry or the function is about to read its return address there. Nothing else
        // uses the word.
        let return_address = unsafe { &mut *frame.return_address };
        // SAFETY: By the safety requirements.
        unsafe { hook_return(return_address, frame.stack_pointer, ip, fregs) };
    }
}

#[pin_data]
struct FtraceRust {
    #[pin]
    debugfs: Debugfs<Arm>,
}

impl kernel::InPlaceModule for FtraceRust {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let banner = Banner::<Arm>::prepare();
        pr_info!("{banner}\n");
        try_pin_init!(Self {
            debugfs <- Debugfs::new(),
        })
    }
}
