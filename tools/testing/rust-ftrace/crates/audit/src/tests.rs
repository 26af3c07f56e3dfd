// SPDX-License-Identifier: GPL-2.0

//! Kernels made by hand: each has something that the audit must find, or must not take for it.

use ftrace_pure::insn::{
    a32,
    mips,
    t32, //
};

use crate::{
    constants,
    dead,
    image::{
        fake::Kernel,
        Image,
        Isa, //
    },
    path,
    program::Program,
    sites, //
};

const POKE: &str =
    "_RINvNtNtCs1EKtwoKEMO2_6kernel6ftrace4text4pokeNtCsbJhM0o4XPi2_11ftrace_rust3ArmEBL_";
const RUN: &str = "_RINvNtCs1EKtwoKEMO2_6kernel12stop_machine3runNCINvNtNtB4_6ftrace6update11\
                   update_codeNtCsbJhM0o4XPi2_11ftrace_rust3ArmE0NvYB1k_NtNtBO_4text7Machine9\
                   sync_coreEB1m_";
const PANIC: &str = "_RNvNtCs1peUGmbrgHn_4core9panicking9panic_fmt";

const MOV_IP_1: u32 = 0xe3a0_c001;
const MOV_R0_IP: u32 = 0xe1a0_000c;
const CMP_R0_0: u32 = 0xe350_0000;
const MOVNE_IP_0: u32 = 0x13a0_c000;
const MOVEQ_IP_1: u32 = 0x03a0_c001;
const MOVEQ_R0_1: u32 = 0x03a0_0001;
const BX_LR: u32 = 0xe12f_ff1e;
const BLX_R3: u32 = 0xe12f_ff33;
const LDRLS_PC_R0: u32 = 0x979f_f100;
/// Over one instruction.
const BNE: u32 = 0x1a00_0000;

// T32: `movs r0, #1`, `mov ip, r0`, `mov r0, ip`, `bx lr`, `cmp r0, #0`, `cbnz r0` over the next
// two halfwords, `it ne` and `ite ne`.
const T32_MOVS_R0_1: u16 = 0x2001;
const T32_MOV_IP_R0: u16 = 0x4684;
const T32_MOV_R0_IP: u16 = 0x4660;
const T32_BX_LR: u16 = 0x4770;
const T32_CMP_R0_0: u16 = 0x2800;
const T32_CBNZ_R0: u16 = 0xb908;
const T32_IT_NE: u16 = 0xbf18;
const T32_ITE_NE: u16 = 0xbf14;
/// `add ip, r0`, which is `add ip, ip, r0`.
const T32_ADD_IP_R0: u16 = 0x4484;
/// `tbb [pc, r0]`.
const T32_TBB: [u16; 2] = [0xe8df, 0xf000];

const MOVE_AT_RA: u32 = mips::MOVE_AT_RA[0];
const MOVE_T4_ZERO: u32 = 0x0000_6025;
const LI_V1_1: u32 = 0x2403_0001;
const MOVE_A0_V0: u32 = 0x0040_2025;
const MOVE_A0_V1: u32 = 0x0060_2025;
const LI_V0_1: u32 = 0x2402_0001;
const JALR_T9: u32 = 0x0320_f809;
const JR_RA: u32 = 0x03e0_0008;

/// What is wrong with a kernel, and the reads of registers without a value in it.
fn audit(kernel: Kernel) -> (Vec<String>, usize) {
    let image = kernel.image();
    let program = Program::new(&image).unwrap();
    let sites = sites::sites(&image).unwrap();
    let reads = dead::reads(&program, &sites.good).unwrap();
    let names = |live: &dead::Live| program.decoder.names(live.register);
    let mut problems = sites.bad;
    problems.extend(reads.live.iter().map(names));
    (problems, reads.empty)
}

