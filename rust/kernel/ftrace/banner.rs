// SPDX-License-Identifier: GPL-2.0

//! What the backend says of itself at boot.

use super::{
    arch::Arch,
    census::census, //
};
use crate::fmt;
use core::marker::PhantomData;

/// What the backend says of itself at boot.
pub struct Banner<A> {
    sites: usize,
    arch: PhantomData<A>,
}

impl<A: Arch> Banner<A> {
    /// Counts the call sites. This can sleep, printing the banner cannot.
    pub fn prepare() -> Self {
        Self {
            sites: census::<A>().known(),
            arch: PhantomData,
        }
    }
}

impl<A: Arch> fmt::Display for Banner<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", A::NAME)?;
        for layout in A::LAYOUTS {
            write!(f, " {}", layout.name)?;
        }
        write!(f, ", {}, {} sites", A::SYNC, self.sites)
    }
}
