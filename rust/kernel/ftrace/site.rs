// SPDX-License-Identifier: GPL-2.0

//! Layouts of the call sites that the compiler emits for ftrace.
//!
//! A [`Layout`] is a table: a row for each instruction word of a site, a column for each state.
//! The patcher, the tests and the documentation all read the same tables.
//!
//! The rule that they obey: [`State::Off`] and [`State::On`] differ in one word, the one at the
//! recorded address. `stop_machine()` stops processors, not tasks; a task that was preempted
//! between two words of a site goes on there after the change. With a single aligned store there
//! is nothing between. [`Layout::assert_one_store`] checks this at compile time.
//!
//! Nothing here uses the `kernel` crate: the same file is compiled into the host tests.

use super::insn::{
    a32,
    mips, //
};

/// The largest number of words of a site.
pub const MAX_WORDS: usize = 6;

/// What a word of a site holds in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// This instruction.
    Insn(u32),
    /// What the compiler put there, one of these; any instruction if the list is empty.
    Kept(&'static [u32]),
    /// A32 `b target`.
    A32B,
    /// A32 `bl target`.
    A32Bl,
    /// MIPS `j target`.
    MipsJ,
    /// MIPS `jal target`.
    MipsJal,
    /// MIPS `lui v1, %hi(target)`.
    MipsLuiV1,
    /// MIPS `addiu v1, v1, %lo(target)`.
    MipsAddiuV1,
}

impl Slot {
    /// Returns the instruction that the slot holds at `pc` for `target`.
    ///
    /// [`Err`] if the instruction cannot express `target`, `Ok(None)` if the slot is kept.
    const fn encode(self, pc: u32, target: u32) -> Result<Option<u32>, OutOfReach> {
        let insn = match self {
            Slot::Insn(insn) => Some(insn),
            Slot::Kept(_) => return Ok(None),
            Slot::A32B => a32::b(pc, target),
            Slot::A32Bl => a32::bl(pc, target),
            Slot::MipsJ => mips::j(pc, target),
            Slot::MipsJal => mips::jal(pc, target),
            Slot::MipsLuiV1 => Some(mips::lui_v1(target)),
            Slot::MipsAddiuV1 => Some(mips::addiu_v1(target)),
        };
        match insn {
            Some(_) => Ok(insn),
            None => Err(OutOfReach),
        }
    }

    /// Returns what `insn` at `pc` adds to the target of the site, [`None`] if the slot does not
    /// hold such an instruction.
    ///
    /// The parts of all words of a site add up to its target.
    fn decode(self, pc: u32, insn: u32) -> Option<u32> {
        match self {
            Slot::Insn(expected) => (insn == expected).then_some(0),
            Slot::Kept(list) => (list.is_empty() || list.contains(&insn)).then_some(0),
            Slot::A32B => a32::b_target(pc, insn),
            Slot::A32Bl => a32::bl_target(pc, insn),
            Slot::MipsJ => mips::j_target(pc, insn),
            Slot::MipsJal => mips::jal_target(pc, insn),
            Slot::MipsLuiV1 => mips::v1_target(insn, mips::addiu_v1(0)),
            Slot::MipsAddiuV1 => mips::v1_target(mips::lui_v1(0), insn),
        }
    }

    const fn same(self, other: Self) -> bool {
        use Slot::*;

        match (self, other) {
            (Insn(a), Insn(b)) => a == b,
            (Kept(_), Kept(_))
            | (A32B, A32B)
            | (A32Bl, A32Bl)
            | (MipsJ, MipsJ)
            | (MipsJal, MipsJal)
            | (MipsLuiV1, MipsLuiV1)
            | (MipsAddiuV1, MipsAddiuV1) => true,
            _ => false,
        }
    }
}

/// The instructions of a site cannot express what was asked for: most often a target that is not
/// within their reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfReach;

/// State of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As the compiler left it: calls the compiler's profiling function.
    Compiled,
    /// Calls nothing.
    Off,
    /// Calls the target.
    On,
}

/// A word of a site.
#[derive(Debug)]
pub struct Word {
    /// Bytes from the recorded address of the site to the word.
    pub offset: i32,
    /// The word in [`State::Compiled`].
    pub compiled: Slot,
    /// The word in [`State::Off`].
    pub off: Slot,
    /// The word in [`State::On`].
    pub on: Slot,
}

impl Word {
    const fn slot(&self, state: State) -> Slot {
        match state {
            State::Compiled => self.compiled,
            State::Off => self.off,
            State::On => self.on,
        }
    }

