// SPDX-License-Identifier: GPL-2.0

//! T32 instructions.

use anyhow::Result;
use capstone::{
    arch::{
        arm::{
            ArchMode,
            ArmInsnDetail, //
        },
        BuildsCapstone as _, //
    },
    Capstone, //
};

use crate::{
    a32,
    insn::Insn, //
};

/// 16-bit `udf`, which the disassembler does not know everywhere.
const UDF: u16 = 0xde00;
const UDF_MASK: u16 = 0xff00;

/// `hvc` and `smc`.
const CALLS: [u16; 2] = [0xf7e0, 0x8000];
const CALLS_MASK: [u16; 2] = [0xffe0, 0xf000];

/// The instructions that the kernel writes as data: traps such as `BUG()`, and calls of firmware.
pub fn written_as_data(hw: [u16; 2]) -> Option<Insn> {
    if hw[0] & CALLS_MASK[0] == CALLS[0] && hw[1] & CALLS_MASK[1] == CALLS[1] {
        return Some(Insn {
            changes_flags: true,
            ..Insn::plain(4, 0, 0)
        });
    }
    (hw[0] & UDF_MASK == UDF).then_some(a32::stop(2))
}

/// What sets flags under any name.
const COMPARE: &[&str] = &["cmn", "cmp", "teq", "tst"];

/// A halfword from here on starts an instruction of two.
const FIRST_OF_TWO: u16 = 0xe800;

pub struct Decoder(Capstone);

impl Decoder {
    pub fn new() -> Result<Self> {
        let capstone = Capstone::new()
            .arm()
            .mode(ArchMode::Thumb)
            .detail(true)
            .build()?;
        Ok(Self(capstone))
    }

    /// The instructions that `halfwords` from `start` on are, [`None`] for what is no instruction.
    /// One by one they would not be known: `it` makes up to four that follow conditional.
    pub fn decode(&self, start: u32, halfwords: &[u16]) -> Result<Vec<(u32, Option<Insn>)>> {
        let bytes: Vec<u8> = halfwords.iter().flat_map(|hw| hw.to_le_bytes()).collect();
        let mut insns = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let address = u64::from(start) + at as u64;
            for insn in self.0.disasm_all(&bytes[at..], address)?.iter() {
                let decoded = a32::describe(&self.0, insn, sets_flags)?;
                insns.push((start + at as u32, decoded));
                at += insn.len();
            }
            let Some(&unknown) = halfwords.get(at / 2) else {
                break;
            };
            let next = halfwords.get(at / 2 + 1).copied().unwrap_or(0);
            insns.push((start + at as u32, written_as_data([unknown, next])));
            at += if unknown < FIRST_OF_TWO { 2 } else { 4 };
        }
        Ok(insns)
    }
}

