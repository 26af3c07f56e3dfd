// SPDX-License-Identifier: GPL-2.0

//! Registers that must be dead at call sites.
//!
//! The compiler does not see a call in a call site, so it could keep anything in any register
//! across it. The entry and the tracers that it calls change some registers, and what one of these
//! holds at a site must not be read later. For each of them this follows all paths from all sites
//! on which it is not written, and reports the instructions there that read it.
//!
//! A register in which the function has put nothing before the site holds what the caller left,
//! which is of no use by the calling convention. There are such reads: of code that the compiler
//! takes for unreachable, or by asm statements that store all registers whatever they hold. They
//! are counted, not refused.
//!
//! Where a function returns, calls another or jumps to it, none of these registers holds anything
//! of use but a result that the function has computed since, by the same convention. Nor does the
//! compiler rely on what a callee happens to leave alone (`-fipa-ra`), which `-pg` turns off. A
//! call of a function that has a site itself, so is the compiler's, loses them all. As asm
//! statements call others that preserve more than the convention asks for, any other call is not
//! taken to write anything but results, and those only if the callee writes them.

use std::{
    cell::RefCell,
    collections::{
        BTreeMap,
        HashMap,
        HashSet, //
    },
};

use anyhow::{
    Context as _,
    Result, //
};

use crate::{
    a32,
    insn::{
        Flags,
        Flow,
        Insn,
        Regs,
        Slot,
        ALWAYS, //
    },
    program::{
        Edge,
        Program, //
    },
    sites::{
        self,
        Site, //
    },
};

/// A register that is read although a tracer may have changed it.
#[derive(Clone, Debug)]
pub struct Live {
    /// What reads it.
    pub address: u32,
    pub register: Regs,
    /// A way there.
    pub path: Vec<u32>,
}

/// What reads registers before they are written.
#[derive(Debug, Default)]
pub struct Reads {
    /// The value can be one that the function had before the site.
    pub live: Vec<Live>,
    /// The number of others.
    pub empty: usize,
}

/// Follows all paths from all sites.
pub fn reads(program: &Program<'_>, sites: &[Site]) -> Result<Reads> {
    let callees = Callees {
        with_sites: sites::functions(program.image, sites),
        results: RefCell::default(),
    };
    let mut reads = Reads::default();
    let all = Walk::run(program, &callees, program.decoder.clobbered(), sites)?.found;
    for register in (0..Regs::BITS).map(|bit| 1 << bit) {
        let readers = all.values().filter(|read| **read & register != 0).count();
        if readers == 0 {
            continue;
        }
        let mut set = Vec::new();
        for site in sites {
            if is_set_before(program, site, register)? {
                set.push(*site);
            }
        }
        let walk = Walk::run(program, &callees, register, &set)?;
        reads.empty += readers - walk.found.len();
        reads.live.extend(walk.found.keys().map(|&address| Live {
            address,
            register,
            path: walk.path(address),
        }));
    }
    Ok(reads)
}

