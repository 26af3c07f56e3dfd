// SPDX-License-Identifier: GPL-2.0

//! A32 instructions, and what they have in common with T32's.

use anyhow::Result;
use capstone::{
    arch::{
        arm::{
            ArchExtraMode,
            ArchMode,
            ArmCC,
            ArmInsnDetail,
            ArmOperand,
            ArmOperandType,
            ArmReg,
            ArmShift, //
        },
        BuildsCapstone as _,
        BuildsCapstoneExtraMode as _,
        DetailsArchInsn as _, //
    },
    Capstone,
    RegId, //
};

use crate::insn::{
    Flags,
    Flow,
    Insn,
    Regs,
    Slot,
    ALWAYS, //
};

const IP: Regs = 1 << 12;
const LR: Regs = 1 << 14;
const PC: Regs = 1 << 15;

/// The bit that stands for all four flags.
pub const FLAGS: Regs = 1 << 16;

/// See `arch/arm/kernel/ftrace_caller.S`. It saves no flags either.
pub const CLOBBERED: Regs = IP | FLAGS;

/// `udf`, which the disassembler does not know.
const UDF: u32 = 0xe7f0_00f0;
const UDF_MASK: u32 = 0xfff0_00f0;

// The disassembler has lists of the registers that an instruction reads and writes. They lack some
// that it reads: the distance of a shift, what `stmdb` stores, what `uxtab` and `umlal` add to.

/// Instructions whose first operand is a register that they only write.
const WRITE_ONE: &[&str] = &[
    "adc", "add", "addw", "adr", "and", "asr", "bic", "clz", "eor", "ldr", "ldrb", "ldrbt",
    "ldrex", "ldrexb", "ldrexh", "ldrh", "ldrsb", "ldrsh", "ldrt", "lsl", "lsr", "mla", "mls",
    "mov", "movw", "mrs", "mul", "mvn", "orn", "orr", "rbit", "rev", "rev16", "revsh", "ror",
    "rrx", "rsb", "rsc", "sbc", "sbfx", "sdiv", "smlabb", "smulbb", "strex", "strexb", "strexd",
    "strexh", "sub", "subw", "sxtab", "sxtah", "sxtb", "sxth", "ubfx", "udiv", "uxtab", "uxtah",
    "uxtb", "uxth",
];

/// Instructions that T32 also has with two operands, of which they read and write the first one.
const ARITHMETIC: &[&str] = &[
    "adc", "add", "and", "asr", "bic", "eor", "lsl", "lsr", "mul", "orn", "orr", "ror", "sbc",
    "sub",
];

/// Instructions whose result does not depend on a register that both of their operands are.
const CANCEL: &[&str] = &["bic", "eor", "rsb", "rsc", "sbc", "sub"];

/// The same of the first two operands.
const WRITE_TWO: &[&str] = &["ldrd", "ldrexd", "smull", "umull"];

/// All registers among the operands are only written.
const WRITE_ALL: &[&str] = &["mrc", "mrc2", "mrrc", "mrrc2", "pop"];

/// All registers but the first.
const WRITE_REST: &[&str] = &["ldm", "ldmda", "ldmdb", "ldmib"];

/// What can change flags besides instructions for arithmetic.
const CHANGE_FLAGS: &[&str] = &["hvc", "mrc", "mrc2", "msr", "smc", "svc", "vmrs"];

pub struct Decoder(Capstone);

impl Decoder {
    pub fn new() -> Result<Self> {
        let capstone = Capstone::new()
            .arm()
            .mode(ArchMode::Arm)
            .extra_mode([ArchExtraMode::V8].into_iter())
            .detail(true)
            .build()?;
        Ok(Self(capstone))
    }

    /// Whatever is not known for certain to be only written counts as read.
    pub fn decode(&self, address: u32, word: u32) -> Result<Option<Insn>> {
        if word & UDF_MASK == UDF {
            return Ok(Some(stop(4)));
        }
        let decoded = self
            .0
            .disasm_count(&word.to_le_bytes(), u64::from(address), 1)?;
        match decoded.first() {
            Some(insn) => describe(&self.0, insn, |_, _| sets_flags(word)),
            None => Ok(unknown(word)),
        }
    }
}

/// What the disassembler does not know and still comes up: `mcr` and `mrc` of registers that only
/// some CPUs have.
fn unknown(word: u32) -> Option<Insn> {
    const MASK: u32 = 0xff10_0010;
    const MCR: u32 = 0xee00_0010;
    const MRC: u32 = 0xee10_0010;

    let register = match (word >> 12) & 15 {
        12 => IP,
        14 => LR,
        15 => return None,
        _ => 0,
    };
    let (reads, writes) = match word & MASK {
        MCR => (register, 0),
        MRC => (0, register),
        _ => return None,
    };
    Some(Insn::plain(4, reads, writes))
}

