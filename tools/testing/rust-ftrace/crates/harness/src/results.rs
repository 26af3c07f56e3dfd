// SPDX-License-Identifier: GPL-2.0

//! Test results: collected from all sources, shown as a table, written as JUnit.

use std::{
    fmt,
    fs,
    path::Path,
    time::Duration, //
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

use crate::compare;

/// What became of a test, in the words of the kernel's ftracetest, and a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// It failed beside other guests, and passed when it had the machine to itself.
    PassedAlone,
    /// It failed as its author expects it to, or as we know it to.
    Xfailed,
    /// The kernel has not what it tests, or the machine not what it needs.
    Skipped,
    /// Nobody ran it.
    Untested,
    /// It could not find out.
    Unresolved,
    Failed,
    /// It took the kernel with it.
    Crashed,
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::PassedAlone => "passed alone",
            Self::Xfailed => "xfailed",
            Self::Skipped => "skipped",
            Self::Untested => "untested",
            Self::Unresolved => "unresolved",
            Self::Failed => "failed",
            Self::Crashed => "crashed",
        }
    }

    pub fn verdict(self) -> Verdict {
        match self {
            Self::Passed | Self::PassedAlone => Verdict::Pass,
            Self::Failed | Self::Crashed => Verdict::Fail,
            Self::Xfailed | Self::Skipped | Self::Untested | Self::Unresolved => Verdict::Skip,
        }
    }

    /// The order of outcomes: the less a test says for the kernel, the worse.
    pub fn is_worse_than(self, other: Self) -> bool {
        self.badness() > other.badness()
    }

    fn badness(self) -> u8 {
        match self {
            Self::Passed | Self::PassedAlone => 0,
            Self::Xfailed => 1,
            Self::Skipped | Self::Untested => 2,
            Self::Unresolved => 3,
            Self::Failed => 4,
            Self::Crashed => 5,
        }
    }
}

/// What an outcome means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    Fail,
    /// Neither: the test has nothing to say.
    Skip,
}

/// How many tests ended with which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub pass: usize,
    pub fail: usize,
    pub skip: usize,
}

impl Counts {
    pub fn of(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            *match outcome.verdict() {
                Verdict::Pass => &mut counts.pass,
                Verdict::Fail => &mut counts.fail,
                Verdict::Skip => &mut counts.skip,
            } += 1;
        }
        counts
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.pass, self.fail, self.skip)
    }
}

/// One test's result.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub outcome: Outcome,
    /// What a reader needs who did not see the test run: the reason for the outcome on the first
    /// line, then output.
    pub detail: String,
}

impl Case {
    pub fn new(name: impl Into<String>, outcome: Outcome, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            outcome,
            detail: detail.into(),
        }
    }

    /// A case that passes when `problem` is `None`.
    pub fn check(name: impl Into<String>, problem: Option<String>) -> Self {
        match problem {
            None => Self::new(name, Outcome::Passed, ""),
            Some(detail) => Self::new(name, Outcome::Failed, detail),
        }
    }

    /// The reason for the outcome, in a line, and what there is to read beyond it.
    pub fn reason(&self) -> (&str, &str) {
        let detail = self.detail.trim();
        detail.split_once('\n').unwrap_or((detail, ""))
    }
}

/// The results of one source of tests, for example of one boot.
pub struct Suite {
    /// `<machine>/<kind>`; the C backend's suite of the same tests is `<machine>-c/<kind>`.
    pub name: String,
    pub cases: Vec<Case>,
    pub time: Duration,
}

impl Suite {
    pub fn counts(&self) -> Counts {
        Counts::of(self.cases.iter().map(|c| c.outcome))
    }

    /// The machine and the kind of tests, where this is the C backend's suite: what others are
    /// compared with, and no test of ours.
    pub fn baseline(&self) -> Option<(&str, &str)> {
        let (machine, kind) = self.name.split_once('/')?;
        Some((machine.strip_suffix("-c")?, kind))
    }
}

