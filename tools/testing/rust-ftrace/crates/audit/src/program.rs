// SPDX-License-Identifier: GPL-2.0

//! The flow of control through an image.

use std::{
    cell::RefCell,
    collections::{
        HashMap,
        HashSet, //
    },
    ops::Range, //
};

use anyhow::{
    bail,
    Result, //
};

use crate::{
    decoder::Decoder,
    image::{
        Function,
        Image,
        Isa,
        EX_TABLE,
        JUMP_TABLE,
        MCOUNT_LOC,
        PADS, //
    },
    insn::{
        Flow,
        Insn,
        Slot, //
    },
    t32, //
};

/// An image with its instructions decoded on demand.
pub struct Program<'a> {
    pub image: &'a Image,
    pub decoder: Decoder,
    insns: RefCell<HashMap<u32, Option<Insn>>>,
    /// Where an exception or the kernel's own patching can lead from an instruction.
    detours: HashMap<u32, Vec<u32>>,
    /// The addresses in code that are stored in data.
    stored: Vec<u32>,
    /// Whether functions return.
    returns: RefCell<HashMap<u32, bool>>,
}

/// A way on from an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// To where the exception that the instruction raised is handled, or to the target of a branch
    /// that the kernel put in its place.
    Instead(u32),
    /// If a condition does not hold. For a branch on MIPS, `slot` is the instruction that is
    /// executed on the way.
    NotTaken { to: u32, slot: Option<u32> },
    /// To where the instruction branches.
    Taken { to: u32, slot: Option<u32> },
}

impl<'a> Program<'a> {
    pub fn new(image: &'a Image) -> Result<Self> {
        let mut detours: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut add = |entry: &[u32]| {
            let [from, to] = [entry[0], entry[1]].map(|pointer| image.code_address(pointer));
            detours.entry(from).or_default().push(to);
        };
        for entry in image.table(&EX_TABLE)?.chunks_exact(2) {
            add(entry);
        }
        for entry in image.table(&JUMP_TABLE)?.chunks_exact(3) {
            add(entry);
        }
        Ok(Self {
            image,
            decoder: Decoder::new(image)?,
            insns: RefCell::default(),
            detours,
            returns: RefCell::default(),
            stored: image.code_addresses(&[&MCOUNT_LOC, &PADS, &EX_TABLE, &JUMP_TABLE])?,
        })
    }

    /// The instruction at an address, [`None`] if there is none.
    pub fn insn(&self, address: u32) -> Result<Option<Insn>> {
        if let Some(insn) = self.insns.borrow().get(&address) {
            return Ok(*insn);
        }
        if self.image.isa_at(address) == Isa::T32 {
            if !self.image.is_code(address) {
                let halfword = |address| self.image.halfword(address).unwrap_or(0);
                let hw = [halfword(address), halfword(address.wrapping_add(2))];
                return Ok(t32::written_as_data(hw));
            }
            self.decode_run(address)?;
            let mut insns = self.insns.borrow_mut();
            return Ok(*insns.entry(address).or_default());
        }
        let insn = match self.image.word(address) {
            Some(word) => self.decoder.decode(address, word)?,
            None => None,
        };
        // `BUG()` is written as data on ARM.
        let is_trap = |insn: &Insn| insn.flow == Flow::Stop;
        let insn = insn.filter(|insn| self.image.is_code(address) || is_trap(insn));
        self.insns.borrow_mut().insert(address, insn);
        Ok(insn)
    }

    /// Decodes the T32 instructions around an address.
    fn decode_run(&self, address: u32) -> Result<()> {
        let run = self.image.run(address);
        let halfwords = run.clone().step_by(2).map(|a| self.image.halfword(a));
        let halfwords: Vec<u16> = halfwords.collect::<Option<_>>().unwrap_or_default();
        let decoded = self.decoder.decode_t32(run.start, &halfwords)?;
        self.insns.borrow_mut().extend(decoded);
        Ok(())
    }

    /// The instructions of a function, data left out, by their addresses.
    pub fn body(&self, function: Range<u32>) -> Result<Vec<(u32, Option<Insn>)>> {
        let mut body = Vec::new();
        let mut address = function.start;
        while address < function.end {
            let insn = self.insn(address)?;
            let unit = match self.image.isa_at(address) {
                Isa::T32 => 2,
                _ => 4,
            };
            body.push((address, insn));
            address = address.wrapping_add(insn.map_or(unit, |insn| insn.size));
        }
        Ok(body)
    }

