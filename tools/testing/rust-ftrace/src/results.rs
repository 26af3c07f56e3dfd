// SPDX-License-Identifier: GPL-2.0

//! Test results: collected from all sources, shown as a table, written as JUnit.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use quick_junit::NonSuccessKind;
use quick_junit::Report;
use quick_junit::TestCase;
use quick_junit::TestCaseStatus;
use quick_junit::TestSuite;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// One test's result.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub outcome: Outcome,
    /// What a reader needs who did not see the test run: its output, or why it was skipped.
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
}

/// The results of one source of tests, for example of one boot.
pub struct Suite {
    pub name: String,
    pub cases: Vec<Case>,
    pub time: Duration,
}

impl Suite {
    fn count(&self, outcome: Outcome) -> usize {
        self.cases.iter().filter(|c| c.outcome == outcome).count()
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

    pub fn total(&self, outcome: Outcome) -> usize {
        self.suites.iter().map(|s| s.count(outcome)).sum()
    }

    /// The table, each failure with its detail, and last the line with the totals.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for suite in &self.suites {
            for case in suite.cases.iter().filter(|c| c.outcome != Outcome::Passed) {
                let word = match case.outcome {
                    Outcome::Skipped => "skipped",
                    _ => "FAILED",
                };
                text.push_str(&format!("{word} {}/{}\n", suite.name, case.name));
                for line in case.detail.lines() {
                    text.push_str(&format!("  | {line}\n"));
                }
            }
        }
        let width = self
            .suites
            .iter()
            .map(|s| s.name.len())
            .max()
            .unwrap_or_default()
            .max(5);
        text.push_str(&format!(
            "\n{:width$}  {:>6}  {:>6}  {:>7}  {:>8}\n",
            "suite", "passed", "failed", "skipped", "time"
        ));
        for suite in &self.suites {
            text.push_str(&format!(
                "{:width$}  {:>6}  {:>6}  {:>7}  {:>6.1} s\n",
                suite.name,
                suite.count(Outcome::Passed),
                suite.count(Outcome::Failed),
                suite.count(Outcome::Skipped),
                suite.time.as_secs_f32()
            ));
        }
        let [passed, failed, skipped] =
            [Outcome::Passed, Outcome::Failed, Outcome::Skipped].map(|o| self.total(o));
        text.push_str(&format!("\n{passed} passed, {failed} failed"));
        if skipped > 0 {
            text.push_str(&format!(", {skipped} skipped"));
        }
        text
    }

    pub fn write_junit(&self, path: &Path) -> Result<()> {
        let mut report = Report::new("rust-ftrace");
        for suite in &self.suites {
            let mut junit = TestSuite::new(suite.name.as_str());
            junit.set_time(suite.time);
            for case in &suite.cases {
                let mut status = match case.outcome {
                    Outcome::Passed => TestCaseStatus::success(),
                    Outcome::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
                    Outcome::Skipped => TestCaseStatus::skipped(),
                };
                status.set_message(case.detail.as_str());
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
    use super::*;

    fn results(outcomes: &[Outcome]) -> Results {
        let mut results = Results::default();
        results.add(Suite {
            name: "arm/guest".into(),
            cases: outcomes
                .iter()
                .enumerate()
                .map(|(i, &o)| Case::new(format!("t{i}"), o, "why"))
                .collect(),
            time: Duration::from_secs(1),
        });
        results
    }

    #[test]
    fn the_last_line_has_the_totals() {
        use Outcome::*;
        let last = |o: &[Outcome]| results(o).summary().lines().last().unwrap().to_owned();
        assert_eq!(last(&[Passed, Passed, Failed]), "2 passed, 1 failed");
        assert_eq!(last(&[Passed, Skipped]), "1 passed, 0 failed, 1 skipped");
        assert_eq!(last(&[]), "0 passed, 0 failed");
    }

    #[test]
    fn failures_unfold() {
        let summary = results(&[Outcome::Failed]).summary();
        assert!(summary.contains("FAILED arm/guest/t0\n  | why\n"));
    }

    #[test]
    fn junit_has_every_case() {
        let file = tempfile::NamedTempFile::new().unwrap();
        results(&[Outcome::Passed, Outcome::Failed])
            .write_junit(file.path())
            .unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(text.contains("tests=\"2\"") && text.contains("failures=\"1\""));
        assert!(text.contains("name=\"t1\""));
    }
}
