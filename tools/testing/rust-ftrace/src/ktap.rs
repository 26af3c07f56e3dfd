// SPDX-License-Identifier: GPL-2.0

//! KTAP, the kernel's test output, as KUnit and our guest tests print it.
//!
//! Format: `Documentation/dev-tools/ktap.rst` of the kernel.

use crate::bootlog;
use crate::results::Case;
use crate::results::Outcome;

/// One document or subtest: everything at one indentation.
struct Level {
    indent: usize,
    name: Option<String>,
    plan: Option<usize>,
    seen: usize,
    failed: bool,
}

/// The state of a walk over a log that may hold KTAP anywhere in it.
#[derive(Default)]
struct Parser {
    levels: Vec<Level>,
    notes: Vec<String>,
    cases: Vec<Case>,
}

/// Finds the results of all KTAP documents in `log`, among other output.
///
/// A case's name is the path of the subtests that it is in. A document that ends before its plan
/// is fulfilled is itself a failure: a kernel that died must not look like one that passed.
pub fn parse(log: &str) -> Vec<Case> {
    let mut parser = Parser::default();
    for line in log.lines() {
        parser.line(bootlog::text(line));
    }
    parser.close_from(0);
    parser.cases
}

impl Parser {
    fn line(&mut self, line: &str) {
        let body = line.trim();
        let indent = line.len() - line.trim_start().len();

        if body.starts_with("KTAP version ") || body.starts_with("TAP version ") {
            self.close_from(indent);
            self.levels.push(Level {
                indent,
                name: None,
                plan: None,
                seen: 0,
                failed: false,
            });
            self.notes.clear();
            return;
        }
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        if let Some(name) = body.strip_prefix("# Subtest: ") {
            level.name = Some(name.to_owned());
        } else if let Some(plan) = body.strip_prefix("1..").and_then(|n| n.parse().ok()) {
            level.plan = Some(plan);
        } else if let Some((ok, name, directive)) = result_line(body) {
            self.result(indent, ok, name, directive);
        } else if !body.is_empty() {
            self.notes.push(body.to_owned());
        }
    }

    fn result(&mut self, indent: usize, ok: bool, name: &str, directive: &str) {
        let had_subtest = self.levels.last().is_some_and(|l| l.indent > indent);
        let explained = self.close_from(indent + 1);
        let outcome = match (ok, directive.to_ascii_uppercase().starts_with("SKIP")) {
            (_, true) => Outcome::Skipped,
            (true, _) => Outcome::Passed,
            (false, _) => Outcome::Failed,
        };
        // A subtest's own line repeats what its cases said, unless it failed and none of them did.
        if !had_subtest || (outcome == Outcome::Failed && !explained) {
            let mut detail = std::mem::take(&mut self.notes).join("\n");
            if detail.is_empty() {
                detail = directive.to_owned();
            }
            let name = self.path(name);
            self.cases.push(Case::new(name, outcome, detail));
        }
        self.notes.clear();
        if let Some(level) = self.levels.last_mut() {
            level.seen += 1;
            level.failed |= outcome == Outcome::Failed;
            // What follows a finished document is none of ours.
            if self.levels.len() == 1 && self.levels[0].plan == Some(self.levels[0].seen) {
                self.levels.clear();
            }
        }
    }

    /// Closes the levels at `indent` and deeper, and says whether a failure was recorded in them.
    fn close_from(&mut self, indent: usize) -> bool {
        let mut failed = false;
        while self.levels.last().is_some_and(|l| l.indent >= indent) {
            let path = self.path("");
            let Some(level) = self.levels.pop() else {
                break;
            };
            failed |= level.failed;
            if level.plan != Some(level.seen) {
                let planned = level
                    .plan
                    .map_or("no plan".to_owned(), |n| format!("{n} planned"));
                self.cases.push(Case::new(
                    if path.is_empty() { "plan".into() } else { path },
                    Outcome::Failed,
                    format!("KTAP ends early: {planned}, {} results", level.seen),
                ));
                failed = true;
            }
        }
        failed
    }

    fn path(&self, name: &str) -> String {
        let mut parts: Vec<&str> = self
            .levels
            .iter()
            .filter_map(|l| l.name.as_deref())
            .collect();
        if !name.is_empty() {
            parts.push(name);
        }
        parts.join(".")
    }
}

/// Splits `ok 3 - name # SKIP reason` into its verdict, name and directive.
fn result_line(body: &str) -> Option<(bool, &str, &str)> {
    let (ok, rest) = match body.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, body.strip_prefix("ok ")?),
    };
    let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    number.parse::<usize>().ok()?;
    let rest = rest.strip_prefix("- ").unwrap_or(rest);
    let (name, directive) = rest.split_once(" # ").unwrap_or((rest, ""));
    Some((ok, name.trim(), directive.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(log: &str) -> Vec<(String, Outcome)> {
        parse(log)
            .into_iter()
            .map(|c| (c.name, c.outcome))
            .collect()
    }

    const KUNIT: &str = "\
[    0.100000] Booting Linux on physical CPU 0x0
[    1.000000] KTAP version 1
[    1.000001] 1..2
[    1.000002]     KTAP version 1
[    1.000003]     # Subtest: first
[    1.000004]     # module: first_test
[    1.000005]     1..3
[    1.000006]     ok 1 good
[    1.000007]     # bad: EXPECTATION FAILED at lib/x.c:7
[    1.000008]     Expected 1 == 2, but
[    1.000009]     not ok 2 bad
[    1.000010] random: crng init done
[    1.000011]     ok 3 later # SKIP not here
[    1.000012] # first: pass:1 fail:1 skip:1 total:3
[    1.000013] not ok 1 first
[    1.000014]     KTAP version 1
[    1.000015]     # Subtest: second
[    1.000016]     1..1
[    1.000017]     ok 1 only
[    1.000018] ok 2 second
[    1.000019] Freeing unused kernel image memory
";

    #[test]
    fn leaves_of_nested_suites_are_the_cases() {
        assert_eq!(
            outcomes(KUNIT),
            [
                ("first.good".into(), Outcome::Passed),
                ("first.bad".into(), Outcome::Failed),
                ("first.later".into(), Outcome::Skipped),
                ("second.only".into(), Outcome::Passed),
            ]
        );
        assert!(parse(KUNIT)[1].detail.contains("EXPECTATION FAILED"));
    }

    #[test]
    fn a_kernel_that_dies_in_a_suite_fails_it() {
        let cut = KUNIT.split("[    1.000010]").next().unwrap();
        assert_eq!(
            outcomes(cut)[2..],
            [
                ("first".into(), Outcome::Failed),
                ("plan".into(), Outcome::Failed)
            ]
        );
    }

    #[test]
    fn a_suite_that_fails_without_a_failed_case_is_a_failure() {
        let log = "KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: s\n  1..1\n  ok 1 c\nnot ok 1 s\n";
        assert_eq!(
            outcomes(log),
            [
                ("s.c".into(), Outcome::Passed),
                ("s".into(), Outcome::Failed)
            ]
        );
    }

    #[test]
    fn serial_line_ends_and_flat_documents() {
        assert_eq!(
            outcomes("KTAP version 1\r\n1..2\r\nok 1 - a\r\n# why\r\nnot ok 2 - b\r\n"),
            [("a".into(), Outcome::Passed), ("b".into(), Outcome::Failed)]
        );
    }

    #[test]
    fn no_ktap_no_cases() {
        assert!(parse("ok 1 this is no document\n").is_empty());
    }
}
