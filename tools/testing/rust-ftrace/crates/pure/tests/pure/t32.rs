// SPDX-License-Identifier: GPL-2.0

//! T32 instructions.

use arbtest::arbtest;
use ftrace_pure::insn::t32;

use super::rows;

const PC: u32 = 0xc000_8002;

/// The ends of the range, relative to the instruction.
const FIRST: u32 = 4u32.wrapping_sub(1 << 24);
const LAST: u32 = 4 + (1 << 24) - 2;

fn halves(word: u32) -> [u16; 2] {
    [(word >> 16) as u16, word as u16]
}

type Encoder = fn(u32, u32) -> Option<[u16; 2]>;
type Decoder = fn(u32, [u16; 2]) -> Option<u32>;

/// Encoders, decoders, and the fixed bits of what they encode.
const BRANCHES: [(&str, Encoder, Decoder, [u16; 2]); 3] = [
    ("bl", t32::bl, t32::bl_target, [0xf000, 0xd000]),
    ("b.w", t32::b_w, t32::b_w_target, [0xf000, 0x9000]),
    ("blx", t32::blx, t32::blx_target, [0xf000, 0xc000]),
];

#[test]
fn rows_encode_and_decode() {
    let tables = [rows::T32_BL, rows::T32_B_W, rows::T32_BLX];
    for ((_, encode, decode, _), rows) in BRANCHES.into_iter().zip(tables) {
        for &(pc, target, text, word) in rows {
            let hw = halves(word);
            let got = encode(pc, target);
            assert_eq!(got, Some(hw), "{text} at {pc:#x}: {got:x?}, not {hw:x?}");
            let got = decode(pc, hw);
            assert_eq!(got, Some(target), "{hw:x?} ({text}) at {pc:#x}: {got:x?}");
        }
    }
}

#[test]
fn words_are_halfwords_in_memory() {
    let hw = [0x1234, 0x5678];
    let memory = hw.map(u16::to_le_bytes).concat();
    let word = u32::from_le_bytes(memory.try_into().unwrap());
    assert_eq!(t32::word(hw), word);
    assert_eq!(t32::halfwords(word), hw);
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
            for (name, encode) in [("bl", t32::bl as Encoder), ("b.w", t32::b_w)] {
                let got = encode(pc, target).is_some();
                assert_eq!(got, reached, "{name} {pc:#x} -> {target:#x}");
            }
        }
    }
}

#[test]
fn range_of_blx_starts_at_a_word() {
    for pc in [PC, PC & !3] {
        for (offset, reached) in [
            (FIRST.wrapping_sub(4), false),
            (FIRST, true),
            (LAST - 2, true),
            (LAST + 2, false),
        ] {
            let target = (pc & !3).wrapping_add(offset);
            let got = t32::blx(pc, target).is_some();
            assert_eq!(got, reached, "blx {pc:#x} -> {target:#x}");
        }
    }
}

#[test]
fn unaligned_addresses_are_refused() {
    for (pc, target) in [(1, 0), (0, 1), (1, 1)] {
        for (name, encode, ..) in BRANCHES {
            let got = encode(PC + pc, (PC & !3) + target);
            assert_eq!(got, None, "{name} {pc} -> {target}");
        }
    }
    assert_eq!(t32::blx(PC, (PC & !3) + 2), None);
    assert_eq!(t32::blx_target(PC, [0xf000, 0xe801]), None);
}

#[test]
fn every_branch_survives_a_round_trip() {
    for hw0 in 0xf000..=0xf7ff {
        for imm in 0..=0x1fff {
            for (name, encode, decode, fixed) in BRANCHES {
                // J1, J2 and imm11, of which `blx` has 10 bits.
                let hw = [hw0, fixed[1] | (imm & 0x1000) << 1 | imm & 0xfff];
                let Some(target) = decode(PC, hw) else {
                    assert!(name == "blx" && imm & 1 != 0, "{name} {hw:x?}");
                    continue;
                };
                assert_eq!(encode(PC, target), Some(hw), "{hw:x?} -> {target:#x}");
            }
        }
    }
}

#[test]
fn second_halfwords_of_bl_are_told() {
    for hw in 0..=0xffff {
        let is_second = t32::bl_target(PC, [0xf000, hw]).is_some();
        let bits = t32::bl_second_bits(hw);
        assert_eq!(bits, is_second.then_some(hw & 0x2fff), "{hw:x}");
    }
}

#[test]
fn nothing_else_is_a_branch() {
    for hw0 in 0..=0xffff {
        for top in 0..=0x1f {
            for low in [0, 0x7ff, 0x2aa] {
                let hw = [hw0, top << 11 | low];
                let is = |bits| hw0 >> 11 == 0b11110 && top & 0b11010 == bits;
                assert_eq!(t32::bl_target(PC, hw).is_some(), is(0b11010), "{hw:x?}");
                assert_eq!(t32::b_w_target(PC, hw).is_some(), is(0b10010), "{hw:x?}");
                let is_blx = is(0b11000) && low & 1 == 0;
                assert_eq!(t32::blx_target(PC, hw).is_some(), is_blx, "{hw:x?}");
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
