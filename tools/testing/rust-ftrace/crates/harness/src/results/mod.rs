// SPDX-License-Identifier: GPL-2.0

//! What tests came to: read from logs, compared, held against what is known, summed up.

pub mod case;
pub mod compare;
pub mod known;
pub mod ktap;
pub mod selftest;
pub mod suite;
pub mod table;
