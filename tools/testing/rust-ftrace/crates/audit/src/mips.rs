// SPDX-License-Identifier: GPL-2.0

//! MIPS32 instructions, release 2 and release 6.

use anyhow::Result;
use capstone::{
    arch::{
        mips::{
            ArchMode,
            MipsOperand,
            MipsReg, //
        },
        BuildsCapstone as _,
        DetailsArchInsn as _, //
    },
    Capstone,
    RegId, //
};
use ftrace_pure::insn::mips;

use crate::{
    image::Isa,
    insn::{
        Flow,
        Insn,
        Regs,
        Slot, //
    },
};

/// The DSP extension's further accumulators, 0 for `hi` and `lo`: where those instructions name
/// them that read one, and where others do.
const FROM_ACCUMULATOR: u32 = 3 << 21;
const ACCUMULATOR: u32 = 3 << 11;

/// Where `jalr` names its link register.
const LINK_FIELD: u32 = 0xf800;

/// `mftr`, which the disassembler takes for branches that no CPU with threads has.
const MFTR_MASK: u32 = 0xffe0_0000;
const MFTR: u32 = 0x4100_0000;

const NAMES: [&str; 34] = [
    "zero", "at", "v0", "v1", "a0", "a1", "a2", "a3", "t0", "t1", "t2", "t3", "t4", "t5", "t6",
    "t7", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "t8", "t9", "k0", "k1", "gp", "sp", "s8",
    "ra", "hi", "lo",
];

const AT: Regs = 1 << 1;
const RA: Regs = 1 << 31;
const HI: Regs = 1 << 32;
const LO: Regs = 1 << 33;

/// `v0` and `v1`.
pub const RESULTS: Regs = 0b1100;

/// What o32 functions need not preserve, but for `a0` to `a3`: see
/// `arch/mips/kernel/ftrace_caller.S`. `at` is left out because the compiler keeps nothing in it,
/// it is the assembler's.
pub const CLOBBERED: Regs = RESULTS | 0xff00 | 0x0300_0000 | HI | LO;

/// Instructions whose first operand is a register that they only write.
const WRITE_FIRST: &[&str] = &[
    "add", "addi", "addiu", "addu", "align", "and", "andi", "auipc", "bitswap", "cfc1", "clo",
    "clz", "daddiu", "daddu", "di", "dsll", "dsll32", "dsra", "dsra32", "dsrl", "dsrl32", "ei",
    "ext", "lapc", "lb", "lbu", "lh", "lhu", "li", "ll", "lsa", "lui", "lw", "lwpc", "mfc0",
    "mfhi", "mflo", "mod", "modu", "move", "muh", "muhu", "mul", "mulu", "neg", "negu", "nor",
    "not", "or", "ori", "rdhwr", "rotr", "rotrv", "seb", "seh", "seleqz", "selnez", "sll", "sllv",
    "slt", "slti", "sltiu", "sltu", "sra", "srav", "srl", "srlv", "sub", "subu", "wsbh", "xor",
    "xori",
];

pub struct Decoder {
    capstone: Capstone,
    r6: bool,
}

impl Decoder {
    pub fn new(isa: Isa) -> Result<Self> {
        let r6 = isa == Isa::Mips32R6;
        let mode = match r6 {
            true => ArchMode::Mips32R6,
            false => ArchMode::Mips32,
        };
        let capstone = Capstone::new().mips().mode(mode).detail(true).build()?;
        Ok(Self { capstone, r6 })
    }

