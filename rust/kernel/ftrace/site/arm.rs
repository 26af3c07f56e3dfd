// SPDX-License-Identifier: GPL-2.0

//! Layouts of ARM: A32 and T32 code.

use super::super::insn::{
    a32,
    t32, //
};
use super::{
    layout::{
        Layout,
        Width,
        Word, //
    },
    pattern::Pattern, //
};

/// A32, `-pg`: `push {lr}; bl __gnu_mcount_nc`.
///
/// `lr` still holds the return address at the site, so the site hands it over in `ip` instead of
/// on the stack and has nothing to undo when it is off.
pub const A32_MCOUNT: Layout = Layout {
    name: "a32-mcount",
    width: Width::Word,
    words: &[
        Word {
            offset: -4,
            compiled: Pattern::OneOf(&a32::PUSH_LR),
            off: Pattern::Insn(a32::MOV_IP_LR),
            on: Pattern::Insn(a32::MOV_IP_LR),
        },
        Word {
            offset: 0,
            compiled: Pattern::A32Bl,
            off: Pattern::Insn(a32::NOP),
            on: Pattern::A32Bl,
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
    width: Width::Half,
    words: &[
        Word {
            offset: -2,
            compiled: Pattern::Insn(t32::PUSH_LR as u32),
            off: Pattern::Insn(t32::MOV_IP_LR as u32),
            on: Pattern::Insn(t32::MOV_IP_LR as u32),
        },
        Word {
            offset: 0,
            compiled: Pattern::T32Bl,
            off: Pattern::Insn(t32::B_OVER_HW as u32),
            on: Pattern::T32Bl,
        },
        Word {
            offset: 2,
            compiled: Pattern::T32BlSecond,
            off: Pattern::T32BlSecond,
            on: Pattern::T32BlSecond,
        },
    ],
};

/// A32, `-fpatchable-function-entry`: two instructions ahead of a function's own.
pub const A32_PADS: Layout = Layout {
    name: "a32-pads",
    width: Width::Word,
    words: &[
        Word {
            offset: -4,
            compiled: Pattern::Insn(a32::NOP),
            off: Pattern::Insn(a32::MOV_IP_LR),
            on: Pattern::Insn(a32::MOV_IP_LR),
        },
        Word {
            offset: 0,
            compiled: Pattern::Insn(a32::NOP),
            off: Pattern::Insn(a32::NOP),
            on: Pattern::A32Bl,
        },
    ],
};

/// T32, `-fpatchable-function-entry`: four halfwords ahead of a function's own, on a word boundary.
///
/// What is patched is one instruction, on or off, so that no task can be within it.
pub const T32_PADS: Layout = Layout {
    name: "t32-pads",
    width: Width::Word,
    words: &[
        Word {
            offset: -4,
            compiled: Pattern::Insn(t32::word([t32::NOP, t32::NOP])),
            off: Pattern::Insn(t32::word([t32::MOV_IP_LR, t32::NOP])),
            on: Pattern::Insn(t32::word([t32::MOV_IP_LR, t32::NOP])),
        },
        Word {
            offset: 0,
            compiled: Pattern::Insn(t32::word([t32::NOP, t32::NOP])),
            off: Pattern::Insn(t32::word(t32::NOP_W)),
            on: Pattern::T32Call,
        },
    ],
};

/// A32, `ftrace_caller`: the call of the tracer.
pub const A32_FUNC_CALL: Layout = Layout {
    name: "a32-func-call",
    width: Width::Word,
    words: &[Word {
        offset: 0,
        compiled: Pattern::A32Bl,
        off: Pattern::Insn(a32::NOP),
        on: Pattern::A32Bl,
    }],
};

/// T32, `ftrace_caller`: the call of the tracer.
///
/// The entry has it on a word boundary: any `bl` or `blx` is one store.
pub const T32_FUNC_CALL: Layout = Layout {
    name: "t32-func-call",
    width: Width::Word,
    words: &[Word {
        offset: 0,
        compiled: Pattern::T32Call,
        off: Pattern::Insn(t32::word(t32::NOP_W)),
        on: Pattern::T32Call,
    }],
};

/// A32, a trampoline: where it tells which ops it is for, none while it is off.
///
/// It goes on and off by two stores, while no site calls it and no task is in it.
pub const A32_OPS: Layout = Layout {
    name: "a32-ops",
    width: Width::Word,
    words: &[
        Word {
            offset: 0,
            compiled: Pattern::Insn(a32::movw_r2(0)),
            off: Pattern::Insn(a32::movw_r2(0)),
            on: Pattern::A32MovwR2,
        },
        Word {
            offset: 4,
            compiled: Pattern::Insn(a32::movt_r2(0)),
            off: Pattern::Insn(a32::movt_r2(0)),
            on: Pattern::A32MovtR2,
        },
    ],
};

/// A32, a trampoline: the call of the tracer of its ops, or of what takes care of that when on.
pub const A32_OPS_CALL: Layout = Layout {
    name: "a32-ops-call",
    width: Width::Word,
    words: &[Word {
        offset: 0,
        compiled: Pattern::Insn(a32::BLX_IP),
        off: Pattern::Insn(a32::BLX_IP),
        on: Pattern::A32Bl,
    }],
};

const _: () = A32_MCOUNT.assert_one_store();
const _: () = T32_MCOUNT.assert_one_store();
const _: () = A32_PADS.assert_one_store();
const _: () = T32_PADS.assert_one_store();
const _: () = A32_FUNC_CALL.assert_one_store();
const _: () = T32_FUNC_CALL.assert_one_store();
const _: () = A32_OPS_CALL.assert_one_store();
