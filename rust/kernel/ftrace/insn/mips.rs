// SPDX-License-Identifier: GPL-2.0

//! MIPS32 instructions that revision 2 and revision 6 encode alike.
//!
//! Encodings: *MIPS32 Architecture for Programmers, Volume II* (MD00086).

/// `nop`: `sll $0, $0, 0`.
pub const NOP: u32 = 0;

/// `move at, ra` as assemblers emit it: `or at, ra, $0` or `addu at, ra, $0`.
pub const MOVE_AT_RA: [u32; 2] = [0x03e0_0825, 0x03e0_0821];

/// `move ra, at`: `or ra, at, $0`.
pub const MOVE_RA_AT: u32 = 0x0020_f825;

/// `addiu sp, sp, -8`: the o32 stack protocol of `_mcount`.
pub const ADDIU_SP_M8: u32 = 0x27bd_fff8;

/// `jalr v1`.
pub const JALR_V1: u32 = 0x0060_f809;

// J, JAL: | opcode | instr_index |, target = (address of the delay slot)[31:28]:instr_index:00
const J: u32 = 0x0800_0000;
const JAL: u32 = 0x0c00_0000;
const OPCODE_MASK: u32 = 0xfc00_0000;
const INDEX_MASK: u32 = 0x03ff_ffff;
const REGION_MASK: u32 = 0xf000_0000;

// LUI rt, ADDIU rt, rt: | opcode | rs | rt | imm16 |
const LUI_V1: u32 = 0x3c03_0000;
const ADDIU_V1_V1: u32 = 0x2463_0000;
const LUI_A2: u32 = 0x3c06_0000;
const ADDIU_A2_A2: u32 = 0x24c6_0000;
const IMM_OPCODE_MASK: u32 = 0xffff_0000;

/// Returns `j target` for the address `pc`.
///
/// [`None`] if one of them is not word aligned or `target` is not in the 256 MiB region of the
/// delay slot.
pub const fn j(pc: u32, target: u32) -> Option<u32> {
    jump(J, pc, target)
}

/// Returns `jal target` for the address `pc`; the range is that of [`j`].
pub const fn jal(pc: u32, target: u32) -> Option<u32> {
    jump(JAL, pc, target)
}

/// Returns the target of `insn` at `pc` if `insn` is a `j`.
pub const fn j_target(pc: u32, insn: u32) -> Option<u32> {
    jump_target(J, pc, insn)
}

/// Returns the target of `insn` at `pc` if `insn` is a `jal`.
pub const fn jal_target(pc: u32, insn: u32) -> Option<u32> {
    jump_target(JAL, pc, insn)
}

const fn jump(opcode: u32, pc: u32, target: u32) -> Option<u32> {
    if (pc | target) & 3 != 0 || (pc.wrapping_add(4) ^ target) & REGION_MASK != 0 {
        return None;
    }
    Some(opcode | ((target >> 2) & INDEX_MASK))
}

const fn jump_target(opcode: u32, pc: u32, insn: u32) -> Option<u32> {
    if insn & OPCODE_MASK != opcode {
        return None;
    }
    Some((pc.wrapping_add(4) & REGION_MASK) | ((insn & INDEX_MASK) << 2))
}

/// Returns `b` (`beq $0, $0`) over `skipped` words, its own delay slot counted.
pub const fn b_over(skipped: u8) -> u32 {
    0x1000_0000 | skipped as u32
}

/// Returns `lui v1, %hi(target)`: the upper half, rounded for the signed lower half.
pub const fn lui_v1(target: u32) -> u32 {
    LUI_V1 | hi(target)
}

/// Returns `addiu v1, v1, %lo(target)`.
pub const fn addiu_v1(target: u32) -> u32 {
    ADDIU_V1_V1 | lo(target)
}

/// Returns the address that `lui` and `addiu` form in `v1` if they are such a pair.
pub const fn v1_target(lui: u32, addiu: u32) -> Option<u32> {
    formed(LUI_V1, lui, ADDIU_V1_V1, addiu)
}

/// Returns `lui a2, %hi(value)`.
pub const fn lui_a2(value: u32) -> u32 {
    LUI_A2 | hi(value)
}

/// Returns `addiu a2, a2, %lo(value)`.
pub const fn addiu_a2(value: u32) -> u32 {
    ADDIU_A2_A2 | lo(value)
}

/// Returns the value that `lui` and `addiu` form in `a2` if they are such a pair.
pub const fn a2_value(lui: u32, addiu: u32) -> Option<u32> {
    formed(LUI_A2, lui, ADDIU_A2_A2, addiu)
}

const fn hi(value: u32) -> u32 {
    value.wrapping_add(0x8000) >> 16
}

const fn lo(value: u32) -> u32 {
    value & 0xffff
}

const fn formed(lui_opcode: u32, lui: u32, addiu_opcode: u32, addiu: u32) -> Option<u32> {
    if lui & IMM_OPCODE_MASK != lui_opcode || addiu & IMM_OPCODE_MASK != addiu_opcode {
        return None;
    }
    Some((lui << 16).wrapping_add_signed(addiu as i16 as i32))
}
