// SPDX-License-Identifier: GPL-2.0

//! Kernel trees: where one comes from, what becomes of it, and how that gets in and out again.

pub mod content;
pub mod git;
pub mod install;
pub mod scratch;
pub mod series;
pub mod source;
pub mod systems;
