// SPDX-License-Identifier: GPL-2.0

//! Layouts: the words of a site in each of its states.

use super::pattern::{
    EncodeError,
    Pattern, //
};

/// The largest number of words of a site.
pub const MAX_WORDS: usize = 6;

/// Width of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 16 bits. The value is the [`mask`](Self::mask).
    Half = 1,
    /// 32 bits. The value is the [`mask`](Self::mask).
    Word = 3,
}

impl Width {
    /// Returns the address bits that an aligned store has clear.
    const fn mask(self) -> u32 {
        self as u32
    }

    /// Returns the number of bytes.
    pub const fn size(self) -> u32 {
        self.mask() + 1
    }

    /// Returns whether a store of this width to `address` is aligned.
    pub const fn is_aligned(self, address: u32) -> bool {
        address & self.mask() == 0
    }
}

/// State of a site, without its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As the compiler left it: calls the compiler's profiling function.
    Compiled,
    /// Calls nothing.
    Off,
    /// Calls the target.
    On,
}

/// State of a site: what it does, and the address that its instructions call.
///
/// A site that is off may hold a part of its target, see [`MIPS_MODULE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteState {
    /// The state.
    pub state: State,
    /// The target's address.
    pub target: u32,
}

impl SiteState {
    /// Returns the state of a site that is `state` and has this target.
    pub const fn new(state: State, target: u32) -> Self {
        Self { state, target }
    }
}

/// A word of a site.
#[derive(Debug)]
pub struct Word {
    /// Bytes from the recorded address of the site to the word.
    pub offset: i32,
    /// The word in [`State::Compiled`].
    pub compiled: Pattern,
    /// The word in [`State::Off`].
    pub off: Pattern,
    /// The word in [`State::On`].
    pub on: Pattern,
}

impl Word {
    pub(super) const fn pattern(&self, state: State) -> Pattern {
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
    pub width: Width,
    /// The words, in the order of their addresses.
    pub words: &'static [Word],
}

impl Layout {
    /// Checks that turning a site on or off changes one word, the one at the recorded address.
    pub(super) const fn assert_one_store(&self) {
        assert!(self.words.len() <= MAX_WORDS);
        let mut changed = 0;
        let mut i = 0;
        while i < self.words.len() {
            let word = &self.words[i];
            assert!(self.width.is_aligned(word.offset as u32));
            assert!(i == 0 || self.words[i - 1].offset < word.offset);
            if !word.off.same(word.on) {
                assert!(word.offset == 0);
                changed += 1;
            }
            i += 1;
        }
        assert!(changed == 1);
    }

    /// Returns whether more than one word holds the target. Then it may take more than one store
    /// to change the target.
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
            if self.words[i].offset == 0 && matches!(self.words[i].on, Pattern::MipsJal) {
                return true;
            }
            i += 1;
        }
        false
    }

    /// Returns whether the site at `ip` must call the same target whenever it is on.
    ///
    /// No CPU asks for that, but QEMU does. QEMU ends a block of translated code at the end of each
    /// page of 4 KiB. If `jal` is the last word of a page, the block of the delay slot contains the
    /// target that `jal` had when the block was translated. QEMU uses the block again if only `jal`
    /// changes. Turning such a `jal` off and on is safe.
    #[inline]
    pub const fn keeps_target(&self, ip: u32) -> bool {
        const QEMU_PAGE: u32 = 4096;

        // The address first: it says no for nearly all sites, and the plan asks for each of them.
        ip % QEMU_PAGE == QEMU_PAGE - self.width.size() && self.may_keep_target()
    }

    /// Returns the target if `words` are those of a site at `ip` in `state`, [`None`] if they are
    /// not or `ip` is not aligned.
    ///
    /// The words of a site that is off do not hold its target: then only test the result for
    /// [`Some`].
    #[inline]
    pub fn decode(&self, ip: u32, words: &[u32; MAX_WORDS], state: State) -> Option<u32> {
        if !self.width.is_aligned(ip) {
            return None;
        }
        let mut target = 0u32;
        for (i, word) in self.words.iter().enumerate() {
            let part = word
                .pattern(state)
                .decode(word.address(ip), words.get(i..)?)?;
            target = target.wrapping_add(part);
        }
        Some(target)
    }

    /// Returns the words of the site at `ip` in the state `site`, [`None`] for those that the
    /// layout leaves as they are.
    ///
    /// [`Err`] if the target is out of reach or `ip` is not aligned.
    pub fn encode(
        &self,
        ip: u32,
        site: SiteState,
    ) -> Result<[Option<u32>; MAX_WORDS], EncodeError> {
        if !self.width.is_aligned(ip) {
            return Err(EncodeError);
        }
        let mut insns = [None; MAX_WORDS];
        for (insn, word) in insns.iter_mut().zip(self.words) {
            *insn = word
                .pattern(site.state)
                .encode(word.address(ip), site.target)?;
        }
        Ok(insns)
    }

    /// Returns whether the site at `ip` can call `target`.
    pub fn reaches(&self, ip: u32, target: u32) -> bool {
        let is_encodable = |word: &Word| {
            let pattern = word.pattern(State::On);
            pattern.encode(word.address(ip), target).is_ok()
        };
        self.width.is_aligned(ip) && self.words.iter().all(is_encodable)
    }
}

/// Returns the width of the stores to sites of `layouts`: all must have the same.
pub const fn common_width(layouts: &[&Layout]) -> Width {
    let width = layouts[0].width;
    let mut i = 1;
    while i < layouts.len() {
        assert!(layouts[i].width as u32 == width as u32);
        i += 1;
    }
    width
}