/// An A32 function with a site, between what comes before it and after it.
fn a32_function(before: &[u32], after: &[u32]) -> Kernel {
    let mut kernel = Kernel::new(Isa::A32);
    let mcount = kernel.function("__gnu_mcount_nc", &[BX_LR]);
    let ip = kernel.here() + 4 * before.len() as u32 + 4;
    let site = [a32::PUSH_LR[0], a32::bl(ip, mcount).unwrap()];
    kernel.function("traced", &[before, &site, after].concat());
    kernel.site(ip);
    kernel
}

/// The same for T32, with the site off the boundary of a word.
fn t32_function(before: &[u16], after: &[u16]) -> (Kernel, u32) {
    let mut kernel = Kernel::new(Isa::A32);
    let mcount = kernel.t32_function("__gnu_mcount_nc", &[T32_BX_LR]);
    let mut before = before.to_vec();
    if !before.len().is_multiple_of(2) {
        before.insert(0, T32_MOVS_R0_1);
    }
    let ip = kernel.here() + 2 * before.len() as u32 + 2;
    let [first, second] = t32::bl(ip, mcount).unwrap();
    let site = [t32::PUSH_LR, first, second];
    kernel.t32_function("traced", &[&before, &site[..], after].concat());
    // As recorded.
    kernel.site(ip | 1);
    (kernel, ip)
}

fn t32_reads(before: &[u16], after: &[u16]) -> (Vec<String>, usize) {
    audit(t32_function(before, after).0)
}

/// The same for MIPS.
fn mips_function(before: &[u32], after: &[u32]) -> Kernel {
    let mut kernel = Kernel::new(Isa::Mips32);
    let mcount = kernel.function("_mcount", &[JR_RA, mips::NOP]);
    let ip = kernel.here() + 4 * before.len() as u32 + 8;
    let call = mips::jal(ip, mcount).unwrap();
    let site = [MOVE_AT_RA, MOVE_T4_ZERO, call, mips::ADDIU_SP_M8];
    kernel.function("traced", &[before, &site, after].concat());
    kernel.site(ip);
    kernel
}

fn a32_reads(before: &[u32], after: &[u32]) -> (Vec<String>, usize) {
    audit(a32_function(before, after))
}

fn mips_reads(before: &[u32], after: &[u32]) -> (Vec<String>, usize) {
    audit(mips_function(before, after))
}

fn live(registers: &[&str]) -> (Vec<String>, usize) {
    (registers.iter().map(|r| (*r).to_owned()).collect(), 0)
}

#[test]
fn sites_of_other_layouts_are_found() {
    let (problems, _) = audit(a32_function(&[], &[BX_LR]));
    assert_eq!(problems, [""; 0]);

    let mut kernel = a32_function(&[], &[BX_LR]);
    kernel.site(kernel.here() - 4);
    let (problems, _) = audit(kernel);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].ends_with("is not a compiled a32-mcount site"));

    let mut kernel = Kernel::new(Isa::A32);
    let other = kernel.function("other", &[BX_LR]);
    let ip = kernel.here() + 4;
    kernel.function("traced", &[a32::PUSH_LR[0], a32::bl(ip, other).unwrap()]);
    kernel.site(ip);
    let (problems, _) = audit(kernel);
    assert!(problems[0].ends_with("calls other and not __gnu_mcount_nc"));

    let mut kernel = Kernel::new(Isa::Mips32);
    let mcount = kernel.function("_mcount", &[JR_RA, mips::NOP]);
    let ip = kernel.here() + 8;
    let call = mips::jal(ip, mcount).unwrap();
    kernel.function("f", &[mips::NOP, mips::NOP, call, mips::ADDIU_SP_M8]);
    kernel.site(ip);
    let (problems, _) = audit(kernel);
    assert!(problems[0].ends_with("before it is not `move at, ra`"));
}

