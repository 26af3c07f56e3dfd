// SPDX-License-Identifier: GPL-2.0

//! Failures with a known cause that is not ours to remove, from the file `known-failures`: a line
//! each, with the test's full name and the cause. A test of several machines has the names of them
//! all, separated by commas; `<machine>-c` is for the C backend alone, and `@<series>` after a name
//! for kernels of that series alone. Such a test is expected to fail, and an entry whose test no
//! longer does is itself a failure.

use std::{
    collections::{
        BTreeMap,
        BTreeSet, //
    },
    fs,
    path::Path, //
};

use anyhow::{
    ensure,
    Context as _,
    Result, //
};

use crate::{
    kernel::{
        backend::Backend,
        machine::Machine, //
    },
    results::{
        case::{
            Case,
            Outcome,
            Verdict, //
        },
        suite::{
            Kind,
            Name, //
        },
    },
};

#[derive(Default)]
pub struct Known {
    causes: BTreeMap<String, String>,
    seen: BTreeSet<String>,
}

impl Known {
    /// The entries for kernels of a series, one of those that are `supported`.
    pub fn read(path: &Path, series: &str, supported: &[String]) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text, series, supported)
            .with_context(|| format!("{} cannot be used", path.display()))
    }

    fn parse(text: &str, series: &str, supported: &[String]) -> Result<Self> {
        let mut known = Self::default();
        let mut all = BTreeSet::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (test, cause) = line
                .split_once(": ")
                .with_context(|| format!("no cause in {line:?}"))?;
            let (machines, test) = test
                .split_once('/')
                .with_context(|| format!("no machine in {line:?}"))?;
            for machine in machines.split(',') {
                let (machine, of) = match machine.split_once('@') {
                    Some((machine, of)) => (machine, Some(of)),
                    None => (machine, None),
                };
                let test = format!("{machine}/{test}");
                if let Some(of) = of {
                    let is_supported = supported.iter().any(|known| known == of);
                    ensure!(is_supported, "{test}: there are no patches for Linux {of}");
                }
                let same = |entry: &(String, Option<&str>)| {
                    entry.0 == test && (entry.1 == of || entry.1.is_none() || of.is_none())
                };
                ensure!(!all.iter().any(same), "{test} is there twice");
                all.insert((test.clone(), of));
                if of.is_none_or(|of| of == series) {
                    known.causes.insert(test, cause.to_owned());
                }
            }
        }
        Ok(known)
    }

    /// Holds a result of a test on `machine` against its entry. One for both backends is for the
    /// Rust backend's: the C backend's may be better, that is the comparison's matter.
    pub fn apply(&mut self, machine: &Machine, kind: Kind, backend: Backend, case: &mut Case) {
        let entry = [backend, Backend::Rust]
            .map(|b| format!("{}/{}", Name::Machine(machine.name, b, kind), case.name))
            .into_iter()
            .find_map(|test| Some((test.clone(), self.causes.get(&test)?)));
        let Some((test, cause)) = entry else {
            return;
        };
        self.seen.insert(test);
        match case.outcome.verdict() {
            Verdict::Fail => {
                let was = case.outcome.word();
                case.detail = format!("{was}, as is known: {cause}\n{}", case.detail);
                case.outcome = Outcome::Xfailed;
            }
            Verdict::Pass if backend == Backend::Rust => {
                case.detail = format!("passed, and known-failures has it: {cause}");
                case.outcome = Outcome::Failed;
            }
            Verdict::Pass | Verdict::Skip => {}
        }
    }

    /// Entries for tests of which no result was looked up.
    pub fn unseen(&self) -> impl Iterator<Item = &str> {
        let names = self.causes.keys().map(String::as_str);
        names.filter(|name| !self.seen.contains(*name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::machine;

    const ENTRY: &str = "# why\narm/ftracetest/a.tc: the kernel's: bug\n";
    const ENTRY_OF_C: &str = "arm-c/ftracetest/a.tc: not offered\n";

    fn parse(text: &str) -> Result<Known> {
        Known::parse(text, "7.3", &["7.3", "6.18"].map(str::to_owned))
    }

    fn applied(entry: &str, machine: &str, backend: Backend, outcome: Outcome) -> Case {
        let mut case = Case::new("a.tc", outcome, "log");
        let machine = machine::find(machine).unwrap();
        let mut known = parse(entry).unwrap();
        known.apply(machine, Kind::Ftracetest, backend, &mut case);
        case
    }

    #[test]
    fn a_known_failure_is_expected_and_keeps_its_log() {
        for backend in [Backend::C, Backend::Rust] {
            let case = applied(ENTRY, "arm", backend, Outcome::Crashed);
            assert_eq!(case.outcome, Outcome::Xfailed);
            assert_eq!(case.detail, "crashed, as is known: the kernel's: bug\nlog");
        }
    }

    #[test]
    fn what_is_not_known_stays() {
        let case = applied(ENTRY, "mips", Backend::Rust, Outcome::Failed);
        assert_eq!(case.outcome, Outcome::Failed);
        let case = applied(ENTRY, "arm", Backend::Rust, Outcome::Skipped);
        assert_eq!(case.outcome, Outcome::Skipped);
    }

    #[test]
    fn an_entry_can_be_for_the_c_backend_alone() {
        let case = applied(ENTRY_OF_C, "arm", Backend::C, Outcome::Failed);
        assert_eq!(case.outcome, Outcome::Xfailed);
        let case = applied(ENTRY_OF_C, "arm", Backend::Rust, Outcome::Failed);
        assert_eq!(case.outcome, Outcome::Failed);
    }

    #[test]
    fn an_entry_that_is_out_of_date_is_a_failure() {
        let passed = |entry, backend| applied(entry, "arm", backend, Outcome::Passed).outcome;
        assert_eq!(passed(ENTRY, Backend::Rust), Outcome::Failed);
        assert_eq!(passed(ENTRY, Backend::C), Outcome::Passed);
        assert_eq!(passed(ENTRY_OF_C, Backend::Rust), Outcome::Passed);
        let mut known = parse(ENTRY).unwrap();
        assert_eq!(known.unseen().collect::<Vec<_>>(), ["arm/ftracetest/a.tc"]);
        let mut case = Case::new("a.tc", Outcome::Failed, "");
        let arm = machine::find("arm").unwrap();
        known.apply(arm, Kind::Ftracetest, Backend::C, &mut case);
        assert_eq!(known.unseen().count(), 0);
    }

    #[test]
    fn an_entry_is_for_each_of_its_machines() {
        let known = parse("arm,mips/ftracetest/a.tc: why\n").unwrap();
        let tests: Vec<_> = known.unseen().collect();
        assert_eq!(tests, ["arm/ftracetest/a.tc", "mips/ftracetest/a.tc"]);
    }

    #[test]
    fn an_entry_can_be_for_one_series() {
        let text = "arm@6.18,arm-c@7.3,mips/kunit/a: why\narm@7.3/kunit/b: why\n";
        let seen = |series| -> Vec<String> {
            let supported = ["7.3", "6.18"].map(str::to_owned);
            let known = Known::parse(text, series, &supported).unwrap();
            known.unseen().map(str::to_owned).collect()
        };
        assert_eq!(
            seen("7.3"),
            ["arm-c/kunit/a", "arm/kunit/b", "mips/kunit/a"]
        );
        assert_eq!(seen("6.18"), ["arm/kunit/a", "mips/kunit/a"]);
        assert!(parse("arm@6.18,arm@7.3/a: why\n").is_ok());
        assert!(parse("arm@6.18,arm@6.18/a: why\n").is_err());
        assert!(parse("arm@6.18,arm/a: why\n").is_err());
        assert!(parse("arm@6.81/a: why\n").is_err());
    }

    #[test]
    fn an_entry_without_a_cause_and_one_that_is_there_twice_are_refused() {
        assert!(parse("arm/ftracetest/a.tc\n").is_err());
        assert!(parse("a.tc: why\n").is_err());
        assert!(parse("arm,arm/ftracetest/a.tc: why\n").is_err());
        assert!(parse(&ENTRY.repeat(2)).is_err());
    }
}
