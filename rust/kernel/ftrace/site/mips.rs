// SPDX-License-Identifier: GPL-2.0

//! Layouts of MIPS: o32 code.

use super::super::insn::mips;
use super::{
    layout::{
        Layout,
        Width,
        Word, //
    },
    pattern::Pattern, //
};

/// MIPS o32, `-pg` within reach of `jal`: the kernel image.
///
/// `move at, ra` stands before the site. With `-mmcount-ra-address`, an instruction that sets `$12`
/// stands between.
///
/// A task that is interrupted in the delay slot of `jal` executes `jal` again. The first `jal` has
/// already changed `ra`. If the site was turned off meanwhile, `move ra, at` restores the return
/// address.
pub const MIPS_CORE: Layout = Layout {
    name: "mips-core",
    width: Width::Word,
    words: &[
        Word {
            offset: 0,
            compiled: Pattern::MipsJal,
            off: Pattern::Insn(mips::MOVE_RA_AT),
            on: Pattern::MipsJal,
        },
        Word {
            offset: 4,
            compiled: Pattern::Insn(mips::ADDIU_SP_M8),
            off: Pattern::Insn(mips::NOP),
            on: Pattern::Insn(mips::NOP),
        },
    ],
};

/// MIPS o32, `-pg -mlong-calls -mmcount-ra-address`: modules.
///
/// While the site is off, `addiu` is in the delay slot of `b`. It changes a dead register.
pub const MIPS_MODULE: Layout = Layout {
    name: "mips-module",
    width: Width::Word,
    words: &[
        Word {
            offset: 0,
            compiled: Pattern::MipsLuiV1,
            off: Pattern::Insn(mips::b_over(5)),
            on: Pattern::MipsLuiV1,
        },
        Word {
            offset: 4,
            compiled: Pattern::MipsAddiuV1,
            off: Pattern::MipsAddiuV1,
            on: Pattern::MipsAddiuV1,
        },
        Word {
            offset: 8,
            compiled: Pattern::Kept(&mips::MOVE_AT_RA),
            off: Pattern::Kept(&mips::MOVE_AT_RA),
            on: Pattern::Kept(&mips::MOVE_AT_RA),
        },
        // Sets `$12`.
        Word {
            offset: 12,
            compiled: Pattern::Any,
            off: Pattern::Any,
            on: Pattern::Any,
        },
        Word {
            offset: 16,
            compiled: Pattern::Insn(mips::JALR_V1),
            off: Pattern::Insn(mips::JALR_V1),
            on: Pattern::Insn(mips::JALR_V1),
        },
        Word {
            offset: 20,
            compiled: Pattern::Insn(mips::ADDIU_SP_M8),
            off: Pattern::Insn(mips::NOP),
            on: Pattern::Insn(mips::NOP),
        },
    ],
};

/// MIPS, `ftrace_caller`: the call of the tracer.
pub const MIPS_FUNC_CALL: Layout = Layout {
    name: "mips-func-call",
    width: Width::Word,
    words: &[Word {
        offset: 0,
        compiled: Pattern::MipsJal,
        off: Pattern::Insn(mips::NOP),
        on: Pattern::MipsJal,
    }],
};

/// MIPS, a trampoline: as [`A32_OPS`](super::A32_OPS).
pub const MIPS_OPS: Layout = Layout {
    name: "mips-ops",
    width: Width::Word,
    words: &[
        Word {
            offset: 0,
            compiled: Pattern::Insn(mips::lui_a2(0)),
            off: Pattern::Insn(mips::lui_a2(0)),
            on: Pattern::MipsLuiA2,
        },
        Word {
            offset: 4,
            compiled: Pattern::Insn(mips::addiu_a2(0)),
            off: Pattern::Insn(mips::addiu_a2(0)),
            on: Pattern::MipsAddiuA2,
        },
    ],
};

/// MIPS, a trampoline: as [`A32_OPS_CALL`](super::A32_OPS_CALL).
pub const MIPS_OPS_CALL: Layout = Layout {
    name: "mips-ops-call",
    width: Width::Word,
    words: &[Word {
        offset: 0,
        compiled: Pattern::Insn(mips::JALR_V1),
        off: Pattern::Insn(mips::JALR_V1),
        on: Pattern::MipsJal,
    }],
};

const _: () = MIPS_CORE.assert_one_store();
const _: () = MIPS_MODULE.assert_one_store();
const _: () = MIPS_FUNC_CALL.assert_one_store();
const _: () = MIPS_OPS_CALL.assert_one_store();
