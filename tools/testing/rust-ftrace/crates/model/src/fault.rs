// SPDX-License-Identifier: GPL-2.0

//! What must never happen.

/// Something that must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// In one pass through a site, a task executes words that do not belong to one of the states
    /// that the site has had.
    ///
    /// A branch that is executed again because the task was interrupted in its delay slot does
    /// not count the first time.
    Mixed,
    /// A branch goes where there is no code: to a half-formed address.
    Wild,
    /// What is executed is not an instruction of any site, or a branch in a delay slot.
    Undefined,
    /// The stack pointer is not that of the function when its body begins.
    Stack,
    /// The return address is not that of the function, or `return_to_handler` if the graph
    /// tracer has replaced it, when its body begins. The function is a leaf, for which it
    /// matters.
    Return,
    /// A tracer is entered with an `ip` that is not that of the call site, or a return address
    /// that is not that of the traced function.
    Tracer,
    /// A CPU executes an old word after the change is over.
    Outdated,
    /// A CPU that has not synchronised executes a word in change, and the architecture
    /// does not say what happens then.
    Unsynchronised,
    /// A word is overwritten that is not what the patcher takes it for.
    Overwritten,
    /// A task is in a trampoline that has been given back.
    Freed,
}

impl Fault {
    /// All faults.
    pub const ALL: [Fault; 10] = [
        Fault::Mixed,
        Fault::Wild,
        Fault::Undefined,
        Fault::Stack,
        Fault::Return,
        Fault::Tracer,
        Fault::Outdated,
        Fault::Unsynchronised,
        Fault::Overwritten,
        Fault::Freed,
    ];

    /// Returns the property that fails.
    pub const fn property(self) -> &'static str {
        match self {
            Fault::Mixed => "one pass executes words of one state of the site",
            Fault::Wild => "branches go to code",
            Fault::Undefined => "executed words are instructions of a site",
            Fault::Stack => "sp is right at the function's body",
            Fault::Return => "the return address is right at the function's body",
            Fault::Tracer => "a tracer gets the ip of the site and the function's return address",
            Fault::Outdated => "no CPU executes an old word after synchronisation",
            Fault::Unsynchronised => "words in change are executed only where that is defined",
            Fault::Overwritten => "only the word that is expected is overwritten",
            Fault::Freed => "nothing executes a trampoline that has been given back",
        }
    }
}

/// A set of faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults(u16);

impl Faults {
    /// Adds a fault.
    pub fn add(&mut self, fault: Fault) {
        self.0 |= 1 << fault as u16;
    }

    /// Returns whether a fault is in the set.
    pub fn has(self, fault: Fault) -> bool {
        self.0 & 1 << fault as u16 != 0
    }
}
