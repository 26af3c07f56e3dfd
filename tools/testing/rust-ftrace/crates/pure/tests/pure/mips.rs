// SPDX-License-Identifier: GPL-2.0

//! MIPS instructions.

use arbtest::arbtest;
use ftrace_pure::insn::mips;

use super::rows;

const PC: u32 = 0x8010_0000;

type Encoder = fn(u32) -> u32;
type Decoder = fn(u32, u32) -> Option<u32>;

/// A register that `lui` and `addiu` form a value in.
struct Pair {
    name: &'static str,
    lui: Encoder,
    addiu: Encoder,
    value: Decoder,
    /// The upper halves of the two instructions.
    opcodes: [u32; 2],
    rows: &'static [rows::Pair],
}

const PAIRS: [Pair; 2] = [
    Pair {
        name: "v1",
        lui: mips::lui_v1,
        addiu: mips::addiu_v1,
        value: mips::v1_target,
        opcodes: [0x3c03, 0x2463],
        rows: rows::MIPS_V1,
    },
    Pair {
        name: "a2",
        lui: mips::lui_a2,
        addiu: mips::addiu_a2,
        value: mips::a2_value,
        opcodes: [0x3c06, 0x24c6],
        rows: rows::MIPS_A2,
    },
];

#[test]
fn rows_encode_and_decode() {
    for &(pc, target, text, word) in rows::MIPS_JAL {
        let got = mips::jal(pc, target);
        assert_eq!(
            got,
            Some(word),
            "{text} at {pc:#x}: {got:x?}, not {word:#x}"
        );
        let got = mips::jal_target(pc, word);
        assert_eq!(got, Some(target), "{word:#x} ({text}) at {pc:#x}: {got:x?}");
    }
    for &(pc, target, text, word) in rows::MIPS_J {
        let got = mips::j(pc, target);
        assert_eq!(
            got,
            Some(word),
            "{text} at {pc:#x}: {got:x?}, not {word:#x}"
        );
        let got = mips::j_target(pc, word);
        assert_eq!(got, Some(target), "{word:#x} ({text}) at {pc:#x}: {got:x?}");
    }
    for pair in PAIRS {
        let name = pair.name;
        for &(value, words) in pair.rows {
            let got = [(pair.lui)(value), (pair.addiu)(value)];
            assert_eq!(got, words, "{name} = {value:#x}: {got:x?}, not {words:x?}");
            let got = (pair.value)(words[0], words[1]);
            assert_eq!(got, Some(value), "{name}: {words:x?}: {got:x?}");
        }
    }
}

#[test]
fn region_is_that_of_the_delay_slot() {
    for (pc, target, reached) in [
        (0x8fff_fff8, 0x7fff_fffc, false),
        (0x8fff_fff8, 0x8000_0000, true),
        (0x8fff_fff8, 0x8fff_fffc, true),
        (0x8fff_fff8, 0x9000_0000, false),
        (0x8fff_fffc, 0x8fff_fffc, false),
        (0x8fff_fffc, 0x9000_0000, true),
        (0x8fff_fffc, 0x9fff_fffc, true),
        (0x8fff_fffc, 0xa000_0000, false),
        (0xffff_fffc, 0xffff_fffc, false),
        (0xffff_fffc, 0x0000_0000, true),
        (0xffff_fffc, 0x0fff_fffc, true),
        (0xffff_fffc, 0x1000_0000, false),
        (0x0000_0000, 0xffff_fffc, false),
        (0x0000_0000, 0x8000_0000, false),
    ] {
        assert_eq!(
            mips::jal(pc, target).is_some(),
            reached,
            "jal {pc:#x} -> {target:#x}"
        );
        assert_eq!(
            mips::j(pc, target).is_some(),
            reached,
            "j {pc:#x} -> {target:#x}"
        );
    }
}

#[test]
fn unaligned_addresses_are_refused() {
    for (pc, target) in (0..4).flat_map(|pc| (0..4).map(move |target| (PC + pc, PC + target))) {
        let aligned = (pc, target) == (PC, PC);
        assert_eq!(
            mips::jal(pc, target).is_some(),
            aligned,
            "jal {pc:#x} -> {target:#x}"
        );
        assert_eq!(
            mips::j(pc, target).is_some(),
            aligned,
            "j {pc:#x} -> {target:#x}"
        );
    }
}

