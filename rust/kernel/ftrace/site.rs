// SPDX-License-Identifier: GPL-2.0

//! Layouts of the call sites that the compiler emits for ftrace.
//!
//! A [`Layout`] is a table: a row for each instruction word of a site, a column for each state.
//! The backend, the tests and the documentation all read the same tables. A "word" is a halfword
//! if the layout's [`Width`] is [`Width::Half`].
//!
//! All layouts obey one rule: [`State::Off`] and [`State::On`] differ in one word, the one at the
//! recorded address. `stop_machine()` stops CPUs, not tasks. A task that was preempted between two
//! words of a site goes on there after the change. One aligned store has no "between".
//! `Layout::assert_one_store()` checks the rule at compile time.
//!
//! A target is the value of a pointer to a function: bit 0 is set for T32 code.
//!
//! Nothing here uses the `kernel` crate: the host tests compile the same files.

mod arm;
mod layout;
mod mips;
mod pattern;
mod store;

pub use arm::{
    A32_FUNC_CALL,
    A32_MCOUNT,
    A32_OPS,
    A32_OPS_CALL,
    A32_PADS,
    T32_FUNC_CALL,
    T32_MCOUNT,
    T32_PADS, //
};
pub use layout::{
    common_width,
    Layout,
    SiteState,
    State,
    Width,
    Word,
    MAX_WORDS, //
};
pub use mips::{
    MIPS_CORE,
    MIPS_FUNC_CALL,
    MIPS_MODULE,
    MIPS_OPS,
    MIPS_OPS_CALL, //
};
pub use pattern::{
    EncodeError,
    Pattern, //
};
pub use store::{
    Store,
    Stores,
    Transition, //
};
