// SPDX-License-Identifier: GPL-2.0

//! The results as people read them.

pub mod about;
pub mod document;
pub mod page;
