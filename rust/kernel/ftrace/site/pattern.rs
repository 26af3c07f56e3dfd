// SPDX-License-Identifier: GPL-2.0

//! What a word of a site holds in one state.

use super::super::insn::{
    a32,
    mips,
    t32, //
};

/// The instructions of a site cannot express what was asked for. Most often, the target is out of
/// reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeError;

/// What a word of a site holds in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This instruction.
    Insn(u32),
    /// One of these instructions. All do the same; compilers differ in which they emit.
    OneOf(&'static [u32]),
    /// One of these instructions. It is never written: the compiler's instruction stays.
    Kept(&'static [u32]),
    /// Any instruction. It is never written.
    Any,
    /// A32 `bl target`.
    A32Bl,
    /// The first halfword of T32 `bl target`; the second one follows.
    T32Bl,
    /// The second halfword of T32 `bl target`. The first one may be another instruction.
    T32BlSecond,
    /// T32 `bl target` as a word, or `blx target` if the target is A32 code.
    T32Call,
    /// MIPS `jal target`.
    MipsJal,
    /// MIPS `lui v1, %hi(target)`.
    MipsLuiV1,
    /// MIPS `addiu v1, v1, %lo(target)`.
    MipsAddiuV1,
    /// A32 `movw r2, #:lower16:target`.
    A32MovwR2,
    /// A32 `movt r2, #:upper16:target`.
    A32MovtR2,
    /// MIPS `lui a2, %hi(target)`.
    MipsLuiA2,
    /// MIPS `addiu a2, a2, %lo(target)`.
    MipsAddiuA2,
}

impl Pattern {
    /// Returns the instruction that the pattern holds at `pc` for `target`.
    ///
    /// [`Err`] if the instruction cannot express `target`, `Ok(None)` if the word is never written.
    #[inline] // Most words of sites always hold the same instruction: that takes no call.
    pub(super) const fn encode(self, pc: u32, target: u32) -> Result<Option<u32>, EncodeError> {
        match self {
            Pattern::Insn(insn) => Ok(Some(insn)),
            Pattern::OneOf([insn, ..]) => Ok(Some(*insn)),
            Pattern::OneOf([]) | Pattern::Kept(_) | Pattern::Any => Ok(None),
            pattern => match pattern.encode_target(pc, target) {
                Some(insn) => Ok(Some(insn)),
                None => Err(EncodeError),
            },
        }
    }

    /// Returns the instruction with `target`, or a part of it, that the pattern holds at `pc`,
    /// [`None`] if there is no such instruction.
    const fn encode_target(self, pc: u32, target: u32) -> Option<u32> {
        match self {
            Pattern::Insn(_) | Pattern::OneOf(_) | Pattern::Kept(_) | Pattern::Any => None,
            Pattern::A32Bl => a32::bl(pc, target),
            Pattern::T32Bl => match t32_bl(pc, target) {
                Some([first, _]) => Some(first as u32),
                None => None,
            },
            Pattern::T32BlSecond => match t32_bl(pc.wrapping_sub(2), target) {
                Some([_, second]) => Some(second as u32),
                None => None,
            },
            Pattern::T32Call => t32_call(pc, target),
            Pattern::MipsJal => mips::jal(pc, target),
            Pattern::MipsLuiV1 => Some(mips::lui_v1(target)),
            Pattern::MipsAddiuV1 => Some(mips::addiu_v1(target)),
            Pattern::A32MovwR2 => Some(a32::movw_r2(target)),
            Pattern::A32MovtR2 => Some(a32::movt_r2(target)),
            Pattern::MipsLuiA2 => Some(mips::lui_a2(target)),
            Pattern::MipsAddiuA2 => Some(mips::addiu_a2(target)),
        }
    }

    /// Returns what the word at `pc`, the first of `words`, adds to the target of the site,
    /// [`None`] if the pattern does not hold such an instruction.
    ///
    /// The parts of all words of a site add up to its target.
    #[inline]
    pub(super) fn decode(self, pc: u32, words: &[u32]) -> Option<u32> {
        let insn = *words.first()?;
        match self {
            Pattern::Insn(expected) => (insn == expected).then_some(0),
            Pattern::OneOf(list) | Pattern::Kept(list) => list.contains(&insn).then_some(0),
            Pattern::Any => Some(0),
            Pattern::A32Bl => a32::bl_target(pc, insn),
            // The meaning of a bit in one halfword depends on the other halfword. The second
            // halfword adds just its bits, so the first one adds the rest.
            Pattern::T32Bl => {
                let second = *words.get(1)?;
                let target = t32::bl_target(pc, [halfword(insn)?, halfword(second)?])?;
                Some((target | 1).wrapping_sub(t32_bl_second(second)?))
            }
            Pattern::T32BlSecond => t32_bl_second(insn),
            Pattern::T32Call => t32_call_target(pc, insn),
            Pattern::MipsJal => mips::jal_target(pc, insn),
            Pattern::MipsLuiV1 => mips::v1_target(insn, mips::addiu_v1(0)),
            Pattern::MipsAddiuV1 => mips::v1_target(mips::lui_v1(0), insn),
            Pattern::A32MovwR2 => a32::movw_r2_value(insn),
            Pattern::A32MovtR2 => a32::movt_r2_value(insn),
            Pattern::MipsLuiA2 => mips::a2_value(insn, mips::addiu_a2(0)),
            Pattern::MipsAddiuA2 => mips::a2_value(mips::lui_a2(0), insn),
        }
    }

    /// Returns whether the pattern holds a target or a part of it.
    pub(super) const fn has_target(self) -> bool {
        !matches!(
            self,
            Pattern::Insn(_) | Pattern::OneOf(_) | Pattern::Kept(_) | Pattern::Any
        )
    }

    pub(super) const fn same(self, other: Self) -> bool {
        use Pattern::*;

        match (self, other) {
            (Insn(a), Insn(b)) => a == b,
            (Kept(_), Kept(_))
            | (Any, Any)
            | (A32Bl, A32Bl)
            | (T32Bl, T32Bl)
            | (T32BlSecond, T32BlSecond)
            | (T32Call, T32Call)
            | (MipsJal, MipsJal)
            | (MipsLuiV1, MipsLuiV1)
            | (MipsAddiuV1, MipsAddiuV1)
            | (A32MovwR2, A32MovwR2)
            | (A32MovtR2, A32MovtR2)
            | (MipsLuiA2, MipsLuiA2)
            | (MipsAddiuA2, MipsAddiuA2) => true,
            _ => false,
        }
    }
}

/// Returns `target`, a pointer to T32 code, as the address of its first instruction.
const fn t32_code(target: u32) -> Option<u32> {
    if target & 1 == 0 {
        return None;
    }
    Some(target & !1)
}

const fn t32_bl(pc: u32, target: u32) -> Option<[u16; 2]> {
    match t32_code(target) {
        Some(target) => t32::bl(pc, target),
        None => None,
    }
}

const fn t32_call(pc: u32, target: u32) -> Option<u32> {
    let insn = match t32_code(target) {
        Some(target) => t32::bl(pc, target),
        None => t32::blx(pc, target),
    };
    match insn {
        Some(hw) => Some(t32::word(hw)),
        None => None,
    }
}

fn t32_bl_second(insn: u32) -> Option<u32> {
    t32::bl_second_bits(halfword(insn)?).map(u32::from)
}

fn halfword(insn: u32) -> Option<u16> {
    u16::try_from(insn).ok()
}

fn t32_call_target(pc: u32, insn: u32) -> Option<u32> {
    let hw = t32::halfwords(insn);
    let t32_target = t32::bl_target(pc, hw).map(|target| target | 1);
    t32_target.or_else(|| t32::blx_target(pc, hw))
}