/// Whether the site's function writes a register before the site.
fn is_set_before(program: &Program<'_>, site: &Site, register: Regs) -> Result<bool> {
    let Some(function) = program.image.function(site.ip) else {
        return Ok(true);
    };
    for (_, insn) in program.body(function.start..site.start())? {
        let writes = match insn {
            Some(insn) => insn.writes & register != 0 || insn.flow != Flow::Next,
            None => true,
        };
        if writes {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How one gets to an instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    /// The registers that may not have been written since a site.
    registers: Regs,
    /// The values of the A32 flags with which that can be: an instruction for one condition may
    /// write a register, and one for the opposite condition too.
    flags: Flags,
}

impl State {
    fn with(self, flags: Flags) -> Self {
        Self {
            flags: self.flags & flags,
            ..self
        }
    }

    /// The registers whose old values the instruction depends on.
    fn read_by(self, insn: &Insn) -> Regs {
        match self.flags & insn.condition {
            0 => 0,
            _ => self.registers & insn.reads,
        }
    }

    /// What holds after an instruction.
    fn after(self, insn: &Insn) -> Self {
        let mut state = self;
        match insn.condition {
            ALWAYS => state.registers &= !insn.writes,
            // `ip` is the only register that counts beside the flags.
            condition if insn.writes & self.registers & !a32::FLAGS != 0 => {
                state.flags &= !condition;
            }
            _ => (),
        }
        if insn.changes_flags && state.flags & insn.condition != 0 {
            state.flags = ALWAYS;
        }
        state
    }
}

/// What is known of functions that are called.
struct Callees {
    /// Where those with a site start.
    with_sites: HashSet<u32>,
    /// The results that functions write.
    results: RefCell<HashMap<u32, Regs>>,
}

/// Follows the paths on which registers are not written.
struct Walk<'a> {
    program: &'a Program<'a>,
    states: HashMap<u32, State>,
    /// From where an address was got to first.
    from: HashMap<u32, u32>,
    work: Vec<u32>,
    /// What reads which registers.
    found: BTreeMap<u32, Regs>,
    callees: &'a Callees,
}

impl<'a> Walk<'a> {
    fn run(
        program: &'a Program<'a>,
        callees: &'a Callees,
        registers: Regs,
        sites: &[Site],
    ) -> Result<Self> {
        let mut walk = Self {
            program,
            states: HashMap::new(),
            from: HashMap::new(),
            work: Vec::new(),
            found: BTreeMap::new(),
            callees,
        };
        let state = State {
            registers,
            flags: ALWAYS,
        };
        for site in sites {
            walk.enter(site.end(), state, site.end());
        }
        while let Some(address) = walk.work.pop() {
            walk.step(address)?;
        }
        Ok(walk)
    }

    fn enter(&mut self, address: u32, state: State, from: u32) {
        if state.registers == 0 || state.flags == 0 {
            return;
        }
        let old = self.states.entry(address).or_default();
        let new = State {
            registers: old.registers | state.registers,
            flags: old.flags | state.flags,
        };
        if new != *old {
            *old = new;
            self.from.entry(address).or_insert(from);
            self.work.push(address);
        }
    }

    fn step(&mut self, address: u32) -> Result<()> {
        let program = self.program;
        let insn = self.insn(address)?;
        let state = self.execute(address, &insn, self.states[&address]);
        for edge in program.edges(address, &insn)? {
            let (to, state) = match edge {
                // An instruction that can fault is in an asm statement. What it would have
                // written is lost to the compiler, even if the statement does not get there.
                Edge::Instead(to) => (to, state.after(&insn)),
                Edge::NotTaken { to, slot } => {
                    let state = match insn.condition {
                        ALWAYS => state,
                        condition => state.with(!condition),
                    };
                    (to, self.through(address, slot, state)?)
                }
                Edge::Taken { to, slot } => {
                    let state = match insn.flow {
                        Flow::Jump(_) | Flow::JumpIndirect => state.with(insn.condition),
                        _ => state,
                    };
                    let state = self.through(address, slot, state.after(&insn))?;
                    (to, self.called(&insn, state)?)
                }
            };
            self.enter(to, state, address);
        }
        // The slot is executed on the way out of the function too.
        if insn.slot == Slot::Always {
            self.through(address, Some(address.wrapping_add(4)), state)?;
        }
        Ok(())
    }

    fn insn(&self, address: u32) -> Result<Insn> {
        self.program.insn(address)?.with_context(|| {
            format!(
                "no instruction is at {} ({:08x?})",
                self.program.image.name(address),
                self.program.image.word(address)
            )
        })
    }

    /// Notes which registers the instruction reads. They count as written then: one finding on a
    /// path is enough.
    fn execute(&mut self, address: u32, insn: &Insn, state: State) -> State {
        let read = state.read_by(insn);
        if read != 0 {
            *self.found.entry(address).or_default() |= read;
        }
        State {
            registers: state.registers & !read,
            ..state
        }
    }

    /// Executes the instruction in the slot of the branch at `branch`.
    fn through(&mut self, branch: u32, slot: Option<u32>, state: State) -> Result<State> {
        let Some(address) = slot else {
            return Ok(state);
        };
        self.from.entry(address).or_insert(branch);
        let insn = self.insn(address)?;
        Ok(self.execute(address, &insn, state).after(&insn))
    }

    /// What a call that `insn` makes leaves.
    fn called(&self, insn: &Insn, state: State) -> Result<State> {
        let results = match insn.flow {
            Flow::Call(target) if self.callees.with_sites.contains(&target) => Regs::MAX,
            Flow::Call(target) => self.written_by(target)?,
            Flow::CallIndirect { private: false } => self.program.decoder.results(),
            _ => return Ok(state),
        };
        Ok(state.after(&Insn {
            writes: results | self.program.decoder.lost_in_calls(),
            changes_flags: true,
            ..*insn
        }))
    }

    /// The results that the function at `address` can write: all if it goes on to another.
    fn written_by(&self, address: u32) -> Result<Regs> {
        let all = self.program.decoder.results();
        let Some(function) = self.program.image.function(address).filter(|_| all != 0) else {
            return Ok(all);
        };
        if let Some(known) = self.callees.results.borrow().get(&address) {
            return Ok(*known);
        }
        let mut written = 0;
        for (_, insn) in self.program.body(function.start..function.end)? {
            let Some(insn) = insn else {
                continue;
            };
            written |= all & insn.writes;
            written |= match insn.flow {
                Flow::Next | Flow::Return | Flow::Stop => 0,
                Flow::Jump(to) if function.contains(to) => 0,
                _ => all,
            };
        }
        self.callees.results.borrow_mut().insert(address, written);
        Ok(written)
    }

    /// The site's end, each instruction that control left for another than the next one, and the
    /// reader.
    fn path(&self, reader: u32) -> Vec<u32> {
        let mut path = vec![reader];
        let mut at = reader;
        while let Some(&from) = self.from.get(&at).filter(|from| **from != at) {
            let insn = self.program.insn(from).ok().flatten();
            if insn.is_none_or(|insn| insn.end(from) != at) {
                path.push(from);
            }
            at = from;
        }
        if at != reader {
            path.push(at);
        }
        path.reverse();
        path
    }
}
