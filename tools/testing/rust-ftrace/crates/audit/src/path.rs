// SPDX-License-Identifier: GPL-2.0

//! The code that changes text.
//!
//! Between the first store to a site and the moment when the CPU executes what was stored,
//! and on CPUs that wait for that, nothing runs that ftrace can trace: it could be the very
//! function whose site is being changed. And nothing in the code that changes text panics.
//!
//! All this is checked on the linked kernel, where what was inlined is part of the function that
//! it was inlined into. The functions that the rules below start from are never inlined: hooks and
//! helpers because C and Rust call one another through them, `run` because its address is taken,
//! `poke` because it says so. If one is missing, that is an error.

use std::{
    cell::RefCell,
    collections::{
        hash_map::Entry,
        BTreeMap,
        BTreeSet,
        HashMap,
        HashSet, //
    },
};

use anyhow::{
    bail,
    Context as _,
    Result, //
};
use rustc_demangle::demangle;

use crate::{
    a32,
    constants,
    image::{
        Function,
        Isa, //
    },
    insn::{
        Flow,
        Insn, //
    },
    program::{
        Edge,
        Program, //
    },
    sites::{
        self,
        Site, //
    }, //
};

/// Does all stores to a site and publishes them.
const POKE: &[&str] = &["kernel::ftrace::text::poke::<ftrace_rust::"];

/// Does one store.
const STORE: &str = "rust_helper_put_insn_nofault";

/// What all CPUs run while text changes.
const RUN: &[&str] = &[
    "kernel::stop_machine::run::<",
    "kernel::ftrace::update::update_code",
];

/// What of that runs only on the one CPU that changes text: the batch of changes, each of
/// which is published before the next, and the time it takes.
const WORK: &[&str] = &["ftrace_modify_all_code", "ktime_get_mono_fast_ns"];

/// The hooks, and functions that are only there together with them.
const HOOKS: &[(&str, &str)] = &[
    ("arch_ftrace_update_code", "ftrace_caller"),
    ("ftrace_init_nop", "ftrace_caller"),
    ("ftrace_make_call", "ftrace_caller"),
    ("ftrace_make_nop", "ftrace_caller"),
    ("ftrace_replace_code", "ftrace_caller"),
    ("ftrace_update_ftrace_func", "ftrace_caller"),
    ("ftrace_modify_call", "ftrace_regs_caller"),
    ("ftrace_graph_func", "return_to_handler"),
];

/// Calls through pointers that the kernel sets once it knows the CPU: a part of the caller's
/// name, and what it can call. Of a CPU without such a cache, `cache_noop` is left out.
const POINTERS: &[(&str, &[&str])] = &[
    // Where a kernel is for CPUs with different caches. Those of ARMv7 have this in common.
    (
        "rust_helper_flush_icache_range",
        &["v7_coherent_kern_range"],
    ),
    ("Machine>::sync_core", &["local_r4k_flush_icache_range"]),
    (
        "__local_r4k_flush_icache_range",
        &[
            "blast_dcache16",
            "blast_dcache32",
            "blast_dcache64",
            "blast_dcache128",
            "blast_icache16",
            "blast_icache32",
            "blast_icache64",
            "blast_icache128",
            "loongson2_blast_icache32",
        ],
    ),
];

/// Where panics begin.
const PANICS: &str = "core::panicking::";

/// Makes what was stored visible.
fn publisher(isa: Isa) -> &'static str {
    match isa {
        Isa::A32 | Isa::T32 => "rust_helper_flush_icache_range",
        Isa::Mips32 | Isa::Mips32R6 => "ftrace_synci",
    }
}

/// What is wrong with the code that changes text.
pub fn check(program: &Program<'_>, sites: &[Site]) -> Result<Vec<String>> {
    let path = Path {
        program,
        traced: sites::functions(program.image, sites),
        calls: RefCell::default(),
        targets: RefCell::default(),
    };
    let mut problems = path.stores()?;
    problems.extend(path.waits()?);
    problems.extend(path.panics()?);
    Ok(problems)
}

/// What a function calls, or jumps to in its own place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Callee {
    Function(u32),
    /// What a register or memory holds.
    Unknown,
}

struct Path<'a> {
    program: &'a Program<'a>,
    /// The starts of the functions that have a site.
    traced: HashSet<u32>,
    /// What functions call.
    calls: RefCell<HashMap<u32, BTreeSet<Callee>>>,
    /// Where calls through registers go to, by function.
    targets: RefCell<HashMap<u32, HashMap<u32, u32>>>,
}

