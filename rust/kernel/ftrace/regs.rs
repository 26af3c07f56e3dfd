// SPDX-License-Identifier: GPL-2.0

//! Where the registers of a traced function are.

use crate::{
    ffi::c_int,
    prelude::*, //
};

/// `ftrace_regs_query_register_offset()`: returns the offset that `registers` has for `name`.
pub fn register_offset(registers: &[(&str, usize)], name: &CStr) -> c_int {
    let found = registers
        .iter()
        .find(|(register, _)| register.as_bytes() == name.to_bytes());
    found.map_or(EINVAL.to_errno(), |&(_, offset)| offset as c_int)
}
