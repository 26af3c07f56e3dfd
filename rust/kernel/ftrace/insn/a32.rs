// SPDX-License-Identifier: GPL-2.0

//! A32 instructions.
//!
//! Encodings: *Arm Architecture Reference Manual, ARMv7-A and ARMv7-R edition* (DDI 0406), A8.8.

/// `nop`, the architected hint.
///
/// Unlike `mov r0, r0` it belongs to the instructions that may be exchanged for `bl` while
/// another CPU executes them (DDI 0406, A3.5.4).
pub const NOP: u32 = 0xe320_f000;

/// `mov ip, lr`.
pub const MOV_IP_LR: u32 = 0xe1a0_c00e;

/// `push {lr}`: `str lr, [sp, #-4]!` from gcc, `stmdb sp!, {lr}` from clang and rustc.
pub const PUSH_LR: [u32; 2] = [0xe52d_e004, 0xe92d_4000];

/// `blx ip`.
pub const BLX_IP: u32 = 0xe12f_ff3c;

/// The program counter reads as the address of the instruction plus this.
const PC_BIAS: u32 = 8;

// B, BL: | cond = 1110 | 101L | imm24 |, offset = SignExtend(imm24:00)
const B: u32 = 0xea00_0000;
const BL: u32 = 0xeb00_0000;
const OPCODE_MASK: u32 = 0xff00_0000;
const IMM24_MASK: u32 = 0x00ff_ffff;

// MOVW r2, MOVT r2: | cond = 1110 | 0011 0H00 | imm4 | Rd | imm12 |, imm16 = imm4:imm12
const MOVW_R2: u32 = 0xe300_2000;
const MOVT_R2: u32 = 0xe340_2000;
const IMM16_MASK: u32 = 0x000f_0fff;

/// Returns `b target` for the address `pc`.
///
/// [`None`] if one of them is not word aligned or `target` is not within
/// `pc + 8 - 32 MiB ..= pc + 8 + 32 MiB - 4`, modulo 2^32.
pub const fn b(pc: u32, target: u32) -> Option<u32> {
    branch(B, pc, target)
}

/// Returns `bl target` for the address `pc`; the range is that of [`b`].
pub const fn bl(pc: u32, target: u32) -> Option<u32> {
    branch(BL, pc, target)
}

/// Returns the target of `insn` at `pc` if `insn` is an unconditional `b`.
pub const fn b_target(pc: u32, insn: u32) -> Option<u32> {
    branch_target(B, pc, insn)
}

/// Returns the target of `insn` at `pc` if `insn` is an unconditional `bl`.
pub const fn bl_target(pc: u32, insn: u32) -> Option<u32> {
    branch_target(BL, pc, insn)
}

const fn branch(opcode: u32, pc: u32, target: u32) -> Option<u32> {
    let offset = target.wrapping_sub(pc.wrapping_add(PC_BIAS)) as i32;
    if (pc | target) & 3 != 0 || offset < -(1 << 25) || offset >= 1 << 25 {
        return None;
    }
    Some(opcode | ((offset >> 2) as u32 & IMM24_MASK))
}

const fn branch_target(opcode: u32, pc: u32, insn: u32) -> Option<u32> {
    if insn & OPCODE_MASK != opcode {
        return None;
    }
    // imm24 shifted left by 8 puts its sign bit on top; 6 of the 8 back make it a byte offset.
    let offset = ((insn & IMM24_MASK) << 8) as i32 >> 6;
    Some(pc.wrapping_add(PC_BIAS).wrapping_add_signed(offset))
}

/// Returns `movw r2, #:lower16:value`.
pub const fn movw_r2(value: u32) -> u32 {
    MOVW_R2 | imm16(value & 0xffff)
}

/// Returns `movt r2, #:upper16:value`.
pub const fn movt_r2(value: u32) -> u32 {
    MOVT_R2 | imm16(value >> 16)
}

/// Returns the lower half of `r2` after `insn` if that is a `movw r2`.
pub const fn movw_r2_value(insn: u32) -> Option<u32> {
    imm16_value(MOVW_R2, insn)
}

/// Returns what `insn` makes the upper half of `r2`, in place, if that is a `movt r2`.
pub const fn movt_r2_value(insn: u32) -> Option<u32> {
    match imm16_value(MOVT_R2, insn) {
        Some(upper) => Some(upper << 16),
        None => None,
    }
}

const fn imm16(value: u32) -> u32 {
    (value << 4) & 0x000f_0000 | value & 0x0fff
}

const fn imm16_value(opcode: u32, insn: u32) -> Option<u32> {
    if insn & !IMM16_MASK != opcode {
        return None;
    }
    Some((insn >> 4) & 0xf000 | insn & 0x0fff)
}
