// SPDX-License-Identifier: GPL-2.0

//! T32 instructions.

use super::rows;
use arbtest::arbtest;
use ftrace_pure::insn::t32;

const PC: u32 = 0xc000_8002;

/// The ends of the range, relative to the instruction.
const FIRST: u32 = 4u32.wrapping_sub(1 << 24);
const LAST: u32 = 4 + (1 << 24) - 2;

fn halves(word: u32) -> [u16; 2] {
    [(word >> 16) as u16, word as u16]
}

#[test]
fn rows_encode_and_decode() {
    for &(pc, target, text, word) in rows::T32_BL {
        let hw = halves(word);
        let got = t32::bl(pc, target);
        assert_eq!(got, Some(hw), "{text} at {pc:#x}: {got:x?}, not {hw:x?}");
        let got = t32::bl_target(pc, hw);
        assert_eq!(got, Some(target), "{hw:x?} ({text}) at {pc:#x}: {got:x?}");
    }
}

#[test]
fn range_ends_where_it_should() {
    for pc in [PC, 0, 0xffff_fffe, 0x8000_0000] {
        for (offset, reached) in [
            (FIRST.wrapping_sub(2), false),
            (FIRST, true),
            (FIRST + 2, true),
            (LAST - 2, true),
            (LAST, true),
            (LAST + 2, false),
            (0x8000_0000, false),
            (0x7fff_fffe, false),
            (0x8000_0004, false),
        ] {
            let target = pc.wrapping_add(offset);
            assert_eq!(
                t32::bl(pc, target).is_some(),
                reached,
                "bl {pc:#x} -> {target:#x}"
            );
        }
    }
}

#[test]
fn unaligned_addresses_are_refused() {
    for (pc, target) in [(1, 0), (0, 1), (1, 1)] {
        assert_eq!(t32::bl(PC + pc, PC + target), None, "{pc} -> {target}");
    }
}

#[test]
fn every_bl_survives_a_round_trip() {
    for hw0 in 0xf000..=0xf7ff {
        for imm in 0..=0x1fff {
            // J1, J2 and imm11.
            let hw = [hw0, 0xd000 | (imm & 0x1000) << 1 | imm & 0xfff];
            let target = t32::bl_target(PC, hw).unwrap_or_else(|| panic!("{hw:x?}"));
            assert_eq!(t32::bl(PC, target), Some(hw), "{hw:x?} -> {target:#x}");
        }
    }
}

#[test]
fn only_bl_is_bl() {
    for hw0 in 0..=0xffff {
        for top in 0..=0x1f {
            for low in [0, 0x7ff, 0x2aa] {
                let hw = [hw0, top << 11 | low];
                let is_bl = hw0 >> 11 == 0b11110 && top & 0b11010 == 0b11010;
                assert_eq!(t32::bl_target(PC, hw).is_some(), is_bl, "{hw:x?}");
            }
        }
    }
}

#[test]
fn what_is_encoded_decodes() {
    arbtest(|u| {
        let pc = u.arbitrary::<u32>()? & !1;
        let near = u.int_in_range(-0x110_0000..=0x110_0000)?;
        let target = *u.choose(&[pc.wrapping_add_signed(near), near as u32])?;
        let offset = target.wrapping_sub(pc).wrapping_sub(4) as i32;
        let reached = target % 2 == 0 && (-0x100_0000..0x100_0000).contains(&offset);
        let hw = t32::bl(pc, target);
        assert_eq!(hw.is_some(), reached, "bl {pc:#x} -> {target:#x}");
        if let Some(hw) = hw {
            assert_eq!(t32::bl_target(pc, hw), Some(target), "{hw:x?} at {pc:#x}");
        }
        Ok(())
    });
}
