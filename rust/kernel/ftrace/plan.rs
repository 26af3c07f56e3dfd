// SPDX-License-Identifier: GPL-2.0

//! The plan of a change, computed while all CPUs run.

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

/// The stores that ftrace's request takes, computed while all CPUs run.
///
/// # Invariants
///
/// - Each store is to the word at the recorded address of a site of ftrace, and does what ftrace
///   asks for. A site has no second store.
/// - The [`Locked`] with which the plan was made exists until the plan is done, so neither records
///   nor sites change in between. The records already describe the sites after the change.
pub(super) struct Plan {
    /// The stores that turn sites on.
    pub(super) calls: StoreList,
    /// All other stores.
    pub(super) others: StoreList,
    /// Whether the plan has all sites: memory did not run out.
    pub(super) is_whole: bool,
    /// The first site that cannot be changed.
    pub(super) failure: Option<Failure>,
    /// The last request whose transition other sites in [`core_text`] can reuse.
    last: Option<(Request, Transition)>,
}

// SAFETY: The pointer in it is to a record, which is not changed through it.
unsafe impl Sync for Plan {}

impl Plan {
    /// Computes the plan. It is not whole if memory runs out.
    pub(super) fn new<A: Arch>(locked: &Locked, enable: bool) -> Self {
        // INVARIANT: There are no stores yet. `add` adds those that `walk_updates` asks for.
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

    /// Adds the sites of `records`, which change alike, until memory runs out. Returns how many it
    /// added.
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
            let Some((rec, after)) = rest.split_first() else {
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
            rest = after;
        }
        records.len().wrapping_sub(rest.len())
    }
}

/// Stores, one for each site. They are in the order of the records, which is mostly that of the
/// addresses.
///
/// They are in chunks of a page. Memory of `vmalloc` would be read through the TLB while CPUs are
/// stopped, and all TLBs would have to be flushed afterwards.
pub(super) struct StoreList(pub(super) KVec<Chunk>);

/// A page of stores.
pub(super) struct Chunk {
    /// Room for the stores.
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

    /// Adds a store. There must be room for it.
    fn push(&mut self, store: Store) {
        if let Some(free) = self.free().first_mut() {
            *free = store;
            self.len = self.len.wrapping_add(1);
        }
    }

    /// Adds `transition` for the first of `records`, while they can make it and there is room.
    /// Returns their number.
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

    /// Adds `transition` for the first of `records`, while they can make it, lie in [`core_text`]
    /// and do not [keep](super::site::Layout::keeps_target) their target, and there is memory.
    /// Returns their number.
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
