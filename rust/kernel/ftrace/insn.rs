// SPDX-License-Identifier: GPL-2.0

//! Encoders and decoders of the instructions that a call site can hold.
//!
//! Every instruction is the value that the CPU decodes, not the bytes in memory. Addresses
//! are virtual and 32 bits wide, offsets are in bytes. An encoder returns [`None`] for what the
//! instruction cannot express, so a branch that cannot reach its target cannot be built.
//!
//! Nothing here uses the `kernel` crate: the same files are compiled into the host tests.

pub mod a32;
pub mod mips;
pub mod t32;
