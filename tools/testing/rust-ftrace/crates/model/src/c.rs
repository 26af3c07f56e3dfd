// SPDX-License-Identifier: GPL-2.0

//! The C backends of Linux 7.3: `arch/{arm,mips}/kernel/{ftrace.c,entry-ftrace.S,mcount.S}`.
//!
//! The graph tracer is left out. They also turn its jump in the entry on and off.
//!
//! Their layouts are tables of the Rust backend's type. Two words of a layout differ between off
//! and on: the Rust backend refuses that at compile time.

use crate::{
    code::{
        Code,
        Site,
        CORE_SITE,
        ENTRY,
        MCOUNT,
        MODULE_SITE,
        STUB,
        T32_SITE, //
    },
    insn::{
        a32,
        mips,
        t32, //
    },
    isa::{
        copy,
        Isa,
        Op,
        Reg,
        A32_ADD_SP_4,
        T32_ADD_SP_4, //
    },
    plan::{
        self,
        Change,
        Step, //
    },
    site::{
        Layout,
        Pattern,
        Width,
        Word,
        A32_FUNC_CALL,
        MIPS_FUNC_CALL,
        T32_FUNC_CALL, //
    },
};

const fn constant(offset: i32, slot: Pattern) -> Word {
    Word {
        offset,
        compiled: slot,
        off: slot,
        on: slot,
    }
}

/// ARM: the site keeps its `push {lr}` and undoes it itself while it is off.
pub static A32: Layout = Layout {
    name: "c-a32",
    width: Width::Word,
    words: &[
        constant(-4, Pattern::OneOf(&a32::PUSH_LR)),
        Word {
            offset: 0,
            compiled: Pattern::A32Bl,
            off: Pattern::Insn(A32_ADD_SP_4),
            on: Pattern::A32Bl,
        },
    ],
};

/// ARM, kernels compiled to T32: the same, in both halfwords of an instruction.
pub static T32: Layout = Layout {
    name: "c-t32",
    width: Width::Half,
    words: &[
        constant(-2, Pattern::Insn(t32::PUSH_LR as u32)),
        Word {
            offset: 0,
            compiled: Pattern::T32Bl,
            off: Pattern::Insn(T32_ADD_SP_4[0] as u32),
            on: Pattern::T32Bl,
        },
        Word {
            offset: 2,
            compiled: Pattern::T32BlSecond,
            off: Pattern::Insn(T32_ADD_SP_4[1] as u32),
            on: Pattern::T32BlSecond,
        },
    ],
};

/// MIPS, the kernel.
pub static MIPS_CORE: Layout = Layout {
    name: "c-mips-core",
    width: Width::Word,
    words: &[
        Word {
            offset: 0,
            compiled: Pattern::MipsJal,
            off: Pattern::Insn(mips::NOP),
            on: Pattern::MipsJal,
        },
        Word {
            offset: 4,
            compiled: Pattern::Insn(mips::ADDIU_SP_M8),
            off: Pattern::Insn(mips::NOP),
            on: Pattern::Insn(mips::NOP),
        },
    ],
};

/// MIPS, modules.
pub static MIPS_MODULE: Layout = Layout {
    name: "c-mips-module",
    width: Width::Word,
    words: &[
        Word {
            offset: 0,
            compiled: Pattern::MipsLuiV1,
            off: Pattern::Insn(mips::b_over(5)),
            on: Pattern::MipsLuiV1,
        },
        Word {
            offset: 4,
            compiled: Pattern::MipsAddiuV1,
            off: Pattern::Insn(mips::NOP),
            on: Pattern::MipsAddiuV1,
        },
        constant(8, Pattern::Kept(&mips::MOVE_AT_RA)),
        constant(12, Pattern::Any),
        constant(16, Pattern::Insn(mips::JALR_V1)),
        constant(20, Pattern::Insn(mips::ADDIU_SP_M8)),
    ],
};

/// A32: the code around a site of layout `site`.
pub fn a32(site: &'static Layout) -> Code {
    arm(Isa::A32, site, CORE_SITE, &A32_FUNC_CALL)
}

