// SPDX-License-Identifier: GPL-2.0

//! Test results: collected from all sources, shown as a table, written as JUnit.

use std::{
    fs,
    path::Path, //
};

use anyhow::{
    Context as _,
    Result, //
};
use quick_junit::{
    NonSuccessKind,
    Report,
    TestCase,
    TestCaseStatus,
    TestSuite, //
};

use crate::{
    host::version::Version,
    results::{
        case::{
            Counts,
            Outcome,
            Suite,
            Verdict, //
        },
        compare, //
    },
};

/// All results of a run.
#[derive(Default)]
pub struct Results {
    suites: Vec<Suite>,
    /// The kernel that was tested, if one was.
    pub kernel: Option<Version>,
}

impl Results {
    pub fn add(&mut self, suite: Suite) {
        self.suites.push(suite);
    }

    pub fn suites(&self) -> &[Suite] {
        &self.suites
    }

    /// The counts of all tests of ours.
    pub fn totals(&self) -> Counts {
        let ours = self.suites.iter().filter(|s| s.name.baseline().is_none());
        Counts::of(ours.flat_map(|s| &s.cases).map(|c| c.outcome))
    }

    /// The table, each failure with its detail, the comparison, and last the line with the
    /// totals.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for suite in self.suites.iter().filter(|s| s.name.baseline().is_none()) {
            for case in &suite.cases {
                let word = match case.outcome.verdict() {
                    Verdict::Pass => continue,
                    Verdict::Fail => case.outcome.word().to_uppercase(),
                    Verdict::Skip => case.outcome.word().to_owned(),
                };
                text.push_str(&format!("{word} {}/{}\n", suite.name, case.name));
                for line in case.detail.lines() {
                    text.push_str(&format!("  | {line}\n"));
                }
            }
        }
        let width = self.suites.iter().map(|s| s.name.to_string().len()).max();
        let width = width.unwrap_or_default().max(5);
        text.push_str(&format!(
            "\n{:width$}  {:>6}  {:>6}  {:>7}  {:>8}\n",
            "suite", "passed", "failed", "skipped", "time"
        ));
        for suite in &self.suites {
            let Counts { pass, fail, skip } = suite.counts();
            text.push_str(&format!(
                "{:width$}  {pass:>6}  {fail:>6}  {skip:>7}  {:>6.1} s\n",
                suite.name.to_string(),
                suite.time.as_secs_f32()
            ));
        }
        let comparisons = compare::all(&self.suites);
        if !comparisons.is_empty() {
            text.push_str("\npass/fail/skip\n");
        }
        for comparison in comparisons {
            let (c, rust) = comparison.counts();
            let suite = comparison.suite().to_string();
            text.push_str(&format!("{suite:width$}  C {c} | Rust {rust}\n"));
        }
        let Counts { pass, fail, skip } = self.totals();
        text.push_str(&format!("\n{pass} passed, {fail} failed"));
        if skip > 0 {
            text.push_str(&format!(", {skip} skipped"));
        }
        if let Some(version) = self.kernel {
            text.push_str(&format!(", with Linux {version}"));
        }
        text
    }

    /// Of the baseline's suites only the passes count: CI is to find in the file the failures
    /// that the exit status tells of, and no others.
    pub fn write_junit(&self, path: &Path) -> Result<()> {
        let mut report = Report::new("rust-ftrace");
        for suite in &self.suites {
            let mut junit = TestSuite::new(suite.name.to_string());
            junit.set_time(suite.time);
            if let Some(version) = self.kernel {
                junit.add_property(("kernel", version.to_string().as_str()));
            }
            for case in &suite.cases {
                let mut status = match case.outcome.verdict() {
                    Verdict::Pass => TestCaseStatus::success(),
                    Verdict::Fail if suite.name.baseline().is_none() => {
                        TestCaseStatus::non_success(NonSuccessKind::Failure)
                    }
                    Verdict::Fail | Verdict::Skip => TestCaseStatus::skipped(),
                };
                if case.outcome != Outcome::Passed {
                    status.set_type(case.outcome.word());
                    status.set_message(case.reason().0);
                    status.set_description(case.detail.as_str());
                }
                let mut junit_case = TestCase::new(case.name.as_str(), status);
                junit_case.set_classname(suite.name.to_string());
                junit.add_test_case(junit_case);
            }
            report.add_test_suite(junit);
        }
        let text = report
            .to_string()
            .context("cannot write the JUnit report")?;
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        Outcome::*,
        *, //
    };
    use crate::{
        kernel::backend::Backend,
        results::{
            case::Case,
            suite::{
                Kind,
                Name, //
            },
        },
    };

    const ALL: [Outcome; 7] = [
        Passed, Xfailed, Skipped, Untested, Unresolved, Failed, Crashed,
    ];

    const GUEST: Name = Name::Machine("arm", Backend::Rust, Kind::Guest);
    const OURS: Name = Name::Machine("arm", Backend::Rust, Kind::Ftracetest);
    const BASELINE: Name = Name::Machine("arm", Backend::C, Kind::Ftracetest);

    fn suite(name: Name, outcomes: &[Outcome]) -> Suite {
        Suite {
            name,
            cases: outcomes
                .iter()
                .enumerate()
                .map(|(i, &o)| Case::new(format!("t{i}"), o, "why\nmore"))
                .collect(),
            time: Duration::from_secs(1),
        }
    }

    fn results(suites: Vec<Suite>) -> Results {
        let kernel = Some(Version(7, 3, 4));
        Results { suites, kernel }
    }

    #[test]
    fn the_last_line_has_the_totals() {
        let last = |o: &[Outcome]| {
            let summary = results(vec![suite(GUEST, o)]).summary();
            summary.lines().last().unwrap().to_owned()
        };
        let counts = |o: &[Outcome]| {
            let last = last(o);
            last.strip_suffix(", with Linux 7.3.4").map(str::to_owned)
        };
        let is = |o, expected: &str| assert_eq!(counts(o).as_deref(), Some(expected));
        is(&[Passed, Passed, Failed], "2 passed, 1 failed");
        is(&[Passed, Skipped], "1 passed, 0 failed, 1 skipped");
        is(&ALL, "1 passed, 2 failed, 4 skipped");
        is(&[], "0 passed, 0 failed");
        assert_eq!(
            Results::default().summary().lines().last(),
            Some("0 passed, 0 failed")
        );
    }

    #[test]
    fn every_outcome_has_its_place() {
        let worse = |a: Outcome| ALL.iter().filter(|&&b| b.is_worse_than(a)).count();
        assert_eq!(ALL.map(worse), [6, 5, 3, 3, 2, 1, 0]);
    }

    #[test]
    fn a_verdict_is_never_better_than_that_of_a_better_outcome() {
        let order = |o: Outcome| match o.verdict() {
            Verdict::Pass => 0,
            Verdict::Skip => 1,
            Verdict::Fail => 2,
        };
        for a in ALL {
            for b in ALL.into_iter().filter(|b| b.is_worse_than(a)) {
                assert!(order(a) <= order(b), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn failures_unfold() {
        let summary = results(vec![suite(GUEST, &[Failed, Unresolved])]).summary();
        assert!(summary.contains("FAILED arm/guest/t0\n  | why\n  | more\n"));
        assert!(summary.contains("unresolved arm/guest/t1\n"));
    }

    #[test]
    fn the_baseline_is_shown_and_does_not_count() {
        let all = results(vec![
            suite(BASELINE, &[Failed, Passed]),
            suite(OURS, &[Passed, Passed]),
        ]);
        let summary = all.summary();
        assert!(!summary.contains("FAILED"), "{summary}");
        assert!(summary.contains("C 1/1/0 | Rust 2/0/0"), "{summary}");
        assert!(summary.contains("\n2 passed, 0 failed, with"), "{summary}");
    }

    fn junit(suites: Vec<Suite>) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        results(suites).write_junit(file.path()).unwrap();
        fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn junit_has_every_case() {
        let text = junit(vec![suite(OURS, &ALL)]);
        assert!(
            text.contains("tests=\"7\" skipped=\"4\" failures=\"2\""),
            "{text}"
        );
        assert!(
            text.contains("<property name=\"kernel\" value=\"7.3.4\""),
            "{text}"
        );
        assert_eq!(text.matches("<skipped ").count(), 4);
        assert!(text.contains("<skipped message=\"why\" type=\"untested\""));
        assert!(text.contains("name=\"t6\""));
    }

    #[test]
    fn junit_has_the_baselines_failures_as_skipped() {
        let text = junit(vec![suite(BASELINE, &[Failed])]);
        assert!(text.contains("failures=\"0\""), "{text}");
        assert!(
            text.contains("<skipped message=\"why\" type=\"failed\""),
            "{text}"
        );
    }
}
