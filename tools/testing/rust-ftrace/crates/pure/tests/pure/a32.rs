// SPDX-License-Identifier: GPL-2.0

//! A32 instructions.

use arbtest::arbtest;
use ftrace_pure::insn::a32;

use super::rows;

const PC: u32 = 0xc000_8000;

/// The ends of the range, relative to the instruction.
const FIRST: u32 = 8u32.wrapping_sub(1 << 25);
const LAST: u32 = 8 + (1 << 25) - 4;

#[test]
fn rows_encode_and_decode() {
    for &(pc, target, text, word) in rows::A32_BL {
        let got = a32::bl(pc, target);
        assert_eq!(
            got,
            Some(word),
            "{text} at {pc:#x}: {got:x?}, not {word:#x}"
        );
        let got = a32::bl_target(pc, word);
        assert_eq!(got, Some(target), "{word:#x} ({text}) at {pc:#x}: {got:x?}");
    }
    for &(pc, target, text, word) in rows::A32_B {
        let got = a32::b(pc, target);
        assert_eq!(
            got,
            Some(word),
            "{text} at {pc:#x}: {got:x?}, not {word:#x}"
        );
        let got = a32::b_target(pc, word);
        assert_eq!(got, Some(target), "{word:#x} ({text}) at {pc:#x}: {got:x?}");
    }
    for &(value, words) in rows::A32_R2 {
        let got = [a32::movw_r2(value), a32::movt_r2(value)];
        assert_eq!(got, words, "{value:#x}: {got:x?}, not {words:x?}");
        let got = [a32::movw_r2_value(words[0]), a32::movt_r2_value(words[1])];
        let halves = [value & 0xffff, value & 0xffff_0000];
        assert_eq!(got, halves.map(Some), "{words:x?}: {got:x?}");
    }
}

#[test]
fn range_ends_where_it_should() {
    for pc in [PC, 0, 0xffff_fffc, 0x8000_0000] {
        for (offset, reached) in [
            (FIRST.wrapping_sub(4), false),
            (FIRST, true),
            (FIRST + 4, true),
            (LAST - 4, true),
            (LAST, true),
            (LAST + 4, false),
            (0x8000_0000, false),
            (0x7fff_fffc, false),
            (0x8000_0008, false),
        ] {
            let target = pc.wrapping_add(offset);
            assert_eq!(
                a32::bl(pc, target).is_some(),
                reached,
                "bl {pc:#x} -> {target:#x}"
            );
            assert_eq!(
                a32::b(pc, target).is_some(),
                reached,
                "b {pc:#x} -> {target:#x}"
            );
        }
    }
}

#[test]
fn unaligned_addresses_are_refused() {
    for (pc, target) in (0..4).flat_map(|pc| (0..4).map(move |target| (PC + pc, PC + target))) {
        let aligned = (pc, target) == (PC, PC);
        assert_eq!(
            a32::bl(pc, target).is_some(),
            aligned,
            "bl {pc:#x} -> {target:#x}"
        );
        assert_eq!(
            a32::b(pc, target).is_some(),
            aligned,
            "b {pc:#x} -> {target:#x}"
        );
    }
}

#[test]
fn every_branch_survives_a_round_trip() {
    for imm24 in 0..=0xff_ffff {
        let (b, bl) = (0xea00_0000 | imm24, 0xeb00_0000 | imm24);
        let target = a32::bl_target(PC, bl).unwrap_or_else(|| panic!("{bl:#x}"));
        assert_eq!(a32::bl(PC, target), Some(bl), "{bl:#x} -> {target:#x}");
        assert_eq!(a32::b_target(PC, b), Some(target), "{b:#x}");
        assert_eq!(a32::b(PC, target), Some(b), "{b:#x} -> {target:#x}");
    }
}

#[test]
fn every_half_survives_a_round_trip() {
    for half in 0..=0xffff {
        let (movw, movt) = (a32::movw_r2(half), a32::movt_r2(half << 16));
        assert_eq!(a32::movw_r2_value(movw), Some(half), "{movw:#x}");
        assert_eq!(a32::movt_r2_value(movt), Some(half << 16), "{movt:#x}");
        // Neither depends on the other half.
        for other in [0, 1, 0x5a5a, 0x8000, 0xffff] {
            assert_eq!(a32::movw_r2(other << 16 | half), movw, "{half:#x}");
            assert_eq!(a32::movt_r2(half << 16 | other), movt, "{half:#x}");
        }
    }
}

#[test]
fn nothing_else_is_a_branch() {
    for opcode in 0..=0xff {
        for imm24 in [0, 1, 0x7f_ffff, 0x80_0000, 0xff_ffff] {
            let word = opcode << 24 | imm24;
            assert_eq!(
                a32::b_target(PC, word).is_some(),
                opcode == 0xea,
                "{word:#x}"
            );
            assert_eq!(
                a32::bl_target(PC, word).is_some(),
                opcode == 0xeb,
                "{word:#x}"
            );
        }
    }
}

#[test]
fn nothing_else_is_a_move_to_half_of_r2() {
    // All that is not an immediate: condition, opcode and register.
    for fixed in 0..=0xffff {
        for (imm4, imm12) in [(0, 0), (0, 1), (1, 0), (0xa, 0x5a5), (0xf, 0xfff)] {
            let (high, rd) = (fixed >> 4, fixed & 0xf);
            let word = high << 20 | imm4 << 16 | rd << 12 | imm12;
            let is = |opcode| high == opcode && rd == 2;
            assert_eq!(a32::movw_r2_value(word).is_some(), is(0xe30), "{word:#x}");
            assert_eq!(a32::movt_r2_value(word).is_some(), is(0xe34), "{word:#x}");
        }
    }
}

#[test]
fn what_is_encoded_decodes() {
    arbtest(|u| {
        let pc = u.arbitrary::<u32>()? & !3;
        let near = u.int_in_range(-0x220_0000..=0x220_0000)?;
        let target = *u.choose(&[pc.wrapping_add_signed(near), near as u32])?;
        let offset = target.wrapping_sub(pc).wrapping_sub(8) as i32;
        let reached = target % 4 == 0 && (-0x200_0000..0x200_0000).contains(&offset);
        let insn = a32::bl(pc, target);
        assert_eq!(insn.is_some(), reached, "bl {pc:#x} -> {target:#x}");
        if let Some(insn) = insn {
            assert_eq!(
                a32::bl_target(pc, insn),
                Some(target),
                "{insn:#x} at {pc:#x}"
            );
        }
        let insns = [a32::movw_r2(target), a32::movt_r2(target)];
        let halves = (a32::movw_r2_value(insns[0])).zip(a32::movt_r2_value(insns[1]));
        let value = halves.map(|(lower, upper)| lower | upper);
        assert_eq!(value, Some(target), "{insns:x?}");
        Ok(())
    });
}