#[test]
fn every_jump_survives_a_round_trip() {
    for index in 0..=0x3ff_ffff {
        let (j, jal) = (0x0800_0000 | index, 0x0c00_0000 | index);
        let target = mips::jal_target(PC, jal).unwrap_or_else(|| panic!("{jal:#x}"));
        assert_eq!(mips::jal(PC, target), Some(jal), "{jal:#x} -> {target:#x}");
        assert_eq!(mips::j_target(PC, j), Some(target), "{j:#x}");
        assert_eq!(mips::j(PC, target), Some(j), "{j:#x} -> {target:#x}");
    }
}

#[test]
fn nothing_else_is_a_jump() {
    for opcode in 0..=0x3f {
        for index in [0, 1, 0x1ff_ffff, 0x200_0000, 0x3ff_ffff] {
            let word = opcode << 26 | index;
            assert_eq!(mips::j_target(PC, word).is_some(), opcode == 2, "{word:#x}");
            assert_eq!(
                mips::jal_target(PC, word).is_some(),
                opcode == 3,
                "{word:#x}"
            );
        }
    }
}

#[test]
fn b_skips_what_it_says() {
    for skipped in 0..=u8::MAX {
        assert_eq!(mips::b_over(skipped), 0x1000_0000 + u32::from(skipped));
    }
}

#[test]
fn every_lo_and_every_hi_survive_a_round_trip() {
    let edges = [0, 1, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff];
    for (pair, half) in PAIRS.iter().flat_map(|p| (0..=0xffff).map(move |h| (p, h))) {
        for value in edges
            .into_iter()
            .flat_map(|edge| [edge << 16 | half, half << 16 | edge])
        {
            let (name, lui, addiu) = (pair.name, (pair.lui)(value), (pair.addiu)(value));
            assert_eq!(
                (pair.value)(lui, addiu),
                Some(value),
                "{name}: {lui:#x} {addiu:#x}"
            );
            // As a CPU adds them.
            let upper = i64::from((lui << 16) as i32);
            let lower = i64::from(addiu as i16);
            assert_eq!((upper + lower) as u32, value, "{name}: {lui:#x} {addiu:#x}");
        }
    }
}

#[test]
fn only_lui_and_addiu_of_the_register_are_a_pair() {
    for (pair, upper) in PAIRS.iter().flat_map(|p| (0..=0xffff).map(move |u| (p, u))) {
        for lower in [0, 0x7fff, 0x8000, 0xffff] {
            let (name, word) = (pair.name, upper << 16 | lower);
            let is_lui = (pair.value)(word, (pair.addiu)(0)).is_some();
            let is_addiu = (pair.value)((pair.lui)(0), word).is_some();
            assert_eq!(is_lui, upper == pair.opcodes[0], "{name}: {word:#x}");
            assert_eq!(is_addiu, upper == pair.opcodes[1], "{name}: {word:#x}");
        }
    }
}

#[test]
fn what_is_encoded_decodes() {
    arbtest(|u| {
        let pc = u.arbitrary::<u32>()? & !3;
        let low = u.int_in_range(0..=0x1fff_ffff)?;
        let target = *u.choose(&[pc & 0xf000_0000 | low, low, pc ^ low])?;
        let reached = target % 4 == 0 && pc.wrapping_add(4) >> 28 == target >> 28;
        let insn = mips::jal(pc, target);
        assert_eq!(insn.is_some(), reached, "jal {pc:#x} -> {target:#x}");
        if let Some(insn) = insn {
            assert_eq!(
                mips::jal_target(pc, insn),
                Some(target),
                "{insn:#x} at {pc:#x}"
            );
        }
        for pair in PAIRS {
            let (name, lui, addiu) = (pair.name, (pair.lui)(target), (pair.addiu)(target));
            assert_eq!(
                (pair.value)(lui, addiu),
                Some(target),
                "{name}: {lui:#x} {addiu:#x}"
            );
        }
        Ok(())
    });
}