#[test]
fn a_value_of_before_the_site_is_live() {
    assert_eq!(a32_reads(&[MOV_IP_1], &[MOV_R0_IP, BX_LR]), live(&["ip"]));
    assert_eq!(
        mips_reads(&[LI_V1_1], &[MOVE_A0_V1, JR_RA, mips::NOP]),
        live(&["v1"])
    );
}

#[test]
fn what_was_written_since_is_dead() {
    let dead = live(&[]);
    assert_eq!(a32_reads(&[MOV_IP_1], &[MOV_IP_1, MOV_R0_IP, BX_LR]), dead);
    assert_eq!(
        mips_reads(&[LI_V1_1], &[LI_V1_1, MOVE_A0_V1, JR_RA, mips::NOP]),
        dead
    );
}

#[test]
fn what_held_nothing_is_counted() {
    assert_eq!(a32_reads(&[], &[MOV_R0_IP, BX_LR]), (vec![], 1));
}

#[test]
fn all_paths_are_followed() {
    let both = [CMP_R0_0, BNE, MOV_IP_1, MOV_R0_IP, BX_LR];
    assert_eq!(a32_reads(&[MOV_IP_1], &both), live(&["ip"]));

    // A table of jumps of which the second one is over the write.
    let mut kernel = Kernel::new(Isa::A32);
    let mcount = kernel.function("__gnu_mcount_nc", &[BX_LR]);
    let ip = kernel.here() + 8;
    let table = ip + 16;
    let site = [MOV_IP_1, a32::PUSH_LR[0], a32::bl(ip, mcount).unwrap()];
    let switch = [CMP_R0_0, LDRLS_PC_R0, BX_LR, table + 8, table + 12];
    let targets = [MOV_IP_1, MOV_R0_IP, BX_LR];
    kernel.function("traced", &[&site[..], &switch, &targets].concat());
    kernel.site(ip);
    kernel.data(table, table + 8, Isa::A32);
    assert_eq!(audit(kernel), live(&["ip"]));
}

#[test]
fn opposite_conditions_write_on_all_paths() {
    let write = [CMP_R0_0, MOVNE_IP_0, MOVEQ_IP_1, MOV_R0_IP, BX_LR];
    assert_eq!(a32_reads(&[MOV_IP_1], &write), live(&[]));

    let half = [CMP_R0_0, MOVNE_IP_0, MOV_R0_IP, BX_LR];
    assert_eq!(a32_reads(&[MOV_IP_1], &half), live(&["ip"]));

    let flags_changed = [CMP_R0_0, MOVNE_IP_0, CMP_R0_0, MOVEQ_IP_1, MOV_R0_IP, BX_LR];
    assert_eq!(a32_reads(&[MOV_IP_1], &flags_changed), live(&["ip"]));
}

#[test]
fn flags_are_followed_like_registers() {
    assert_eq!(
        a32_reads(&[CMP_R0_0], &[MOVEQ_R0_1, BX_LR]),
        live(&["the flags"])
    );
    assert_eq!(
        a32_reads(&[CMP_R0_0], &[CMP_R0_0, MOVEQ_R0_1, BX_LR]),
        live(&[])
    );
}

#[test]
fn t32_sites_are_checked() {
    let (kernel, ip) = t32_function(&[], &[T32_BX_LR]);
    assert_eq!(ip % 4, 2);
    let image = kernel.image();
    let found = sites::sites(&image).unwrap();
    assert_eq!(found.bad, [""; 0]);
    let layouts: Vec<_> = found.good.iter().map(|s| (s.ip, s.layout.name)).collect();
    assert_eq!(layouts, [(ip, "t32-mcount")]);

    let (mut kernel, ip) = t32_function(&[], &[T32_BX_LR]);
    kernel.site(ip + 2);
    let (problems, _) = audit(kernel);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].ends_with("is not a compiled t32-mcount site"));
}

