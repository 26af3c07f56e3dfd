// SPDX-License-Identifier: GPL-2.0

//! The encoders and decoders against LLVM's.
//!
//! LLVM's assembler computes offsets and halves of addresses by itself: the texts name targets,
//! not immediates.

use std::{
    collections::HashSet,
    env,
    fmt,
    io::{
        ErrorKind,
        Write, //
    },
    process::{
        Command,
        Output,
        Stdio, //
    }, //
};

use arbtest::{
    arbitrary::{
        Result,
        Unstructured, //
    },
    arbtest, //
};
use ftrace_pure::insn::{
    a32,
    mips,
    t32, //
};
use object::{
    Object,
    ObjectSection, //
};

use super::rows::{
    self,
    Pair,
    Row, //
};

/// Checks `property` for enough random bytes for some thousand instructions.
fn batches(property: impl FnMut(&mut Unstructured<'_>) -> Result<()>) {
    const SIZE: u32 = 1 << 15;
    arbtest(property).size_min(SIZE).size_max(SIZE).run();
}

struct Isa {
    args: &'static [&'static str],
    prelude: &'static str,
}

const A32: Isa = Isa {
    args: &["-triple=armv7-linux-gnueabihf"],
    prelude: ".arm",
};

const T32: Isa = Isa {
    args: &["-triple=thumbv7-linux-gnueabihf"],
    prelude: ".thumb",
};

const MIPS: [Isa; 2] = [
    Isa {
        args: &["-triple=mipsel-linux-gnu", "-mcpu=mips32r2"],
        prelude: ".set noreorder\n.set noat",
    },
    Isa {
        args: &["-triple=mipsel-linux-gnu", "-mcpu=mips32r6"],
        prelude: ".set noreorder\n.set noat",
    },
];

/// An instruction as the bytes in memory.
type Bytes = [u8; 4];

fn word(insn: u32) -> Bytes {
    insn.to_le_bytes()
}

fn halves([hw0, hw1]: [u16; 2]) -> Bytes {
    let ([a, b], [c, d]) = (hw0.to_le_bytes(), hw1.to_le_bytes());
    [a, b, c, d]
}

/// Runs `llvm-mc` on `input`.
fn llvm_mc(isa: &Isa, args: &[&str], input: String) -> Output {
    const HOW: &str = "install LLVM (Debian: apt-get install llvm-19) and put its llvm-mc into \
                       PATH, or its path into LLVM_MC";

    let names = match env::var("LLVM_MC") {
        Ok(name) => vec![name],
        Err(_) => vec!["llvm-mc".to_owned(), "llvm-mc-19".to_owned()],
    };
    let spawned = names.iter().find_map(|name| {
        let child = Command::new(name)
            .args(isa.args)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        match child {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            child => Some(child.unwrap_or_else(|error| panic!("{name}: {error}; {HOW}"))),
        }
    });
    let mut child = spawned.unwrap_or_else(|| panic!("no {}: {HOW}", names.join(", no ")));

    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("llvm-mc ends");
    let written = writer.join().expect("the writer does not panic");
    written.unwrap_or_else(|error| panic!("{output:?}: {error}"));
    output
}

/// Returns the bytes of each of `lines`, which are instructions of four bytes.
fn assemble(isa: &Isa, lines: &[impl fmt::Display]) -> Vec<Bytes> {
    let mut source = format!("{}\n", isa.prelude);
    for line in lines {
        source += &format!("{line}\n");
    }
    let output = llvm_mc(isa, &["-filetype=obj", "-o", "-"], source);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "llvm-mc {:?}: {errors}", isa.args);
    let object = object::File::parse(&*output.stdout).expect("llvm-mc writes an object file");
    let text = object.section_by_name(".text").expect("there is text");
    let text = text.data().expect("the section is in the file");
    assert_eq!(text.len(), 4 * lines.len(), "not four bytes an instruction");
    let insns = text.chunks_exact(4);
    insns.filter_map(|insn| insn.try_into().ok()).collect()
}

