// SPDX-License-Identifier: GPL-2.0

//! What the compiler emits for ARM.

use crate::{
    ftrace::{
        insn,
        site::{
            self,
            Layout,
            MAX_WORDS, //
        }, //
    },
    num::casts::arch::usize_as_u32, //
};
use core::ptr;

/// Layouts of sites in the kernel and in modules.
pub(super) const CORE: &Layout = MODULE;
pub(super) const MODULE: &Layout = match (HAS_PADS, cfg!(CONFIG_THUMB2_KERNEL)) {
    (true, false) => &site::A32_PADS,
    (true, true) => &site::T32_PADS,
    (false, false) => &site::A32_MCOUNT,
    (false, true) => &site::T32_MCOUNT,
};
const HAS_PADS: bool = cfg!(CONFIG_ARM_FTRACE_PADS);

/// Layout of the call in a trampoline.
#[cfg(not(CONFIG_THUMB2_KERNEL))]
pub(super) const OPS_CALL: &Layout = &site::A32_OPS_CALL;

/// What a module's site at `ip` calls when it is on.
pub(super) fn entry() -> usize {
    bindings::ftrace_caller as *const () as usize
}

/// What distinguishes a pointer to code from its address.
pub(super) const ISA_BIT: usize = cfg!(CONFIG_THUMB2_KERNEL) as usize;

/// What follows a site in a function that returns its argument plus 1, as memory has it.
const BODY: &[u8] = if cfg!(CONFIG_THUMB2_KERNEL) {
    // `adds r0, #1; bx lr`.
    &[0x01, 0x30, 0x70, 0x47]
} else {
    // `add r0, r0, #1; bx lr`.
    &[0x01, 0x00, 0x80, 0xe2, 0x1e, 0xff, 0x2f, 0xe1]
};
pub(super) const BODY_SIZE: usize = BODY.len();

/// # Safety
///
/// `address` is that of memory for [`BODY_SIZE`] bytes that nobody else uses.
pub(super) unsafe fn write_body(address: u32) {
    // SAFETY: By the safety requirements.
    unsafe { ptr::copy_nonoverlapping(BODY.as_ptr(), address as usize as *mut u8, BODY_SIZE) };
}

/// A site as the compiler leaves it.
pub(super) fn compiled(ip: u32) -> Option<[u32; MAX_WORDS]> {
    let mcount = usize_as_u32(bindings::__gnu_mcount_nc as *const () as usize);
    if HAS_PADS {
        let nops = if cfg!(CONFIG_THUMB2_KERNEL) {
            insn::t32::word([insn::t32::NOP; 2])
        } else {
            insn::a32::NOP
        };
        Some([nops, nops, 0, 0, 0, 0])
    } else if cfg!(CONFIG_THUMB2_KERNEL) {
        let [first, second] = insn::t32::bl(ip, mcount & !1)?.map(u32::from);
        Some([u32::from(insn::t32::PUSH_LR), first, second, 0, 0, 0])
    } else {
        Some([
            insn::a32::PUSH_LR[0],
            insn::a32::bl(ip, mcount)?,
            0,
            0,
            0,
            0,
        ])
    }
}