#[test]
fn t32_registers_are_followed() {
    let set = [T32_MOV_IP_R0];
    assert_eq!(t32_reads(&set, &[T32_MOV_R0_IP, T32_BX_LR]), live(&["ip"]));
    let write = [T32_MOV_IP_R0, T32_MOV_R0_IP, T32_BX_LR];
    assert_eq!(t32_reads(&set, &write), live(&[]));
    // What is written in part is read.
    let add = [T32_ADD_IP_R0, T32_BX_LR];
    assert_eq!(t32_reads(&set, &add), live(&["ip"]));

    // Only `cbnz` leads past the write.
    let branch = [
        T32_CBNZ_R0,
        T32_MOV_IP_R0,
        t32::MOV_IP_LR,
        T32_MOV_R0_IP,
        T32_BX_LR,
    ];
    assert_eq!(t32_reads(&set, &branch), live(&["ip"]));
}

#[test]
fn t32_conditions_are_those_of_it() {
    let set = [T32_MOV_IP_R0];
    let half = [
        T32_CMP_R0_0,
        T32_IT_NE,
        T32_MOV_IP_R0,
        T32_MOV_R0_IP,
        T32_BX_LR,
    ];
    assert_eq!(t32_reads(&set, &half), live(&["ip"]));
    let both = [
        T32_CMP_R0_0,
        T32_ITE_NE,
        T32_MOV_IP_R0,
        t32::MOV_IP_LR,
        T32_MOV_R0_IP,
        T32_BX_LR,
    ];
    assert_eq!(t32_reads(&set, &both), live(&[]));
    // The flags of before the site, and those that the function sets itself.
    let flags = [T32_IT_NE, T32_MOVS_R0_1, T32_BX_LR];
    assert_eq!(t32_reads(&[T32_CMP_R0_0], &flags), live(&["the flags"]));
    let flags = [T32_MOVS_R0_1, T32_IT_NE, T32_MOVS_R0_1, T32_BX_LR];
    assert_eq!(t32_reads(&[T32_CMP_R0_0], &flags), live(&[]));
}

#[test]
fn t32_tables_of_jumps_are_followed() {
    // The first entry leads to the write, the second one past it.
    let table = u16::from_le_bytes([1, 2]);
    let jump = [T32_TBB[0], T32_TBB[1], table];
    let targets = [T32_MOV_IP_R0, T32_MOV_R0_IP, T32_BX_LR];
    let (mut kernel, ip) = t32_function(&[T32_MOV_IP_R0], &[&jump[..], &targets].concat());
    kernel.data(ip + 8, ip + 10, Isa::T32);
    assert_eq!(audit(kernel), live(&["ip"]));

    let only_write = u16::from_le_bytes([1, 1]);
    let jump = [T32_TBB[0], T32_TBB[1], only_write];
    let (mut kernel, ip) = t32_function(&[T32_MOV_IP_R0], &[&jump[..], &targets].concat());
    kernel.data(ip + 8, ip + 10, Isa::T32);
    assert_eq!(audit(kernel), live(&[]));
}

#[test]
fn a_call_writes_results_alone() {
    let call = [BLX_R3, MOV_R0_IP, BX_LR];
    assert_eq!(a32_reads(&[MOV_IP_1], &call), live(&["ip"]));

    let call = [JALR_T9, mips::NOP, MOVE_A0_V0, JR_RA, mips::NOP];
    let (problems, _) = mips_reads(&[LI_V0_1], &call);
    assert_eq!(problems, [""; 0]);
}

#[test]
fn a_call_of_a_function_with_a_site_writes_all() {
    let callee = |has_site: bool| {
        let mut kernel = Kernel::new(Isa::A32);
        let mcount = kernel.function("__gnu_mcount_nc", &[BX_LR]);
        let mut function = |name, before: &[u32], after: &[u32], is_site| {
            let ip = kernel.here() + 4 * before.len() as u32 + 4;
            let site = [a32::PUSH_LR[0], a32::bl(ip, mcount).unwrap()];
            let start = kernel.function(name, &[before, &site, after].concat());
            if is_site {
                kernel.site(ip);
            }
            start
        };
        let callee = function("callee", &[], &[BX_LR], has_site);
        let call = a32::bl(callee + 24, callee).unwrap();
        function("caller", &[MOV_IP_1], &[call, MOV_R0_IP, BX_LR], true);
        audit(kernel)
    };
    assert_eq!(callee(false), live(&["ip"]));
    assert_eq!(callee(true), live(&[]));
}