/// Returns the text of each of `insns`, an empty one for what is no instruction.
fn disassemble(isa: &Isa, insns: &[Bytes]) -> Vec<String> {
    // Brackets keep the next line in step after what is no instruction.
    let line =
        |bytes: &Bytes| format!("[{}]\n", bytes.map(|byte| format!("{byte:#04x}")).join(" "));
    let output = llvm_mc(isa, &["--disassemble"], insns.iter().map(line).collect());
    let stdout = String::from_utf8(output.stdout).expect("llvm-mc writes text");
    let stderr = String::from_utf8(output.stderr).expect("llvm-mc writes text");

    let invalid: HashSet<usize> = stderr
        .lines()
        .filter(|line| line.ends_with("invalid instruction encoding"))
        .map(|line| {
            line.split(':')
                .nth(1)
                .and_then(|number| number.parse().ok())
        })
        .collect::<Option<_>>()
        .expect("messages start with the line's number");
    let texts: Vec<_> = stdout.lines().map(str::trim).collect();
    let mut texts = texts
        .into_iter()
        .filter(|text| !text.is_empty() && *text != ".text");
    let insns = (1..=insns.len()).map(|line| match invalid.contains(&line) {
        true => String::new(),
        false => texts
            .next()
            .expect("a line for each instruction")
            .replace('\t', " "),
    });
    let insns = insns.collect();
    assert_eq!(texts.next(), None, "more lines than instructions");
    insns
}

/// An instruction that an encoder made.
struct Case {
    /// What the assembler makes the same bytes of.
    text: String,
    /// What the disassembler makes of the bytes.
    disassembly: String,
    bytes: Bytes,
}

#[track_caller]
fn compare(isa: &Isa, cases: &[Case]) {
    let lines: Vec<_> = cases.iter().map(|case| &case.text).collect();
    for (case, theirs) in cases.iter().zip(assemble(isa, &lines)) {
        let (text, ours) = (&case.text, case.bytes);
        assert_eq!(
            ours, theirs,
            "{text}: ours {ours:02x?}, LLVM's {theirs:02x?}"
        );
    }
    let bytes: Vec<_> = cases.iter().map(|case| case.bytes).collect();
    for (case, theirs) in cases.iter().zip(disassemble(isa, &bytes)) {
        let (text, bytes) = (&case.text, case.bytes);
        assert_eq!(case.disassembly, theirs, "{text}: ours {bytes:02x?}");
    }
}

/// Compares where `decode` finds an instruction, and with which operand, with the disassembler.
///
/// In a disassembly the instruction is what starts with one of `starts`; the operand follows.
#[track_caller]
fn compare_decoder(
    isa: &Isa,
    insns: &[Bytes],
    starts: &[&str],
    decode: impl Fn(Bytes) -> Option<i64>,
) {
    let mut found = 0;
    for (&bytes, text) in insns.iter().zip(&disassemble(isa, insns)) {
        let operand = starts.iter().find_map(|start| text.strip_prefix(start));
        let theirs = operand.map(|operand| operand.parse().expect(text));
        assert_eq!(decode(bytes), theirs, "{bytes:02x?} ({text})");
        found += usize::from(theirs.is_some());
    }
    assert!(found > 0, "no {starts:?} among the instructions");
}

#[track_caller]
fn compare_rows(isa: &Isa, rows: &[Row], bytes: impl Fn(u32) -> Bytes) {
    let texts: Vec<_> = rows.iter().map(|row| row.2).collect();
    for (row, theirs) in rows.iter().zip(assemble(isa, &texts)) {
        assert_eq!(bytes(row.3), theirs, "{}: {:#x}", row.2, row.3);
    }
}

/// `texts` returns the two instructions of a pair.
#[track_caller]
fn compare_pairs(isa: &Isa, pairs: &[Pair], texts: impl Fn(u32) -> [String; 2]) {
    let lines: Vec<_> = pairs.iter().flat_map(|pair| texts(pair.0)).collect();
    let words = pairs.iter().flat_map(|pair| pair.1);
    for ((line, ours), theirs) in lines.iter().zip(words).zip(assemble(isa, &lines)) {
        assert_eq!(word(ours), theirs, "{line}: {ours:#x}");
    }
}

/// Returns what forms `value` in `r2`.
fn movw_movt(value: u32) -> [String; 2] {
    [
        format!("movw r2, #:lower16:{value:#x}"),
        format!("movt r2, #:upper16:{value:#x}"),
    ]
}

