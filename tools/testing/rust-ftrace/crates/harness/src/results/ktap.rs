// SPDX-License-Identifier: GPL-2.0

//! KTAP, the kernel's test output, as KUnit, kselftests, ftracetest and our guest tests print it.
//!
//! Format: `Documentation/dev-tools/ktap.rst` of the kernel. Older KUnit opens a subtest with
//! `# Subtest:` alone. The tests hold this against the kernel's own `kunit.py`.

use std::{
    cmp::Ordering,
    fs,
    path::Path,
    process::Command, //
};

use anyhow::{
    Context as _,
    Result, //
};

use crate::{
    guest::console,
    results::case::{
        Case,
        Outcome,
        Verdict, //
    },
};

/// Lines of the log that a crash shows.
const TAIL: usize = 20;

/// How the detail of a document that is not as it was planned begins.
const INCOMPLETE: &str = "KTAP is incomplete: ";

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
/// A case's name is the path of the subtests that it is in. A document with fewer or more results
/// than it planned is itself a failure: a kernel that died must not look like one that passed.
pub fn parse(log: &str) -> Vec<Case> {
    let mut parser = Parser::default();
    for line in log.lines() {
        parser.line(console::text(line));
    }
    parser.close_from(0, false);
    parser.cases
}

impl Parser {
    fn line(&mut self, line: &str) {
        let body = line.trim();
        let indent = line.len() - line.trim_start().len();

        if body.starts_with("KTAP version ") || body.starts_with("TAP version ") {
            self.close_from(indent, false);
            self.open(indent, None);
            return;
        }
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        if let Some(name) = body.strip_prefix("# Subtest: ") {
            match level.indent.cmp(&indent) {
                Ordering::Equal => level.name = Some(name.to_owned()),
                Ordering::Less => self.open(indent, Some(name.to_owned())),
                Ordering::Greater => self.notes.push(body.to_owned()),
            }
        } else if let Some((plan, directive)) = plan_line(body) {
            level.plan = Some(plan);
            if plan == 0 && !directive.is_empty() {
                let path = self.path("");
                let name = if path.is_empty() { "plan" } else { &path };
                let (outcome, reason) = outcome(true, directive);
                self.cases.push(Case::new(name, outcome, reason));
            }
        } else if let Some(result) = result_line(body) {
            self.result(indent, result);
        } else if !body.is_empty() {
            self.notes.push(body.to_owned());
        }
    }

    fn open(&mut self, indent: usize, name: Option<String>) {
        self.levels.push(Level {
            indent,
            name,
            plan: None,
            seen: 0,
            failed: false,
        });
        self.notes.clear();
    }

    fn result(&mut self, indent: usize, (ok, name, directive): (bool, &str, &str)) {
        let had_subtest = self.levels.last().is_some_and(|l| l.indent > indent);
        let explained = self.close_from(indent + 1, true);
        let (outcome, reason) = outcome(ok, directive);
        let failed = outcome.verdict() == Verdict::Fail;
        // A subtest's own line repeats what its cases said, unless it failed and none of them did.
        if !had_subtest || (failed && !explained) {
            let mut detail = std::mem::take(&mut self.notes);
            if !reason.is_empty() {
                detail.insert(0, reason.to_owned());
            }
            let name = self.path(name);
            self.cases.push(Case::new(name, outcome, detail.join("\n")));
        }
        self.notes.clear();
        if let Some(level) = self.levels.last_mut() {
            level.seen += 1;
            level.failed |= failed || explained;
            // Lines after a finished document are not part of it.
            if self.levels.len() == 1 && self.levels[0].plan == Some(self.levels[0].seen) {
                self.levels.clear();
            }
        }
    }