#[test]
fn a_delay_slot_is_executed() {
    let read = [JR_RA, MOVE_A0_V1];
    assert_eq!(mips_reads(&[LI_V1_1], &read), live(&["v1"]));

    // `b` over the next two words, with the write in its slot.
    let write = [
        0x1000_0002,
        LI_V1_1,
        mips::NOP,
        MOVE_A0_V1,
        JR_RA,
        mips::NOP,
    ];
    assert_eq!(mips_reads(&[LI_V1_1], &write), live(&[]));
}

/// A kernel whose `apply` has other calls around its store and the publication, and whose hook and
/// whose `run` have calls too.
struct Calls {
    before: Option<&'static str>,
    between: Option<&'static str>,
    after: Option<&'static str>,
    run: Option<&'static str>,
    hook: Option<&'static str>,
}

const NO_CALLS: Calls = Calls {
    before: None,
    between: None,
    after: None,
    run: None,
    hook: None,
};

fn patcher(calls: &Calls) -> anyhow::Result<Vec<String>> {
    patcher_without(calls, "")
}

fn patcher_without(calls: &Calls, missing: &str) -> anyhow::Result<Vec<String>> {
    let image = patcher_image(calls, missing);
    let program = Program::new(&image)?;
    path::check(&program, &sites::sites(&image)?.good)
}

fn patcher_image(calls: &Calls, missing: &str) -> Image {
    let mut kernel = Kernel::new(Isa::A32);
    let mut addresses = std::collections::HashMap::new();
    let leaves = [
        "__gnu_mcount_nc",
        "rust_helper_put_insn_nofault",
        "rust_helper_flush_icache_range",
        "ftrace_modify_all_code",
        "ktime_get_mono_fast_ns",
        "ftrace_caller",
        "arch_ftrace_update_code",
        "ftrace_init_nop",
        "ftrace_make_nop",
        "ftrace_replace_code",
        "ftrace_update_ftrace_func",
        "notrace",
        PANIC,
    ];
    for name in leaves.into_iter().filter(|name| *name != missing) {
        addresses.insert(name, kernel.function(name, &[BX_LR]));
    }
    let ip = kernel.here() + 4;
    let mcount = a32::bl(ip, addresses["__gnu_mcount_nc"]).unwrap();
    let traced = kernel.function("traced", &[a32::PUSH_LR[0], mcount, BX_LR]);
    if missing != "site" {
        kernel.site(ip);
    }
    addresses.insert("traced", traced);

    let mut caller = |name: &str, callees: &[Option<&str>]| {
        let mut words = Vec::new();
        for callee in callees.iter().flatten() {
            let pc = kernel.here() + 4 * words.len() as u32;
            let target = addresses.get(callee).copied().unwrap_or(traced);
            words.push(a32::bl(pc, target).unwrap());
        }
        words.push(BX_LR);
        if name != missing {
            kernel.function(name, &words);
        }
    };
    let store = Some("rust_helper_put_insn_nofault");
    let publish = Some("rust_helper_flush_icache_range");
    let around = [calls.before, store, calls.between, publish, calls.after];
    caller(POKE, &around);
    caller(RUN, &[Some("ftrace_modify_all_code"), calls.run]);
    caller("ftrace_make_call", &[calls.hook]);
    kernel.image()
}