    /// Whatever is not known for certain to be only written counts as read.
    pub fn decode(&self, address: u32, word: u32) -> Result<Option<Insn>> {
        if word & MFTR_MASK == MFTR {
            return Ok(Some(Insn::plain(4, 0, 1 << field(word, 11))));
        }
        let decoded = self
            .capstone
            .disasm_count(&word.to_le_bytes(), u64::from(address), 1)?;
        let Some(insn) = decoded.first() else {
            return Ok(unknown(word));
        };
        let mnemonic = insn.mnemonic().unwrap_or_default();
        let name = mnemonic.strip_suffix(".hb").unwrap_or(mnemonic);
        let detail = self.capstone.insn_detail(insn)?;
        let arch = detail.arch_detail();
        let Some(detail) = arch.mips() else {
            return Ok(None);
        };
        let mut operands: Vec<MipsOperand> = detail.operands().collect();
        // The disassembler takes the coprocessor's register for a general one.
        match name {
            "mfc0" | "mtc0" | "cfc1" | "ctc1" | "cfcmsa" => operands.truncate(1),
            "ctcmsa" => drop(operands.remove(0)),
            _ => (),
        }

        let three = operands.len() == 3;
        let divides = ["div", "divu"].contains(&name);
        let writes_first = WRITE_FIRST.contains(&name) || (divides && self.r6 && three);
        let (mut reads, mut writes) = (0, 0);
        for (at, operand) in operands.iter().enumerate() {
            match operand {
                MipsOperand::Reg(reg) if at == 0 && writes_first => writes |= bit(*reg),
                MipsOperand::Reg(reg) => reads |= bit(*reg),
                MipsOperand::Mem(mem) => reads |= bit(mem.base()),
                _ => (),
            }
        }
        match name {
            // The disassembler gives the operands of release 6 the wrong way round.
            "aui" => {
                reads = 1 << ((word >> 21) & 31);
                writes = 1 << ((word >> 16) & 31);
            }
            // The first of a pair that writes the register together.
            "lwl" => reads = 1 << ((word >> 21) & 31),
            "lwr" => {
                reads = 1 << ((word >> 21) & 31);
                writes = 1 << ((word >> 16) & 31);
            }
            "mfhi" if word & FROM_ACCUMULATOR == 0 => reads |= HI,
            "mflo" if word & FROM_ACCUMULATOR == 0 => reads |= LO,
            "mthi" if word & ACCUMULATOR == 0 => writes |= HI,
            "mtlo" if word & ACCUMULATOR == 0 => writes |= LO,
            "mult" | "multu" if word & ACCUMULATOR == 0 => writes |= HI | LO,
            "div" | "divu" if !self.r6 => writes |= HI | LO,
            _ => (),
        }

        // The compiler leaves `at` to the assembler and to asm statements.
        let call_register = Flow::CallIndirect {
            private: reads & AT != 0,
        };
        let jump_register = match reads {
            RA => Flow::Return,
            _ => Flow::JumpIndirect,
        };
        let near = |bits| near(address, word, bits);
        let (flow, conditional, slot) = match name {
            // `jr` in release 6 is `jalr` with `zero` for the link register.
            "jr" => (jump_register, false, Slot::Always),
            "jalr" if word & LINK_FIELD == 0 => (jump_register, false, Slot::Always),
            "jalr" => (call_register, false, Slot::Always),
            "jrc" | "jic" => (jump_register, false, Slot::None),
            "jalrc" | "jialc" => (call_register, false, Slot::None),
            "j" | "jal" => {
                let jump = mips::j_target(address, word).map(Flow::Jump);
                let call = mips::jal_target(address, word).map(Flow::Call);
                match jump.or(call) {
                    Some(flow) => (flow, false, Slot::Always),
                    None => return Ok(None),
                }
            }
            "b" => (Flow::Jump(near(16)), false, Slot::Always),
            "bal" => (Flow::Call(near(16)), false, Slot::Always),
            "bc" => (Flow::Jump(near(26)), false, Slot::None),
            "balc" => (Flow::Call(near(26)), false, Slot::None),
            "beq" | "beqz" | "bne" | "bnez" | "bgez" | "bgtz" | "blez" | "bltz" | "bc1t"
            | "bc1f" | "bc1eqz" | "bc1nez" => (Flow::Jump(near(16)), true, Slot::Always),
            "beql" | "beqzl" | "bnel" | "bnezl" | "bgezl" | "bgtzl" | "blezl" | "bltzl" => {
                (Flow::Jump(near(16)), true, Slot::IfTaken)
            }
            "beqzc" | "bnezc" => (Flow::Jump(near(21)), true, Slot::None),
            "beqc" | "bnec" | "bgezc" | "bgtzc" | "blezc" | "bltzc" | "bgec" | "bgeuc" | "bltc"
            | "bltuc" | "bovc" | "bnvc" => (Flow::Jump(near(16)), true, Slot::None),
            "break" | "sdbbp" => (Flow::Stop, false, Slot::None),
            "eret" | "deret" => (Flow::Return, false, Slot::None),
            _ if name.starts_with(['b', 'j']) && name != "bitswap" => return Ok(None),
            _ => (Flow::Next, false, Slot::None),
        };
        Ok(Some(Insn {
            flow,
            conditional,
            slot,
            ..Insn::plain(4, reads, writes)
        }))
    }
}

/// The target of a branch whose lower `bits` are a distance in words.
fn near(address: u32, word: u32, bits: u32) -> u32 {
    let unused = 32 - bits;
    let words = ((word << unused) as i32) >> unused;
    address.wrapping_add(4).wrapping_add_signed(words * 4)
}

