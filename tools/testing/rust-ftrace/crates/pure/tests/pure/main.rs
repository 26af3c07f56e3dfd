// SPDX-License-Identifier: GPL-2.0

//! Tests of the pure code.
//!
//! A property that fails prints `Seed: 0x...`; `ARBTEST_SEED=0x... cargo test <test>` runs the
//! same case again.

mod a32;
mod doc;
mod llvm;
mod mips;
mod rows;
mod site;
mod t32;
