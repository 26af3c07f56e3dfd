// SPDX-License-Identifier: GPL-2.0

//! What the patcher does, step by step.

use crate::{
    code::{
        Code,
        Place, //
    },
    kernel::{
        self,
        Event, //
    },
    site::{
        Content,
        State,
        Store, //
    }, //
};
use std::collections::BTreeMap;

/// A step of the patcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Every processor stops, each between two instructions.
    Stop,
    /// One processor compares a word, and gives the change up if it differs.
    Compare {
        /// Address of the word.
        address: u32,
        /// What it must be.
        old: u32,
    },
    /// It stores a word.
    Store {
        /// Address of the word.
        address: u32,
        /// What is there, as far as the patcher knows.
        old: u32,
        /// What replaces it.
        new: u32,
    },
    /// It makes the words between two addresses those that instruction fetches get.
    Publish {
        /// Address of the first word.
        start: u32,
        /// Address after the last word.
        end: u32,
    },
    /// Every processor synchronises its instruction fetch: while it is stopped, or interrupted.
    Synchronise,
    /// The processor that made the change does so, and no other.
    SynchroniseWriter,
    /// The change is over, and every processor that was stopped goes on.
    Go,
}

/// A change of one site.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// The site.
    pub place: Place,
    /// What it is to be.
    pub to: Content,
}

/// Returns the change of a site to one that is on, or off, and has a target.
pub const fn to(place: Place, state: State, target: u32) -> Change {
    Change {
        place,
        to: Content { state, target },
    }
}

/// Returns the change with a pointer for its target, as sites want it.
fn pointing(code: &Code, mut change: Change) -> Change {
    change.to.target = code.isa.pointer(change.to.target);
    change
}

/// Does `stores` in a site by the backend's own `text::apply()`, and returns what it did as steps.
fn apply(code: &mut Code, change: Change, stores: &[Option<Store>]) -> Vec<Step> {
    let site = &mut code.sites[change.place as usize];
    let mut memory = site.memory();
    let (result, events) = kernel::apply(&memory, stores);
    assert_eq!(result, Ok(()), "{change:x?}");
    let steps = events
        .iter()
        .filter_map(|event| match *event {
            Event::Read(address) => compares(&memory, address, stores).then_some(Step::Compare {
                address,
                old: memory[&address],
            }),
            Event::Store(address, new) => {
                let old = memory.insert(address, new)?;
                Some(Step::Store { address, old, new })
            }
            Event::Publish(start, end) => Some(Step::Publish { start, end }),
        })
        .collect();
    site.now(&memory, change.to);
    steps
}

/// Returns whether what is read at `address` decides about the change: whether nothing is written
/// if the word there is another one.
fn compares(memory: &BTreeMap<u32, u32>, address: u32, stores: &[Option<Store>]) -> bool {
    let mut other = memory.clone();
    // A halfword stays one.
    other.insert(address, memory[&address] ^ 0xffff);
    let (result, events) = kernel::apply(&other, stores);
    result.is_err() && !events.iter().any(|event| matches!(event, Event::Store(..)))
}

/// Initialises a site as `backend::init_nop()` does, before tasks can execute it.
pub fn initialise(code: &mut Code, change: Change) {
    let change = pointing(code, change);
    let site = code.site(change.place);
    let stores = site
        .layout
        .stores(site.ip, site.content, change.to)
        .expect("the model's addresses are within reach");
    apply(code, change, &stores);
    let site = &mut code.sites[change.place as usize];
    site.contents = vec![site.words];
}

/// Changes sites as `backend::update_code()` does: all in one `stop_machine()`, each by the one
/// store that the backend asks the table for. Of the call sites of a page, which it changes
/// together, the model has one.
pub fn change(code: &mut Code, changes: &[Change]) -> Vec<Step> {
    let mut steps = vec![Step::Stop];
    for change in changes {
        let change = pointing(code, *change);
        let site = code.site(change.place);
        let store = site
            .layout
            .store(site.ip, site.content, change.to)
            .unwrap_or_else(|error| panic!("{change:x?}: {error:?}"));
        steps.extend(apply(code, change, &[store]));
    }
    steps.extend([Step::Synchronise, Step::Go]);
    steps
}

/// Returns the stores that change a site, without the rule that there is only one, and notes that
/// the site is changed.
pub fn stores(code: &mut Code, change: Change) -> Vec<Step> {
    let change = pointing(code, change);
    let site = &mut code.sites[change.place as usize];
    let stores = site
        .layout
        .stores(site.ip, site.content, change.to)
        .unwrap_or_else(|error| panic!("{change:x?}: {error:?}"));
    let mut memory = site.memory();
    let mut steps = Vec::new();
    for Store {
        address, old, new, ..
    } in stores.into_iter().flatten()
    {
        memory.insert(address, new);
        steps.push(Step::Store { address, old, new });
    }
    site.now(&memory, change.to);
    steps
}
