// SPDX-License-Identifier: GPL-2.0

//! Layouts of the call sites that the compiler emits for ftrace.
//!
//! A [`Layout`] is a table: a row for each instruction word of a site, a column for each state.
//! The patcher, the tests and the documentation all read the same tables. What is called a word
//! here is a halfword in a layout of which that is the [`Width`].
//!
//! The rule that they obey: [`State::Off`] and [`State::On`] differ in one word, the one at the
//! recorded address. `stop_machine()` stops processors, not tasks; a task that was preempted
//! between two words of a site goes on there after the change. With a single aligned store there
//! is nothing between. [`Layout::assert_one_store`] checks this at compile time.
//!
//! Targets are values of pointers to functions: bit 0 is set for T32 code.
//!
//! Nothing here uses the `kernel` crate: the same file is compiled into the host tests.

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