impl Path<'_> {
    /// Checks what runs from a store until it is published.
    fn stores(&self) -> Result<Vec<String>> {
        let (store, publish) = (self.address(STORE)?, publisher(self.program.image.isa));
        let publish = self.address(publish)?;
        let mut between = BTreeSet::from([Callee::Function(store), Callee::Function(publish)]);
        let roots = self.demangled(POKE)?;
        for apply in &roots {
            between.insert(Callee::Function(apply.start));
            let body = self.body(apply.start)?;
            let (mut stores, mut publishes) = (Vec::new(), Vec::new());
            for &address in &body {
                for callee in self.callees(address)? {
                    let Callee::Function(target) = callee else {
                        continue;
                    };
                    let reached = self.reach(&[target], |_| true, &[])?;
                    if reached.contains_key(&Callee::Function(store)) {
                        stores.push(address);
                    }
                    if reached.contains_key(&Callee::Function(publish)) {
                        publishes.push(address);
                    }
                }
            }
            if stores.is_empty() || publishes.is_empty() {
                bail!("{} does not store and publish", demangle(&apply.name));
            }
            let after = self.forward(&stores, &publishes)?;
            for address in self.backward(&body, &publishes)?.intersection(&after) {
                between.extend(self.callees(*address)?);
            }
            for address in publishes {
                between.extend(self.callees(address)?);
            }
            // Its own calls before the store and after the publication may be traced.
            between.remove(&Callee::Function(apply.start));
            if self.traced.contains(&apply.start) {
                return Ok(vec![format!("{} can be traced", apply.name)]);
            }
        }
        self.untraced(&between, &[], "between a store and its publication")
    }

    /// Checks what CPUs run that wait for others to change text.
    fn waits(&self) -> Result<Vec<String>> {
        let mut roots = BTreeSet::new();
        for run in self.demangled(RUN)? {
            roots.insert(Callee::Function(run.start));
        }
        let work: Vec<u32> = WORK
            .iter()
            .map(|name| self.address(name))
            .collect::<Result<_>>()?;
        self.untraced(&roots, &work, "while other CPUs change text")
    }

    /// Checks that nothing in Rust below the hooks panics.
    fn panics(&self) -> Result<Vec<String>> {
        let mut roots = Vec::new();
        for (hook, with) in HOOKS {
            if self.program.image.symbol(with).is_some() {
                roots.push(self.address(hook)?);
            }
        }
        for run in self.demangled(RUN)? {
            roots.push(run.start);
        }
        let is_rust = |address| {
            roots.contains(&address) || self.program.image.name(address).starts_with("_R")
        };
        let reached = self.reach(&roots, is_rust, &[])?;
        Ok(reached
            .keys()
            .filter_map(|callee| match callee {
                Callee::Function(address) if self.name(*address).starts_with(PANICS) => {
                    Some(format!("can panic: {}", self.chain(&reached, *callee)))
                }
                _ => None,
            })
            .collect())
    }

    /// Reports what `roots` can call that ftrace can trace.
    fn untraced(
        &self,
        roots: &BTreeSet<Callee>,
        except: &[u32],
        when: &str,
    ) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        let mut starts = Vec::new();
        for root in roots {
            match root {
                Callee::Function(address) => starts.push(*address),
                Callee::Unknown => problems.push(format!("{when}: an indirect call")),
            }
        }
        // What is below a function that can be traced is its own business.
        let untraced = |address| !self.traced.contains(&address);
        let reached = self.reach(&starts, untraced, except)?;
        for callee in reached.keys() {
            let problem = match callee {
                Callee::Function(address) if !self.traced.contains(address) => continue,
                Callee::Function(_) => "can be traced",
                Callee::Unknown => "cannot be followed",
            };
            let chain = self.chain(&reached, *callee);
            problems.push(format!("{problem} {when}: {chain}"));
        }
        Ok(problems)
    }

    /// All that functions call, directly or not, with one caller of each. Calls are followed into
    /// `into`, and none are of `except`.
    fn reach(
        &self,
        starts: &[u32],
        into: impl Fn(u32) -> bool,
        except: &[u32],
    ) -> Result<BTreeMap<Callee, u32>> {
        let mut reached: BTreeMap<Callee, u32> = BTreeMap::new();
        let mut work = Vec::new();
        for start in starts {
            reached.insert(Callee::Function(*start), *start);
            if into(*start) {
                work.push(*start);
            }
        }
        while let Some(caller) = work.pop() {
            for callee in self.calls(caller)? {
                let excepted = matches!(callee, Callee::Function(a) if except.contains(&a));
                if excepted || reached.contains_key(&callee) {
                    continue;
                }
                reached.insert(callee, caller);
                match callee {
                    Callee::Function(address) if into(address) => work.push(address),
                    _ => (),
                }
            }
        }
        Ok(reached)
    }

    /// All that a function calls.
    fn calls(&self, function: u32) -> Result<BTreeSet<Callee>> {
        if let Some(known) = self.calls.borrow().get(&function) {
            return Ok(known.clone());
        }
        let mut calls = BTreeSet::new();
        for address in self.body(function)? {
            calls.extend(self.callees(address)?);
        }
        self.calls.borrow_mut().insert(function, calls.clone());
        Ok(calls)
    }

    /// What the instruction at an address calls.
    fn callees(&self, address: u32) -> Result<Vec<Callee>> {
        let insn = self.insn(address)?;
        let from = self.program.image.function(address);
        Ok(match insn.flow {
            Flow::Call(to) => vec![Callee::Function(to)],
            Flow::Jump(to) if self.program.is_tail_call(from, to) => vec![Callee::Function(to)],
            Flow::CallIndirect { .. } => self.indirect(address)?,
            Flow::JumpIndirect => {
                let mut edges = self.program.edges(address, &insn)?.into_iter();
                match edges.any(|edge| matches!(edge, Edge::Taken { .. })) {
                    true => Vec::new(),
                    false => self.indirect(address)?,
                }
            }
            Flow::Next | Flow::Jump(_) | Flow::JumpTable { .. } | Flow::Return | Flow::Stop => {
                Vec::new()
            }
        })
    }

    /// What the instruction at an address calls through a register or memory.
    fn indirect(&self, address: u32) -> Result<Vec<Callee>> {
        let image = self.program.image;
        let Some(function) = image.function(address) else {
            return Ok(vec![Callee::Unknown]);
        };
        let word = |at: u32| image.word(function.start.wrapping_add(4 * at)).unwrap_or(0);
        if let Some(target) = a32::veneer_target(function.start, [0, 1, 2, 3].map(word)) {
            return Ok(vec![Callee::Function(image.code_address(target))]);
        }
        if matches!(image.isa, Isa::Mips32 | Isa::Mips32R6) {
            let mut targets = self.targets.borrow_mut();
            let targets = match targets.entry(function.start) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(constants::targets(self.program, function.start)?),
            };
            if let Some(target) = targets.get(&address) {
                return Ok(vec![Callee::Function(*target)]);
            }
        }
        let caller = self.name(function.start);
        let known = POINTERS.iter().filter(|(part, _)| caller.contains(part));
        let targets = known.flat_map(|(_, names)| names.iter().filter_map(|n| image.symbol(n)));
        let callees: Vec<_> = targets.map(Callee::Function).collect();
        Ok(match callees.is_empty() {
            true => vec![Callee::Unknown],
            false => callees,
        })
    }

    /// The instructions of the function that starts at an address.
    fn body(&self, start: u32) -> Result<BTreeSet<u32>> {
        let mut body = self.forward(&[start], &[])?;
        body.insert(start);
        Ok(body)
    }

    /// The instructions that follow `starts`, up to `ends`.
    fn forward(&self, starts: &[u32], ends: &[u32]) -> Result<BTreeSet<u32>> {
        let mut seen = BTreeSet::new();
        let mut work = starts.to_vec();
        while let Some(address) = work.pop() {
            for to in self.successors(address)? {
                if !ends.contains(&to) && seen.insert(to) {
                    work.push(to);
                }
            }
        }
        Ok(seen)
    }

    /// The instructions of a function that `ends` can follow.
    fn backward(&self, body: &BTreeSet<u32>, ends: &[u32]) -> Result<BTreeSet<u32>> {
        let mut before: HashMap<u32, Vec<u32>> = HashMap::new();
        for &address in body {
            for to in self.successors(address)? {
                before.entry(to).or_default().push(address);
            }
        }
        let mut seen = BTreeSet::new();
        let mut work = ends.to_vec();
        while let Some(address) = work.pop() {
            for &from in before.get(&address).into_iter().flatten() {
                if seen.insert(from) {
                    work.push(from);
                }
            }
        }
        Ok(seen)
    }

    fn successors(&self, address: u32) -> Result<Vec<u32>> {
        let edges = self.program.edges(address, &self.insn(address)?)?;
        Ok(edges
            .into_iter()
            .map(|edge| match edge {
                Edge::Instead(to) | Edge::NotTaken { to, .. } | Edge::Taken { to, .. } => to,
            })
            .collect())
    }

    fn insn(&self, address: u32) -> Result<Insn> {
        self.program
            .insn(address)?
            .with_context(|| format!("no instruction is at {}", self.program.image.name(address)))
    }

    /// The address of a function that must exist.
    fn address(&self, name: &str) -> Result<u32> {
        self.program
            .image
            .symbol(name)
            .with_context(|| format!("there is no {name}: was it renamed or inlined?"))
    }

    /// The functions whose names have all of `parts` in them, the first one at the start.
    fn demangled(&self, parts: &[&str]) -> Result<Vec<&Function>> {
        let found: Vec<_> = self
            .program
            .image
            .functions()
            .iter()
            .filter(|function| {
                let name = format!("{:#}", demangle(&function.name));
                name.starts_with(parts[0]) && parts.iter().all(|part| name.contains(part))
            })
            .collect();
        if found.is_empty() {
            bail!("there is no {parts:?}: was it renamed or inlined?");
        }
        Ok(found)
    }

    fn name(&self, address: u32) -> String {
        format!("{:#}", demangle(&self.program.image.name(address)))
    }

    /// The callers of a function, from the root on.
    fn chain(&self, reached: &BTreeMap<Callee, u32>, callee: Callee) -> String {
        let mut chain = Vec::new();
        let mut at = callee;
        while let Some(&caller) = reached.get(&at) {
            chain.push(match at {
                Callee::Function(address) => self.name(address),
                Callee::Unknown => "?".to_owned(),
            });
            if at == Callee::Function(caller) {
                break;
            }
            at = Callee::Function(caller);
        }
        chain.reverse();
        chain.join(" -> ")
    }
}
