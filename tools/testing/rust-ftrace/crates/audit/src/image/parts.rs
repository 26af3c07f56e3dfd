// SPDX-License-Identifier: GPL-2.0

//! What images are made of.

use std::ops::Range;

use anyhow::{
    Context as _,
    Result, //
};
use ftrace_pure::insn::t32;
/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    A32,
    T32,
    Mips32,
    Mips32R6,
}

impl Isa {
    /// The address of what a pointer to code points to.
    pub fn code_address(self, pointer: u32) -> u32 {
        match self {
            Isa::A32 | Isa::T32 => pointer & !1,
            Isa::Mips32 | Isa::Mips32R6 => pointer,
        }
    }
}

/// A section that is there at run time.
pub struct Section {
    pub name: String,
    pub start: u32,
    pub code: bool,
    /// The words in the order of their addresses, each as the CPU loads it.
    pub words: Vec<u32>,
}

impl Section {
    pub fn range(&self) -> Range<u32> {
        self.start..self.start + 4 * self.words.len() as u32
    }

    pub fn halfword(&mut self, address: u32) -> Option<(&mut u32, u32)> {
        let offset = address.checked_sub(self.start)?;
        let word = self.words.get_mut((offset / 4) as usize)?;
        Some((word, 8 * (offset & 2)))
    }

    /// Makes the `bl` or `b.w` at an address one to `target`, plus what it is relative to itself.
    pub fn relocate_t32(&mut self, place: u32, target: u32) -> Result<()> {
        let mut hw = [0; 2];
        for (hw, address) in hw.iter_mut().zip([place, place + 2]) {
            let (word, shift) = self.halfword(address).context("outside of its section")?;
            *hw = (*word >> shift) as u16;
        }
        let to = |old: u32| target.wrapping_add(old.wrapping_sub(place));
        let relocated = match t32::bl_target(place, hw) {
            Some(old) => t32::bl(place, to(old)),
            None => t32::b_w_target(place, hw).and_then(|old| t32::b_w(place, to(old))),
        };
        let relocated = relocated.with_context(|| format!("{hw:04x?} is not a branch"))?;
        for (hw, address) in relocated.into_iter().zip([place, place + 2]) {
            let (word, shift) = self.halfword(address).context("outside of its section")?;
            *word = *word & !(0xffff << shift) | u32::from(hw) << shift;
        }
        Ok(())
    }
}

/// A table that the kernel gathers from all its parts.
pub struct Table {
    /// Its section in a module.
    pub section: &'static str,
    /// The symbols around it in the kernel.
    pub start: &'static str,
    pub stop: &'static str,
}

/// The recorded call sites.
pub const MCOUNT_LOC: Table = Table {
    section: "__mcount_loc",
    start: "__start_mcount_loc",
    stop: "__stop_mcount_loc",
};

/// The functions with room for a call before their own instructions. The kernel has them in one
/// table with the others.
pub const PADS: Table = Table {
    section: "__patchable_function_entries",
    ..MCOUNT_LOC
};

/// Pairs of an instruction that may fault and where to go on.
pub const EX_TABLE: Table = Table {
    section: "__ex_table",
    start: "__start___ex_table",
    stop: "__stop___ex_table",
};

/// Branches that come and go at run time: address, target, key.
pub const JUMP_TABLE: Table = Table {
    section: "__jump_table",
    start: "__start___jump_table",
    stop: "__stop___jump_table",
};

/// A function, or a part that the compiler split off one.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    pub start: u32,
    pub end: u32,
}

impl Function {
    pub fn contains(&self, address: u32) -> bool {
        (self.start..self.end).contains(&address)
    }

    /// Whether this is a part that is only jumped to from within its function, with whatever that
    /// has in its registers.
    pub fn is_split_off(&self) -> bool {
        self.name.ends_with(".cold")
    }
}