    /// Returns the address of the word in the site at `ip`.
    pub const fn address(&self, ip: u32) -> u32 {
        ip.wrapping_add_signed(self.offset)
    }
}

/// A layout of call sites.
#[derive(Debug)]
pub struct Layout {
    /// Name for messages.
    pub name: &'static str,
    /// The words, in the order of their addresses.
    pub words: &'static [Word],
}

/// A32, `-pg`: `push {lr}; bl __gnu_mcount_nc`.
///
/// `lr` still holds the return address at the site, so the site hands it over in `ip` instead of
/// on the stack and has nothing to undo when it is off.
pub const A32_MCOUNT: Layout = Layout {
    name: "a32-mcount",
    words: &[
        Word {
            offset: -4,
            compiled: Slot::Insn(a32::PUSH_LR),
            off: Slot::Insn(a32::MOV_IP_LR),
            on: Slot::Insn(a32::MOV_IP_LR),
        },
        Word {
            offset: 0,
            compiled: Slot::A32Bl,
            off: Slot::Insn(a32::NOP),
            on: Slot::A32Bl,
        },
    ],
};

/// MIPS o32, `-pg` within reach of `jal`: the kernel image.
///
/// Ahead of the site stands `move at, ra`, with `-mmcount-ra-address` followed by an instruction
/// that sets `$12`.
///
/// A task that is interrupted in the delay slot of `jal` executes `jal` again, which has changed
/// `ra` already. If the site has been turned off meanwhile, `move` gives the return address back.
pub const MIPS_CORE: Layout = Layout {
    name: "mips-core",
    words: &[
        Word {
            offset: 0,
            compiled: Slot::MipsJal,
            off: Slot::Insn(mips::MOVE_RA_AT),
            on: Slot::MipsJal,
        },
        Word {
            offset: 4,
            compiled: Slot::Insn(mips::ADDIU_SP_M8),
            off: Slot::Insn(mips::NOP),
            on: Slot::Insn(mips::NOP),
        },
    ],
};

/// MIPS o32, `-pg -mlong-calls -mmcount-ra-address`: modules.
///
/// While the site is off, `addiu` stands in the delay slot of `b` and adds to a dead register.
pub const MIPS_MODULE: Layout = Layout {
    name: "mips-module",
    words: &[
        Word {
            offset: 0,
            compiled: Slot::MipsLuiV1,
            off: Slot::Insn(mips::b_over(5)),
            on: Slot::MipsLuiV1,
        },
        Word {
            offset: 4,
            compiled: Slot::MipsAddiuV1,
            off: Slot::MipsAddiuV1,
            on: Slot::MipsAddiuV1,
        },
        Word {
            offset: 8,
            compiled: Slot::Kept(&mips::MOVE_AT_RA),
            off: Slot::Kept(&mips::MOVE_AT_RA),
            on: Slot::Kept(&mips::MOVE_AT_RA),
        },
        // Sets `$12`.
        Word {
            offset: 12,
            compiled: Slot::Kept(&[]),
            off: Slot::Kept(&[]),
            on: Slot::Kept(&[]),
        },
        Word {
            offset: 16,
            compiled: Slot::Insn(mips::JALR_V1),
            off: Slot::Insn(mips::JALR_V1),
            on: Slot::Insn(mips::JALR_V1),
        },
        Word {
            offset: 20,
            compiled: Slot::Insn(mips::ADDIU_SP_M8),
            off: Slot::Insn(mips::NOP),
            on: Slot::Insn(mips::NOP),
        },
    ],
};

/// A32, `ftrace_caller`: the call of the tracer.
pub const A32_FUNC_CALL: Layout = Layout {
    name: "a32-func-call",
    words: &[Word {
        offset: 0,
        compiled: Slot::A32Bl,
        off: Slot::Insn(a32::NOP),
        on: Slot::A32Bl,
    }],
};

/// A32, `ftrace_caller`: the jump to the graph tracer.
pub const A32_GRAPH_JUMP: Layout = Layout {
    name: "a32-graph-jump",
    words: &[Word {
        offset: 0,
        compiled: Slot::Insn(a32::NOP),
        off: Slot::Insn(a32::NOP),
        on: Slot::A32B,
    }],
};

/// MIPS, `ftrace_caller`: the call of the tracer.
pub const MIPS_FUNC_CALL: Layout = Layout {
    name: "mips-func-call",
    words: &[Word {
        offset: 0,
        compiled: Slot::MipsJal,
        off: Slot::Insn(mips::NOP),
        on: Slot::MipsJal,
    }],
};