/// T32: the code around a site of layout `site`.
pub fn t32(site: &'static Layout) -> Code {
    arm(Isa::T32, site, T32_SITE, &T32_FUNC_CALL)
}

fn arm(isa: Isa, site: &'static Layout, ip: u32, call: &'static Layout) -> Code {
    const SITE: u32 = 16;
    const PARENT: u32 = 20;
    const LEAVE: Op = Op::Leave {
        frame: 24,
        parent: PARENT,
        site: SITE,
    };
    let site = Site::compiled(site, ip, isa.pointer(MCOUNT));
    let back = site.back(isa);
    let enter = [
        Op::Enter(20, &[(Reg::Link, SITE)]),
        Op::Load(Reg::Arg1, PARENT),
        Op::Add {
            to: Reg::Arg0,
            from: Reg::Link,
            add: back,
        },
    ];
    let func = ENTRY + 4 * enter.len() as u32;
    let call = Site::compiled(call, func, isa.pointer(STUB));
    let mut code = Code::new(isa, None, site, call);
    code.put(ENTRY, &enter);
    code.put(func + 4, &[LEAVE]);
    code
}

/// MIPS, the kernel: the code around a site of layout `site`, which enters at `ftrace_caller+8`.
pub fn mips_core(site: &'static Layout) -> Code {
    let before = copy(Reg::Parent, Reg::Link);
    let site = Site::compiled(site, CORE_SITE, MCOUNT);
    mips(Some(before), site, ENTRY, &[])
}

/// MIPS, modules: the code around a site of layout `site`, which enters at `_mcount`. That gives
/// back what the site's delay slot takes.
pub fn mips_module(site: &'static Layout) -> Code {
    let site = Site::compiled(site, MODULE_SITE, MCOUNT);
    mips(None, site, MCOUNT, &[Op::Nop, Op::AddSp(8)])
}

fn mips(before: Option<Op>, site: Site, entry: u32, first: &[Op]) -> Code {
    const PARENT: u32 = 40;
    const SITE: u32 = 44;
    const LEAVE: Op = Op::Leave {
        frame: 48,
        parent: PARENT,
        site: SITE,
    };
    let back = site.back(Isa::Mips);
    let enter = [
        Op::Enter(48, &[(Reg::Parent, PARENT), (Reg::Link, SITE)]),
        Op::Add {
            to: Reg::Arg0,
            from: Reg::Link,
            add: back,
        },
    ];
    let func = entry + 4 * (first.len() + enter.len()) as u32;
    let call = Site::compiled(&MIPS_FUNC_CALL, func, STUB);
    let mut code = Code::new(Isa::Mips, before, site, call);
    let next = code.put(entry, first);
    code.put(next, &enter);
    code.put(func + 4, &[copy(Reg::Arg1, Reg::Parent), LEAVE]);
    code
}

/// ARM: `ftrace_modify_code()` and `__patch_text_real()` under `stop_machine()`. No CPU but
/// the one that stores is made to synchronise.
pub fn change_stopped(code: &mut Code, change: Change) -> Vec<Step> {
    let stores = plan::stores(code, change);
    let compares = stores.iter().filter_map(|step| match *step {
        Step::Store { address, old, .. } => Some(Step::Compare { address, old }),
        _ => None,
    });
    let (start, end) = code.site(change.place).range();
    let mut steps = vec![Step::Stop];
    steps.extend(compares);
    steps.extend(stores.iter().copied());
    steps.extend([Step::Publish { start, end }, Step::Go]);
    steps
}

/// MIPS: `ftrace_modify_code_2()` and its reverse, while everything runs: nothing is compared,
/// and `flush_icache_range()` reaches all CPUs.
pub fn change_live(code: &mut Code, change: Change) -> Vec<Step> {
    let mut steps = plan::stores(code, change);
    if change.to.state == crate::site::State::On {
        steps.reverse();
    }
    let (start, end) = code.site(change.place).range();
    steps.extend([Step::Publish { start, end }, Step::Synchronise, Step::Go]);
    steps
}
