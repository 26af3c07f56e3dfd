// SPDX-License-Identifier: GPL-2.0

//! Layouts of the call sites that the compiler emits for ftrace.
//!
//! A [`Layout`] is a table: a row for each instruction word of a site, a column for each state.
//! The patcher, the tests and the documentation all read the same tables. What is called a word
//! here is a halfword in a layout of which that is the [`Unit`].
//!
//! The rule that they obey: [`State::Off`] and [`State::On`] differ in one word, the one at the
//! recorded address. `stop_machine()` stops processors, not tasks; a task that was preempted
//! between two words of a site goes on there after the change. With a single aligned store there
//! is nothing between. [`Layout::assert_one_store`] checks this at compile time.
//!
//! Targets are values of pointers to functions: bit 0 is set for T32 code.
//!
//! Nothing here uses the `kernel` crate: the same file is compiled into the host tests.

use super::insn::{
    a32,
    mips,
    t32, //
};
use core::ops::Deref;

/// The largest number of words of a site.
pub const MAX_WORDS: usize = 6;

/// What one store writes. The values are masks of the address bits that must not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 16 bits.
    Half = 1,
    /// 32 bits.
    Word = 3,
}

impl Unit {
    /// Returns the number of bytes.
    pub const fn size(self) -> u32 {
        self as u32 + 1
    }

    /// Returns whether one store to `address` can write the unit.
    pub const fn is_aligned(self, address: u32) -> bool {
        address & self as u32 == 0
    }
}