    /// Closes the levels at `indent` and deeper, and says whether a failure was recorded in them.
    /// `reported` tells that the innermost level that stays has a result for them.
    fn close_from(&mut self, indent: usize, reported: bool) -> bool {
        let mut failed = false;
        while self.levels.last().is_some_and(|l| l.indent >= indent) {
            let path = self.path("");
            let Some(level) = self.levels.pop() else {
                break;
            };
            failed |= level.failed;
            let seen = level.seen;
            let problem = match level.plan {
                Some(plan) if seen < plan => {
                    Some((Outcome::Crashed, format!("{plan} planned, {seen} results")))
                }
                Some(plan) if seen > plan => {
                    Some((Outcome::Failed, format!("{plan} planned, {seen} results")))
                }
                // Nothing else tells whether the results are all there.
                None if !reported || seen == 0 => {
                    Some((Outcome::Failed, format!("no plan, {seen} results")))
                }
                _ => None,
            };
            if let Some((outcome, problem)) = problem {
                let tail = &self.notes[self.notes.len().saturating_sub(TAIL)..];
                let detail = [&[INCOMPLETE.to_owned() + &problem], tail].concat();
                let name = if path.is_empty() { "plan" } else { &path };
                self.cases.push(Case::new(name, outcome, detail.join("\n")));
                failed = true;
            }
            // The rest of the outer document misses this one's result line, not its results.
            if let Some(outer) = self.levels.last_mut().filter(|_| !reported) {
                outer.seen += 1;
                outer.failed |= failed;
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

/// How the kernel's own parser counts a log otherwise than [`parse`], if it does. `tree` is the
/// kernel's source.
pub fn disagreement(tree: &Path, log: &Path) -> Result<Option<String>> {
    let log_text =
        fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
    let ours = parse(&log_text);
    let mut kunit = Command::new("python3");
    kunit
        .arg(tree.join("tools/testing/kunit/kunit.py"))
        .arg("parse")
        .arg(log);
    // Its exit status tells of failed tests.
    let output = kunit.output().context("cannot run kunit.py")?;
    let output = String::from_utf8_lossy(&output.stdout);
    let theirs = output
        .lines()
        .rev()
        .find_map(|line| line.split_once("Testing complete. Ran "))
        .with_context(|| format!("kunit.py has no totals: {output}"))?
        .1;
    Ok(difference(&ours, theirs))
}

/// Holds cases against `3 tests: passed: 1, failed: 1, crashed: 1, errors: 2`.
fn difference(ours: &[Case], theirs: &str) -> Option<String> {
    let kunit = |word: &str| {
        let (_, number) = theirs.split_once(&format!("{word}: "))?;
        number.split(',').next()?.trim().parse().ok()
    };
    let kunit = |word| kunit(word).unwrap_or(0);
    // For an incomplete document, it counts a crash for each missing result, or an error. A log
    // without a document is an error too. Of the directives, it knows only SKIP.
    let (broken, told): (Vec<_>, Vec<_>) =
        ours.iter().partition(|c| c.detail.starts_with(INCOMPLETE));
    let count = |outcomes: &[Outcome]| {
        let counted = told.iter().filter(|c| outcomes.contains(&c.outcome));
        counted.count()
    };
    let same = count(&[Outcome::Passed, Outcome::Xfailed]) == kunit("passed")
        && count(&[Outcome::Failed, Outcome::Unresolved]) == kunit("failed")
        && count(&[Outcome::Skipped]) == kunit("skipped")
        && (kunit("crashed") + kunit("errors") == 0 || !broken.is_empty() || ours.is_empty());
    (!same).then(|| {
        let ours: Vec<_> = ours
            .iter()
            .map(|c| format!("{} {}", c.outcome.word(), c.name))
            .collect();
        format!("kunit.py: {theirs}\n{}", ours.join("\n"))
    })
}

/// Splits `1..3 # SKIP reason` into the number of tests and the directive.
fn plan_line(body: &str) -> Option<(usize, &str)> {
    let (plan, directive) = split_directive(body.strip_prefix("1..")?);
    Some((plan.parse().ok()?, directive))
}

/// Splits `ok 3 - name # SKIP reason` into its verdict, name and directive.
fn result_line(body: &str) -> Option<(bool, &str, &str)> {
    let (ok, rest) = match body.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, body.strip_prefix("ok ")?),
    };
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (number, rest) = rest.split_at(digits);
    number.parse::<usize>().ok()?;
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let (name, directive) = split_directive(rest);
    let name = name.strip_prefix("- ").unwrap_or(name);
    Some((ok, name.trim(), directive))
}

fn split_directive(text: &str) -> (&str, &str) {
    let (text, directive) = text.split_once(" # ").unwrap_or((text, ""));
    (text.trim(), directive.trim())
}

/// A result's outcome, and the reason that its directive gives. A directive that is not known
/// leaves the verdict as it is and is all reason.
fn outcome(ok: bool, directive: &str) -> (Outcome, &str) {
    let (word, reason) = directive.split_once(' ').unwrap_or((directive, ""));
    let known = match (ok, word.to_ascii_uppercase().as_str()) {
        (_, "SKIP") => Some(Outcome::Skipped),
        (true, "XFAIL") => Some(Outcome::Xfailed),
        // ftracetest's.
        (false, "UNRESOLVED") => Some(Outcome::Unresolved),
        _ => None,
    };
    match (known, ok) {
        (Some(outcome), _) => (outcome, reason.trim()),
        (None, true) => (Outcome::Passed, directive),
        (None, false) => (Outcome::Failed, directive),
    }
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
                ("first".into(), Outcome::Crashed),
                ("plan".into(), Outcome::Crashed)
            ]
        );
        let crash = &parse(&format!("{cut}Kernel panic\n"))[2];
        assert_eq!(
            crash.detail,
            "KTAP is incomplete: 3 planned, 2 results\nKernel panic"
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

    #[test]
    fn ftracetest() {
        let log = "TAP version 13\n1..6\nok 1 Basic trace file check \n\
                   not ok 2 Event filter # UNRESOLVED\n# + fail\nnot ok 3 Cut \n\
                   ok 4 Kprobe # SKIP\nok 5 Hist # XFAIL\nnot ok 6 (instance) Ring # error\n\
                   # Totals: pass:1 fail:1 xfail:1 xpass:0 skip:1 error:2\n";
        assert_eq!(
            outcomes(log),
            [
                ("Basic trace file check".into(), Outcome::Passed),
                ("Event filter".into(), Outcome::Unresolved),
                ("Cut".into(), Outcome::Failed),
                ("Kprobe".into(), Outcome::Skipped),
                ("Hist".into(), Outcome::Xfailed),
                ("(instance) Ring".into(), Outcome::Failed),
            ]
        );
        assert_eq!(parse(log)[2].detail, "# + fail");
    }

    #[test]
    fn a_directive_gives_the_reason() {
        let log = "TAP version 13\n1..3\nnote\nok 1 a # SKIP no ping\n\
                   not ok 2 b # TIMEOUT 30 s\nok 3 # SKIP nameless\n";
        let reasons: Vec<_> = parse(log).into_iter().map(|c| c.detail).collect();
        assert_eq!(reasons, ["no ping\nnote", "TIMEOUT 30 s", "nameless"]);
    }

    #[test]
    fn an_expected_failure_that_is_not_ok_is_a_failure() {
        assert_eq!(
            outcomes("TAP version 13\n1..1\nnot ok 1 a # XFAIL\n"),
            [("a".into(), Outcome::Failed)]
        );
    }

    #[test]
    fn a_suite_may_be_skipped_as_a_whole() {
        let cases = parse("TAP version 13\n1..0 # SKIP no tracefs\n");
        assert_eq!(cases.len(), 1);
        assert_eq!(cases[0].outcome, Outcome::Skipped);
        assert_eq!(cases[0].detail, "no tracefs");
    }

    #[test]
    fn more_results_than_planned_are_a_failure() {
        let log = "KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: s\n  1..1\n  ok 1 a\n  ok 2 b\nok 1 s\n";
        assert_eq!(outcomes(log)[2], ("s".into(), Outcome::Failed));
    }

    #[test]
    fn only_a_subtest_that_its_parent_reports_needs_no_plan() {
        assert_eq!(
            outcomes("KTAP version 1\nok 1 a\n")[1],
            ("plan".into(), Outcome::Failed)
        );
        let nested = "KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: s\n  ok 1 a\nok 1 s\n";
        assert_eq!(outcomes(nested), [("s.a".into(), Outcome::Passed)]);
    }

    #[test]
    fn counts_are_held_against_the_kernels() {
        let log = "KTAP version 1\n1..3\nok 1 a\nnot ok 2 b\nok 3 c # SKIP\n";
        let differs = |theirs| difference(&parse(log), theirs).is_some();
        assert!(!differs("3 tests: passed: 1, failed: 1, skipped: 1"));
        assert!(differs("3 tests: passed: 2, skipped: 1"));
        assert!(differs(
            "3 tests: passed: 1, failed: 1, skipped: 1, errors: 1"
        ));
        assert!(differs(
            "4 tests: passed: 1, failed: 1, crashed: 1, skipped: 1"
        ));
    }
}
