// SPDX-License-Identifier: GPL-2.0

//! The results of tests: of one, and of all of a suite.

use std::{
    fmt,
    time::Duration, //
};

use crate::results::suite::Name;

/// What became of a test, in the words of the kernel's ftracetest, and a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// It failed beside other guests, and passed when it had the machine to itself.
    PassedAlone,
    /// It failed as its author expects it to, or as we know it to.
    Xfailed,
    /// The kernel lacks what it tests, or the machine lacks what it needs.
    Skipped,
    /// Nobody ran it.
    Untested,
    /// It could not find out.
    Unresolved,
    Failed,
    /// It crashed the kernel.
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
    pub name: Name,
    pub cases: Vec<Case>,
    pub time: Duration,
}

impl Suite {
    pub fn counts(&self) -> Counts {
        Counts::of(self.cases.iter().map(|c| c.outcome))
    }
}