fn sets_flags(name: &str, detail: &ArmInsnDetail<'_>) -> bool {
    detail.update_flags() || COMPARE.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        a32::FLAGS,
        insn::{
            Flow,
            ALWAYS, //
        },
    };

    const IP: u64 = 1 << 12;
    const LR: u64 = 1 << 14;
    const PC: u64 = 1 << 15;

    #[test]
    fn registers_and_flow() {
        let next = Flow::Next;
        let rows: &[(&[u16], u64, u64, Flow)] = &[
            // mov ip, r0; add ip, r0; cmp ip, r0; adds r0, #1; lsls r0, r1; movs r0, #1
            (&[0x4684], 0, IP, next),
            (&[0x4484], IP, IP, next),
            (&[0x4584], IP, FLAGS, next),
            (&[0x3001], 0, FLAGS, next),
            (&[0x4088], 0, FLAGS, next),
            (&[0x2001], 0, FLAGS, next),
            // adcs r0, r1; muls r0, r1, r0; tst r0, r1; rsbs r0, r1, #0
            (&[0x4148], FLAGS, FLAGS, next),
            (&[0x4348], 0, FLAGS, next),
            (&[0x4208], 0, FLAGS, next),
            (&[0x4248], 0, FLAGS, next),
            // add.w ip, r0, #1; sub.w r0, ip, #1; movw ip, #1; movt ip, #1; mov.w ip, #0
            (&[0xf100, 0x0c01], 0, IP, next),
            (&[0xf1ac, 0x0001], IP, 0, next),
            (&[0xf240, 0x0c01], 0, IP, next),
            (&[0xf2c0, 0x0c01], IP, 0, next),
            (&[0xf04f, 0x0c00], 0, IP, next),
            // addw ip, r0, #1; orn ip, r0, r1; bfi ip, r0, #0, #1; ubfx ip, r0, #0, #1
            (&[0xf200, 0x0c01], 0, IP, next),
            (&[0xea60, 0x0c01], 0, IP, next),
            (&[0xf360, 0x0c00], IP, 0, next),
            (&[0xf3c0, 0x0c00], 0, IP, next),
            // ldr.w ip, [r0]; str.w ip, [r0]; ldr.w r0, [ip], #4; ldrd r0, r1, [ip]
            (&[0xf8d0, 0xc000], 0, IP, next),
            (&[0xf8c0, 0xc000], IP, 0, next),
            (&[0xf85c, 0x0b04], IP, 0, next),
            (&[0xe9dc, 0x0100], IP, 0, next),
            // push {lr}; push.w {ip, lr}; pop.w {ip, lr}; ldmia.w r0, {r1, ip}; stmia.w r0, {r1, ip}
            (&[0xb500], LR, 0, next),
            (&[0xe92d, 0x5000], IP | LR, 0, next),
            (&[0xe8bd, 0x5000], 0, IP | LR, next),
            (&[0xe890, 0x1002], 0, IP, next),
            (&[0xe880, 0x1002], IP, 0, next),
            // b.n .; b.w .; bl .; blx .; blx ip; bx lr; bx ip; mov pc, lr; pop {pc}
            (&[0xe7fe], 0, 0, Flow::Jump(0x1000)),
            (&[0xf7ff, 0xbffe], 0, 0, Flow::Jump(0x1000)),
            (&[0xf7ff, 0xfffe], 0, 0, Flow::Call(0x1000)),
            (&[0xf7ff, 0xeffe], 0, 0, Flow::Call(0x1000)),
            (&[0x47e0], IP, 0, Flow::CallIndirect { private: false }),
            (&[0x4770], LR, 0, Flow::Return),
            (&[0x4760], IP, 0, Flow::JumpIndirect),
            (&[0x46f7], LR, PC, Flow::Return),
            (&[0xbd00], 0, PC, Flow::Return),
            // ldr.w pc, [sp], #4; ldr.w pc, [r0]; tbb [pc, ip]; tbh [pc, ip, lsl #1]; udf #0
            (&[0xf85d, 0xfb04], 0, PC, Flow::Return),
            (&[0xf8d0, 0xf000], 0, PC, Flow::JumpIndirect),
            (&[0xe8df, 0xf00c], IP | PC, 0, Flow::JumpTable { entry: 1 }),
            (&[0xe8df, 0xf01c], IP | PC, 0, Flow::JumpTable { entry: 2 }),
            (&[0xde00], 0, 0, Flow::Stop),
            // What is in no IT block is executed always.
            (&[0xbf00], 0, 0, next),
        ];
        let decoder = Decoder::new().unwrap();
        for (halfwords, reads, writes, flow) in rows {
            let insns = decoder.decode(0x1000, halfwords).unwrap();
            assert_eq!(insns.len(), 1, "{halfwords:04x?}");
            let insn = insns[0].1.unwrap_or_else(|| panic!("{halfwords:04x?}"));
            let got = (insn.reads, insn.writes, insn.flow, insn.condition);
            assert_eq!(got, (*reads, *writes, *flow, ALWAYS), "{halfwords:04x?}");
            assert_eq!(insn.size as usize, 2 * halfwords.len(), "{halfwords:04x?}");
        }
    }

    #[test]
    fn instructions_follow_one_another() {
        // cbz r0 over the next halfword; it eq; adds r0, #1, now without flags; no instruction; bx lr
        let halfwords = [0xb100, 0xbf08, 0x3001, 0xffff, 0xffff, 0x4770];
        let insns = Decoder::new().unwrap().decode(0x1000, &halfwords).unwrap();
        let addresses: Vec<_> = insns.iter().map(|(address, _)| *address).collect();
        assert_eq!(addresses, [0x1000, 0x1002, 0x1004, 0x1006, 0x100a]);
        let [cbz, it, add, unknown, bx] = [0, 1, 2, 3, 4].map(|i| insns[i].1);
        let cbz = cbz.unwrap();
        assert!(cbz.conditional && cbz.condition == ALWAYS && cbz.reads == 0);
        assert_eq!(cbz.flow, Flow::Jump(0x1004));
        assert_eq!(it.unwrap().writes, 0);
        let add = add.unwrap();
        assert_eq!((add.reads, add.writes), (FLAGS, 0));
        assert!(add.condition != ALWAYS);
        assert!(unknown.is_none());
        assert_eq!(bx.unwrap().flow, Flow::Return);
    }
}