/// What a word of a site holds in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// This instruction.
    Insn(u32),
    /// One of these instructions, which do the same. Compilers differ in which they emit.
    OneOf(&'static [u32]),
    /// What the compiler put there, one of these; any instruction if the list is empty.
    Kept(&'static [u32]),
    /// A32 `bl target`.
    A32Bl,
    /// The first halfword of T32 `bl target`; the second one follows.
    T32Bl,
    /// The second halfword of T32 `bl target`, whatever is in place of the first one.
    T32BlSecond,
    /// T32 `bl target` as a word, or `blx target` if the target is A32 code.
    T32Call,
    /// MIPS `jal target`.
    MipsJal,
    /// MIPS `lui v1, %hi(target)`.
    MipsLuiV1,
    /// MIPS `addiu v1, v1, %lo(target)`.
    MipsAddiuV1,
    /// A32 `movw r2, #:lower16:target`.
    A32MovwR2,
    /// A32 `movt r2, #:upper16:target`.
    A32MovtR2,
    /// MIPS `lui a2, %hi(target)`.
    MipsLuiA2,
    /// MIPS `addiu a2, a2, %lo(target)`.
    MipsAddiuA2,
}

impl Slot {
    /// Returns the instruction that the slot holds at `pc` for `target`.
    ///
    /// [`Err`] if the instruction cannot express `target`, `Ok(None)` if the slot is kept.
    #[inline] // Most words of sites hold the same instruction always, which takes no call.
    const fn encode(self, pc: u32, target: u32) -> Result<Option<u32>, OutOfReach> {
        match self {
            Slot::Insn(insn) => Ok(Some(insn)),
            Slot::OneOf([insn, ..]) => Ok(Some(*insn)),
            Slot::OneOf([]) | Slot::Kept(_) => Ok(None),
            slot => match slot.encode_target(pc, target) {
                Some(insn) => Ok(Some(insn)),
                None => Err(OutOfReach),
            },
        }
    }

    /// Returns the instruction with `target`, or a part of it, that the slot holds at `pc`,
    /// [`None`] if there is no such instruction.
    const fn encode_target(self, pc: u32, target: u32) -> Option<u32> {
        match self {
            Slot::Insn(_) | Slot::OneOf(_) | Slot::Kept(_) => None,
            Slot::A32Bl => a32::bl(pc, target),
            Slot::T32Bl => match t32_bl(pc, target) {
                Some([first, _]) => Some(first as u32),
                None => None,
            },
            Slot::T32BlSecond => match t32_bl(pc.wrapping_sub(2), target) {
                Some([_, second]) => Some(second as u32),
                None => None,
            },
            Slot::T32Call => t32_call(pc, target),
            Slot::MipsJal => mips::jal(pc, target),
            Slot::MipsLuiV1 => Some(mips::lui_v1(target)),
            Slot::MipsAddiuV1 => Some(mips::addiu_v1(target)),
            Slot::A32MovwR2 => Some(a32::movw_r2(target)),
            Slot::A32MovtR2 => Some(a32::movt_r2(target)),
            Slot::MipsLuiA2 => Some(mips::lui_a2(target)),
            Slot::MipsAddiuA2 => Some(mips::addiu_a2(target)),
        }
    }

    /// Sets a word of each of `stores` to what the slot holds at its address for `target`, up to
    /// the first for which that cannot be expressed or is kept. Returns their number.
    fn fill(self, target: u32, stores: &mut [Store], word: fn(&mut Store) -> &mut u32) -> usize {
        // What most sites change between has loops of its own.
        match self {
            Slot::Insn(insn) => fill_with(stores, word, |_| Some(insn)),
            Slot::A32Bl => fill_with(stores, word, |pc| a32::bl(pc, target)),
            Slot::MipsJal => fill_with(stores, word, |pc| mips::jal(pc, target)),
            slot => fill_with(stores, word, |pc| slot.encode(pc, target).ok().flatten()),
        }
    }

    /// Returns what the word at `pc`, the first of `words`, adds to the target of the site,
    /// [`None`] if the slot does not hold such an instruction.
    ///
    /// The parts of all words of a site add up to its target.
    #[inline]
    fn decode(self, pc: u32, words: &[u32]) -> Option<u32> {
        let insn = *words.first()?;
        match self {
            Slot::Insn(expected) => (insn == expected).then_some(0),
            Slot::OneOf(list) => list.contains(&insn).then_some(0),
            Slot::Kept(list) => (list.is_empty() || list.contains(&insn)).then_some(0),
            Slot::A32Bl => a32::bl_target(pc, insn),
            // What a bit of one halfword stands for depends on the other one, whose part is just
            // its bits.
            Slot::T32Bl => {
                let second = *words.get(1)?;
                let target = t32::bl_target(pc, [halfword(insn)?, halfword(second)?])?;
                Some((target | 1).wrapping_sub(t32_bl_second(second)?))
            }
            Slot::T32BlSecond => t32_bl_second(insn),
            Slot::T32Call => t32_call_target(pc, insn),
            Slot::MipsJal => mips::jal_target(pc, insn),
            Slot::MipsLuiV1 => mips::v1_target(insn, mips::addiu_v1(0)),
            Slot::MipsAddiuV1 => mips::v1_target(mips::lui_v1(0), insn),
            Slot::A32MovwR2 => a32::movw_r2_value(insn),
            Slot::A32MovtR2 => a32::movt_r2_value(insn),
            Slot::MipsLuiA2 => mips::a2_value(insn, mips::addiu_a2(0)),
            Slot::MipsAddiuA2 => mips::a2_value(mips::lui_a2(0), insn),
        }
    }

    /// Returns whether the slot holds a target or a part of it.
    const fn has_target(self) -> bool {
        !matches!(self, Slot::Insn(_) | Slot::OneOf(_) | Slot::Kept(_))
    }

    const fn same(self, other: Self) -> bool {
        use Slot::*;

        match (self, other) {
            (Insn(a), Insn(b)) => a == b,
            (Kept(_), Kept(_))
            | (A32Bl, A32Bl)
            | (T32Bl, T32Bl)
            | (T32BlSecond, T32BlSecond)
            | (T32Call, T32Call)
            | (MipsJal, MipsJal)
            | (MipsLuiV1, MipsLuiV1)
            | (MipsAddiuV1, MipsAddiuV1)
            | (A32MovwR2, A32MovwR2)
            | (A32MovtR2, A32MovtR2)
            | (MipsLuiA2, MipsLuiA2)
            | (MipsAddiuA2, MipsAddiuA2) => true,
            _ => false,
        }
    }
}

/// Sets a word of each of `stores` to what `encode` returns for its address, up to [`None`].
/// Returns their number.
#[inline(always)]
fn fill_with(
    stores: &mut [Store],
    word: fn(&mut Store) -> &mut u32,
    encode: impl Fn(u32) -> Option<u32>,
) -> usize {
    let mut number = 0usize;
    for store in stores {
        let Some(insn) = encode(store.address) else {
            break;
        };
        *word(store) = insn;
        number = number.wrapping_add(1);
    }
    number
}

/// Returns `target`, a pointer to T32 code, as the address of its first instruction.
const fn t32_code(target: u32) -> Option<u32> {
    if target & 1 == 0 {
        return None;
    }
    Some(target & !1)
}

const fn t32_bl(pc: u32, target: u32) -> Option<[u16; 2]> {
    match t32_code(target) {
        Some(target) => t32::bl(pc, target),
        None => None,
    }
}

const fn t32_call(pc: u32, target: u32) -> Option<u32> {
    let insn = match t32_code(target) {
        Some(target) => t32::bl(pc, target),
        None => t32::blx(pc, target),
    };
    match insn {
        Some(hw) => Some(t32::word(hw)),
        None => None,
    }
}

fn t32_bl_second(insn: u32) -> Option<u32> {
    t32::bl_second_bits(halfword(insn)?).map(u32::from)
}

fn halfword(insn: u32) -> Option<u16> {
    u16::try_from(insn).ok()
}

fn t32_call_target(pc: u32, insn: u32) -> Option<u32> {
    let hw = t32::halfwords(insn);
    let t32_target = t32::bl_target(pc, hw).map(|target| target | 1);
    t32_target.or_else(|| t32::blx_target(pc, hw))
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
    /// What its words are, and what a store to it writes.
    pub unit: Unit,
    /// The words, in the order of their addresses.
    pub words: &'static [Word],
}

/// A32, `-pg`: `push {lr}; bl __gnu_mcount_nc`.
///
/// `lr` still holds the return address at the site, so the site hands it over in `ip` instead of
/// on the stack and has nothing to undo when it is off.
pub const A32_MCOUNT: Layout = Layout {
    name: "a32-mcount",
    unit: Unit::Word,
    words: &[
        Word {
            offset: -4,
            compiled: Slot::OneOf(&a32::PUSH_LR),
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

/// T32, `-pg`: `push {lr}; bl __gnu_mcount_nc`.
///
/// What [`A32_MCOUNT`] is, but `bl` can lie across any boundary. Its second halfword is that of the
/// call whether the site is on or off, so that only the first one changes. It can call different
/// targets only if these have that halfword in common.
pub const T32_MCOUNT: Layout = Layout {
    name: "t32-mcount",
    unit: Unit::Half,
    words: &[
        Word {
            offset: -2,
            compiled: Slot::Insn(t32::PUSH_LR as u32),
            off: Slot::Insn(t32::MOV_IP_LR as u32),
            on: Slot::Insn(t32::MOV_IP_LR as u32),
        },
        Word {
            offset: 0,
            compiled: Slot::T32Bl,
            off: Slot::Insn(t32::B_OVER_HW as u32),
            on: Slot::T32Bl,
        },
        Word {
            offset: 2,
            compiled: Slot::T32BlSecond,
            off: Slot::T32BlSecond,
            on: Slot::T32BlSecond,
        },
    ],
};

/// A32, `-fpatchable-function-entry`: two instructions ahead of a function's own.
pub const A32_PADS: Layout = Layout {
    name: "a32-pads",
    unit: Unit::Word,
    words: &[
        Word {
            offset: -4,
            compiled: Slot::Insn(a32::NOP),
            off: Slot::Insn(a32::MOV_IP_LR),
            on: Slot::Insn(a32::MOV_IP_LR),
        },
        Word {
            offset: 0,
            compiled: Slot::Insn(a32::NOP),
            off: Slot::Insn(a32::NOP),
            on: Slot::A32Bl,
        },
    ],
};

/// T32, `-fpatchable-function-entry`: four halfwords ahead of a function's own, on a word boundary.
///
/// What is patched is one instruction, on or off, so that no task can be within it.
pub const T32_PADS: Layout = Layout {
    name: "t32-pads",
    unit: Unit::Word,
    words: &[
        Word {
            offset: -4,
            compiled: Slot::Insn(t32::word([t32::NOP, t32::NOP])),
            off: Slot::Insn(t32::word([t32::MOV_IP_LR, t32::NOP])),
            on: Slot::Insn(t32::word([t32::MOV_IP_LR, t32::NOP])),
        },
        Word {
            offset: 0,
            compiled: Slot::Insn(t32::word([t32::NOP, t32::NOP])),
            off: Slot::Insn(t32::word(t32::NOP_W)),
            on: Slot::T32Call,
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
    unit: Unit::Word,
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
    unit: Unit::Word,
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
    unit: Unit::Word,
    words: &[Word {
        offset: 0,
        compiled: Slot::A32Bl,
        off: Slot::Insn(a32::NOP),
        on: Slot::A32Bl,
    }],
};

/// T32, `ftrace_caller`: the call of the tracer.
///
/// The entry has it on a word boundary: any `bl` or `blx` is one store.
pub const T32_FUNC_CALL: Layout = Layout {
    name: "t32-func-call",
    unit: Unit::Word,
    words: &[Word {
        offset: 0,
        compiled: Slot::T32Call,
        off: Slot::Insn(t32::word(t32::NOP_W)),
        on: Slot::T32Call,
    }],
};

/// MIPS, `ftrace_caller`: the call of the tracer.
pub const MIPS_FUNC_CALL: Layout = Layout {
    name: "mips-func-call",
    unit: Unit::Word,
    words: &[Word {
        offset: 0,
        compiled: Slot::MipsJal,
        off: Slot::Insn(mips::NOP),
        on: Slot::MipsJal,
    }],
};

/// A32, a trampoline: where it tells which ops it is for, none while it is off.
///
/// It goes on and off by two stores, while no site calls it and no task is in it.
pub const A32_OPS: Layout = Layout {
    name: "a32-ops",
    unit: Unit::Word,
    words: &[
        Word {
            offset: 0,
            compiled: Slot::Insn(a32::movw_r2(0)),
            off: Slot::Insn(a32::movw_r2(0)),
            on: Slot::A32MovwR2,
        },
        Word {
            offset: 4,
            compiled: Slot::Insn(a32::movt_r2(0)),
            off: Slot::Insn(a32::movt_r2(0)),
            on: Slot::A32MovtR2,
        },
    ],
};

/// A32, a trampoline: the call of the tracer of its ops, or of what takes care of that when on.
pub const A32_OPS_CALL: Layout = Layout {
    name: "a32-ops-call",
    unit: Unit::Word,
    words: &[Word {
        offset: 0,
        compiled: Slot::Insn(a32::BLX_IP),
        off: Slot::Insn(a32::BLX_IP),
        on: Slot::A32Bl,
    }],
};

/// MIPS, a trampoline: what [`A32_OPS`] is.
pub const MIPS_OPS: Layout = Layout {
    name: "mips-ops",
    unit: Unit::Word,
    words: &[
        Word {
            offset: 0,
            compiled: Slot::Insn(mips::lui_a2(0)),
            off: Slot::Insn(mips::lui_a2(0)),
            on: Slot::MipsLuiA2,
        },
        Word {
            offset: 4,
            compiled: Slot::Insn(mips::addiu_a2(0)),
            off: Slot::Insn(mips::addiu_a2(0)),
            on: Slot::MipsAddiuA2,
        },
    ],
};

/// MIPS, a trampoline: what [`A32_OPS_CALL`] is.
pub const MIPS_OPS_CALL: Layout = Layout {
    name: "mips-ops-call",
    unit: Unit::Word,
    words: &[Word {
        offset: 0,
        compiled: Slot::Insn(mips::JALR_V1),
        off: Slot::Insn(mips::JALR_V1),
        on: Slot::MipsJal,
    }],
};

const _: () = A32_MCOUNT.assert_one_store();
const _: () = T32_MCOUNT.assert_one_store();
const _: () = A32_PADS.assert_one_store();
const _: () = T32_PADS.assert_one_store();
const _: () = MIPS_CORE.assert_one_store();
const _: () = MIPS_MODULE.assert_one_store();
const _: () = A32_FUNC_CALL.assert_one_store();
const _: () = T32_FUNC_CALL.assert_one_store();
const _: () = MIPS_FUNC_CALL.assert_one_store();
const _: () = A32_OPS_CALL.assert_one_store();
const _: () = MIPS_OPS_CALL.assert_one_store();

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

impl Store {
    /// What a place for a store holds while there is none.
    pub const EMPTY: Self = Self {
        address: 0,
        old: 0,
        new: 0,
    };
}

/// The stores to the words of a site that differ between two contents, in the order of their
/// addresses. There is room for those of one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stores {
    unit: Unit,
    list: [Store; MAX_WORDS],
    len: usize,
}

impl Stores {
    /// Returns no stores, for layouts of a unit.
    pub const fn new(unit: Unit) -> Self {
        Self {
            unit,
            list: [Store::EMPTY; MAX_WORDS],
            len: 0,
        }
    }

    /// Returns what each store writes.
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// Adds the stores that turn `from` into `to` in the site of a layout at `ip`.
    ///
    /// [`Err`] if a target is out of reach, `ip` is not aligned, there is no room or the layout is
    /// of another unit.
    pub fn add(
        &mut self,
        layout: &Layout,
        ip: u32,
        from: Content,
        to: Content,
    ) -> Result<(), OutOfReach> {
        if layout.unit != self.unit {
            return Err(OutOfReach);
        }
        for word in layout.words {
            if let Some(store) = layout.transition(word, from, to).store(word.address(ip))? {
                self.push(store)?;
            }
        }
        Ok(())
    }

    /// Adds the stores that make the site of a layout at `ip`, whose words are `found`, hold `to`.
    ///
    /// [`Err`] as for [`add`](Self::add).
    pub fn add_found(
        &mut self,
        layout: &Layout,
        ip: u32,
        found: &[u32; MAX_WORDS],
        to: Content,
    ) -> Result<(), OutOfReach> {
        if layout.unit != self.unit {
            return Err(OutOfReach);
        }
        let insns = layout.encode(ip, to)?;
        for ((word, &old), new) in layout.words.iter().zip(found).zip(insns) {
            if let Some(new) = new.filter(|new| *new != old) {
                let address = word.address(ip);
                self.push(Store { address, old, new })?;
            }
        }
        Ok(())
    }

    fn push(&mut self, store: Store) -> Result<(), OutOfReach> {
        *self.list.get_mut(self.len).ok_or(OutOfReach)? = store;
        self.len = self.len.wrapping_add(1);
        Ok(())
    }
}

impl Deref for Stores {
    type Target = [Store];

    fn deref(&self) -> &[Store] {
        self.list.get(..self.len).unwrap_or_default()
    }
}

/// What a word is before and after a change: the same for all sites of a layout that change alike.
#[derive(Clone, Copy, Debug)]
pub struct Transition {
    unit: Unit,
    old: (Slot, u32),
    new: (Slot, u32),
}

impl Transition {
    /// Returns the store that makes the change to the word at `address`, [`None`] if it takes none.
    ///
    /// [`Err`] if a target is out of reach or the word is not aligned.
    #[inline]
    pub fn store(&self, address: u32) -> Result<Option<Store>, OutOfReach> {
        let Self { unit, old, new } = *self;
        if !unit.is_aligned(address) {
            return Err(OutOfReach);
        }
        let encode = |(slot, target): (Slot, u32)| slot.encode(address, target);
        let (old, new) = (encode(old)?, encode(new)?);
        let changed = old.zip(new).filter(|(old, new)| old != new);
        Ok(changed.map(|(old, new)| Store { address, old, new }))
    }

    /// Makes each of `stores` that which makes the change to the word at its address, up to the
    /// first address for which [`store`](Self::store) fails, none if the word is kept. Returns the
    /// number of these.
    ///
    /// A change that takes no store becomes one that stores what is there.
    pub fn fill(&self, stores: &mut [Store]) -> usize {
        let Self { unit, old, new } = *self;
        let is_aligned = |store: &Store| unit.is_aligned(store.address);
        let number = stores.iter().take_while(|store| is_aligned(store)).count();
        let stores = stores.get_mut(..number).unwrap_or_default();
        let number = old.0.fill(old.1, stores, |store| &mut store.old);
        let stores = stores.get_mut(..number).unwrap_or_default();
        new.0.fill(new.1, stores, |store| &mut store.new)
    }
}

/// Returns what is written to change a site of `layouts`, which is the same for all of them.
pub const fn common_unit(layouts: &[&Layout]) -> Unit {
    let unit = layouts[0].unit;
    let mut i = 1;
    while i < layouts.len() {
        assert!(layouts[i].unit as u32 == unit as u32);
        i += 1;
    }
    unit
}

impl Layout {
    /// Checks that turning a site on or off changes the word at the recorded address, and that
    /// word alone.
    const fn assert_one_store(&self) {
        assert!(self.words.len() <= MAX_WORDS);
        let mut changed = 0;
        let mut i = 0;
        while i < self.words.len() {
            let word = &self.words[i];
            assert!(self.unit.is_aligned(word.offset as u32));
            assert!(i == 0 || self.words[i - 1].offset < word.offset);
            if !word.off.same(word.on) {
                assert!(word.offset == 0);
                changed += 1;
            }
            i += 1;
        }
        assert!(changed == 1);
    }

    /// Returns whether the target that a site calls is in more than one word, so that it may take
    /// more than one store to change it.
    pub const fn splits_target(&self) -> bool {
        let mut parts = 0;
        let mut i = 0;
        while i < self.words.len() {
            parts += self.words[i].on.has_target() as usize;
            i += 1;
        }
        parts > 1
    }

    /// Returns whether sites [keep](Self::keeps_target) their target at some addresses.
    pub const fn may_keep_target(&self) -> bool {
        let mut i = 0;
        while i < self.words.len() {
            if self.words[i].offset == 0 && matches!(self.words[i].on, Slot::MipsJal) {
                return true;
            }
            i += 1;
        }
        false
    }

    /// Returns whether the site at `ip` must call the same target whenever it is on.
    ///
    /// No processor asks for that, but QEMU does. It ends a block of translated code with each page
    /// of 4 KiB. Where `jal` is the last word of a page, the translation of the delay slot contains
    /// the target that `jal` had at that time, and is used again if only `jal` changes. Turning
    /// such a `jal` off and on is safe.
    pub const fn keeps_target(&self, ip: u32) -> bool {
        const QEMU_PAGE: u32 = 4096;

        self.may_keep_target() && ip % QEMU_PAGE == QEMU_PAGE - self.unit.size()
    }

    /// Returns the target if `words` are those of a site at `ip` in `state`, [`None`] if they are
    /// not or `ip` is not aligned.
    ///
    /// The target of a site that is off is not in its words: then the result is only fit to be
    /// tested for [`Some`].
    #[inline]
    pub fn decode(&self, ip: u32, words: &[u32; MAX_WORDS], state: State) -> Option<u32> {
        if !self.unit.is_aligned(ip) {
            return None;
        }
        let mut target = 0u32;
        for (i, word) in self.words.iter().enumerate() {
            let part = word.slot(state).decode(word.address(ip), words.get(i..)?)?;
            target = target.wrapping_add(part);
        }
        Some(target)
    }

    /// Returns the words of the site at `ip` when it holds `content`, [`None`] for those that the
    /// layout leaves as they are.
    ///
    /// [`Err`] if the target is out of reach or `ip` is not aligned.
    pub fn encode(
        &self,
        ip: u32,
        content: Content,
    ) -> Result<[Option<u32>; MAX_WORDS], OutOfReach> {
        if !self.unit.is_aligned(ip) {
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

    /// Returns whether the site at `ip` can call `target`.
    pub fn reaches(&self, ip: u32, target: u32) -> bool {
        let state = State::On;
        self.encode(ip, Content { state, target }).is_ok()
    }

    /// Returns how `from` turns into `to` in the word at the recorded address of a site, [`None`]
    /// if there is none.
    #[inline]
    pub fn at_ip(&self, from: Content, to: Content) -> Option<Transition> {
        let word = self.words.iter().find(|word| word.offset == 0)?;
        Some(self.transition(word, from, to))
    }

    #[inline]
    fn transition(&self, word: &Word, from: Content, to: Content) -> Transition {
        Transition {
            unit: self.unit,
            old: (word.slot(from.state), from.target),
            new: (word.slot(to.state), to.target),
        }
    }

    /// Returns the one store that turns `from` into `to` in the site at `ip`, [`None`] if they are
    /// the same.
    ///
    /// [`Err`] if a target is out of reach, if `ip` is not aligned, or if the contents differ in
    /// another word than that at `ip`: two targets in [`T32_MCOUNT`] or [`MIPS_MODULE`] can differ
    /// in two words. Likewise if the target changes where the site [keeps](Self::keeps_target) it.
    pub fn store(&self, ip: u32, from: Content, to: Content) -> Result<Option<Store>, OutOfReach> {
        if from.target != to.target && self.keeps_target(ip) {
            return Err(OutOfReach);
        }
        let mut at_ip = None;
        for word in self.words {
            let store = self.transition(word, from, to).store(word.address(ip))?;
            if word.offset == 0 {
                at_ip = store;
            } else if store.is_some() {
                return Err(OutOfReach);
            }
        }
        Ok(at_ip)
    }

    /// Returns what the site at `ip` calls to get to `target` if it may have to go from there to
    /// `other` by one store: `target`, or `other` in its place.
    pub fn target_beside(&self, ip: u32, target: u32, other: u32) -> u32 {
        let on = |target| Content {
            state: State::On,
            target,
        };
        match self.store(ip, on(target), on(other)) {
            Ok(_) => target,
            Err(OutOfReach) => other,
        }
    }
}
