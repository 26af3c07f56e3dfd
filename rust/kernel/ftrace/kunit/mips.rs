// SPDX-License-Identifier: GPL-2.0

//! What the compiler emits for MIPS.

use crate::{
    ftrace::{
        site::{
            self,
            Layout,
            MAX_WORDS, //
        }, //
    },
    num::casts::arch::usize_as_u32, //
};

/// Layouts of sites in the kernel and in modules.
pub(super) const CORE: &Layout = &site::MIPS_CORE;
pub(super) const MODULE: &Layout = &site::MIPS_MODULE;

/// Layout of the call in a trampoline.
pub(super) const OPS_CALL: &Layout = &site::MIPS_OPS_CALL;

/// What a module's site at `ip` calls when it is on.
pub(super) fn entry() -> usize {
    bindings::ftrace_module_caller as *const () as usize
}

/// A site as the compiler leaves it.
pub(super) fn compiled(_ip: u32) -> Option<[u32; MAX_WORDS]> {
    use crate::ftrace::insn::mips::*;

    /// `move $12, $0`, which a leaf function has there.
    const MOVE_12_ZERO: u32 = 0x0000_6025;

    let mcount = usize_as_u32(bindings::_mcount as *const () as usize);
    Some([
        lui_v1(mcount),
        addiu_v1(mcount),
        MOVE_AT_RA[0],
        MOVE_12_ZERO,
        JALR_V1,
        ADDIU_SP_M8,
    ])
}
