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

/// The program counter reads as the address of the instruction plus this.
const PC_BIAS: u32 = 4;

// BL, encoding T1: | 11110 | S | imm10 | 11 | J1 | 1 | J2 | imm11 |,
// offset = SignExtend(S:I1:I2:imm10:imm11:0) with In = NOT(Jn EOR S)
const BL: [u16; 2] = [0xf000, 0xd000];
const OPCODE_MASK: [u16; 2] = [0xf800, 0xd000];

/// Returns the two halfwords of `bl target` for the address `pc`.
///
/// [`None`] if one of them is not halfword aligned or `target` is not within
/// `pc + 4 - 16 MiB ..= pc + 4 + 16 MiB - 2`, modulo 2^32.
pub const fn bl(pc: u32, target: u32) -> Option<[u16; 2]> {
    let offset = target.wrapping_sub(pc.wrapping_add(PC_BIAS)) as i32;
    if (pc | target) & 1 != 0 || offset < -(1 << 24) || offset >= 1 << 24 {
        return None;
    }
    let offset = offset as u32;
    let s = (offset >> 24) & 1;
    let j1 = ((offset >> 23) & 1) ^ 1 ^ s;
    let j2 = ((offset >> 22) & 1) ^ 1 ^ s;
    Some([
        BL[0] | ((s << 10) | ((offset >> 12) & 0x3ff)) as u16,
        BL[1] | ((j1 << 13) | (j2 << 11) | ((offset >> 1) & 0x7ff)) as u16,
    ])
}

/// Returns the target of the halfwords `hw` at `pc` if they are a `bl`.
pub const fn bl_target(pc: u32, hw: [u16; 2]) -> Option<u32> {
    if hw[0] & OPCODE_MASK[0] != BL[0] || hw[1] & OPCODE_MASK[1] != BL[1] {
        return None;
    }
    let (hw0, hw1) = (hw[0] as u32, hw[1] as u32);
    let s = (hw0 >> 10) & 1;
    let i1 = ((hw1 >> 13) & 1) ^ 1 ^ s;
    let i2 = ((hw1 >> 11) & 1) ^ 1 ^ s;
    let imm = (s << 24) | (i1 << 23) | (i2 << 22) | ((hw0 & 0x3ff) << 12) | ((hw1 & 0x7ff) << 1);
    let offset = (imm << 7) as i32 >> 7;
    Some(pc.wrapping_add(PC_BIAS).wrapping_add_signed(offset))
}