/// All results of a run.
#[derive(Default)]
pub struct Results {
    suites: Vec<Suite>,
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
        let ours = self.suites.iter().filter(|s| s.baseline().is_none());
        Counts::of(ours.flat_map(|s| &s.cases).map(|c| c.outcome))
    }

    /// The table, each failure with its detail, the comparison, and last the line with the
    /// totals.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for suite in self.suites.iter().filter(|s| s.baseline().is_none()) {
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
        let width = self.suites.iter().map(|s| s.name.len()).max();
        let width = width.unwrap_or_default().max(5);
        text.push_str(&format!(
            "\n{:width$}  {:>6}  {:>6}  {:>7}  {:>8}\n",
            "suite", "passed", "failed", "skipped", "time"
        ));
        for suite in &self.suites {
            let Counts { pass, fail, skip } = suite.counts();
            text.push_str(&format!(
                "{:width$}  {pass:>6}  {fail:>6}  {skip:>7}  {:>6.1} s\n",
                suite.name,
                suite.time.as_secs_f32()
            ));
        }
        let comparisons = compare::all(&self.suites);
        if !comparisons.is_empty() {
            text.push_str("\npass/fail/skip\n");
        }
        for comparison in comparisons {
            let (c, rust) = comparison.counts();
            let suite = comparison.suite();
            text.push_str(&format!("{suite:width$}  C {c} | Rust {rust}\n"));
        }
        let Counts { pass, fail, skip } = self.totals();
        text.push_str(&format!("\n{pass} passed, {fail} failed"));
        if skip > 0 {
            text.push_str(&format!(", {skip} skipped"));
        }
        text
    }

    /// Of the baseline's suites only the passes count: CI is to find in the file the failures
    /// that the exit status tells of, and no others.
    pub fn write_junit(&self, path: &Path) -> Result<()> {
        let mut report = Report::new("rust-ftrace");
        for suite in &self.suites {
            let mut junit = TestSuite::new(suite.name.as_str());
            junit.set_time(suite.time);
            for case in &suite.cases {
                let mut status = match case.outcome.verdict() {
                    Verdict::Pass => TestCaseStatus::success(),
                    Verdict::Fail if suite.baseline().is_none() => {
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
                junit_case.set_classname(suite.name.as_str());
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
    use super::{
        Outcome::*,
        *, //
    };

    const ALL: [Outcome; 7] = [
        Passed, Xfailed, Skipped, Untested, Unresolved, Failed, Crashed,
    ];

    pub fn suite(name: &str, outcomes: &[Outcome]) -> Suite {
        Suite {
            name: name.into(),
            cases: outcomes
                .iter()
                .enumerate()
                .map(|(i, &o)| Case::new(format!("t{i}"), o, "why\nmore"))
                .collect(),
            time: Duration::from_secs(1),
        }
    }

    fn results(suites: Vec<Suite>) -> Results {
        Results { suites }
    }

    #[test]
    fn the_last_line_has_the_totals() {
        let last = |o: &[Outcome]| {
            let summary = results(vec![suite("arm/guest", o)]).summary();
            summary.lines().last().unwrap().to_owned()
        };
        assert_eq!(last(&[Passed, Passed, Failed]), "2 passed, 1 failed");
        assert_eq!(last(&[Passed, Skipped]), "1 passed, 0 failed, 1 skipped");
        assert_eq!(last(&ALL), "1 passed, 2 failed, 4 skipped");
        assert_eq!(last(&[]), "0 passed, 0 failed");
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
        let summary = results(vec![suite("arm/guest", &[Failed, Unresolved])]).summary();
        assert!(summary.contains("FAILED arm/guest/t0\n  | why\n  | more\n"));
        assert!(summary.contains("unresolved arm/guest/t1\n"));
    }

    #[test]
    fn the_baseline_is_shown_and_does_not_count() {
        let all = results(vec![
            suite("arm-c/ftrace", &[Failed, Passed]),
            suite("arm/ftrace", &[Passed, Passed]),
        ]);
        let summary = all.summary();
        assert!(!summary.contains("FAILED"), "{summary}");
        assert!(summary.contains("C 1/1/0 | Rust 2/0/0"), "{summary}");
        assert!(summary.ends_with("\n2 passed, 0 failed"), "{summary}");
    }

    fn junit(suites: Vec<Suite>) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        results(suites).write_junit(file.path()).unwrap();
        fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn junit_has_every_case() {
        let text = junit(vec![suite("arm/ftrace", &ALL)]);
        assert!(
            text.contains("tests=\"7\" skipped=\"4\" failures=\"2\""),
            "{text}"
        );
        assert_eq!(text.matches("<skipped ").count(), 4);
        assert!(text.contains("<skipped message=\"why\" type=\"untested\""));
        assert!(text.contains("name=\"t6\""));
    }

    #[test]
    fn junit_has_the_baselines_failures_as_skipped() {
        let text = junit(vec![suite("arm-c/ftrace", &[Failed])]);
        assert!(text.contains("failures=\"0\""), "{text}");
        assert!(
            text.contains("<skipped message=\"why\" type=\"failed\""),
            "{text}"
        );
    }
}