/// MIPS, `ftrace_caller`: the jump to the graph tracer.
pub const MIPS_GRAPH_JUMP: Layout = Layout {
    name: "mips-graph-jump",
    words: &[Word {
        offset: 0,
        compiled: Slot::Insn(mips::NOP),
        off: Slot::Insn(mips::NOP),
        on: Slot::MipsJ,
    }],
};

const _: () = A32_MCOUNT.assert_one_store();
const _: () = MIPS_CORE.assert_one_store();
const _: () = MIPS_MODULE.assert_one_store();
const _: () = A32_FUNC_CALL.assert_one_store();
const _: () = A32_GRAPH_JUMP.assert_one_store();
const _: () = MIPS_FUNC_CALL.assert_one_store();
const _: () = MIPS_GRAPH_JUMP.assert_one_store();

/// What a site holds: its state and the address that its instructions call.
///
/// A site that is off may hold a part of its target, see [`MIPS_MODULE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// The state.
    pub state: State,
    /// The target's address.
    pub target: u32,
}

/// One aligned store that changes a word of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    /// Address of the word.
    pub address: u32,
    /// The word that must be there before.
    pub old: u32,
    /// The word that replaces it.
    pub new: u32,
}

/// The words of a site that differ between two contents, in the order of their addresses.
pub type Stores = [Option<Store>; MAX_WORDS];

impl Layout {
    /// Checks that turning a site on or off changes the word at the recorded address, and that
    /// word alone.
    const fn assert_one_store(&self) {
        assert!(self.words.len() <= MAX_WORDS);
        let mut changed = 0;
        let mut i = 0;
        while i < self.words.len() {
            let word = &self.words[i];
            assert!(word.offset % 4 == 0);
            assert!(i == 0 || self.words[i - 1].offset < word.offset);
            if !word.off.same(word.on) {
                assert!(word.offset == 0);
                changed += 1;
            }
            i += 1;
        }
        assert!(changed == 1);
    }

    /// Returns the target if `words` are those of a site at `ip` in `state`, [`None`] if they are
    /// not or `ip` is not word aligned.
    ///
    /// The target of a site that is off is not in its words: then the result is only fit to be
    /// tested for [`Some`].
    pub fn decode(&self, ip: u32, words: &[u32; MAX_WORDS], state: State) -> Option<u32> {
        if ip & 3 != 0 {
            return None;
        }
        let mut target = 0u32;
        for (word, insn) in self.words.iter().zip(words) {
            let part = word.slot(state).decode(word.address(ip), *insn)?;
            target = target.wrapping_add(part);
        }
        Some(target)
    }

    /// Returns the words of the site at `ip` when it holds `content`, [`None`] for those that the
    /// layout leaves as they are.
    ///
    /// [`Err`] if the target is out of reach or `ip` is not word aligned.
    pub fn encode(
        &self,
        ip: u32,
        content: Content,
    ) -> Result<[Option<u32>; MAX_WORDS], OutOfReach> {
        if ip & 3 != 0 {
            return Err(OutOfReach);
        }
        let mut insns = [None; MAX_WORDS];
        for (insn, word) in insns.iter_mut().zip(self.words) {
            *insn = word
                .slot(content.state)
                .encode(word.address(ip), content.target)?;
        }
        Ok(insns)
    }

    /// Returns the stores that turn `from` into `to` in the site at `ip`.
    ///
    /// [`Err`] if a target is out of reach or `ip` is not word aligned.
    pub fn stores(&self, ip: u32, from: Content, to: Content) -> Result<Stores, OutOfReach> {
        let (from, to) = (self.encode(ip, from)?, self.encode(ip, to)?);
        let mut stores = [None; MAX_WORDS];
        for (((store, word), old), new) in stores.iter_mut().zip(self.words).zip(from).zip(to) {
            let address = word.address(ip);
            *store = old
                .zip(new)
                .filter(|(old, new)| old != new)
                .map(|(old, new)| Store { address, old, new });
        }
        Ok(stores)
    }

    /// Returns the one store that turns `from` into `to` in the site at `ip`.
    ///
    /// [`Err`] if a target is out of reach, if `ip` is not word aligned, or unless the contents
    /// differ in the word at `ip` alone: two targets in [`MIPS_MODULE`] can differ in two words.
    pub fn store(&self, ip: u32, from: Content, to: Content) -> Result<Store, OutOfReach> {
        let stores = self.stores(ip, from, to)?;
        let mut changed = stores.iter().flatten();
        match (changed.next(), changed.next()) {
            (Some(store), None) if store.address == ip => Ok(*store),
            _ => Err(OutOfReach),
        }
    }
}