/// Returns what forms `value` in a register.
fn lui_addiu(reg: &str, value: u32) -> [String; 2] {
    [
        format!("lui {reg}, %hi({value:#x})"),
        format!("addiu {reg}, {reg}, %lo({value:#x})"),
    ]
}

#[test]
fn rows_are_what_llvm_assembles() {
    compare_rows(&A32, rows::A32_BL, word);
    compare_rows(&A32, rows::A32_B, word);
    compare_pairs(&A32, rows::A32_R2, movw_movt);
    for rows in [rows::T32_BL, rows::T32_B_W, rows::T32_BLX] {
        compare_rows(&T32, rows, |insn| {
            halves([(insn >> 16) as u16, insn as u16])
        });
    }
    for isa in &MIPS {
        for rows in [rows::MIPS_JAL, rows::MIPS_J] {
            compare_rows(isa, rows, word);
        }
        compare_pairs(isa, rows::MIPS_V1, |value| lui_addiu("$3", value));
        compare_pairs(isa, rows::MIPS_A2, |value| lui_addiu("$6", value));
    }
}

#[test]
fn fixed_instructions_are_what_llvm_assembles() {
    for (isa, texts) in [
        (&A32, rows::A32),
        (&T32, rows::T32_WORDS),
        (&MIPS[0], rows::MIPS),
        (&MIPS[1], rows::MIPS),
    ] {
        let lines: Vec<_> = texts.iter().map(|(_, text)| text).collect();
        for ((insn, text), theirs) in texts.iter().zip(assemble(isa, &lines)) {
            assert_eq!(word(*insn), theirs, "{text}: {insn:#x}");
        }
    }
    // `nop` makes four bytes of each. Given a label, LLVM turns `b.n` into `b.w`.
    let nop = 0xbf00;
    let line = |(_, text): &(u32, &str)| format!("{}; nop", text.replace(".+4", "#0"));
    let lines: Vec<_> = rows::T32.iter().map(line).collect();
    for ((insn, text), theirs) in rows::T32.iter().zip(assemble(&T32, &lines)) {
        assert_eq!(halves([*insn as u16, nop]), theirs, "{text}: {insn:#x}");
    }
}

/// Returns an offset in `first..=last`, often near one of the ends or zero.
fn offset(u: &mut Unstructured<'_>, first: i32, last: i32, step: i32) -> Result<i32> {
    let near = u.int_in_range(-4..=4)? * step;
    let offset = match u.int_in_range(0..=7)? {
        0 => first + near,
        1 => last + near,
        2 => near,
        _ => u.int_in_range(first / step..=last / step)? * step,
    };
    Ok(offset.clamp(first, last))
}

fn relative(mnemonic: &str, offset: i32) -> String {
    format!("{mnemonic} .{offset:+}")
}

#[test]
fn a32_branches_agree() {
    batches(|u| {
        let mut cases = Vec::new();
        while !u.is_empty() {
            let pc = u.arbitrary::<u32>()? & !3;
            let offset = offset(u, 8 - (1 << 25), 8 + (1 << 25) - 4, 4)?;
            let target = pc.wrapping_add_signed(offset);
            for (mnemonic, insn) in [("b", a32::b(pc, target)), ("bl", a32::bl(pc, target))] {
                cases.push(Case {
                    text: relative(mnemonic, offset),
                    disassembly: format!("{mnemonic} #{}", offset - 8),
                    bytes: word(insn.unwrap_or_else(|| panic!("{pc:#x} -> {target:#x}"))),
                });
            }
        }
        compare(&A32, &cases);
        Ok(())
    });
}

#[test]
fn a32_moves_agree() {
    batches(|u| {
        let mut cases = Vec::new();
        while !u.is_empty() {
            let value: u32 = u.arbitrary()?;
            let [movw, movt] = movw_movt(value);
            cases.push(Case {
                text: movw,
                disassembly: format!("movw r2, #{}", value & 0xffff),
                bytes: word(a32::movw_r2(value)),
            });
            cases.push(Case {
                text: movt,
                disassembly: format!("movt r2, #{}", value >> 16),
                bytes: word(a32::movt_r2(value)),
            });
        }
        compare(&A32, &cases);
        Ok(())
    });
}

