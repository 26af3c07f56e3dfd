// SPDX-License-Identifier: GPL-2.0

//! The C backend's results beside the Rust backend's: there may be no test that is worse in Rust.

use std::{
    collections::HashMap,
    time::Duration, //
};

use crate::{
    kernel::backend::Backend,
    results::{
        case::{
            Case,
            Counts,
            Outcome,
            Suite, //
        },
        suite::{
            Kind,
            Name, //
        },
    },
};

/// One test with both backends. A backend that has no result did not run it.
pub struct Row<'a> {
    pub name: &'a str,
    pub c: Option<&'a Case>,
    pub rust: Option<&'a Case>,
}

impl Row<'_> {
    pub fn outcomes(&self) -> (Outcome, Outcome) {
        let outcome = |case: Option<&Case>| case.map_or(Outcome::Untested, |c| c.outcome);
        (outcome(self.c), outcome(self.rust))
    }

    pub fn is_worse(&self) -> bool {
        let (c, rust) = self.outcomes();
        rust.is_worse_than(c)
    }
}

/// A suite that ran with both backends.
pub struct Comparison<'a> {
    pub machine: &'static str,
    pub kind: Kind,
    pub rows: Vec<Row<'a>>,
}

impl Comparison<'_> {
    /// The name of the Rust backend's suite.
    pub fn suite(&self) -> Name {
        Name::Machine(self.machine, Backend::Rust, self.kind)
    }

    /// The C backend's counts and the Rust backend's.
    pub fn counts(&self) -> (Counts, Counts) {
        let (c, rust): (Vec<_>, Vec<_>) = self.rows.iter().map(Row::outcomes).unzip();
        (Counts::of(c), Counts::of(rust))
    }

    /// The comparison as a test.
    fn case(&self) -> Case {
        let worse: Vec<String> = self
            .rows
            .iter()
            .filter(|row| row.is_worse())
            .map(|row| {
                let (c, rust) = row.outcomes();
                format!("{}: C {}, Rust {}", row.name, c.word(), rust.word())
            })
            .collect();
        // No test is worse than one of a baseline that did not run.
        let ours = self.rows.iter().filter(|row| row.rust.is_some());
        let (paired, alone): (Vec<_>, Vec<_>) = ours.partition(|row| row.c.is_some());
        let problem = if !worse.is_empty() {
            let count = worse.len();
            Some(format!("worse than with C: {count}\n{}", worse.join("\n")))
        } else if paired.len() < alone.len() {
            let (paired, all) = (paired.len(), paired.len() + alone.len());
            Some(format!("C has results of only {paired} of {all} tests"))
        } else {
            None
        };
        Case::check(self.kind.name(), problem)
    }
}

/// Every suite of the C backend's with the Rust backend's of the same tests.
pub fn all(suites: &[Suite]) -> Vec<Comparison<'_>> {
    suites
        .iter()
        .filter_map(|baseline| {
            let (machine, kind) = baseline.name.baseline()?;
            let name = Name::Machine(machine, Backend::Rust, kind);
            let ours = suites.iter().find(|s| s.name == name);
            Some(Comparison {
                machine,
                kind,
                rows: rows(&baseline.cases, ours.map_or(&[], |s| &s.cases)),
            })
        })
        .collect()
}

/// What the comparisons say, as tests: a suite a machine.
pub fn suites(suites: &[Suite]) -> Vec<Suite> {
    let mut found: Vec<Suite> = Vec::new();
    for comparison in all(suites) {
        let name = Name::Compare(comparison.machine);
        let case = comparison.case();
        match found.iter_mut().find(|s| s.name == name) {
            Some(suite) => suite.cases.push(case),
            None => found.push(Suite {
                name,
                cases: vec![case],
                time: Duration::ZERO,
            }),
        }
    }
    found
}

