// SPDX-License-Identifier: GPL-2.0

//! Instructions as an assembler has them.
//!
//! The tests of each instruction set compare the encoders with these rows, `llvm.rs` has LLVM
//! assemble the texts.

use ftrace_pure::insn::{
    a32,
    mips,
    t32, //
};

/// The A32 words of sites that do not depend on a target.
pub(crate) const A32: &[(u32, &str)] = &[
    (a32::NOP, "nop"),
    (a32::MOV_IP_LR, "mov ip, lr"),
    (a32::PUSH_LR, "push {lr}"),
];

/// The T32 halfwords of sites that do not depend on a target.
pub(crate) const T32: &[(u32, &str)] = &[
    (t32::MOV_IP_LR as u32, "mov ip, lr"),
    (t32::PUSH_LR as u32, "push {lr}"),
    (t32::B_OVER_HW as u32, "b.n .+4"),
];

/// The same of words.
pub(crate) const T32_WORDS: &[(u32, &str)] = &[(t32::word(t32::NOP_W), "nop.w")];

/// The MIPS words of sites that do not depend on a target.
pub(crate) const MIPS: &[(u32, &str)] = &[
    (mips::NOP, "nop"),
    (mips::MOVE_AT_RA[0], "move $at, $ra"),
    (mips::MOVE_AT_RA[1], "addu $at, $ra, $zero"),
    (mips::MOVE_RA_AT, "move $ra, $at"),
    (mips::ADDIU_SP_M8, "addiu $sp, $sp, -8"),
    (mips::JALR_V1, "jalr $v1"),
    (mips::b_over(5), "b .+24"),
];

