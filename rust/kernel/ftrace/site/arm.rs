// SPDX-License-Identifier: GPL-2.0

//! Layouts of ARM: A32 and T32 code.

use super::super::insn::{
    a32,
    t32, //
};
use super::{
    layout::{
        Layout,
        Unit,
        Word, //
    },
    pattern::Slot, //
};

/// A32, `-pg`: `push {lr}; bl __gnu_mcount_nc`.
///
/// `lr` still holds the return address at the site, so the site hands it over in `ip` instead of
/// on the stack and has nothing to undo when it is off.
pub const A32_MCOUNT: Layout = Layout {
    name: "a32-mcount",
    unit: Unit::Word,
    words: &[
        Word {
            offset: -4,
            compiled: Slot::OneOf(&a32::PUSH_LR),
            off: Slot::Insn(a32::MOV_IP_LR),
            on: Slot::Insn(a32::MOV_IP_LR),
        },
        Word {
            offset: 0,
            compiled: Slot::A32Bl,
            off: Slot::Insn(a32::NOP),
            on: Slot::A32Bl,
        },
    ],
};

/// T32, `-pg`: `push {lr}; bl __gnu_mcount_nc`.
///
/// What [`A32_MCOUNT`] is, but `bl` can lie across any boundary. Its second halfword is that of the
/// call whether the site is on or off, so that only the first one changes. It can call different
/// targets only if these have that halfword in common.
pub const T32_MCOUNT: Layout = Layout {
    name: "t32-mcount",
    unit: Unit::Half,
    words: &[
        Word {
            offset: -2,
            compiled: Slot::Insn(t32::PUSH_LR as u32),
            off: Slot::Insn(t32::MOV_IP_LR as u32),
            on: Slot::Insn(t32::MOV_IP_LR as u32),
        },
        Word {
            offset: 0,
            compiled: Slot::T32Bl,
            off: Slot::Insn(t32::B_OVER_HW as u32),
            on: Slot::T32Bl,
        },
        Word {
            offset: 2,
            compiled: Slot::T32BlSecond,
            off: Slot::T32BlSecond,
            on: Slot::T32BlSecond,
        },
    ],
};

/// A32, `-fpatchable-function-entry`: two instructions ahead of a function's own.
pub const A32_PADS: Layout = Layout {
    name: "a32-pads",
    unit: Unit::Word,
    words: &[
        Word {
            offset: -4,
            compiled: Slot::Insn(a32::NOP),
            off: Slot::Insn(a32::MOV_IP_LR),
            on: Slot::Insn(a32::MOV_IP_LR),
        },
        Word {
            offset: 0,
            compiled: Slot::Insn(a32::NOP),
            off: Slot::Insn(a32::NOP),
            on: Slot::A32Bl,
        },
    ],
};

/// T32, `-fpatchable-function-entry`: four halfwords ahead of a function's own, on a word boundary.
///
/// What is patched is one instruction, on or off, so that no task can be within it.
pub const T32_PADS: Layout = Layout {
    name: "t32-pads",
    unit: Unit::Word,
    words: &[
        Word {
            offset: -4,
            compiled: Slot::Insn(t32::word([t32::NOP, t32::NOP])),
            off: Slot::Insn(t32::word([t32::MOV_IP_LR, t32::NOP])),
            on: Slot::Insn(t32::word([t32::MOV_IP_LR, t32::NOP])),
        },
        Word {
            offset: 0,
            compiled: Slot::Insn(t32::word([t32::NOP, t32::NOP])),
            off: Slot::Insn(t32::word(t32::NOP_W)),
            on: Slot::T32Call,
        },
    ],
};

/// A32, `ftrace_caller`: the call of the tracer.
pub const A32_FUNC_CALL: Layout = Layout {
    name: "a32-func-call",
    unit: Unit::Word,
    words: &[Word {
        offset: 0,
        compiled: Slot::A32Bl,
        off: Slot::Insn(a32::NOP),
        on: Slot::A32Bl,
    }],
};

/// T32, `ftrace_caller`: the call of the tracer.
///
/// The entry has it on a word boundary: any `bl` or `blx` is one store.
pub const T32_FUNC_CALL: Layout = Layout {
    name: "t32-func-call",
    unit: Unit::Word,
    words: &[Word {
        offset: 0,
        compiled: Slot::T32Call,
        off: Slot::Insn(t32::word(t32::NOP_W)),
        on: Slot::T32Call,
    }],
};

/// A32, a trampoline: where it tells which ops it is for, none while it is off.
///
/// It goes on and off by two stores, while no site calls it and no task is in it.
pub const A32_OPS: Layout = Layout {
    name: "a32-ops",
    unit: Unit::Word,
    words: &[
        Word {
            offset: 0,
            compiled: Slot::Insn(a32::movw_r2(0)),
            off: Slot::Insn(a32::movw_r2(0)),
            on: Slot::A32MovwR2,
        },
        Word {
            offset: 4,
            compiled: Slot::Insn(a32::movt_r2(0)),
            off: Slot::Insn(a32::movt_r2(0)),
            on: Slot::A32MovtR2,
        },
    ],
};

/// A32, a trampoline: the call of the tracer of its ops, or of what takes care of that when on.
pub const A32_OPS_CALL: Layout = Layout {
    name: "a32-ops-call",
    unit: Unit::Word,
    words: &[Word {
        offset: 0,
        compiled: Slot::Insn(a32::BLX_IP),
        off: Slot::Insn(a32::BLX_IP),
        on: Slot::A32Bl,
    }],
};

const _: () = A32_MCOUNT.assert_one_store();
const _: () = T32_MCOUNT.assert_one_store();
const _: () = A32_PADS.assert_one_store();
const _: () = T32_PADS.assert_one_store();
const _: () = A32_FUNC_CALL.assert_one_store();
const _: () = T32_FUNC_CALL.assert_one_store();
const _: () = A32_OPS_CALL.assert_one_store();
