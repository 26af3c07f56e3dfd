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
/// At the site, `lr` still holds the return address. So the site passes it in `ip` instead of on
/// the stack. When the site is off, there is nothing to undo.
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
/// As [`A32_MCOUNT`], but `bl` can lie across any boundary. The second halfword of `bl` stays when
/// the site is off, so that only the first one changes. One store can replace a target by another
/// only if both have the same second halfword.
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

/// A32, `-fpatchable-function-entry`: two instructions before a function's own.
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

/// T32, `-fpatchable-function-entry`: four halfwords before a function's own, on a word boundary.
///
/// The patched word is one instruction, on or off: no task can stand within it.
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

/// A32, a trampoline: the instructions that load the address of its ops. It is 0 while it is off.
///
/// This changes by two stores, while no site calls the trampoline and no task is in it.
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

/// A32, a trampoline: the call of `ops->func`, or of another function when on.
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