#[test]
fn a32_decoders_agree() {
    batches(|u| {
        let mut insns = Vec::new();
        while !u.is_empty() {
            for opcode in 0..=0xff {
                insns.push(word(opcode << 24 | u.int_in_range(0..=0xff_ffff)?));
            }
            // What `movw r2` and `movt r2` are but for a bit of the condition, the opcode or `r2`.
            let imm = u.int_in_range(0..=0xf)? << 16 | u.int_in_range(0..=0xfff)?;
            for insn in [0xe300_2000, 0xe340_2000] {
                insns.push(word(insn | imm));
                let others = (12..32).filter(|bit| !(16..20).contains(bit));
                insns.extend(others.map(|bit| word((insn | imm) ^ 1 << bit)));
            }
        }
        let offset = |target: Option<u32>| target.map(|target| i64::from(target as i32));
        // `b` is also how a disassembler starts `bic`, `bkpt` and others, but without `#` after it.
        compare_decoder(&A32, &insns, &["b #"], |bytes| {
            offset(a32::b_target(
                8u32.wrapping_neg(),
                u32::from_le_bytes(bytes),
            ))
        });
        compare_decoder(&A32, &insns, &["bl #"], |bytes| {
            offset(a32::bl_target(
                8u32.wrapping_neg(),
                u32::from_le_bytes(bytes),
            ))
        });
        compare_decoder(&A32, &insns, &["movw r2, #"], |bytes| {
            a32::movw_r2_value(u32::from_le_bytes(bytes)).map(i64::from)
        });
        compare_decoder(&A32, &insns, &["movt r2, #"], |bytes| {
            a32::movt_r2_value(u32::from_le_bytes(bytes)).map(|value| i64::from(value >> 16))
        });
        Ok(())
    });
}

#[test]
fn t32_branches_agree() {
    batches(|u| {
        let mut cases = Vec::new();
        while !u.is_empty() {
            let pc = u.arbitrary::<u32>()? & !1;
            let offset = offset(u, 4 - (1 << 24), 4 + (1 << 24) - 2, 2)?;
            let target = pc.wrapping_add_signed(offset);
            for (mnemonic, hw) in [("bl", t32::bl(pc, target)), ("b.w", t32::b_w(pc, target))] {
                cases.push(Case {
                    text: relative(mnemonic, offset),
                    disassembly: format!("{mnemonic} #{}", offset - 4),
                    bytes: halves(hw.unwrap_or_else(|| panic!("{pc:#x} -> {target:#x}"))),
                });
            }
            // From the word that the instruction starts in.
            let offset = (offset - 4) & !3;
            let target = (pc & !3).wrapping_add(4).wrapping_add_signed(offset);
            let text = format!("blx #{offset}");
            cases.push(Case {
                disassembly: text.clone(),
                text,
                bytes: halves(
                    t32::blx(pc, target).unwrap_or_else(|| panic!("{pc:#x} -> {target:#x}")),
                ),
            });
        }
        compare(&T32, &cases);
        Ok(())
    });
}

#[test]
fn t32_decoders_agree() {
    batches(|u| {
        let mut insns = Vec::new();
        while !u.is_empty() {
            // 11101, 11110 and 11111 start the instructions of two halfwords.
            insns.push(halves([u.int_in_range(0xe800..=0xffff)?, u.arbitrary()?]));
        }
        type Decoder = fn(u32, [u16; 2]) -> Option<u32>;
        for (text, decode) in [
            ("bl #", t32::bl_target as Decoder),
            ("b.w #", t32::b_w_target),
            ("blx #", t32::blx_target),
        ] {
            compare_decoder(&T32, &insns, &[text], |[a, b, c, d]| {
                let hw = [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])];
                let target = decode(4u32.wrapping_neg(), hw)?;
                Some(i64::from(target as i32))
            });
        }
        Ok(())
    });
}

