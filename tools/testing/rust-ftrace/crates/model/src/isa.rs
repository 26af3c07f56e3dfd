// SPDX-License-Identifier: GPL-2.0

//! What instructions do, as far as call sites depend on it.

use crate::insn::{
    a32,
    mips,
    t32, //
};

/// `add sp, sp, #4`: what the C backend turns an A32 site off with.
pub const A32_ADD_SP_4: u32 = 0xe28d_d004;

/// `add.w sp, sp, #4`: what it turns a T32 site off with.
pub const T32_ADD_SP_4: [u16; 2] = [0xf10d, 0x0d04];

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// A32.
    A32,
    /// T32. An instruction of two halfwords is given as [`t32::word`] has it.
    T32,
    /// MIPS32, o32.
    Mips,
}

/// A register that a site, or what it calls, uses to hand over or to form an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reg {
    /// `r0`, `a0`.
    Arg0,
    /// `r1`, `a1`.
    Arg1,
    /// `ip`, `at`: the return address of the traced function, from the site to what it calls.
    Parent,
    /// `lr`, `ra`.
    Link,
    /// `r3`, `v1`.
    V1,
    /// `r2`, `a2`.
    Arg2,
}

impl Reg {
    /// All registers, in the order of [`Regs`].
    pub const ALL: [Reg; 6] = [
        Reg::Arg0,
        Reg::Arg1,
        Reg::Parent,
        Reg::Link,
        Reg::V1,
        Reg::Arg2,
    ];
}

/// The registers of a task.
pub type Regs = [u32; Reg::ALL.len()];

/// An instruction, or a run of instructions in which no word changes and no task changes what
/// another one sees, so that it does not matter where in it a task is preempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Changes nothing that the model has.
    Nop,
    /// `to = from + add`.
    Add {
        /// Destination.
        to: Reg,
        /// Source.
        from: Reg,
        /// Summand.
        add: i32,
    },
    /// `lui to, value >> 16`.
    Upper {
        /// Destination.
        to: Reg,
        /// Value of the register.
        value: u32,
    },
    /// `movw to, value`.
    Lower {
        /// Destination.
        to: Reg,
        /// Value of the register.
        value: u32,
    },
    /// `movt to, value >> 16`, which leaves the lower half.
    Top {
        /// Destination.
        to: Reg,
        /// Upper half of the register, in place.
        value: u32,
    },
    /// `sp += add`.
    AddSp(i32),
    /// Takes a frame of this many bytes and saves the registers in it.
    Enter(u32, &'static [(Reg, u32)]),
    /// Loads a register from the stack.
    Load(Reg, u32),
    /// Loads `ops->func`.
    LoadFunc {
        /// Destination.
        to: Reg,
        /// The ops.
        ops: Reg,
    },
    /// Leaves a frame: the traced function's return address goes from the stack to the link
    /// register, and the CPU to the address after the site.
    Leave {
        /// Size of the frame.
        frame: u32,
        /// Offset of the return address.
        parent: u32,
        /// Offset of the address after the site.
        site: u32,
    },
    /// `jr ra; move ra, at`: as [`Op::Leave`], from registers.
    Back,
    /// Goes to an address.
    Jump(u32),
    /// Calls an address.
    Call(u32),
    /// Calls the address in a register.
    CallReg(Reg),
    /// Returns to the address in the link register.
    Return,
    /// A tracer: its arguments are in the argument registers.
    Tracer,
    /// What calls the tracer of an ops, or is it: the ops is one of its arguments.
    OpsTracer(u32),
    /// The graph tracer: a tracer that replaces the return address at this offset of the stack.
    GraphTracer(u32),
    /// The traced function's body, up to its return.
    Body,
}

/// Returns the copy of a register to another one.
pub const fn copy(to: Reg, from: Reg) -> Op {
    Op::Add { to, from, add: 0 }
}

impl Isa {
    /// Bytes from a call to where it returns.
    pub const fn call_size(self) -> u32 {
        match self {
            Isa::A32 | Isa::T32 => 4,
            Isa::Mips => 8,
        }
    }

    /// Returns the pointer to the instruction at `address`, which is also how a call leaves its
    /// return address.
    pub const fn pointer(self, address: u32) -> u32 {
        match self {
            Isa::T32 => address | 1,
            Isa::A32 | Isa::Mips => address,
        }
    }

    /// Returns the address that a pointer is to.
    pub const fn address(self, pointer: u32) -> u32 {
        match self {
            Isa::T32 => pointer & !1,
            Isa::A32 | Isa::Mips => pointer,
        }
    }

