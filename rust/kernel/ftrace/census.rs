// SPDX-License-Identifier: GPL-2.0

//! Counting the call sites by what their words in memory are.

use super::{
    arch::Arch,
    patch::target_in,
    site::State, //
};
use crate::{
    bindings::dyn_ftrace,
    ffi::c_int,
    prelude::*, //
};

/// Numbers of call sites by what their words in memory are.
#[derive(Default)]
pub struct Census {
    /// Sites that are off.
    pub off: usize,
    /// Sites that are on.
    pub on: usize,
    /// Sites whose words fit neither.
    pub odd: usize,
}

impl Census {
    /// Returns the number of all sites.
    pub fn known(&self) -> usize {
        self.off.wrapping_add(self.on).wrapping_add(self.odd)
    }
}

/// Reads all call sites.
pub fn census<A: Arch>() -> Census {
    /// # Safety
    ///
    /// `rec` is a record of ftrace, `data` points to a [`Census`].
    unsafe extern "C" fn count<A: Arch>(rec: *const dyn_ftrace, data: *mut c_void) -> c_int {
        // SAFETY: By the safety requirements.
        let (ip, census) = unsafe { ((*rec).ip, &mut *data.cast::<Census>()) };
        let layout = A::layout(ip);
        // SAFETY: It is the address of a record.
        let is = |state| unsafe { target_in(layout, ip, state) }.is_some();
        let number = if is(State::Off) {
            &mut census.off
        } else if is(State::On) {
            &mut census.on
        } else {
            &mut census.odd
        };
        *number = number.wrapping_add(1);
        0
    }

    let mut census = Census::default();
    // SAFETY: `count` takes a `Census`. The callee does not keep it.
    unsafe { bindings::ftrace_walk_records(Some(count::<A>), (&raw mut census).cast()) };
    census
}