#[test]
fn mips_jumps_and_addresses_agree() {
    batches(|u| {
        let mut cases: [Vec<Case>; 2] = Default::default();
        while !u.is_empty() {
            let target: u32 = u.arbitrary()?;
            let aligned = target & !3;
            // Of the address, only the region of the delay slot counts.
            let slot = aligned & 0xf000_0000 | u.int_in_range(0..=0xfff_ffff)? & !3;
            let pc = slot.wrapping_sub(4);
            let lower = i32::from(target as i16);
            let upper = target.wrapping_sub(lower as u32) >> 16;
            for (cases, r6) in cases.iter_mut().zip([false, true]) {
                for (mnemonic, insn) in
                    [("j", mips::j(pc, aligned)), ("jal", mips::jal(pc, aligned))]
                {
                    cases.push(Case {
                        text: format!("{mnemonic} {aligned:#x}"),
                        disassembly: format!("{mnemonic} {}", aligned & 0xfff_ffff),
                        bytes: word(insn.unwrap_or_else(|| panic!("{pc:#x} -> {aligned:#x}"))),
                    });
                }
                for (reg, words) in [
                    ("$3", [mips::lui_v1(target), mips::addiu_v1(target)]),
                    ("$6", [mips::lui_a2(target), mips::addiu_a2(target)]),
                ] {
                    let disassembly = [
                        match r6 {
                            true => format!("aui {reg}, $zero, {upper}"),
                            false => format!("lui {reg}, {upper}"),
                        },
                        format!("addiu {reg}, {reg}, {lower}"),
                    ];
                    let texts = lui_addiu(reg, target).into_iter().zip(disassembly);
                    cases.extend(texts.zip(words).map(|((text, disassembly), insn)| Case {
                        text,
                        disassembly,
                        bytes: word(insn),
                    }));
                }
            }
        }
        for (isa, cases) in MIPS.iter().zip(&cases) {
            compare(isa, cases);
        }
        Ok(())
    });
}

#[test]
fn mips_short_branches_agree() {
    let cases = (0..=u8::MAX).map(|skipped| Case {
        text: relative("b", 4 + 4 * i32::from(skipped)),
        disassembly: format!("b {}", 4 + 4 * i32::from(skipped)),
        bytes: word(mips::b_over(skipped)),
    });
    let cases: Vec<_> = cases.collect();
    for isa in &MIPS {
        compare(isa, &cases);
    }
}

#[test]
fn mips_decoders_agree() {
    batches(|u| {
        let mut insns = Vec::new();
        while !u.is_empty() {
            for opcode in 0..=0x3f {
                insns.push(word(opcode << 26 | u.int_in_range(0..=0x3ff_ffff)?));
            }
            let imm: u16 = u.arbitrary()?;
            for (rs, reg) in (0..=0x1f).flat_map(|rs| [3, 6].map(|reg| (rs, reg))) {
                insns.push(word(0x3c00_0000 | rs << 21 | reg << 16 | u32::from(imm)));
                insns.push(word(0x2400_0000 | rs << 21 | reg << 16 | u32::from(imm)));
                insns.push(word(0x2400_0000 | reg << 21 | rs << 16 | u32::from(imm)));
            }
        }
        for isa in &MIPS {
            compare_decoder(isa, &insns, &["j "], |bytes| {
                mips::j_target(0, u32::from_le_bytes(bytes)).map(i64::from)
            });
            compare_decoder(isa, &insns, &["jal "], |bytes| {
                mips::jal_target(0, u32::from_le_bytes(bytes)).map(i64::from)
            });
            compare_decoder(isa, &insns, &["lui $3, ", "aui $3, $zero, "], |bytes| {
                let lui = u32::from_le_bytes(bytes);
                mips::v1_target(lui, mips::addiu_v1(0)).map(|v1| i64::from(v1 >> 16))
            });
            compare_decoder(isa, &insns, &["addiu $3, $3, "], |bytes| {
                let addiu = u32::from_le_bytes(bytes);
                mips::v1_target(mips::lui_v1(0), addiu).map(|v1| i64::from(v1 as i32))
            });
            compare_decoder(isa, &insns, &["lui $6, ", "aui $6, $zero, "], |bytes| {
                let lui = u32::from_le_bytes(bytes);
                mips::a2_value(lui, mips::addiu_a2(0)).map(|a2| i64::from(a2 >> 16))
            });
            compare_decoder(isa, &insns, &["addiu $6, $6, "], |bytes| {
                let addiu = u32::from_le_bytes(bytes);
                mips::a2_value(mips::lui_a2(0), addiu).map(|a2| i64::from(a2 as i32))
            });
        }
        Ok(())
    });
}