    /// Whether another halfword belongs to the instruction that starts with this one.
    pub const fn is_first_half(self, halfword: u32) -> bool {
        matches!(self, Isa::T32) && halfword >> 11 >= 0b11101
    }

    /// Whether the instruction after a branch is executed before its target.
    pub const fn has_delay_slots(self) -> bool {
        matches!(self, Isa::Mips)
    }

    /// Whether a CPU may execute the instruction while another CPU exchanges it for another such
    /// instruction, without synchronisation. It then executes the old instruction or the new one.
    ///
    /// A32: DDI 0406, A3.5.4, of which sites hold only these. T32: DDI 0487, B2.2.5, of which sites
    /// hold only 16-bit `b` and the first halfword of `bl`. No such list exists for MIPS.
    pub const fn may_change_live(self, pc: u32, insn: u32) -> bool {
        match self {
            Isa::A32 => {
                insn == a32::NOP
                    || a32::b_target(pc, insn).is_some()
                    || a32::bl_target(pc, insn).is_some()
            }
            Isa::T32 => matches!(insn >> 11, 0b11100 | 0b11110),
            Isa::Mips => false,
        }
    }

    /// Returns what the instruction `insn` at `pc` does, [`None`] if no site holds such an instruction.
    pub fn decode(self, pc: u32, insn: u32) -> Option<Op> {
        match self {
            Isa::A32 => decode_a32(pc, insn),
            Isa::T32 => decode_t32(pc, insn),
            Isa::Mips => decode_mips(pc, insn),
        }
    }

    /// Returns the name of a register.
    pub const fn name(self, reg: Reg) -> &'static str {
        match (self, reg) {
            (Isa::A32 | Isa::T32, Reg::Arg0) => "r0",
            (Isa::A32 | Isa::T32, Reg::Arg1) => "r1",
            (Isa::A32 | Isa::T32, Reg::Parent) => "ip",
            (Isa::A32 | Isa::T32, Reg::Link) => "lr",
            (Isa::A32 | Isa::T32, Reg::V1) => "r3",
            (Isa::A32 | Isa::T32, Reg::Arg2) => "r2",
            (Isa::Mips, Reg::Arg0) => "a0",
            (Isa::Mips, Reg::Arg1) => "a1",
            (Isa::Mips, Reg::Parent) => "at",
            (Isa::Mips, Reg::Link) => "ra",
            (Isa::Mips, Reg::V1) => "v1",
            (Isa::Mips, Reg::Arg2) => "a2",
        }
    }

    /// Returns `op` as text; `symbol` names addresses.
    pub fn text(self, op: Op, symbol: impl Fn(u32) -> String) -> String {
        let arm = self != Isa::Mips;
        let name = |reg| self.name(reg);
        match op {
            Op::Nop => "nop".to_owned(),
            Op::Add { to, from, add: 0 } if to != from => {
                let mnemonic = if arm { "mov" } else { "move" };
                format!("{mnemonic} {}, {}", name(to), name(from))
            }
            Op::Add { to, from, add } if arm => {
                format!("add {}, {}, #{add}", name(to), name(from))
            }
            Op::Add { to, from, add } => format!("addiu {}, {}, {add}", name(to), name(from)),
            Op::Upper { to, value } => format!("lui {}, {:#x}", name(to), value >> 16),
            Op::Lower { to, value } => format!("movw {}, #{value:#x}", name(to)),
            Op::Top { to, value } => format!("movt {}, #{:#x}", name(to), value >> 16),
            Op::AddSp(add) if arm => format!("add sp, sp, #{add}"),
            Op::AddSp(add) => format!("addiu sp, sp, {add}"),
            Op::Enter(4, [(reg, 0)]) => format!("push {{{}}}", name(*reg)),
            Op::Enter(frame, saved) => {
                let saved: Vec<_> = saved.iter().map(|(reg, _)| name(*reg)).collect();
                format!("takes {frame} bytes of stack, saves {}", saved.join(", "))
            }
            Op::Load(reg, offset) if arm => format!("ldr {}, [sp, #{offset}]", name(reg)),
            Op::Load(reg, offset) => format!("lw {}, {offset}(sp)", name(reg)),
            Op::LoadFunc { to, ops } if arm => format!("ldr {}, [{}, #func]", name(to), name(ops)),
            Op::LoadFunc { to, ops } => format!("lw {}, func({})", name(to), name(ops)),
            Op::Leave { .. } => "restores and goes back to the site".to_owned(),
            Op::Back => "jr ra; move ra, at".to_owned(),
            Op::Jump(target) => format!("{} {}", if arm { "b" } else { "j" }, symbol(target)),
            Op::Call(target) => format!("{} {}", if arm { "bl" } else { "jal" }, symbol(target)),
            Op::CallReg(reg) => format!("{} {}", if arm { "blx" } else { "jalr" }, name(reg)),
            Op::Return => format!("{} {}", if arm { "bx" } else { "jr" }, name(Reg::Link)),
            Op::Tracer => "the tracer".to_owned(),
            Op::OpsTracer(_) => "the tracer of the ops".to_owned(),
            Op::GraphTracer(_) => "the graph tracer".to_owned(),
            Op::Body => "the function's body".to_owned(),
        }
    }
}

