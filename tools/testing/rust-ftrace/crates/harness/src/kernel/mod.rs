// SPDX-License-Identifier: GPL-2.0

//! Kernels: the machines that they are for, their configuration, and how they are built.

pub mod audit;
pub mod backend;
pub mod config;
pub mod kbuild;
pub mod machine;
pub mod toolchain;
pub mod tools;
