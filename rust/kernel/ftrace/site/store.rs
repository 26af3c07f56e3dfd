// SPDX-License-Identifier: GPL-2.0

//! The stores that change a site.

use super::super::insn::{
    a32,
    mips, //
};
use super::{
    layout::{
        Layout,
        SiteState,
        State,
        Width,
        Word,
        MAX_WORDS, //
    },
    pattern::{
        EncodeError,
        Pattern, //
    }, //
};
use core::ops::Deref;

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
    /// A place that holds no store yet.
    pub const EMPTY: Self = Self {
        address: 0,
        old: 0,
        new: 0,
    };
}

/// The stores that take a site from one state to another, in the order of their addresses. There is
/// room for those of one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stores {
    width: Width,
    list: [Store; MAX_WORDS],
    len: usize,
}

impl Stores {
    /// Returns no stores, for layouts of a width.
    pub const fn new(width: Width) -> Self {
        Self {
            width,
            list: [Store::EMPTY; MAX_WORDS],
            len: 0,
        }
    }

    /// Returns what each store writes.
    pub const fn width(&self) -> Width {
        self.width
    }

    /// Adds the stores that turn `from` into `to` in the site of a layout at `ip`.
    ///
    /// [`Err`] if a target is out of reach, `ip` is not aligned, there is no room or the layout is
    /// of another width.
    pub fn add(
        &mut self,
        layout: &Layout,
        ip: u32,
        from: SiteState,
        to: SiteState,
    ) -> Result<(), EncodeError> {
        if layout.width != self.width {
            return Err(EncodeError);
        }
        for word in layout.words {
            if let Some(store) = layout
                .word_transition(word, from, to)
                .at(word.address(ip))?
            {
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
        to: SiteState,
    ) -> Result<(), EncodeError> {
        if layout.width != self.width {
            return Err(EncodeError);
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

    fn push(&mut self, store: Store) -> Result<(), EncodeError> {
        *self.list.get_mut(self.len).ok_or(EncodeError)? = store;
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

/// The change of a word. Sites of a layout that change alike have the same one.
#[derive(Clone, Copy, Debug)]
pub struct Transition {
    width: Width,
    old: (Pattern, u32),
    new: (Pattern, u32),
}

impl Transition {
    /// Returns the store that makes the change to the word at `address`, [`None`] if it takes none.
    ///
    /// [`Err`] if a target is out of reach or the word is not aligned.
    #[inline]
    pub fn at(&self, address: u32) -> Result<Option<Store>, EncodeError> {
        let Self { width, old, new } = *self;
        if !width.is_aligned(address) {
            return Err(EncodeError);
        }
        let encode = |(pattern, target): (Pattern, u32)| pattern.encode(address, target);
        let (old, new) = (encode(old)?, encode(new)?);
        let changed = old.zip(new).filter(|(old, new)| old != new);
        Ok(changed.map(|(old, new)| Store { address, old, new }))
    }

    /// Makes the change a store in each of `stores`, for the address that is there already.
    ///
    /// Ends before the first address for which [`at`](Self::at) fails, or at once if the word is
    /// never written. Returns the number of stores. A change that takes no store becomes one that
    /// stores the old word.
    pub fn encode_run(&self, stores: &mut [Store]) -> usize {
        let Self { width, old, new } = *self;
        let is_aligned = |store: &Store| width.is_aligned(store.address);
        let number = stores.iter().take_while(|store| is_aligned(store)).count();
        let stores = stores.get_mut(..number).unwrap_or_default();
        let number = encode_words(old.0, old.1, stores, |store| &mut store.old);
        let stores = stores.get_mut(..number).unwrap_or_default();
        encode_words(new.0, new.1, stores, |store| &mut store.new)
    }
}

impl Layout {
    /// Returns how `from` turns into `to` in the word at the recorded address of a site, [`None`]
    /// if there is none.
    #[inline]
    pub fn transition_at_ip(&self, from: SiteState, to: SiteState) -> Option<Transition> {
        let word = self.words.iter().find(|word| word.offset == 0)?;
        Some(self.word_transition(word, from, to))
    }

    #[inline]
    fn word_transition(&self, word: &Word, from: SiteState, to: SiteState) -> Transition {
        Transition {
            width: self.width,
            old: (word.pattern(from.state), from.target),
            new: (word.pattern(to.state), to.target),
        }
    }

    /// Returns the one store that turns `from` into `to` in the site at `ip`, [`None`] if they are
    /// the same.
    ///
    /// [`Err`] if a target is out of reach, if `ip` is not aligned, or if the states differ in
    /// another word than that at `ip`: two targets in [`T32_MCOUNT`] or [`MIPS_MODULE`] can differ
    /// in two words. Also [`Err`] if the target changes and the site
    /// [keeps](Self::keeps_target) it.
    pub fn store(
        &self,
        ip: u32,
        from: SiteState,
        to: SiteState,
    ) -> Result<Option<Store>, EncodeError> {
        if from.target != to.target && self.keeps_target(ip) {
            return Err(EncodeError);
        }
        let mut at_ip = None;
        for word in self.words {
            let store = self.word_transition(word, from, to).at(word.address(ip))?;
            if word.offset == 0 {
                at_ip = store;
            } else if store.is_some() {
                return Err(EncodeError);
            }
        }
        Ok(at_ip)
    }

    /// Returns `target` if one store can replace it by `other` in the site at `ip`, else `other`.
    pub fn exchangeable_target(&self, ip: u32, target: u32, other: u32) -> u32 {
        let on = |target| SiteState {
            state: State::On,
            target,
        };
        match self.store(ip, on(target), on(other)) {
            Ok(_) => target,
            Err(EncodeError) => other,
        }
    }
}

/// Sets a word of each of `stores` to what `pattern` holds at its address for `target`, up to
/// the first for which that cannot be expressed or is kept. Returns their number.
fn encode_words(
    pattern: Pattern,
    target: u32,
    stores: &mut [Store],
    word: fn(&mut Store) -> &mut u32,
) -> usize {
    // The patterns of most sites have loops of their own.
    match pattern {
        Pattern::Insn(insn) => encode_words_with(stores, word, |_| Some(insn)),
        Pattern::A32Bl => encode_words_with(stores, word, |pc| a32::bl(pc, target)),
        Pattern::MipsJal => encode_words_with(stores, word, |pc| mips::jal(pc, target)),
        pattern => encode_words_with(stores, word, |pc| pattern.encode(pc, target).ok().flatten()),
    }
}

/// Sets a word of each of `stores` to what `encode` returns for its address, up to [`None`].
/// Returns their number.
#[inline(always)]
fn encode_words_with(
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