fn decode_a32(pc: u32, insn: u32) -> Option<Op> {
    match insn {
        a32::NOP => Some(Op::Nop),
        a32::MOV_IP_LR => Some(Op::Add {
            to: Reg::Parent,
            from: Reg::Link,
            add: 0,
        }),
        insn if a32::PUSH_LR.contains(&insn) => Some(Op::Enter(4, &[(Reg::Link, 0)])),
        a32::BLX_IP => Some(Op::CallReg(Reg::Parent)),
        A32_ADD_SP_4 => Some(Op::AddSp(4)),
        _ => {
            let to = Reg::Arg2;
            let lower = a32::movw_r2_value(insn).map(|value| Op::Lower { to, value });
            let top = || a32::movt_r2_value(insn).map(|value| Op::Top { to, value });
            let call = || a32::bl_target(pc, insn).map(Op::Call);
            let jump = || a32::b_target(pc, insn).map(Op::Jump);
            lower.or_else(top).or_else(call).or_else(jump)
        }
    }
}

fn decode_t32(pc: u32, insn: u32) -> Option<Op> {
    const MOV_IP_LR: u32 = t32::MOV_IP_LR as u32;
    const PUSH_LR: u32 = t32::PUSH_LR as u32;
    const B_OVER_HW: u32 = t32::B_OVER_HW as u32;
    const NOP: u32 = t32::NOP as u32;
    const MOV_IP_LR_NOP: u32 = t32::word([t32::MOV_IP_LR, t32::NOP]);
    const NOP_W: u32 = t32::word(t32::NOP_W);
    const ADD_SP_4: u32 = t32::word(T32_ADD_SP_4);

    match insn {
        NOP | NOP_W => Some(Op::Nop),
        MOV_IP_LR | MOV_IP_LR_NOP => Some(copy(Reg::Parent, Reg::Link)),
        PUSH_LR => Some(Op::Enter(4, &[(Reg::Link, 0)])),
        B_OVER_HW => Some(Op::Jump(pc.wrapping_add(4))),
        ADD_SP_4 => Some(Op::AddSp(4)),
        _ => {
            let hw = t32::halfwords(insn);
            let call = t32::bl_target(pc, hw).map(Op::Call);
            call.or_else(|| t32::b_w_target(pc, hw).map(Op::Jump))
        }
    }
}

fn decode_mips(pc: u32, insn: u32) -> Option<Op> {
    match insn {
        mips::NOP => return Some(Op::Nop),
        mips::ADDIU_SP_M8 => return Some(Op::AddSp(-8)),
        mips::JALR_V1 => return Some(Op::CallReg(Reg::V1)),
        mips::MOVE_RA_AT => return Some(copy(Reg::Link, Reg::Parent)),
        _ => {}
    }
    if mips::MOVE_AT_RA.contains(&insn) {
        return Some(copy(Reg::Parent, Reg::Link));
    }
    let over = |skipped: &u8| mips::b_over(*skipped) == insn;
    if let Some(skipped) = (0..=u8::MAX).find(over) {
        return Some(Op::Jump(pc.wrapping_add(4 + 4 * u32::from(skipped))));
    }
    type Formed = fn(u32, u32) -> Option<u32>;
    let v1 = [mips::lui_v1(0), mips::addiu_v1(0)];
    let a2 = [mips::lui_a2(0), mips::addiu_a2(0)];
    for (to, formed, [lui, addiu]) in [
        (Reg::V1, mips::v1_target as Formed, v1),
        (Reg::Arg2, mips::a2_value, a2),
    ] {
        if let Some(value) = formed(insn, addiu) {
            return Some(Op::Upper { to, value });
        }
        if let Some(add) = formed(lui, insn) {
            return Some(Op::Add {
                to,
                from: to,
                add: add.cast_signed(),
            });
        }
    }
    mips::jal_target(pc, insn)
        .map(Op::Call)
        .or_else(|| mips::j_target(pc, insn).map(Op::Jump))
}
