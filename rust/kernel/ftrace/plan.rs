// SPDX-License-Identifier: GPL-2.0

//! The plan of a change: what is made ready while all CPUs still run.

use super::{
    arch::Arch,
    records::core_text,
    request::{
        walk_updates,
        Failure,
        Request, //
    },
    site::{
        Store,
        Transition, //
    },
    stats::STATS,
    text::Locked, //
};
use crate::{
    bindings::dyn_ftrace,
    num::casts::arch::usize_as_u32,
    page::PAGE_SIZE,
    prelude::*, //
};

/// The changes that ftrace asks for, made ready while all CPUs still run.
///
/// # Invariants
///
/// - Each store is to the word at the recorded address of a site of ftrace, and is what ftrace asks
///   for there. There is no second one for the site.
/// - The [`Locked`] with which the plan was made exists until it is done: neither records nor sites
///   change in between. The records are those of the sites after the change already.
pub(super) struct Plan {
    /// Of the sites that are to be turned on.
    pub(super) calls: StoreList,
    /// Of all others.
    pub(super) others: StoreList,
    /// Whether this is all, that is, memory did not run out.
    pub(super) is_whole: bool,
    /// The first site that cannot be changed.
    pub(super) failure: Option<Failure>,
    /// What the last site that changed as all in [`core_text`] do was asked for, and its change.
    last: Option<(Request, Transition)>,
}

// SAFETY: The pointer in it is to a record, which is not changed through it.
unsafe impl Sync for Plan {}

impl Plan {
    /// Makes ready what has to change, a part of it if memory runs out.
    pub(super) fn new<A: Arch>(locked: &Locked, enable: bool) -> Self {
        // INVARIANT: There are no stores yet; `add` adds those that `walk_updates` tells it.
        let mut plan = Self {
            calls: StoreList(KVec::new()),
            others: StoreList(KVec::new()),
            is_whole: true,
            failure: None,
            last: None,
        };
        walk_updates(locked, enable, |records, request| {
            plan.add::<A>(records, request)
        });
        plan
    }

    /// Adds changes of sites that change alike, as many as there is memory for, and returns their
    /// number.
    fn add<A: Arch>(&mut self, records: &[dyn_ftrace], request: Request) -> usize {
        let mut rest = records;
        loop {
            let list = if request.turns_on() {
                &mut self.calls
            } else {
                &mut self.others
            };
            if let Some((_, transition)) = self.last.filter(|(last, _)| *last == request) {
                let added = list.push_run::<A>(rest, &transition);
                rest = rest.get(added..).unwrap_or_default();
            }
            let Some((rec, behind)) = rest.split_first() else {
                break;
            };
            let Ok(chunk) = list.chunk_with_room() else {
                self.is_whole = false;
                break;
            };
            match request.plan_site::<A>(rec) {
                Ok((store, transition)) => {
                    if let Some(store) = store {
                        chunk.push(store);
                    }
                    if let Some(transition) = transition {
                        self.last = Some((request, transition));
                    }
                }
                Err(error) => {
                    STATS.count(Err(error));
                    self.failure.get_or_insert((rec, error));
                }
            }
            rest = behind;
        }
        records.len().wrapping_sub(rest.len())
    }
}

/// Stores to sites, one for each, in the order of the records, that is, mostly of their addresses.
///
/// In parts of a page: `vmalloc` memory would be read through the TLB while CPUs are stopped,
/// and all TLBs would have to forget it afterwards.
pub(super) struct StoreList(pub(super) KVec<Chunk>);

/// A part of some changes.
pub(super) struct Chunk {
    /// Room for the stores of the chunk.
    stores: KVec<Store>,
    /// Their number.
    len: usize,
}

// SAFETY: All fields are numbers.
unsafe impl Zeroable for Store {}

impl Chunk {
    /// Number of stores that there is room for.
    const SIZE: usize = PAGE_SIZE / size_of::<Store>();

    fn new() -> Result<Self> {
        Ok(Self {
            stores: KVec::zeroed(Self::SIZE, GFP_KERNEL)?,
            len: 0,
        })
    }

    pub(super) fn stores(&self) -> &[Store] {
        self.stores.get(..self.len).unwrap_or_default()
    }

    fn free(&mut self) -> &mut [Store] {
        self.stores.get_mut(self.len..).unwrap_or_default()
    }

    /// Adds a store, for which there is room.
    fn push(&mut self, store: Store) {
        if let Some(free) = self.free().first_mut() {
            *free = store;
            self.len = self.len.wrapping_add(1);
        }
    }

    /// Adds `transition` of the first of the sites of `records`, those that can make it, as long
    /// as there is room. Returns their number.
    fn fill_run(&mut self, records: &[dyn_ftrace], transition: &Transition) -> usize {
        let free = self.free();
        let number = free.len().min(records.len());
        let stores = free.get_mut(..number).unwrap_or_default();
        for (store, rec) in stores.iter_mut().zip(records) {
            store.address = usize_as_u32(rec.ip);
        }
        let number = transition.encode_run(stores);
        self.len = self.len.wrapping_add(number);
        number
    }
}

impl StoreList {
    /// Returns a chunk that has room for one more store.
    fn chunk_with_room(&mut self) -> Result<&mut Chunk> {
        if self
            .0
            .last_mut()
            .is_none_or(|chunk| chunk.free().is_empty())
        {
            self.0.push(Chunk::new()?, GFP_KERNEL)?;
        }
        self.0.last_mut().ok_or(ENOMEM)
    }

    /// Adds `transition` of the first of the sites of `records`, those in [`core_text`] that can
    /// make it and do not [keep](super::site::Layout::keeps_target) their target, as long as there
    /// is memory. Returns their number.
    fn push_run<A: Arch>(&mut self, records: &[dyn_ftrace], transition: &Transition) -> usize {
        let text = core_text();
        let is_there = records.first().is_some_and(|rec| rec.ip >= text.start);
        let mut number = records.partition_point(|rec| is_there && rec.ip < text.end);
        let layout = A::layout(text.start);
        if layout.may_keep_target() {
            let alike = records.iter().take(number);
            let alike = alike.take_while(|rec| !layout.keeps_target(usize_as_u32(rec.ip)));
            number = alike.count();
        }
        let mut rest = records.get(..number).unwrap_or_default();
        while !rest.is_empty() {
            let chunk = self.chunk_with_room();
            let added = chunk.map_or(0, |chunk| chunk.fill_run(rest, transition));
            if added == 0 {
                break;
            }
            rest = rest.get(added..).unwrap_or_default();
        }
        number.wrapping_sub(rest.len())
    }
}