/// Pairs tests by name, the first of a name with the first; in C's order, then those that only
/// Rust has.
fn rows<'a>(c: &'a [Case], rust: &'a [Case]) -> Vec<Row<'a>> {
    let mut unpaired: HashMap<&str, Vec<&Case>> = HashMap::new();
    for case in rust.iter().rev() {
        unpaired.entry(&case.name).or_default().push(case);
    }
    let mut rows: Vec<Row<'_>> = c
        .iter()
        .map(|case| Row {
            name: &case.name,
            c: Some(case),
            rust: unpaired.get_mut(case.name.as_str()).and_then(Vec::pop),
        })
        .collect();
    for case in rust {
        if let Some(case) = unpaired.get_mut(case.name.as_str()).and_then(Vec::pop) {
            rows.push(Row {
                name: &case.name,
                c: None,
                rust: Some(case),
            });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::{
        Outcome::*,
        *, //
    };

    fn suite(machine: &'static str, backend: Backend, cases: &[(&str, Outcome)]) -> Suite {
        Suite {
            name: Name::Machine(machine, backend, Kind::Ftracetest),
            cases: cases.iter().map(|&(n, o)| Case::new(n, o, "")).collect(),
            time: Duration::ZERO,
        }
    }

    fn compared(c: &[(&str, Outcome)], rust: &[(&str, Outcome)]) -> Case {
        let both = [
            suite("arm", Backend::C, c),
            suite("arm", Backend::Rust, rust),
        ];
        let found = suites(&both);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, Name::Compare("arm"));
        found[0].cases[0].clone()
    }

    #[test]
    fn what_is_worse_in_rust_fails() {
        let same = [("a", Passed), ("b", Failed), ("c", Skipped)];
        assert_eq!(compared(&same, &same).outcome, Passed);
        let case = compared(&same, &[("a", Unresolved), ("b", Crashed), ("c", Passed)]);
        assert_eq!(case.outcome, Failed);
        assert_eq!(
            case.detail,
            "worse than with C: 2\na: C passed, Rust unresolved\nb: C failed, Rust crashed"
        );
    }

    #[test]
    fn a_test_that_did_not_run_is_worse_than_one_that_passed() {
        assert_eq!(compared(&[("a", Passed)], &[]).outcome, Failed);
        assert_eq!(compared(&[("a", Failed)], &[]).outcome, Passed);
        let c = [("a", Passed)];
        assert_eq!(
            compared(&c, &[("a", Passed), ("b", Passed)]).outcome,
            Passed
        );
        assert_eq!(
            compared(&c, &[("a", Passed), ("b", Failed)]).outcome,
            Failed
        );
    }

    #[test]
    fn a_baseline_that_did_not_run_is_none() {
        let rust = [("boot", Passed), ("a", Passed), ("b", Passed)];
        let case = compared(&[("boot", Failed), ("any", Failed)], &rust);
        assert_eq!(case.detail, "C has results of only 1 of 3 tests");
        assert_eq!(compared(&rust[..2], &rust).outcome, Passed);
    }

    #[test]
    fn a_suite_that_only_c_has_is_compared_with_nothing() {
        let found = suites(&[suite("mips", Backend::C, &[("a", Passed)])]);
        assert_eq!(found[0].cases[0].outcome, Failed);
    }

    #[test]
    fn tests_of_one_name_keep_their_order_and_each_counts_once() {
        let c = [("a", Passed), ("a", Failed), ("b", Passed)];
        let rust = [("b", Passed), ("a", Failed), ("a", Failed), ("a", Passed)];
        let both = [
            suite("arm", Backend::C, &c),
            suite("arm", Backend::Rust, &rust),
        ];
        let rows = &all(&both)[0].rows;
        let outcomes: Vec<_> = rows.iter().map(|r| (r.name, r.outcomes())).collect();
        assert_eq!(
            outcomes,
            [
                ("a", (Passed, Failed)),
                ("a", (Failed, Failed)),
                ("b", (Passed, Passed)),
                ("a", (Untested, Passed))
            ]
        );
    }
}
