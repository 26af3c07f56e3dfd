// SPDX-License-Identifier: GPL-2.0

//! The code that tasks execute: a traced function and what its call site calls.

use std::{
    collections::BTreeMap,
    ops::Range, //
};

use crate::{
    insn::{
        a32,
        mips,
        t32, //
    },
    isa::{
        Isa,
        Op, //
    },
    site::{
        Layout,
        Pattern,
        SiteState,
        State,
        MAX_WORDS, //
    },
};

/// Where the traced function returns to.
pub const CALLER: u32 = 0x8010_0404;
/// `return_to_handler`.
pub const HANDLER: u32 = 0x8010_0800;
/// The compiler's profiling function. Its lower half is negative.
pub const MCOUNT: u32 = 0x8011_8100;
/// `ftrace_caller`. Its lower half is negative, and its upper half that of nothing else.
pub const ENTRY: u32 = 0x8012_9abc;
/// `ftrace_regs_caller` in T32 code, for which a `bl` has the same second halfword.
pub const REGS_ENTRY: u32 = ENTRY + 0x1000;
/// Another entry, which differs from `ftrace_caller` in both halves of its address.
pub const OTHER_ENTRY: u32 = 0x8015_8004;
/// A trampoline. Its lower half is that of `ftrace_caller`. Nothing else has its upper half.
pub const TRAMPOLINE: u32 = ENTRY + 0x4_0000;
/// Another trampoline, which differs from `ftrace_caller` in both halves of its address.
pub const OTHER_TRAMPOLINE: u32 = 0x801a_4010;
/// `ftrace_stub`.
pub const STUB: u32 = 0x8012_a100;
/// A tracer.
pub const TRACER: u32 = 0x8014_0000;
/// Another tracer.
pub const OTHER_TRACER: u32 = 0x8014_0100;
/// `ftrace_graph_func()`.
pub const GRAPH_TRACER: u32 = 0x8014_0180;
/// The ops of the trampoline.
pub const OPS: u32 = 0x801c_c5a4;
/// Another ops, of whose address no half is that of the other one.
pub const OTHER_OPS: u32 = 0x801f_4bc8;
/// The tracer of the ops.
pub const OPS_TRACER: u32 = 0x8014_0200;
/// The tracer of the other ops.
pub const OTHER_OPS_TRACER: u32 = 0x8014_0300;
/// `ftrace_ops_assist_func()`.
pub const ASSIST: u32 = 0x8014_0400;

/// Where a traced function of the kernel has its call site.
pub const CORE_SITE: u32 = 0x8010_1004;
/// The same in T32 code after the prologue: off the boundary of a word.
pub const T32_SITE: u32 = 0x8010_1002;
/// Where one of a module has it: out of reach of `jal`.
pub const MODULE_SITE: u32 = 0xc000_1004;

/// The sites, in the order of [`Code::sites`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The call site of the traced function.
    Call,
    /// The call of the tracer in the entry.
    Func,
    /// What tells the ops in the trampoline.
    Ops,
    /// The call of its tracer in the trampoline.
    OpsCall,
}

/// A call site in memory.
#[derive(Clone, Debug)]
pub struct Site {
    /// What its words are.
    pub layout: &'static Layout,
    /// Its address.
    pub ip: u32,
    /// What its words are now.
    pub content: SiteState,
    /// Its words now.
    pub words: [u32; MAX_WORDS],
    /// All words that it has had since tasks can execute it.
    pub contents: Vec<[u32; MAX_WORDS]>,
}

