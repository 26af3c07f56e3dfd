// SPDX-License-Identifier: GPL-2.0

//! Tests of what only a running kernel can show.
//!
//! Most of them call the hooks as ftrace does, through C, on a site of their own: a copy of what
//! the compiler emits into a module, in memory that modules are loaded to.

#[cfg(CONFIG_ARM)]
mod arm;
#[cfg(CONFIG_ARM)]
use arm as arch;
#[cfg(CONFIG_ARM)]
mod arm_sites;
mod faults;
mod live;
#[cfg(CONFIG_MIPS)]
mod mips;
#[cfg(CONFIG_MIPS)]
use mips as arch;
mod refusals;
mod sandbox;
mod sites;
mod stats;