#[test]
fn a_kernel_without_sites_is_no_good_one() {
    let problems = |missing| {
        let report = crate::audit_image(&patcher_image(&NO_CALLS, missing)).unwrap();
        report.problems
    };
    assert_eq!(problems(""), [""; 0]);
    assert_eq!(problems("site"), ["no call site is recorded"]);
}

#[test]
fn nothing_traceable_runs_between_store_and_publication() {
    let traced = Some("traced");
    let allowed = Calls {
        before: traced,
        between: Some("notrace"),
        after: traced,
        hook: traced,
        ..NO_CALLS
    };
    assert_eq!(patcher(&allowed).unwrap(), [""; 0]);

    let between = Calls {
        between: traced,
        ..NO_CALLS
    };
    assert_eq!(
        patcher(&between).unwrap(),
        ["can be traced between a store and its publication: traced"]
    );
}

#[test]
fn nothing_traceable_runs_on_processors_that_wait() {
    let calls = Calls {
        run: Some("traced"),
        ..NO_CALLS
    };
    let problems = patcher(&calls).unwrap();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("can be traced while other CPUs change text"));
    assert!(problems[0].ends_with("-> traced"));
}

#[test]
fn hooks_do_not_panic() {
    let calls = Calls {
        hook: Some(PANIC),
        ..NO_CALLS
    };
    assert_eq!(
        patcher(&calls).unwrap(),
        ["can panic: ftrace_make_call -> core::panicking::panic_fmt"]
    );
}

#[test]
fn a_missing_function_is_an_error() {
    let missing = [
        POKE,
        RUN,
        "ftrace_make_call",
        "rust_helper_put_insn_nofault",
        "rust_helper_flush_icache_range",
        "ftrace_modify_all_code",
    ];
    for name in missing {
        assert!(patcher_without(&NO_CALLS, name).is_err(), "{name}");
    }
}

#[test]
fn sites_that_keep_their_target_are_counted() {
    let mut kernel = Kernel::new(Isa::Mips32);
    kernel.function("_mcount", &[JR_RA, mips::NOP]);
    let first = kernel.here() + 8;
    let to_last = 0xffc - (first & 0xfff);
    for (distance, kept) in [(to_last, 1), (to_last + 4, 0)] {
        let before = vec![mips::NOP; distance as usize / 4];
        let kernel = mips_function(&before, &[JR_RA, mips::NOP]);
        let sites = sites::sites(&kernel.image()).unwrap();
        let found = sites.good.iter().filter(|site| site.keeps_target());
        assert_eq!((sites.good.len(), found.count()), (1, kept));
    }
}

#[test]
fn addresses_are_followed_to_calls_through_registers() {
    const LUI_AT: u32 = 0x3c01_8010;
    const ADDIU_S1_AT: u32 = 0x2431_0123;
    const BEQZ_A0: u32 = 0x1080_0002;
    const LI_S1_1: u32 = 0x2411_0001;
    const MOVE_T9_S1: u32 = 0x0220_c825;

    let targets = |branch, after: u32| {
        let mut kernel = Kernel::new(Isa::Mips32);
        let call = [MOVE_T9_S1, JALR_T9, mips::NOP];
        let words = [
            &[LUI_AT, ADDIU_S1_AT, branch, mips::NOP, after],
            &call[..],
            &call,
            &[JALR_T9, mips::NOP, JR_RA, mips::NOP],
        ];
        let start = kernel.function("caller", &words.concat());
        let image = kernel.image();
        let program = Program::new(&image).unwrap();
        let targets = constants::targets(&program, start).unwrap();
        let calls = [6, 9, 11].map(|at| start + 4 * at);
        calls.map(|call| targets.get(&call).copied())
    };

    // A call leaves `s1` alone, and not `t9`.
    let known = Some(0x8010_0123);
    assert_eq!(targets(BEQZ_A0, mips::NOP), [known, known, None]);
    // `s1` is one thing or the other.
    assert_eq!(targets(BEQZ_A0, LI_S1_1), [None; 3]);
}
