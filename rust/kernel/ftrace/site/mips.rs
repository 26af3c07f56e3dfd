// SPDX-License-Identifier: GPL-2.0

//! Layouts of MIPS: o32 code.

use super::super::insn::mips;
use super::{
    layout::{
        Layout,
        Unit,
        Word, //
    },
    pattern::Slot, //
};

/// MIPS o32, `-pg` within reach of `jal`: the kernel image.
///
/// Ahead of the site stands `move at, ra`, with `-mmcount-ra-address` followed by an instruction
/// that sets `$12`.
///
/// A task that is interrupted in the delay slot of `jal` executes `jal` again, which has changed
/// `ra` already. If the site has been turned off meanwhile, `move` gives the return address back.
pub const MIPS_CORE: Layout = Layout {
    name: "mips-core",
    unit: Unit::Word,
    words: &[
        Word {
            offset: 0,
            compiled: Slot::MipsJal,
            off: Slot::Insn(mips::MOVE_RA_AT),
            on: Slot::MipsJal,
        },
        Word {
            offset: 4,
            compiled: Slot::Insn(mips::ADDIU_SP_M8),
            off: Slot::Insn(mips::NOP),
            on: Slot::Insn(mips::NOP),
        },
    ],
};

/// MIPS o32, `-pg -mlong-calls -mmcount-ra-address`: modules.
///
/// While the site is off, `addiu` stands in the delay slot of `b` and adds to a dead register.
pub const MIPS_MODULE: Layout = Layout {
    name: "mips-module",
    unit: Unit::Word,
    words: &[
        Word {
            offset: 0,
            compiled: Slot::MipsLuiV1,
            off: Slot::Insn(mips::b_over(5)),
            on: Slot::MipsLuiV1,
        },
        Word {
            offset: 4,
            compiled: Slot::MipsAddiuV1,
            off: Slot::MipsAddiuV1,
            on: Slot::MipsAddiuV1,
        },
        Word {
            offset: 8,
            compiled: Slot::Kept(&mips::MOVE_AT_RA),
            off: Slot::Kept(&mips::MOVE_AT_RA),
            on: Slot::Kept(&mips::MOVE_AT_RA),
        },
        // Sets `$12`.
        Word {
            offset: 12,
            compiled: Slot::Kept(&[]),
            off: Slot::Kept(&[]),
            on: Slot::Kept(&[]),
        },
        Word {
            offset: 16,
            compiled: Slot::Insn(mips::JALR_V1),
            off: Slot::Insn(mips::JALR_V1),
            on: Slot::Insn(mips::JALR_V1),
        },
        Word {
            offset: 20,
            compiled: Slot::Insn(mips::ADDIU_SP_M8),
            off: Slot::Insn(mips::NOP),
            on: Slot::Insn(mips::NOP),
        },
    ],
};

/// MIPS, `ftrace_caller`: the call of the tracer.
pub const MIPS_FUNC_CALL: Layout = Layout {
    name: "mips-func-call",
    unit: Unit::Word,
    words: &[Word {
        offset: 0,
        compiled: Slot::MipsJal,
        off: Slot::Insn(mips::NOP),
        on: Slot::MipsJal,
    }],
};

/// MIPS, a trampoline: what [`A32_OPS`] is.
pub const MIPS_OPS: Layout = Layout {
    name: "mips-ops",
    unit: Unit::Word,
    words: &[
        Word {
            offset: 0,
            compiled: Slot::Insn(mips::lui_a2(0)),
            off: Slot::Insn(mips::lui_a2(0)),
            on: Slot::MipsLuiA2,
        },
        Word {
            offset: 4,
            compiled: Slot::Insn(mips::addiu_a2(0)),
            off: Slot::Insn(mips::addiu_a2(0)),
            on: Slot::MipsAddiuA2,
        },
    ],
};

/// MIPS, a trampoline: what [`A32_OPS_CALL`] is.
pub const MIPS_OPS_CALL: Layout = Layout {
    name: "mips-ops-call",
    unit: Unit::Word,
    words: &[Word {
        offset: 0,
        compiled: Slot::Insn(mips::JALR_V1),
        off: Slot::Insn(mips::JALR_V1),
        on: Slot::MipsJal,
    }],
};

const _: () = MIPS_CORE.assert_one_store();
const _: () = MIPS_MODULE.assert_one_store();
const _: () = MIPS_FUNC_CALL.assert_one_store();
const _: () = MIPS_OPS_CALL.assert_one_store();