    /// Where the jump at an address can go by the table after it. The table may be padded. Its
    /// entries have so many bytes, and each is half the distance.
    fn table(&self, address: u32, insn: &Insn, bytes: u32) -> Vec<u32> {
        let table = self.image.run(insn.end(address));
        let entry = |at: u32| {
            let halfword = self.image.halfword(at & !1)?;
            Some(match bytes {
                1 => halfword >> (8 * (at & 1)) & 0xff,
                _ => halfword,
            })
        };
        table
            .step_by(bytes as usize)
            .filter_map(entry)
            .map(|entry| insn.end(address).wrapping_add(2 * u32::from(entry)))
            .filter(|to| self.image.is_code(*to))
            .collect()
    }

    /// Whether the function at an address can return.
    fn returns(&self, address: u32) -> Result<bool> {
        if let Some(known) = self.returns.borrow().get(&address) {
            return Ok(*known);
        }
        let Some(function) = self.image.function(address) else {
            return Ok(true);
        };
        // What calls itself may return as long as nothing else is known.
        self.returns.borrow_mut().insert(address, true);
        let mut seen = HashSet::from([address]);
        let mut work = vec![address];
        let mut returns = false;
        while let Some(at) = work.pop().filter(|_| !returns) {
            let Some(insn) = self.insn(at)? else {
                returns = true;
                break;
            };
            returns = match insn.flow {
                Flow::Return | Flow::JumpIndirect | Flow::JumpTable { .. } => true,
                Flow::Jump(to) => self.is_tail_call(Some(function), to) && self.returns(to)?,
                _ => false,
            };
            for edge in self.edges(at, &insn)? {
                let (Edge::Instead(to) | Edge::NotTaken { to, .. } | Edge::Taken { to, .. }) = edge;
                if seen.insert(to) {
                    work.push(to);
                }
            }
        }
        self.returns.borrow_mut().insert(address, returns);
        Ok(returns)
    }

    /// Where a jump out of a function goes is the start of another, called in the first one's
    /// place.
    pub fn is_tail_call(&self, from: Option<&Function>, to: u32) -> bool {
        if from.is_some_and(|f| f.contains(to)) {
            return false;
        }
        match self.image.function(to) {
            Some(function) => function.start == to && !function.is_split_off(),
            // A module's jump to the kernel or to another module.
            None => self.image.word(to).is_none(),
        }
    }

    /// All ways on from the instruction at `address` within its function, calls passed over.
    ///
    /// An indirect jump leads to all addresses in its function that are stored anywhere, those in
    /// tables of jumps among them, or else is the call of a function in this one's place.
    pub fn edges(&self, address: u32, insn: &Insn) -> Result<Vec<Edge>> {
        // What handles exceptions can lie apart from functions.
        let function = self.image.function(address);
        let slot_address = address.wrapping_add(4);
        let in_slot = (insn.slot != Slot::None).then_some(slot_address);
        let mut edges: Vec<Edge> = [Some(address), in_slot]
            .into_iter()
            .flatten()
            .filter_map(|address| self.detours.get(&address))
            .flatten()
            .map(|to| Edge::Instead(*to))
            .collect();

        let not_taken = in_slot.filter(|_| insn.slot == Slot::Always);
        match insn.flow {
            Flow::Call(callee) if !self.returns(callee)? => (),
            Flow::Next | Flow::Call(_) | Flow::CallIndirect { .. } => edges.push(Edge::Taken {
                to: insn.end(address),
                slot: in_slot,
            }),
            Flow::Jump(to) if self.is_tail_call(function, to) => (),
            Flow::Jump(to) => edges.push(Edge::Taken { to, slot: in_slot }),
            Flow::JumpIndirect => {
                let Some(function) = function else {
                    bail!("{} jumps to who knows where", self.image.name(address));
                };
                let first = self.stored.partition_point(|a| *a <= function.start);
                let inside = self.stored[first..].iter();
                for &to in inside.take_while(|a| **a < function.end) {
                    // Other data looks like an address as well: of half an instruction, say.
                    if self.insn(to)?.is_some() {
                        edges.push(Edge::Taken { to, slot: in_slot });
                    }
                }
            }
            Flow::JumpTable { entry } => {
                let targets = self.table(address, insn, entry).into_iter();
                edges.extend(targets.map(|to| Edge::Taken { to, slot: None }));
            }
            Flow::Return | Flow::Stop => (),
        }
        if insn.conditional {
            edges.push(Edge::NotTaken {
                to: insn.end(address),
                slot: not_taken,
            });
        }
        // What follows a call that does not return is another function, or data.
        edges.retain(|edge| match edge {
            Edge::NotTaken { to, .. } | Edge::Taken { to, .. } => {
                let here = function.is_none_or(|f| f.contains(*to)) && self.image.is_code(*to);
                here || *to != insn.end(address)
            }
            Edge::Instead(_) => true,
        });
        Ok(edges)
    }
}