impl Site {
    /// Returns a site as the compiler left it: it calls `target`.
    pub fn compiled(layout: &'static Layout, ip: u32, target: u32) -> Self {
        let mut words = [0; MAX_WORDS];
        for (word, row) in words.iter_mut().zip(layout.words) {
            let pc = row.address(ip);
            *word = match row.compiled {
                Pattern::Insn(insn) => Some(insn),
                // `addiu $12, sp, 20`, as gcc sets `$12`.
                Pattern::Any => Some(0x27ac_0014),
                Pattern::OneOf([insn, ..]) | Pattern::Kept([insn, ..]) => Some(*insn),
                Pattern::OneOf([]) | Pattern::Kept([]) => None,
                Pattern::A32Bl => a32::bl(pc, target),
                Pattern::T32Bl => t32::bl(pc, target & !1).map(|hw| hw[0].into()),
                Pattern::T32BlSecond => t32::bl(pc - 2, target & !1).map(|hw| hw[1].into()),
                Pattern::T32Call => t32::bl(pc, target & !1).map(t32::word),
                Pattern::MipsJal => mips::jal(pc, target),
                Pattern::MipsLuiV1 => Some(mips::lui_v1(target)),
                Pattern::MipsAddiuV1 => Some(mips::addiu_v1(target)),
                Pattern::A32MovwR2 => Some(a32::movw_r2(target)),
                Pattern::A32MovtR2 => Some(a32::movt_r2(target)),
                Pattern::MipsLuiA2 => Some(mips::lui_a2(target)),
                Pattern::MipsAddiuA2 => Some(mips::addiu_a2(target)),
            }
            .expect("the model's addresses are within reach");
        }
        let content = SiteState {
            state: State::Compiled,
            target,
        };
        Site {
            layout,
            ip,
            content,
            words,
            contents: vec![words],
        }
    }

    /// Returns the address of the first word and that after the last one.
    pub fn range(&self) -> (u32, u32) {
        let address = |i: usize| self.layout.words[i].address(self.ip);
        (
            address(0),
            address(self.layout.words.len() - 1) + self.layout.width.size(),
        )
    }

    /// Returns what to add to what its call leaves as the return address to get to the site.
    pub fn back(&self, isa: Isa) -> i32 {
        let (_, end) = self.range();
        self.ip.wrapping_sub(isa.pointer(end)).cast_signed()
    }

    /// Returns the place of the word at `pc` in the site.
    pub fn place(&self, pc: u32) -> Option<usize> {
        let (start, end) = self.range();
        (start..end)
            .contains(&pc)
            .then(|| ((pc - start) / self.layout.width.size()) as usize)
    }

    /// Returns the words by their addresses.
    pub fn memory(&self) -> BTreeMap<u32, u32> {
        let addresses = self.layout.words.iter().map(|word| word.address(self.ip));
        addresses.zip(self.words).collect()
    }

    /// Notes that the words are now `memory`, which is what `content` stands for.
    pub fn now(&mut self, memory: &BTreeMap<u32, u32>, content: SiteState) {
        for (word, row) in self.words.iter_mut().zip(self.layout.words) {
            *word = memory[&row.address(self.ip)];
        }
        self.content = content;
        self.contents.push(self.words);
    }
}

/// What tasks execute.
#[derive(Clone, Debug)]
pub struct Code {
    /// Its instruction set.
    pub isa: Isa,
    /// The first instruction of interest in the traced function.
    pub start: u32,
    /// The instructions that never change.
    pub ops: BTreeMap<u32, Op>,
    /// Those that do.
    pub sites: Vec<Site>,
    /// Where the trampoline is; empty if there is none.
    pub trampoline: Range<u32>,
    /// Whether the trampoline is a copy in memory that is allocated for it.
    pub is_copied: bool,
    /// `ops->func` of each ops.
    pub funcs: BTreeMap<u32, u32>,
    /// Names of addresses.
    pub symbols: BTreeMap<u32, &'static str>,
}

