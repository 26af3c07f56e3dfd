// SPDX-License-Identifier: GPL-2.0

//! `TEST=`: which tests are asked for.

use crate::kernel::machine::MACHINES;

/// `TEST=`: a part of the full names, `suite/case`, of the tests to run.
pub struct Filter<'a>(pub Option<&'a str>);

impl Filter<'_> {
    /// Whether a test of the suite can match. `cases` is `None` where only a run tells them.
    pub fn wants(&self, suite: &str, cases: Option<&[String]>) -> bool {
        let Some(text) = self.0 else {
            return true;
        };
        if suite.contains(text) {
            return true;
        }
        // What spans the slash names the suite's end, so it says nothing about other suites. It
        // names whole words of it: "ftrace/" is no part of a test of host/rust-ftrace.
        match (text.split_once('/'), cases) {
            (_, Some(cases)) => cases.iter().any(|c| self.keeps(suite, c)),
            (Some(_), None) => suite
                .char_indices()
                .filter(|&(at, _)| at == 0 || suite.as_bytes()[at - 1] == b'/')
                .any(|(at, _)| text.starts_with(&format!("{}/", &suite[at..]))),
            (None, None) => !is_part_of_suites(text),
        }
    }

    pub fn keeps(&self, suite: &str, case: &str) -> bool {
        self.0
            .is_none_or(|text| format!("{suite}/{case}").contains(text))
    }
}

/// Whether a filter names whole suites, so that no name of a case is meant.
fn is_part_of_suites(text: &str) -> bool {
    [
        "host",
        "lint",
        "build",
        "selftest",
        "kunit",
        "kunit-backend",
        "guest",
        "faults",
        "results",
        "clients",
        "ftracetest",
        "fuzz",
    ]
    .contains(&text)
        || MACHINES.iter().any(|m| m.name == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_runs_no_suite_that_it_cannot_match() {
        let cases = ["toggle".to_owned(), "filter".to_owned()];
        let wants =
            |text, suite, known: bool| Filter(Some(text)).wants(suite, known.then_some(&cases[..]));
        assert!(Filter(None).wants("arm/guest", Some(&cases)));
        assert!(wants("toggle", "arm/guest", true));
        assert!(!wants("module", "arm/guest", true));
        assert!(wants("arm", "arm/kunit", false));
        assert!(!wants("arm", "mips/kunit", false));
        assert!(wants("arm/guest/tog", "arm/guest", true));
        assert!(!wants("arm/guest/tog", "arm/kunit", false));
        assert!(wants("kunit/ftrace", "arm/kunit", false));
        assert!(wants("some_case", "arm/kunit", false));
        assert!(!wants("guest", "arm/kunit", false));
        assert!(!wants("ftrace/x.tc", "host/rust-ftrace", false));
    }
}
