// SPDX-License-Identifier: GPL-2.0

//! The code around the Rust backend's sites: `arch/{arm,mips}/kernel/ftrace_caller.S`.

use crate::{
    code::{
        Code,
        Place,
        Site,
        CORE_SITE,
        ENTRY,
        GRAPH_TRACER,
        MCOUNT,
        MODULE_SITE,
        REGS_ENTRY,
        STUB,
        T32_SITE,
        TRAMPOLINE, //
    },
    isa::{
        copy,
        Isa,
        Op,
        Reg, //
    },
    site::{
        Layout,
        Width,
        A32_FUNC_CALL,
        A32_OPS,
        A32_OPS_CALL,
        MIPS_FUNC_CALL,
        MIPS_OPS,
        MIPS_OPS_CALL,
        T32_FUNC_CALL, //
    },
};

/// A32: a site of layout `site` calls `ftrace_caller`, the entry that stands for
/// `ftrace_regs_caller`, or the trampoline.
pub fn a32(site: &'static Layout) -> Code {
    let mut code = arm(Isa::A32, site, CORE_SITE, &A32_FUNC_CALL);
    let enter = arm_enter(code.isa, code.site(Place::Call));
    let load = [
        Op::LoadFunc {
            to: Reg::Parent,
            ops: Reg::Arg2,
        },
        Op::Nop,
    ];
    let parts: [&[Op]; 3] = [&enter, &load, &[ARM_LEAVE]];
    code.put_trampoline(TRAMPOLINE, parts, [&A32_OPS, &A32_OPS_CALL]);
    code
}

/// T32: a site of layout `site` calls `ftrace_caller`, or the entry that stands for
/// `ftrace_regs_caller`.
pub fn t32(site: &'static Layout) -> Code {
    let ip = match site.width {
        Width::Half => T32_SITE,
        Width::Word => CORE_SITE,
    };
    arm(Isa::T32, site, ip, &T32_FUNC_CALL)
}

const ARM_FRAME: u32 = 32;
const ARM_PARENT: u32 = 24;
const ARM_SITE: u32 = 28;
const ARM_LEAVE: Op = Op::Leave {
    frame: ARM_FRAME,
    parent: ARM_PARENT,
    site: ARM_SITE,
};

/// Returns the first instructions of what `site` calls.
fn arm_enter(isa: Isa, site: &Site) -> [Op; 3] {
    [
        Op::Enter(
            ARM_FRAME,
            &[(Reg::Parent, ARM_PARENT), (Reg::Link, ARM_SITE)],
        ),
        Op::Add {
            to: Reg::Arg0,
            from: Reg::Link,
            add: site.back(isa),
        },
        copy(Reg::Arg1, Reg::Parent),
    ]
}

fn arm(isa: Isa, site: &'static Layout, ip: u32, call: &'static Layout) -> Code {
    let site = Site::compiled(site, ip, isa.pointer(MCOUNT));
    let enter = arm_enter(isa, &site);
    let func = ENTRY + 4 * enter.len() as u32;
    let call = Site::compiled(call, func, isa.pointer(STUB));
    let mut code = Code::new(isa, None, site, call);
    code.put(ENTRY, &enter);
    code.put(func + 4, &[ARM_LEAVE]);
    code.put(REGS_ENTRY, &[Op::Jump(ENTRY)]);
    code.put(GRAPH_TRACER, &[Op::GraphTracer(ARM_PARENT)]);
    code.put(
        MCOUNT,
        &[
            Op::Enter(4, &[(Reg::Link, 0)]),
            Op::Leave {
                frame: 8,
                parent: 4,
                site: 0,
            },
        ],
    );
    code
}

/// MIPS, the kernel: a site of layout `site` calls `ftrace_caller`, or the trampoline.
pub fn mips_core(site: &'static Layout) -> Code {
    let before = copy(Reg::Parent, Reg::Link);
    let site = Site::compiled(site, CORE_SITE, MCOUNT);
    mips(Some(before), site, TRAMPOLINE)
}

/// MIPS, modules: a site of layout `site` calls `ftrace_module_caller`, or the trampoline.
pub fn mips_module(site: &'static Layout) -> Code {
    mips_module_beside(site, TRAMPOLINE)
}

/// MIPS, modules, with the trampoline at this address.
pub fn mips_module_beside(site: &'static Layout, trampoline: u32) -> Code {
    let site = Site::compiled(site, MODULE_SITE, MCOUNT);
    mips(None, site, trampoline)
}

fn mips(before: Option<Op>, site: Site, trampoline: u32) -> Code {
    const FRAME: u32 = 56;
    const PARENT: u32 = 48;
    const RA: u32 = 52;
    const LEAVE: Op = Op::Leave {
        frame: FRAME,
        parent: PARENT,
        site: RA,
    };
    let enter = [
        // `ftrace_caller` and `ftrace_module_caller` differ in this.
        Op::Add {
            to: Reg::Arg0,
            from: Reg::Link,
            add: site.back(Isa::Mips),
        },
        Op::Enter(FRAME, &[(Reg::Link, RA), (Reg::Parent, PARENT)]),
        copy(Reg::Arg1, Reg::Parent),
    ];
    let [to_site, save, parent] = enter;
    let func = ENTRY + 4 * enter.len() as u32;
    let call = Site::compiled(&MIPS_FUNC_CALL, func, STUB);
    let mut code = Code::new(Isa::Mips, before, site, call);
    code.put(ENTRY, &enter);
    code.put(func + 4, &[Op::Nop, LEAVE]);
    code.put(GRAPH_TRACER, &[Op::GraphTracer(PARENT)]);
    code.put(MCOUNT, &[Op::AddSp(8), Op::Back]);

    let load = Op::LoadFunc {
        to: Reg::V1,
        ops: Reg::Arg2,
    };
    let parts: [&[Op]; 3] = [&[to_site, save], &[load, parent], &[Op::Nop, LEAVE]];
    code.put_trampoline(trampoline, parts, [&MIPS_OPS, &MIPS_OPS_CALL]);
    code.is_copied = true;
    code
}
