// SPDX-License-Identifier: GPL-2.0

//! `TEST=`: which tests are asked for.

use crate::{
    kernel::machine::MACHINES,
    results::suite::{
        Kind,
        Name, //
    },
};

/// `TEST=`: a part of the full names, `suite/case`, of the tests to run.
#[derive(Clone, Copy)]
pub struct Filter<'a>(pub Option<&'a str>);

impl Filter<'_> {
    /// Whether a test of the suite can match. `cases` is `None` where only a run tells them.
    pub fn wants(&self, name: &Name, cases: Option<&[String]>) -> bool {
        let Some(text) = self.0 else {
            return true;
        };
        let suite = name.to_string();
        if suite.contains(text) {
            return true;
        }
        // What spans the slash names the suite's end, so it says nothing about other suites. It
        // names whole words of it: "ftrace/" is no part of a test of host/rust-ftrace.
        match (text.split_once('/'), cases) {
            (_, Some(cases)) => cases.iter().any(|c| self.keeps(name, c)),
            (Some(_), None) => suite
                .char_indices()
                .filter(|&(at, _)| at == 0 || suite.as_bytes()[at - 1] == b'/')
                .any(|(at, _)| text.starts_with(&format!("{}/", &suite[at..]))),
            (None, None) => !is_part_of_suites(text),
        }
    }

    /// The text, if it can only be a part of the names of cases.
    pub fn case(&self) -> Option<&str> {
        self.0
            .filter(|text| !text.contains('/') && !is_part_of_suites(text))
    }

    pub fn keeps(&self, suite: &Name, case: &str) -> bool {
        self.0
            .is_none_or(|text| format!("{suite}/{case}").contains(text))
    }
}

/// Whether a filter names whole suites, so that no name of a case is meant.
fn is_part_of_suites(text: &str) -> bool {
    Name::ROOMS.contains(&text)
        || Kind::ALL.iter().any(|kind| kind.name() == text)
        || MACHINES.iter().any(|m| m.name == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::backend::Backend;

    #[test]
    fn a_filter_runs_no_suite_that_it_cannot_match() {
        let cases = ["toggle".to_owned(), "filter".to_owned()];
        let wants =
            |text, name, known: bool| Filter(Some(text)).wants(name, known.then_some(&cases[..]));
        let of = |machine, kind| Name::Machine(machine, Backend::Rust, kind);
        let host = Name::Host("rust-ftrace".to_owned());
        let (guest, kunit) = (of("arm", Kind::Guest), of("arm", Kind::Kunit));
        let of_mips = of("mips", Kind::Kunit);
        assert!(Filter(None).wants(&guest, Some(&cases)));
        assert!(wants("toggle", &guest, true));
        assert!(!wants("module", &guest, true));
        assert!(wants("arm", &kunit, false));
        assert!(!wants("arm", &of_mips, false));
        assert!(wants("arm/guest/tog", &guest, true));
        assert!(!wants("arm/guest/tog", &kunit, false));
        assert!(wants("kunit/ftrace", &kunit, false));
        assert!(wants("some_case", &kunit, false));
        assert!(!wants("guest", &kunit, false));
        assert!(!wants("ftrace/x.tc", &host, false));
    }
}
