// SPDX-License-Identifier: GPL-2.0

//! The parts of the ftrace backend that need nothing of the kernel, from the files that the kernel
//! builds.

// The attribute names the folder in which the modules inside are looked up.
#[path = "../../../../../../rust/kernel/ftrace"]
mod ftrace {
    pub mod insn;
    pub mod site;
}

pub use ftrace::{
    insn,
    site, //
};