impl Code {
    /// Returns the code of which `site` is the call site, within an entry that calls a tracer at
    /// `func`.
    ///
    /// `before` is executed before the site.
    pub fn new(isa: Isa, before: Option<Op>, site: Site, func: Site) -> Self {
        let (mut start, body) = site.range();
        let mut ops = BTreeMap::from([
            (body, Op::Body),
            (STUB, Op::Return),
            (TRACER, Op::Tracer),
            (OTHER_TRACER, Op::Tracer),
            (OPS_TRACER, Op::OpsTracer(OPS)),
            (OTHER_OPS_TRACER, Op::OpsTracer(OTHER_OPS)),
            (ASSIST, Op::OpsTracer(OPS)),
        ]);
        if let Some(op) = before {
            start -= 4;
            ops.insert(start, op);
        }
        let symbols = BTreeMap::from([
            (CALLER, "its caller"),
            (HANDLER, "return_to_handler"),
            (MCOUNT, "mcount"),
            (ENTRY, "ftrace_caller"),
            (STUB, "ftrace_stub"),
            (TRACER, "tracer"),
            (OTHER_TRACER, "other_tracer"),
            (GRAPH_TRACER, "ftrace_graph_func"),
            (OPS_TRACER, "ops_tracer"),
            (OTHER_OPS_TRACER, "other_ops_tracer"),
            (ASSIST, "ftrace_ops_assist_func"),
            (body, "body"),
            (func.ip, "ftrace_call"),
            (site.ip, "site"),
        ]);
        Code {
            isa,
            start,
            ops,
            sites: vec![site, func],
            trampoline: 0..0,
            is_copied: false,
            funcs: BTreeMap::from([(OPS, OPS_TRACER), (OTHER_OPS, OTHER_OPS_TRACER)]),
            symbols,
        }
    }

    /// Adds a trampoline at `address`: `enter`, what is of layout `layouts[0]`, `load`, what is of
    /// layout `layouts[1]`, and `leave`.
    pub fn put_trampoline(
        &mut self,
        address: u32,
        [enter, load, leave]: [&[Op]; 3],
        layouts: [&'static Layout; 2],
    ) {
        let ops = Site::compiled(layouts[0], self.put(address, enter), 0);
        let call = Site::compiled(layouts[1], self.put(ops.range().1, load), 0);
        let end = self.put(call.range().1, leave);
        self.symbols.insert(address, "trampoline");
        self.symbols.insert(ops.ip, "trampoline's ops");
        self.symbols.insert(call.ip, "trampoline's call");
        self.sites.extend([ops, call]);
        self.trampoline = address..end;
    }

    /// Adds instructions from `address` on, and returns the address after them.
    pub fn put(&mut self, address: u32, ops: &[Op]) -> u32 {
        let mut address = address;
        for op in ops {
            self.ops.insert(address, *op);
            address += 4;
        }
        address
    }

    /// Returns the site at `place`.
    pub fn site(&self, place: Place) -> &Site {
        &self.sites[place as usize]
    }

    /// Returns the site and the place in it of the word at `pc`.
    pub fn word(&self, pc: u32) -> Option<(&Site, usize)> {
        self.sites
            .iter()
            .find_map(|site| Some((site, site.place(pc)?)))
    }

    /// Returns whether something can be executed at `pc`.
    pub fn contains(&self, pc: u32) -> bool {
        self.ops.contains_key(&pc) || self.word(pc).is_some()
    }

    /// Returns whether `pc` is in what call sites call.
    pub fn is_entry(&self, pc: u32) -> bool {
        (ENTRY..STUB).contains(&pc) || self.trampoline.contains(&pc)
    }

    /// Returns `address` with its name.
    pub fn symbol(&self, address: u32) -> String {
        match self.symbols.get(&address) {
            Some(name) => format!("{address:08x} <{name}>"),
            None => format!("{address:08x}"),
        }
    }

    /// Returns the instruction `insn` at `pc` as text.
    pub fn text(&self, pc: u32, insn: u32) -> String {
        match self.isa.decode(pc, insn) {
            Some(op) => self.isa.text(op, |address| self.symbol(address)),
            None => format!("{insn:#x}"),
        }
    }
}