/// What the disassembler does not know and still comes up: moves of release 6, `cache` of before
/// it, and what reaches 64-bit device registers: shifts, bit fields, loads, stores and moves to
/// and from coprocessor 0.
///
/// What is not known to be only written counts as read here too.
fn unknown(word: u32) -> Option<Insn> {
    const SPECIAL: u32 = 0x00;
    const COP0: u32 = 0x10;
    const SPECIAL3: u32 = 0x1f;
    const CACHE: u32 = 0x2f;
    const LD: u32 = 0x37;
    const SD: u32 = 0x3f;
    const RDHWR: u32 = 0x3b;
    const SELEQZ: u32 = 0x35;
    const SELNEZ: u32 = 0x37;

    let [rs, rt, rd] = [21, 16, 11].map(|shift| 1 << field(word, shift));
    let (reads, writes) = match (word >> 26, word & 0x3f) {
        (SPECIAL, SELEQZ | SELNEZ | 0x38..) => (rs | rt, rd),
        (SPECIAL3, 0x01..=0x07) => (rs | rt, 0),
        (SPECIAL3, RDHWR) => (0, rt),
        (COP0, _) => (rt, 0),
        (CACHE, _) => (rs, 0),
        (LD, _) => (rs, rt),
        (SD, _) => (rs | rt, 0),
        _ => return None,
    };
    Some(Insn::plain(4, reads, writes))
}

fn field(word: u32, shift: u32) -> usize {
    ((word >> shift) & 31) as usize
}

/// Follows what `lui`, `addiu` and moves leave in general registers.
pub fn execute(word: u32, values: &mut [Option<u32>; 32]) {
    const SPECIAL: u32 = 0x00;
    const ADDIU: u32 = 0x09;
    const LUI: u32 = 0x0f;
    const ADDU: u32 = 0x21;
    const OR: u32 = 0x25;

    let (rs, rt, rd) = (field(word, 21), field(word, 16), field(word, 11));
    let immediate = word & 0xffff;
    let source = values[rs];
    let is_move = word >> 26 == SPECIAL && [ADDU, OR].contains(&(word & 0x7ff)) && rt == 0;
    if is_move {
        values[rd] = source;
        return;
    }
    // Whatever an instruction writes, it is one of these.
    (values[rt], values[rd]) = (None, None);
    match word >> 26 {
        LUI if rs == 0 => values[rt] = Some(immediate << 16),
        ADDIU => values[rt] = source.map(|v| v.wrapping_add_signed((immediate as i16).into())),
        _ => (),
    }
}

/// Drops what a function that was called need not preserve.
pub fn forget_after_call(values: &mut [Option<u32>; 32]) {
    const PRESERVED: Regs = 0xff << 16 | 0xf << 26;

    for (number, value) in values.iter_mut().enumerate() {
        if PRESERVED & (1 << number) == 0 {
            *value = None;
        }
    }
}

/// The register whose value a call or jump goes to.
pub fn jump_register(word: u32) -> Option<usize> {
    const SPECIAL: u32 = 0x00;
    const JR: u32 = 0x08;
    const JALR: u32 = 0x09;
    const JIC: u32 = 0x36;
    const JIALC: u32 = 0x3e;

    match (word >> 26, word & 0x3f) {
        (SPECIAL, JR | JALR) => Some(field(word, 21)),
        (JIC | JIALC, _) if field(word, 21) == 0 && word & 0xffff == 0 => Some(field(word, 16)),
        _ => None,
    }
}

/// The bit of a general register, 0 for others.
fn bit(reg: RegId) -> Regs {
    let id = u32::from(reg.0);
    let first = MipsReg::MIPS_REG_0;
    match id.checked_sub(first) {
        Some(number) if number < 32 => 1 << number,
        _ => 0,
    }
}

/// The name of the register of a bit.
pub fn name(bit: u32) -> &'static str {
    NAMES.get(bit as usize).copied().unwrap_or("another")
}

#[cfg(test)]
mod tests {
    use super::*;

    const V0: Regs = 1 << 2;
    const V1: Regs = 1 << 3;
    const T0: Regs = 1 << 8;

    fn check(isa: Isa, rows: &[(u32, Regs, Regs, Flow, Slot)]) {
        let decoder = Decoder::new(isa).unwrap();
        for (word, reads, writes, flow, slot) in rows {
            let insn = decoder.decode(0x8000_1000, *word).unwrap().unwrap();
            let got = (insn.reads, insn.writes, insn.flow, insn.slot);
            assert_eq!(got, (*reads, *writes, *flow, *slot), "{word:08x}");
        }
    }