/// What an instruction of either instruction set does. `sets_flags` says whether it is one for
/// arithmetic that sets flags.
pub fn describe(
    capstone: &Capstone,
    insn: &capstone::Insn<'_>,
    sets_flags: impl Fn(&str, &ArmInsnDetail<'_>) -> bool,
) -> Result<Option<Insn>> {
    let name = capstone.insn_name(insn.id()).unwrap_or_default();
    let detail = capstone.insn_detail(insn)?;
    let arch = detail.arch_detail();
    let Some(arm) = arch.arm() else {
        return Ok(None);
    };
    let operands: Vec<ArmOperand> = arm.operands().collect();
    let written = written(&name, operands.len());
    let (mut reads, mut writes) = (0, 0);
    let mut base = None;
    for (at, operand) in operands.iter().enumerate() {
        match &operand.op_type {
            ArmOperandType::Reg(reg) if written.contains(&at) => writes |= bit(*reg),
            ArmOperandType::Reg(reg) => reads |= bit(*reg),
            ArmOperandType::Mem(mem) => {
                reads |= bit(mem.base()) | bit(mem.index());
                base = Some(u32::from(mem.base().0));
            }
            _ => (),
        }
        reads |= shifted_by(&operand.shift);
    }
    // `add ip, r0` of T32 is `add ip, ip, r0`. `lsl ip, r0, #2` of A32 has two operands too.
    let is_shift = |operand: &ArmOperand| operand.shift != ArmShift::Invalid;
    match &operands[..] {
        [_, second] if ARITHMETIC.contains(&name.as_str()) && !is_shift(second) => reads |= writes,
        [_, second, third]
            if CANCEL.contains(&name.as_str())
                && second.op_type == third.op_type
                && !is_shift(third) =>
        {
            reads = 0;
        }
        _ => (),
    }
    let condition = condition(arm.cc());
    // `mrs` copies the flags too, but what it is for is the mask of interrupts.
    if condition != ALWAYS || ["adc", "sbc", "rsc", "rrx"].contains(&name.as_str()) {
        reads |= FLAGS;
    }
    let sets_flags = sets_flags(&name, arm);
    if sets_flags {
        writes |= FLAGS;
    }

    let target = match operands.last().map(|o| &o.op_type) {
        Some(ArmOperandType::Imm(target)) => Some(*target as u32),
        _ => None,
    };
    let (on_stack, on_pc) = (
        base == Some(ArmReg::ARM_REG_SP),
        base == Some(ArmReg::ARM_REG_PC),
    );
    let flow = match (name.as_str(), target) {
        ("b" | "cbz" | "cbnz", Some(target)) => Flow::Jump(target),
        ("bl" | "blx", Some(target)) => Flow::Call(target),
        ("blx", None) => Flow::CallIndirect { private: false },
        ("bx", _) if reads & LR != 0 => Flow::Return,
        ("tbb", _) if on_pc => Flow::JumpTable { entry: 1 },
        ("tbh", _) if on_pc => Flow::JumpTable { entry: 2 },
        ("bx" | "bxj" | "tbb" | "tbh", _) => Flow::JumpIndirect,
        ("hlt" | "udf", _) => Flow::Stop,
        ("mov", _) if writes & PC != 0 && reads & LR != 0 => Flow::Return,
        ("pop" | "ldm" | "ldmda" | "ldmdb" | "ldmib", _) if writes & PC != 0 => Flow::Return,
        // How T32 pops one register.
        ("ldr", _) if writes & PC != 0 && on_stack => Flow::Return,
        _ if writes & PC != 0 => Flow::JumpIndirect,
        _ => Flow::Next,
    };
    Ok(Some(Insn {
        size: u32::try_from(insn.len())?,
        reads,
        writes,
        condition,
        changes_flags: sets_flags || CHANGE_FLAGS.contains(&name.as_str()),
        flow,
        conditional: condition != ALWAYS || ["cbz", "cbnz"].contains(&name.as_str()),
        slot: Slot::None,
    }))
}

/// The target of the linker's veneer at `start`, which consists of `words`. A veneer takes a jump
/// from A32 code to T32 code.
pub fn veneer_target(start: u32, words: [u32; 4]) -> Option<u32> {
    // ldr ip, [pc, #4]; add ip, pc, ip; bx ip
    const VENEER: [u32; 3] = [0xe59f_c004, 0xe08f_c00c, 0xe12f_ff1c];
    let offset = words[3];
    (words[..3] == VENEER).then(|| start.wrapping_add(12).wrapping_add(offset))
}

/// The instruction of `size` bytes from which nobody comes back.
pub const fn stop(size: u32) -> Insn {
    Insn {
        flow: Flow::Stop,
        ..Insn::plain(size, 0, 0)
    }
}

/// Which operands are registers that the instruction only writes.
fn written(name: &str, operands: usize) -> std::ops::Range<usize> {
    if WRITE_ONE.contains(&name) {
        0..1
    } else if WRITE_TWO.contains(&name) {
        0..2
    } else if WRITE_ALL.contains(&name) {
        0..operands
    } else if WRITE_REST.contains(&name) {
        1..operands
    } else {
        0..0
    }
}

/// Whether this is an instruction for arithmetic that sets flags.
fn sets_flags(word: u32) -> bool {
    const ARITHMETIC_MASK: u32 = 0x0c10_0000;
    const ARITHMETIC: u32 = 0x0010_0000;
    const UNCONDITIONAL: u32 = 0xf;
    const IMMEDIATE: u32 = 1 << 25;
    // Multiplications, and loads and stores of other sizes than words and bytes.
    const EXTENSION: u32 = 0x90;
    const MULTIPLICATION_MASK: u32 = 0x0100_0060;

    let is_extension = word & (IMMEDIATE | EXTENSION) == EXTENSION;
    word & ARITHMETIC_MASK == ARITHMETIC
        && word >> 28 != UNCONDITIONAL
        && (!is_extension || word & MULTIPLICATION_MASK == 0)
}

fn shifted_by(shift: &ArmShift) -> Regs {
    match shift {
        ArmShift::AsrReg(reg)
        | ArmShift::LslReg(reg)
        | ArmShift::LsrReg(reg)
        | ArmShift::RorReg(reg)
        | ArmShift::RrxReg(reg) => bit(*reg),
        ArmShift::Rrx(_) => FLAGS,
        _ => 0,
    }
}

/// The bit of a register, 0 for those that the audit does not follow.
fn bit(reg: RegId) -> Regs {
    const NAMED: [(u32, Regs); 5] = [
        (ArmReg::ARM_REG_R12, IP),
        (ArmReg::ARM_REG_LR, LR),
        (ArmReg::ARM_REG_PC, PC),
        (ArmReg::ARM_REG_APSR_NZCV, FLAGS),
        (ArmReg::ARM_REG_CPSR, FLAGS),
    ];
    let named = NAMED.iter().find(|(id, _)| *id == u32::from(reg.0));
    named.map_or(0, |(_, bit)| *bit)
}

/// The values of the flags for which a condition holds.
fn condition(cc: ArmCC) -> Flags {
    let mut flags = 0;
    for value in 0..16 {
        let [n, z, c, v] = [3, 2, 1, 0].map(|bit| value & (1 << bit) != 0);
        let holds = match cc {
            ArmCC::ARM_CC_EQ => z,
            ArmCC::ARM_CC_NE => !z,
            ArmCC::ARM_CC_HS => c,
            ArmCC::ARM_CC_LO => !c,
            ArmCC::ARM_CC_MI => n,
            ArmCC::ARM_CC_PL => !n,
            ArmCC::ARM_CC_VS => v,
            ArmCC::ARM_CC_VC => !v,
            ArmCC::ARM_CC_HI => c && !z,
            ArmCC::ARM_CC_LS => !c || z,
            ArmCC::ARM_CC_GE => n == v,
            ArmCC::ARM_CC_LT => n != v,
            ArmCC::ARM_CC_GT => !z && n == v,
            ArmCC::ARM_CC_LE => z || n != v,
            ArmCC::ARM_CC_AL | ArmCC::ARM_CC_INVALID => true,
        };
        if holds {
            flags |= 1 << value;
        }
    }
    flags
}

/// The name of the register of a bit.
pub fn name(bit: u32) -> &'static str {
    match 1 << bit {
        FLAGS => "the flags",
        IP => "ip",
        _ => "another",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_and_flow() {
        let next = Flow::Next;
        let rows = [
            // mov ip, r0; movt ip, #1; add r0, r1, r2, lsl ip; umlal ip, r0, r1, r2
            (0xe1a0_c000, 0, IP, next),
            (0xe340_c001, IP, 0, next),
            (0xe081_0c12, IP, 0, next),
            (0xe0a0_c291, IP, 0, next),
            // lsl ip, r7, #2; ror ip, ip, #1
            (0xe1a0_c107, 0, IP, next),
            (0xe1a0_c0ec, IP, IP, next),
            // sub r0, ip, ip; eor ip, ip, ip, lsl #1
            (0xe04c_000c, 0, 0, next),
            (0xe02c_c08c, IP, IP, next),
            // mrc p15, 0, ip, c1, c0, 0; mcr p15, 0, ip, c1, c0, 0; bfi ip, r0, #0, #1
            (0xee11_cf10, 0, IP, next),
            (0xee01_cf10, IP, 0, next),
            (0xe7c0_c010, IP, 0, next),
            // mrc p10, 7, ip, c11, c0, 0; mcr p10, 7, ip, c11, c0, 0; mrc p10, 7, r3, c11, c0, 0
            (0xeefb_ca10, 0, IP, next),
            (0xeeeb_ca10, IP, 0, next),
            (0xeefb_3a10, 0, 0, next),
            // push {ip, lr}; stmdb r0!, {ip}; stm r0, {r1, ip}; pop {ip, lr}; ldm r0, {r1, ip}
            (0xe92d_5000, IP | LR, 0, next),
            (0xe920_1000, IP, 0, next),
            (0xe880_1002, IP, 0, next),
            (0xe8bd_5000, 0, IP | LR, next),
            (0xe890_1002, 0, IP, next),
            // ldr r0, [ip], #4; ldr ip, [r0, ip]; strex ip, r0, [r1]; ldrd r0, r1, [r2, ip]
            (0xe49c_0004, IP, 0, next),
            (0xe790_c00c, IP, IP, next),
            (0xe181_cf90, 0, IP, next),
            (0xe182_00dc, IP, 0, next),
            // cmp ip, #0; adds ip, ip, #1; adc r0, r0, #0; msr cpsr_f, ip
            (0xe35c_0000, IP, FLAGS, next),
            (0xe29c_c001, IP, IP | FLAGS, next),
            (0xe2a0_0000, FLAGS, 0, next),
            // mul r0, r1, r2; muls r0, r1, r2; ldrh r0, [r1]; ldrex r0, [r1]; lsrs r0, r1, ip
            (0xe000_0291, 0, 0, next),
            (0xe010_0291, 0, FLAGS, next),
            (0xe1d1_00b0, 0, 0, next),
            (0xe191_0f9f, 0, 0, next),
            (0xe1b0_0c31, IP, FLAGS, next),
            // b .; bl .; blx ip; bx ip; bx lr; mov pc, lr; pop {pc}; pop {r4, pc}; udf #18
            (0xeaff_fffe, 0, 0, Flow::Jump(0x1000)),
            (0xebff_fffe, 0, 0, Flow::Call(0x1000)),
            (0xe12f_ff3c, IP, 0, Flow::CallIndirect { private: false }),
            (0xe12f_ff1c, IP, 0, Flow::JumpIndirect),
            (0xe12f_ff1e, LR, 0, Flow::Return),
            (0xe1a0_f00e, LR, PC, Flow::Return),
            (0xe49d_f004, 0, PC, Flow::Return),
            (0xe8bd_8010, 0, PC, Flow::Return),
            (0xe7f0_01f2, 0, 0, Flow::Stop),
        ];
        let decoder = Decoder::new().unwrap();
        for (word, reads, writes, flow) in rows {
            let insn = decoder.decode(0x1000, word).unwrap().unwrap();
            let got = (insn.reads, insn.writes, insn.flow, insn.condition);
            assert_eq!(got, (reads, writes, flow, ALWAYS), "{word:08x}");
        }
    }

    #[test]
    fn veneers() {
        let words = [0xe59f_c004, 0xe08f_c00c, 0xe12f_ff1c, 0xfff6_8911];
        assert_eq!(veneer_target(0xc032_1158, words), Some(0xc028_9a75));
        assert_eq!(veneer_target(0xc032_1158, [0; 4]), None);
    }

    #[test]
    fn conditions() {
        let decoder = Decoder::new().unwrap();
        let condition = |cc: u32| {
            let insn = decoder.decode(0, cc << 28 | 0x01a0_c000).unwrap().unwrap();
            assert_eq!(insn.reads, FLAGS);
            insn.condition
        };
        for cc in (0..14).step_by(2) {
            assert_eq!(condition(cc) ^ condition(cc + 1), ALWAYS);
        }
        // N, Z, C, V from bit 3 on: `hi` is C and not Z, `gt` is not Z and N equal to V.
        assert_eq!(condition(8), 1 << 2 | 1 << 3 | 1 << 10 | 1 << 11);
        assert_eq!(condition(12), 1 << 0 | 1 << 2 | 1 << 9 | 1 << 11);
    }
}