/// Address of the instruction, target, text, instruction word.
pub(crate) type Row = (u32, u32, &'static str, u32);

// The last rows of each table wrap around.
pub(crate) const A32_BL: &[Row] = &[
    (0xc000_8000, 0xc000_8000, "bl .", 0xebff_fffe),
    (0xc000_8000, 0xc000_8004, "bl .+0x4", 0xebff_ffff),
    (0xc000_8000, 0xc000_8008, "bl .+0x8", 0xeb00_0000),
    (0xc000_8000, 0xc000_800c, "bl .+0xc", 0xeb00_0001),
    (0xc000_8000, 0xc001_0000, "bl .+0x8000", 0xeb00_1ffe),
    (0xc001_0000, 0xc000_8000, "bl .-0x8000", 0xebff_dffe),
    (0xc000_8000, 0xc200_8004, "bl .+0x2000004", 0xeb7f_ffff),
    (0xc000_8000, 0xbe00_8008, "bl .-0x1fffff8", 0xeb80_0000),
    (0xc000_8000, 0xc200_8000, "bl .+0x2000000", 0xeb7f_fffe),
    (0xc000_8000, 0xbe00_800c, "bl .-0x1fffff4", 0xeb80_0001),
    (0xbf00_0000, 0xc010_0000, "bl .+0x1100000", 0xeb43_fffe),
    (0xc010_0000, 0xbf00_0000, "bl .-0x1100000", 0xebbb_fffe),
    (0x0000_0000, 0xffff_fffc, "bl .-0x4", 0xebff_fffd),
    (0xffff_fffc, 0x0000_0000, "bl .+0x4", 0xebff_ffff),
    (0x0000_0000, 0xfe00_0008, "bl .-0x1fffff8", 0xeb80_0000),
    (0xffff_fffc, 0x0200_0000, "bl .+0x2000004", 0xeb7f_ffff),
    (0x7fff_fffc, 0x8000_0000, "bl .+0x4", 0xebff_ffff),
];

pub(crate) const A32_B: &[Row] = &[
    (0xc000_8000, 0xc000_8000, "b .", 0xeaff_fffe),
    (0xc000_8000, 0xc000_8004, "b .+0x4", 0xeaff_ffff),
    (0xc000_8000, 0xc000_8008, "b .+0x8", 0xea00_0000),
    (0xc000_8000, 0xc000_800c, "b .+0xc", 0xea00_0001),
    (0xc000_8000, 0xc001_0000, "b .+0x8000", 0xea00_1ffe),
    (0xc001_0000, 0xc000_8000, "b .-0x8000", 0xeaff_dffe),
    (0xc000_8000, 0xc200_8004, "b .+0x2000004", 0xea7f_ffff),
    (0xc000_8000, 0xbe00_8008, "b .-0x1fffff8", 0xea80_0000),
    (0xc000_8000, 0xc200_8000, "b .+0x2000000", 0xea7f_fffe),
    (0xc000_8000, 0xbe00_800c, "b .-0x1fffff4", 0xea80_0001),
    (0xbf00_0000, 0xc010_0000, "b .+0x1100000", 0xea43_fffe),
    (0xc010_0000, 0xbf00_0000, "b .-0x1100000", 0xeabb_fffe),
    (0x0000_0000, 0xffff_fffc, "b .-0x4", 0xeaff_fffd),
    (0xffff_fffc, 0x0000_0000, "b .+0x4", 0xeaff_ffff),
    (0x0000_0000, 0xfe00_0008, "b .-0x1fffff8", 0xea80_0000),
    (0xffff_fffc, 0x0200_0000, "b .+0x2000004", 0xea7f_ffff),
    (0x7fff_fffc, 0x8000_0000, "b .+0x4", 0xeaff_ffff),
];

// The first halfword in the upper half of the word.
pub(crate) const T32_BL: &[Row] = &[
    (0xc000_8002, 0xc000_8002, "bl .", 0xf7ff_fffe),
    (0xc000_8002, 0xc000_8004, "bl .+0x2", 0xf7ff_ffff),
    (0xc000_8002, 0xc000_8006, "bl .+0x4", 0xf000_f800),
    (0xc000_8002, 0xc000_8008, "bl .+0x6", 0xf000_f801),
    (0xc000_8002, 0xc001_0000, "bl .+0x7ffe", 0xf007_fffd),
    (0xc001_0000, 0xc000_8002, "bl .-0x7ffe", 0xf7f7_ffff),
    (0xc000_8002, 0xc100_8004, "bl .+0x1000002", 0xf3ff_d7ff),
    (0xc000_8002, 0xbf00_8006, "bl .-0xfffffc", 0xf400_d000),
    (0xc000_8002, 0xc100_8002, "bl .+0x1000000", 0xf3ff_d7fe),
    (0xc000_8002, 0xbf00_8008, "bl .-0xfffffa", 0xf400_d001),
    (0xc000_8002, 0xc040_8006, "bl .+0x400004", 0xf000_f000),
    (0xc000_8002, 0xc040_8004, "bl .+0x400002", 0xf3ff_ffff),
    (0xc000_8002, 0xc080_8006, "bl .+0x800004", 0xf000_d800),
    (0xc000_8002, 0xc080_8004, "bl .+0x800002", 0xf3ff_f7ff),
    (0xc000_8002, 0xbfc0_8006, "bl .-0x3ffffc", 0xf400_f800),
    (0xc000_8002, 0xbfc0_8004, "bl .-0x3ffffe", 0xf7ff_f7ff),
    (0xc000_8002, 0xbf80_8006, "bl .-0x7ffffc", 0xf400_f000),
    (0xc000_8002, 0xbf80_8004, "bl .-0x7ffffe", 0xf7ff_dfff),
    (0x0000_0000, 0xffff_fffe, "bl .-0x2", 0xf7ff_fffd),
    (0xffff_fffe, 0x0000_0000, "bl .+0x2", 0xf7ff_ffff),
    (0x0000_0000, 0xff00_0004, "bl .-0xfffffc", 0xf400_d000),
    (0xffff_fffc, 0x00ff_fffe, "bl .+0x1000002", 0xf3ff_d7ff),
    (0x7fff_fffe, 0x8000_0000, "bl .+0x2", 0xf7ff_ffff),
];

pub(crate) const T32_B_W: &[Row] = &[
    (0xc000_8002, 0xc000_8002, "b.w .", 0xf7ff_bffe),
    (0xc000_8002, 0xc000_8006, "b.w .+0x4", 0xf000_b800),
    (0xc000_8002, 0xc001_0000, "b.w .+0x7ffe", 0xf007_bffd),
    (0xc000_8002, 0xc100_8004, "b.w .+0x1000002", 0xf3ff_97ff),
    (0xc000_8002, 0xbf00_8006, "b.w .-0xfffffc", 0xf400_9000),
    (0xc000_8002, 0xc040_8006, "b.w .+0x400004", 0xf000_b000),
    (0xc000_8002, 0xbf80_8004, "b.w .-0x7ffffe", 0xf7ff_9fff),
    (0xffff_fffe, 0x0000_0000, "b.w .+0x2", 0xf7ff_bfff),
];

// Targets are relative to the word that the instruction starts in.
pub(crate) const T32_BLX: &[Row] = &[
    (0xc000_8000, 0xc000_8000, "blx #-4", 0xf7ff_effe),
    (0xc000_8000, 0xc000_8004, "blx #0", 0xf000_e800),
    (0xc000_8002, 0xc000_8004, "blx #0", 0xf000_e800),
    (0xc000_8002, 0xc000_8000, "blx #-4", 0xf7ff_effe),
    (0xc000_8000, 0xc001_0000, "blx #32764", 0xf007_effe),
    (0xc000_8002, 0xc100_8000, "blx #16777212", 0xf3ff_c7fe),
    (0xc000_8002, 0xbf00_8004, "blx #-16777216", 0xf400_c000),
    (0xc000_8000, 0xc040_8004, "blx #4194304", 0xf000_e000),
    (0xffff_fffc, 0x0000_0000, "blx #0", 0xf000_e800),
];

pub(crate) const MIPS_JAL: &[Row] = &[
    (0x8010_0000, 0x8010_0000, "jal 0x80100000", 0x0c04_0000),
    (0x8010_0000, 0x8010_0004, "jal 0x80100004", 0x0c04_0001),
    (0x8010_0000, 0x8010_0008, "jal 0x80100008", 0x0c04_0002),
    (0x8020_0000, 0x8010_0000, "jal 0x80100000", 0x0c04_0000),
    (0x8010_0000, 0x8000_0000, "jal 0x80000000", 0x0c00_0000),
    (0x8010_0000, 0x8fff_fffc, "jal 0x8ffffffc", 0x0fff_ffff),
    (0x8fff_fff8, 0x8000_0000, "jal 0x80000000", 0x0c00_0000),
    (0x8fff_fff8, 0x8fff_fffc, "jal 0x8ffffffc", 0x0fff_ffff),
    (0x8fff_fffc, 0x9000_0000, "jal 0x90000000", 0x0c00_0000),
    (0x8fff_fffc, 0x9fff_fffc, "jal 0x9ffffffc", 0x0fff_ffff),
    (0x7fff_fffc, 0x8000_0000, "jal 0x80000000", 0x0c00_0000),
    (0xffff_fffc, 0x0000_0000, "jal 0x0", 0x0c00_0000),
    (0xffff_fffc, 0x0fff_fffc, "jal 0xffffffc", 0x0fff_ffff),
    (0xffff_fff8, 0xf000_0000, "jal 0xf0000000", 0x0c00_0000),
    (0x0000_0000, 0x0fff_fffc, "jal 0xffffffc", 0x0fff_ffff),
    (0xc000_0000, 0xc2aa_aaa8, "jal 0xc2aaaaa8", 0x0caa_aaaa),
    (0xc000_0000, 0xc555_5554, "jal 0xc5555554", 0x0d55_5555),
];

pub(crate) const MIPS_J: &[Row] = &[
    (0x8010_0000, 0x8010_0000, "j 0x80100000", 0x0804_0000),
    (0x8010_0000, 0x8010_0004, "j 0x80100004", 0x0804_0001),
    (0x8010_0000, 0x8010_0008, "j 0x80100008", 0x0804_0002),
    (0x8020_0000, 0x8010_0000, "j 0x80100000", 0x0804_0000),
    (0x8010_0000, 0x8000_0000, "j 0x80000000", 0x0800_0000),
    (0x8010_0000, 0x8fff_fffc, "j 0x8ffffffc", 0x0bff_ffff),
    (0x8fff_fff8, 0x8000_0000, "j 0x80000000", 0x0800_0000),
    (0x8fff_fff8, 0x8fff_fffc, "j 0x8ffffffc", 0x0bff_ffff),
    (0x8fff_fffc, 0x9000_0000, "j 0x90000000", 0x0800_0000),
    (0x8fff_fffc, 0x9fff_fffc, "j 0x9ffffffc", 0x0bff_ffff),
    (0x7fff_fffc, 0x8000_0000, "j 0x80000000", 0x0800_0000),
    (0xffff_fffc, 0x0000_0000, "j 0x0", 0x0800_0000),
    (0xffff_fffc, 0x0fff_fffc, "j 0xffffffc", 0x0bff_ffff),
    (0xffff_fff8, 0xf000_0000, "j 0xf0000000", 0x0800_0000),
    (0x0000_0000, 0x0fff_fffc, "j 0xffffffc", 0x0bff_ffff),
    (0xc000_0000, 0xc2aa_aaa8, "j 0xc2aaaaa8", 0x08aa_aaaa),
    (0xc000_0000, 0xc555_5554, "j 0xc5555554", 0x0955_5555),
];

// `lui` and `addiu` do not depend on their address.
pub(crate) const MIPS_LUI: &[Row] = &[
    (0x0000_0000, 0x0000_0000, "lui $3, %hi(0x0)", 0x3c03_0000),
    (0x0000_0000, 0x0000_0001, "lui $3, %hi(0x1)", 0x3c03_0000),
    (0x0000_0000, 0x0000_7fff, "lui $3, %hi(0x7fff)", 0x3c03_0000),
    (0x0000_0000, 0x0000_8000, "lui $3, %hi(0x8000)", 0x3c03_0001),
    (0x0000_0000, 0x0000_8001, "lui $3, %hi(0x8001)", 0x3c03_0001),
    (0x0000_0000, 0x0000_ffff, "lui $3, %hi(0xffff)", 0x3c03_0001),
    (
        0x0000_0000,
        0x0001_0000,
        "lui $3, %hi(0x10000)",
        0x3c03_0001,
    ),
    (
        0x0000_0000,
        0x0001_7fff,
        "lui $3, %hi(0x17fff)",
        0x3c03_0001,
    ),
    (
        0x0000_0000,
        0x0001_8000,
        "lui $3, %hi(0x18000)",
        0x3c03_0002,
    ),
    (
        0x0000_0000,
        0x7fff_7fff,
        "lui $3, %hi(0x7fff7fff)",
        0x3c03_7fff,
    ),
    (
        0x0000_0000,
        0x7fff_8000,
        "lui $3, %hi(0x7fff8000)",
        0x3c03_8000,
    ),
    (
        0x0000_0000,
        0x8012_7ffc,
        "lui $3, %hi(0x80127ffc)",
        0x3c03_8012,
    ),
    (
        0x0000_0000,
        0x8012_8000,
        "lui $3, %hi(0x80128000)",
        0x3c03_8013,
    ),
    (
        0x0000_0000,
        0x8012_fffc,
        "lui $3, %hi(0x8012fffc)",
        0x3c03_8013,
    ),
    (
        0x0000_0000,
        0xc000_4000,
        "lui $3, %hi(0xc0004000)",
        0x3c03_c000,
    ),
    (
        0x0000_0000,
        0xffff_7fff,
        "lui $3, %hi(0xffff7fff)",
        0x3c03_ffff,
    ),
    (
        0x0000_0000,
        0xffff_8000,
        "lui $3, %hi(0xffff8000)",
        0x3c03_0000,
    ),
    (
        0x0000_0000,
        0xffff_ffff,
        "lui $3, %hi(0xffffffff)",
        0x3c03_0000,
    ),
];

pub(crate) const MIPS_ADDIU: &[Row] = &[
    (
        0x0000_0000,
        0x0000_0000,
        "addiu $3, $3, %lo(0x0)",
        0x2463_0000,
    ),
    (
        0x0000_0000,
        0x0000_0001,
        "addiu $3, $3, %lo(0x1)",
        0x2463_0001,
    ),
    (
        0x0000_0000,
        0x0000_7fff,
        "addiu $3, $3, %lo(0x7fff)",
        0x2463_7fff,
    ),
    (
        0x0000_0000,
        0x0000_8000,
        "addiu $3, $3, %lo(0x8000)",
        0x2463_8000,
    ),
    (
        0x0000_0000,
        0x0000_8001,
        "addiu $3, $3, %lo(0x8001)",
        0x2463_8001,
    ),
    (
        0x0000_0000,
        0x0000_ffff,
        "addiu $3, $3, %lo(0xffff)",
        0x2463_ffff,
    ),
    (
        0x0000_0000,
        0x0001_0000,
        "addiu $3, $3, %lo(0x10000)",
        0x2463_0000,
    ),
    (
        0x0000_0000,
        0x0001_7fff,
        "addiu $3, $3, %lo(0x17fff)",
        0x2463_7fff,
    ),
    (
        0x0000_0000,
        0x0001_8000,
        "addiu $3, $3, %lo(0x18000)",
        0x2463_8000,
    ),
    (
        0x0000_0000,
        0x7fff_7fff,
        "addiu $3, $3, %lo(0x7fff7fff)",
        0x2463_7fff,
    ),
    (
        0x0000_0000,
        0x7fff_8000,
        "addiu $3, $3, %lo(0x7fff8000)",
        0x2463_8000,
    ),
    (
        0x0000_0000,
        0x8012_7ffc,
        "addiu $3, $3, %lo(0x80127ffc)",
        0x2463_7ffc,
    ),
    (
        0x0000_0000,
        0x8012_8000,
        "addiu $3, $3, %lo(0x80128000)",
        0x2463_8000,
    ),
    (
        0x0000_0000,
        0x8012_fffc,
        "addiu $3, $3, %lo(0x8012fffc)",
        0x2463_fffc,
    ),
    (
        0x0000_0000,
        0xc000_4000,
        "addiu $3, $3, %lo(0xc0004000)",
        0x2463_4000,
    ),
    (
        0x0000_0000,
        0xffff_7fff,
        "addiu $3, $3, %lo(0xffff7fff)",
        0x2463_7fff,
    ),
    (
        0x0000_0000,
        0xffff_8000,
        "addiu $3, $3, %lo(0xffff8000)",
        0x2463_8000,
    ),
    (
        0x0000_0000,
        0xffff_ffff,
        "addiu $3, $3, %lo(0xffffffff)",
        0x2463_ffff,
    ),
];