    #[test]
    fn registers_and_flow() {
        let (next, none, always) = (Flow::Next, Slot::None, Slot::Always);
        let call = Flow::CallIndirect { private: false };
        let private = Flow::CallIndirect { private: true };
        let back = Flow::Jump(0x8000_1000);
        let rows = [
            // addiu v0, v1, 1; lw v0, 0(v1); sw v0, 0(v1); sc v0, 0(v1); movz v0, v1, t0
            (0x2462_0001, V1, V0, next, none),
            (0x8c62_0000, V1, V0, next, none),
            (0xac62_0000, V0 | V1, 0, next, none),
            (0xe062_0000, V0 | V1, 0, next, none),
            (0x0068_100a, V0 | V1 | T0, 0, next, none),
            // ins v0, v1, 0, 1; lwl v0, 3(v1); lwr v0, 0(v1); mfc0 v0, c0_count; mtc0 v0, c0_count
            (0x7c62_0004, V0 | V1, 0, next, none),
            (0x8862_0003, V1, 0, next, none),
            (0x9862_0000, V1, V0, next, none),
            (0x4002_4800, 0, V0, next, none),
            (0x4082_4800, V0, 0, next, none),
            // multu v0, v1; mfhi v0; mfhi v0, $ac1; mul v0, v1, t0; div $0, v0, v1
            (0x0043_0019, V0 | V1, HI | LO, next, none),
            (0x0000_1010, HI, V0, next, none),
            (0x0020_1010, 0, V0, next, none),
            (0x7068_1002, V1 | T0, V0, next, none),
            // mftc0 v0, c0_vpecontrol; mftc0 v0, c0_tcstatus; mttc0 v0, c0_tcstatus; rdhwr v0, $2
            (0x4101_1001, 0, V0, next, none),
            (0x4102_1001, 0, V0, next, none),
            (0x4182_1001, V0, 0, next, none),
            (0x7c02_103b, 0, V0, next, none),
            // b .; beq v0, v1, .; jal 80000000; jalr v0; jalr at; jr v0; jr ra; jr.hb ra; break
            (0x1000_ffff, 0, 0, back, always),
            (0x1043_ffff, V0 | V1, 0, back, always),
            (0x5043_ffff, V0 | V1, 0, back, Slot::IfTaken),
            (0x0c00_0000, 0, 0, Flow::Call(0x8000_0000), always),
            (0x0040_f809, V0, 0, call, always),
            (0x0020_f809, AT, 0, private, always),
            (0x0040_0008, V0, 0, Flow::JumpIndirect, always),
            (0x03e0_0008, RA, 0, Flow::Return, always),
            (0x03e0_0408, RA, 0, Flow::Return, always),
            (0x0000_000d, 0, 0, Flow::Stop, none),
        ];
        check(Isa::Mips32, &rows);
    }

    #[test]
    fn registers_and_flow_of_release_6() {
        let (next, none) = (Flow::Next, Slot::None);
        let call = Flow::CallIndirect { private: false };
        let back = Flow::Jump(0x8000_1000);
        let rows = [
            // lui v0, 1; aui v0, v1, 1; seleqz v0, v1, t0; muh v0, v1, t0; div v0, v1, t0
            (0x3c02_0001, 1, V0, next, none),
            (0x3c62_0001, V1, V0, next, none),
            (0x0068_1035, V1 | T0, V0, next, none),
            (0x0068_10d8, V1 | T0, V0, next, none),
            (0x0068_109a, V1 | T0, V0, next, none),
            // bc .; balc .; beqzc v0, .; beqc v0, v1, .; jialc v0, 0; jic v0, 0; jic ra, 0
            (0xcbff_ffff, 0, 0, back, none),
            (0xebff_ffff, 0, 0, Flow::Call(0x8000_1000), none),
            (0xd85f_ffff, V0, 0, back, none),
            (0x2043_ffff, V0 | V1, 0, back, none),
            (0xf802_0000, V0, 0, call, none),
            (0xd802_0000, V0, 0, Flow::JumpIndirect, none),
            (0xd81f_0000, RA, 0, Flow::Return, none),
            // jr ra
            (0x03e0_0009, RA, 0, Flow::Return, Slot::Always),
        ];
        check(Isa::Mips32R6, &rows);
    }
}
