// SPDX-License-Identifier: GPL-2.0

//! What the patcher does, step by step.

use std::collections::BTreeMap;

use crate::{
    code::{
        Code,
        Place,
        Site, //
    },
    kernel::{
        self,
        Event, //
    },
    site::{
        SiteState,
        State,
        Store,
        Stores,
        Width,
        MAX_WORDS, //
    },
};

/// A step of the patcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Every CPU stops, each between two instructions.
    Stop,
    /// One CPU compares a word, and gives the change up if it differs.
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
    /// Every CPU synchronises its instruction fetch: while it is stopped, or interrupted.
    Synchronise,
    /// The CPU that made the change does so, and no other.
    SynchroniseWriter,
    /// The change is over, and every CPU that was stopped goes on.
    Go,
    /// The patcher waits until each task has slept outside of traced functions and tracers:
    /// `synchronize_rcu_tasks()`.
    Wait,
    /// The trampoline is given back: from now on it can hold anything.
    Free,
}

/// A change of one site.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// The site.
    pub place: Place,
    /// What it is to be.
    pub to: SiteState,
}

/// Returns the change of a site to one that is on, or off, and has a target.
pub const fn to(place: Place, state: State, target: u32) -> Change {
    Change {
        place,
        to: SiteState { state, target },
    }
}

/// Returns the change with a pointer for its target, as sites want it.
fn pointing(code: &Code, mut change: Change) -> Change {
    change.to.target = code.isa.pointer(change.to.target);
    change
}

/// Does `stores`, which make `changes`, by the backend's own `text::poke()`, and returns what it
/// did as steps.
fn apply(code: &mut Code, changes: &[Change], width: Width, stores: &[Store]) -> Vec<Step> {
    let sites = changes.iter().map(|change| code.site(change.place));
    let mut memory = sites.flat_map(Site::memory).collect();
    let (result, events) = kernel::apply(&memory, width, stores);
    assert_eq!(result, Ok(stores.len()), "{changes:x?}");
    let steps = events
        .iter()
        .filter_map(|event| match *event {
            Event::Read(address) => {
                compares(&memory, address, width, stores).then_some(Step::Compare {
                    address,
                    old: memory[&address],
                })
            }
            Event::Store(address, new) => {
                let old = memory.insert(address, new)?;
                Some(Step::Store { address, old, new })
            }
            Event::Publish(start, end) => Some(Step::Publish { start, end }),
        })
        .collect();
    for change in changes {
        code.sites[change.place as usize].now(&memory, change.to);
    }
    steps
}

/// Returns whether what is read at `address` decides about the change: whether nothing is written
/// if the word there is another one.
fn compares(memory: &BTreeMap<u32, u32>, address: u32, width: Width, stores: &[Store]) -> bool {
    let mut other = memory.clone();
    // A halfword stays one.
    other.insert(address, memory[&address] ^ 0xffff);
    let (result, events) = kernel::apply(&other, width, stores);
    result.is_err() && !events.iter().any(|event| matches!(event, Event::Store(..)))
}

/// Initialises a site as `hooks::init_nop()` does, before tasks can execute it.
pub fn initialise(code: &mut Code, change: Change) {
    let change = pointing(code, change);
    let site = code.site(change.place);
    let mut stores = Stores::new(site.layout.width);
    stores
        .add(site.layout, site.ip, site.content, change.to)
        .expect("the model's addresses are within reach");
    apply(code, &[change], stores.width(), &stores);
    let site = &mut code.sites[change.place as usize];
    site.contents = vec![site.words];
}

/// Changes sites as `update::update_code()` does: all in one `stop_machine()`, each by the one
/// store that the backend asks the table for. Of the call sites of a page, which it changes
/// together, the model has one.
pub fn change(code: &mut Code, changes: &[Change]) -> Vec<Step> {
    let mut steps = vec![Step::Stop];
    for change in changes {
        let change = pointing(code, *change);
        let site = code.site(change.place);
        let width = site.layout.width;
        let store = site
            .layout
            .store(site.ip, site.content, change.to)
            .unwrap_or_else(|error| panic!("{change:x?}: {error:?}"));
        steps.extend(apply(code, &[change], width, store.as_slice()));
    }
    steps.extend([Step::Synchronise, Step::Go]);
    steps
}

/// What memory holds before a trampoline is copied to it: no instruction.
const GARBAGE: u32 = 0xffff_ffff;

/// Makes the memory of the trampoline what it is before it is allocated.
pub fn deallocate(code: &mut Code) {
    if !code.is_copied {
        return;
    }
    for place in [Place::Ops, Place::OpsCall] {
        let site = &mut code.sites[place as usize];
        site.words = [GARBAGE; MAX_WORDS];
        site.contents = vec![site.words];
    }
}

/// Gives an ops a trampoline as `trampoline::update()` does, while everything runs: allocates it,
/// turns it on and, if it is a copy, flushes all of it. If it is none, other CPUs have yet to
/// synchronise. They do when the first site changes.
pub fn give(code: &mut Code, ops: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    if code.is_copied {
        steps.extend(copy_template(code));
    }
    steps.extend(switch(code, State::On, ops));
    if code.is_copied {
        let (start, end) = (code.trampoline.start, code.trampoline.end);
        steps.extend([Step::Publish { start, end }, Step::Synchronise]);
    }
    steps.push(Step::Go);
    steps
}

/// Takes the trampoline back: as ftrace does, which waits, and `trampoline::free()`.
pub fn take_back(code: &mut Code) -> Vec<Step> {
    let mut steps = vec![Step::Wait];
    steps.extend(switch(code, State::Off, 0));
    steps.extend([Step::Free, Step::Go]);
    steps
}

/// Returns the stores of `Trampolines::allocate()` to the words that may change later.
fn copy_template(code: &mut Code) -> Vec<Step> {
    let mut steps = Vec::new();
    for place in [Place::Ops, Place::OpsCall] {
        let site = &mut code.sites[place as usize];
        let template = Site::compiled(site.layout, site.ip, 0);
        let memory = template.memory();
        steps.extend(memory.iter().map(|(address, new)| Step::Store {
            address: *address,
            old: GARBAGE,
            new: *new,
        }));
        site.now(&memory, template.content);
    }
    steps
}

/// Turns the trampoline on or off as `trampoline::switch()` does, its call being off.
fn switch(code: &mut Code, state: State, ops: u32) -> Vec<Step> {
    let changes = [
        to(Place::Ops, state, ops),
        to(Place::OpsCall, State::Off, 0),
    ];
    let mut stores = Stores::new(code.site(Place::Ops).layout.width);
    for change in &changes {
        let site = code.site(change.place);
        let added = stores.add(site.layout, site.ip, site.content, change.to);
        added.expect("any address can be that of an ops, and to be off is possible everywhere");
    }
    apply(code, &changes, stores.width(), &stores)
}

/// Returns the stores that change a site, without the rule that there is only one, and notes that
/// the site is changed.
pub fn stores(code: &mut Code, change: Change) -> Vec<Step> {
    let change = pointing(code, change);
    let site = &mut code.sites[change.place as usize];
    let mut stores = Stores::new(site.layout.width);
    stores
        .add(site.layout, site.ip, site.content, change.to)
        .unwrap_or_else(|error| panic!("{change:x?}: {error:?}"));
    let mut memory = site.memory();
    let mut steps = Vec::new();
    for &Store {
        address, old, new, ..
    } in stores.iter()
    {
        memory.insert(address, new);
        steps.push(Step::Store { address, old, new });
    }
    site.now(&memory, change.to);
    steps
}
