// SPDX-License-Identifier: GPL-2.0

//! What the audit needs to know of an instruction.

/// Registers, a bit for each.
pub type Regs = u64;

/// The values of the A32 flags N, Z, C and V, a bit for each of the 16.
pub type Flags = u16;

/// All values of the flags: a condition that always holds.
pub const ALWAYS: Flags = Flags::MAX;

/// Where control goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Next,
    Jump(u32),
    Call(u32),
    /// A call of what a register holds. `private` if it is not one that the compiler makes.
    CallIndirect {
        private: bool,
    },
    /// A jump to what a register or memory holds.
    JumpIndirect,
    /// A jump by twice what one of the entries says that follow, each of so many bytes.
    JumpTable {
        entry: u32,
    },
    Return,
    /// An exception from which nobody comes back.
    Stop,
}

/// Whether the instruction after a MIPS branch is executed before the branch takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    None,
    Always,
    IfTaken,
}

/// An instruction.
#[derive(Clone, Copy, Debug)]
pub struct Insn {
    /// Its number of bytes.
    pub size: u32,
    /// Registers whose values it can depend on.
    pub reads: Regs,
    /// Registers of whose values nothing is left.
    pub writes: Regs,
    /// When it is executed.
    pub condition: Flags,
    /// Whether it can change some of the A32 flags.
    pub changes_flags: bool,
    pub flow: Flow,
    /// Whether control can also go on after it, for a condition other than `condition`.
    pub conditional: bool,
    pub slot: Slot,
}

impl Insn {
    /// An instruction of `size` bytes. Control goes on after it.
    pub const fn plain(size: u32, reads: Regs, writes: Regs) -> Self {
        Self {
            size,
            reads,
            writes,
            condition: ALWAYS,
            changes_flags: false,
            flow: Flow::Next,
            conditional: false,
            slot: Slot::None,
        }
    }

    /// The address to which a call returns, or to which a branch that is not taken goes on.
    pub fn end(&self, address: u32) -> u32 {
        match self.slot {
            Slot::None => address.wrapping_add(self.size),
            Slot::Always | Slot::IfTaken => address.wrapping_add(8),
        }
    }
}
