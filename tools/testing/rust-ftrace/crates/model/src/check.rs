// SPDX-License-Identifier: GPL-2.0

//! Running the checker.

use std::time::{
    Duration,
    Instant, //
};

use stateright::{
    Checker,
    Expectation,
    Model,
    Property, //
};

use crate::{
    fault::Fault,
    scenario::Scenario,
    state::{
        Action,
        State, //
    },
    system::System,
    trace, //
};

/// States, and the transition that follows each.
pub type Path = Vec<(State, Option<Action>)>;

/// What the checker found.
pub struct Verdict {
    /// Number of different states.
    pub states: usize,
    /// How long it took.
    pub time: Duration,
    /// What went wrong, and the shortest way to it.
    pub found: Vec<(Fault, Path)>,
    /// What must happen in some execution, and did not.
    pub unseen: Vec<&'static str>,
}

/// Visits all states of a scenario.
pub fn check(scenario: &Scenario) -> Verdict {
    let start = Instant::now();
    let system = &scenario.system;
    let checker = system.clone().checker().spawn_bfs().join();
    let discovered = |property: &Property<System>| checker.discovery(property.name).is_some();
    let found = Fault::ALL.into_iter().filter_map(|fault| {
        let property = fault.always();
        discovered(&property).then(|| (fault, shortest(system, property)))
    });
    let unseen = system.properties.iter().filter(|property| {
        matches!(property.expectation, Expectation::Sometimes) && !discovered(property)
    });
    Verdict {
        states: checker.unique_state_count(),
        found: found.collect(),
        unseen: unseen.map(|property| property.name).collect(),
        time: start.elapsed(),
    }
}

/// Returns the shortest execution in which `property` fails.
///
/// The checker keeps the last one that it finds, unless it has nothing else to look for.
fn shortest(system: &System, property: Property<System>) -> Path {
    let name = property.name;
    let system = System {
        properties: vec![property],
        ..system.clone()
    };
    let path = system.checker().spawn_bfs().join().discovery(name);
    path.map_or_else(Path::new, |path| path.into_vec())
}

impl Verdict {
    /// Returns what is not as the scenario expects it.
    pub fn surprises(&self, scenario: &Scenario) -> Vec<String> {
        let found = || self.found.iter().map(|(fault, _)| fault);
        let more = found()
            .filter(|fault| !scenario.faults.contains(fault))
            .map(|fault| format!("fails: {}", fault.property()));
        let less = scenario
            .faults
            .iter()
            .filter(|fault| !found().any(|found| found == *fault))
            .map(|fault| format!("holds, but must not: {}", fault.property()));
        let unseen = self
            .unseen
            .iter()
            .map(|property| format!("never happens: {property}"));
        more.chain(less).chain(unseen).collect()
    }

    /// Returns what fails, each with the shortest execution in which it does.
    pub fn traces(&self, scenario: &Scenario) -> String {
        let trace = |(fault, path): &(Fault, Path)| {
            let trace = trace::text(&scenario.system, path);
            format!("  fails: {}\n{trace}", fault.property())
        };
        self.found.iter().map(trace).collect()
    }
}
