// SPDX-License-Identifier: GPL-2.0

//! Decodes the instructions of an image, whatever its instruction set.

use anyhow::Result;

use crate::{
    a32,
    image::{
        Image,
        Isa, //
    },
    insn::{
        Insn,
        Regs, //
    },
    mips,
    t32, //
};

/// Decodes instructions of an image.
pub enum Decoder {
    Arm(a32::Decoder, t32::Decoder),
    Mips(mips::Decoder),
}

impl Decoder {
    pub fn new(image: &Image) -> Result<Self> {
        Ok(match image.isa {
            Isa::A32 | Isa::T32 => Self::Arm(a32::Decoder::new()?, t32::Decoder::new()?),
            Isa::Mips32 | Isa::Mips32R6 => Self::Mips(mips::Decoder::new(image.isa)?),
        })
    }

    /// The instruction `word` at `address`, [`None`] if there is no such instruction.
    pub fn decode(&self, address: u32, word: u32) -> Result<Option<Insn>> {
        match self {
            Self::Arm(decoder, _) => decoder.decode(address, word),
            Self::Mips(decoder) => decoder.decode(address, word),
        }
    }

    /// The T32 instructions that `halfwords` from `start` on are.
    pub fn decode_t32(&self, start: u32, halfwords: &[u16]) -> Result<Vec<(u32, Option<Insn>)>> {
        match self {
            Self::Arm(_, decoder) => decoder.decode(start, halfwords),
            Self::Mips(_) => Ok(Vec::new()),
        }
    }

    /// The registers that must be dead at a call site: those that the entry or a tracer that it
    /// calls may change.
    pub fn clobbered(&self) -> Regs {
        match self {
            Self::Arm(..) => a32::CLOBBERED,
            Self::Mips(_) => mips::CLOBBERED,
        }
    }

    /// The registers in which functions return values.
    pub fn results(&self) -> Regs {
        match self {
            // What is returned is not among the clobbered registers.
            Self::Arm(..) => 0,
            Self::Mips(_) => mips::RESULTS,
        }
    }

    /// What a call changes for sure, besides results.
    pub fn lost_in_calls(&self) -> Regs {
        match self {
            Self::Arm(..) => a32::FLAGS,
            Self::Mips(_) => 0,
        }
    }

    /// The names of registers.
    pub fn names(&self, regs: Regs) -> String {
        let name = match self {
            Self::Arm(..) => a32::name,
            Self::Mips(_) => mips::name,
        };
        let names: Vec<_> = (0..Regs::BITS)
            .filter(|bit| regs & (1 << bit) != 0)
            .map(name)
            .collect();
        names.join(", ")
    }
}
