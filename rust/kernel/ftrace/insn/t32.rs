// SPDX-License-Identifier: GPL-2.0

//! T32 (Thumb-2) instructions, as halfwords in the order of execution.
//!
//! Encodings: *Arm Architecture Reference Manual, ARMv7-A and ARMv7-R edition* (DDI 0406), A8.8.

/// `mov ip, lr`.
pub const MOV_IP_LR: u16 = 0x46f4;

/// `push {lr}`.
pub const PUSH_LR: u16 = 0xb500;

/// `b.n` over the one halfword that follows it.
pub const B_OVER_HW: u16 = 0xe000;

/// `nop`.
pub const NOP: u16 = 0xbf00;

/// `nop.w`.
pub const NOP_W: [u16; 2] = [0xf3af, 0x8000];

/// The program counter reads as the address of the instruction plus this.
const PC_BIAS: u32 = 4;

// BL, encoding T1:  | 11110 | S | imm10  | 11 | J1 | 1 | J2 | imm11      |
// B.W, encoding T4: | 11110 | S | imm10  | 10 | J1 | 1 | J2 | imm11      |
// BLX, encoding T2: | 11110 | S | imm10H | 11 | J1 | 0 | J2 | imm10L | 0 |
// offset = SignExtend(S:I1:I2:imm10:imm11:0) with In = NOT(Jn EOR S)
const BL: [u16; 2] = [0xf000, 0xd000];
const B_W: [u16; 2] = [0xf000, 0x9000];
const BLX: [u16; 2] = [0xf000, 0xc000];
const OPCODE_MASK: [u16; 2] = [0xf800, 0xd000];

/// Returns the two halfwords of `bl target` for the address `pc`.
///
/// [`None`] if one of them is not halfword aligned or `target` is not within
/// `pc + 4 - 16 MiB ..= pc + 4 + 16 MiB - 2`, modulo 2^32.
pub const fn bl(pc: u32, target: u32) -> Option<[u16; 2]> {
    branch(BL, pc.wrapping_add(PC_BIAS), target)
}

/// Returns the two halfwords of `b.w target` for the address `pc`; the range is that of [`bl`].
pub const fn b_w(pc: u32, target: u32) -> Option<[u16; 2]> {
    branch(B_W, pc.wrapping_add(PC_BIAS), target)
}

/// Returns the two halfwords of `blx target`, the call of A32 code, for the address `pc`.
///
/// [`None`] if `pc` is not halfword aligned, if `target` is not word aligned, or if it is not
/// within the range of [`bl`] from `pc` rounded down to a word.
pub const fn blx(pc: u32, target: u32) -> Option<[u16; 2]> {
    if (pc | target) & 1 != 0 || target & 3 != 0 {
        return None;
    }
    branch(BLX, pc.wrapping_add(PC_BIAS) & !3, target)
}

/// Returns the target of the halfwords `hw` at `pc` if they are a `bl`.
pub const fn bl_target(pc: u32, hw: [u16; 2]) -> Option<u32> {
    branch_target(BL, pc.wrapping_add(PC_BIAS), hw)
}

/// Returns the target of the halfwords `hw` at `pc` if they are an unconditional `b.w`.
pub const fn b_w_target(pc: u32, hw: [u16; 2]) -> Option<u32> {
    branch_target(B_W, pc.wrapping_add(PC_BIAS), hw)
}

/// Returns the target of the halfwords `hw` at `pc` if they are a `blx`.
pub const fn blx_target(pc: u32, hw: [u16; 2]) -> Option<u32> {
    match branch_target(BLX, pc.wrapping_add(PC_BIAS) & !3, hw) {
        Some(target) if target & 3 == 0 => Some(target),
        _ => None,
    }
}

/// Returns the bits of `hw` that depend on the target if `hw` can be the second halfword of a `bl`.
pub const fn bl_second_bits(hw: u16) -> Option<u16> {
    if hw & OPCODE_MASK[1] != BL[1] {
        return None;
    }
    Some(hw & !OPCODE_MASK[1])
}

/// Returns two halfwords as the word that one aligned load gets from little-endian memory.
pub const fn word(hw: [u16; 2]) -> u32 {
    hw[0] as u32 | (hw[1] as u32) << 16
}

/// Returns the halfwords of such a word.
pub const fn halfwords(word: u32) -> [u16; 2] {
    [word as u16, (word >> 16) as u16]
}

/// `base` is what the offset is added to.
const fn branch(opcode: [u16; 2], base: u32, target: u32) -> Option<[u16; 2]> {
    let offset = target.wrapping_sub(base) as i32;
    if (base | target) & 1 != 0 || offset < -(1 << 24) || offset >= 1 << 24 {
        return None;
    }
    let offset = offset as u32;
    let s = (offset >> 24) & 1;
    let j1 = ((offset >> 23) & 1) ^ 1 ^ s;
    let j2 = ((offset >> 22) & 1) ^ 1 ^ s;
    Some([
        opcode[0] | ((s << 10) | ((offset >> 12) & 0x3ff)) as u16,
        opcode[1] | ((j1 << 13) | (j2 << 11) | ((offset >> 1) & 0x7ff)) as u16,
    ])
}

const fn branch_target(opcode: [u16; 2], base: u32, hw: [u16; 2]) -> Option<u32> {
    if hw[0] & OPCODE_MASK[0] != opcode[0] || hw[1] & OPCODE_MASK[1] != opcode[1] {
        return None;
    }
    let (hw0, hw1) = (hw[0] as u32, hw[1] as u32);
    let s = (hw0 >> 10) & 1;
    let i1 = ((hw1 >> 13) & 1) ^ 1 ^ s;
    let i2 = ((hw1 >> 11) & 1) ^ 1 ^ s;
    let imm = (s << 24) | (i1 << 23) | (i2 << 22) | ((hw0 & 0x3ff) << 12) | ((hw1 & 0x7ff) << 1);
    let offset = (imm << 7) as i32 >> 7;
    Some(base.wrapping_add_signed(offset))
}
