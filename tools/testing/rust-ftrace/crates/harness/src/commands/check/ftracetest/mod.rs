// SPDX-License-Identifier: GPL-2.0

//! The kernel's own tests of ftrace, `tools/testing/selftests/ftrace`, unmodified: `ftracetest`
//! runs them in a guest. If a test crashes the kernel, the guest is booted again for the rest.

use std::{
    collections::BTreeMap,
    time::Duration, //
};

use anyhow::Result;

use crate::{
    commands::check::ftracetest::script::{
        all,
        items,
        Item,
        Test, //
    },
    guest::{
        console,
        qemu::{
            Limits,
            Output, //
        },
        Guest,
        QUIET_BOOT, //
    },
    host::Context,
    results::{
        case::{
            Case,
            Outcome, //
        },
        ktap, //
    },
};

pub mod script;

/// How long a test may take. It says nothing before it ends.
const SILENCE: Duration = Duration::from_secs(10 * 60);

/// How long all of them may take.
const TOTAL: Duration = Duration::from_secs(60 * 60);

/// The guest's command line: its script marks every result in the log, more often than the
/// kernel lets a process write there.
const APPEND: &str = "printk.devkmsg=on";

/// Characters of a line that a result keeps.
const WIDTH: usize = 240;

/// Lines of the console that a crash shows.
const TAIL: usize = 40;

/// What became of the tests.
pub struct Run {
    pub cases: Vec<Case>,
    /// What ftracetest printed, a log a boot.
    pub logs: Vec<String>,
}

/// What is known of the tests while they run.
struct Progress<'a> {
    tests: &'a [Test],
    results: BTreeMap<(bool, usize), Case>,
    /// Faults in the kernel's log, with the test that they came in.
    faults: Vec<String>,
}

/// The case that is about the kernel's log and no test.
const LOG: &str = "log";

impl Run {
    /// The names of the tests that failed.
    pub fn failed(&self) -> impl Iterator<Item = &str> {
        let failed = self.cases.iter().filter(|c| c.outcome == Outcome::Failed);
        failed.map(|c| c.name.as_str()).filter(|name| *name != LOG)
    }

    /// Takes the results of a later run of some of the tests. A fault in the log remains one.
    pub fn update(&mut self, later: Run) {
        for mut case in later.cases {
            let Some(earlier) = self.cases.iter_mut().find(|c| c.name == case.name) else {
                continue;
            };
            if case.name == LOG && case.outcome == Outcome::Passed {
                continue;
            }
            if earlier.outcome == Outcome::Failed && case.outcome == Outcome::Passed {
                case.outcome = Outcome::PassedAlone;
                case.detail = format!("beside the other guest: {}", earlier.reason().0);
            }
            *earlier = case;
        }
        self.logs.extend(later.logs);
    }
}

/// Runs those tests whose names `keeps` takes, in boots that are called `mode` and a number.
pub fn run(
    ctx: &Context,
    guest: &Guest,
    mode: &str,
    tests: &[Test],
    keeps: impl Fn(&str) -> bool,
) -> Result<Run> {
    let wanted: Vec<Item> = items(tests, &all(tests))
        .into_iter()
        .filter(|&(test, in_instance)| keeps(&tests[test].name(in_instance)))
        .collect();
    let mut progress = Progress {
        tests,
        results: BTreeMap::new(),
        faults: Vec::new(),
    };
    let mut logs = Vec::new();
    let limits = Limits {
        total: TOTAL,
        silence: SILENCE,
        ..Limits::default()
    };
    loop {
        let given = progress.owed(&wanted);
        if given.is_empty() {
            break;
        }
        let paths: Vec<_> = given
            .iter()
            .map(|&test| format!("test.d/{}\n", tests[test].path))
            .collect();
        let mode = match logs.len() {
            0 => mode.to_owned(),
            boots => format!("{mode}-{}", boots + 1),
        };
        let append = format!("{QUIET_BOOT} {APPEND}");
        let output = guest.run_list(ctx, &mode, &append, &paths.concat(), &limits)?;
        let before = progress.results.len();
        progress.read(&given, &output);
        logs.push(output.results);
        if progress.results.len() == before {
            break;
        }
    }
    Ok(Run {
        cases: progress.finish(&wanted),
        logs,
    })
}

impl Progress<'_> {
    /// The tests to give to ftracetest for the results that are missing. In an instance a test
    /// only runs after it has run outside of one.
    fn owed(&self, wanted: &[Item]) -> Vec<usize> {
        let mut owed: Vec<usize> = wanted
            .iter()
            .filter(|&&(test, in_instance)| !self.results.contains_key(&(in_instance, test)))
            .map(|&(test, _)| test)
            .collect();
        owed.sort_unstable();
        owed.dedup();
        owed
    }

    /// Reads what a boot with these tests left behind.
    fn read(&mut self, given: &[usize], output: &Output) {
        let items = items(self.tests, given);
        let found = ktap::parse(&notes_first(&output.results));
        let same = items
            .iter()
            .zip(&found)
            .take_while(|((test, inst), case)| self.tests[*test].is_called(*inst, &case.name))
            .count();
        for (&(test, inst), case) in items.iter().zip(&found).take(same) {
            let case = Case::new(self.tests[test].name(inst), case.outcome, explained(case));
            self.results.entry((inst, test)).or_insert(case);
        }
        self.faults(&items, &output.console);
        let Some(&(test, inst)) = items.get(same) else {
            return;
        };
        // Nobody knows what became of this one. Those after it did not run.
        let (outcome, why) = match &output.failure {
            Some(failure) => (Outcome::Crashed, failure.to_string()),
            None => (Outcome::Failed, "ftracetest ended without a result".into()),
        };
        let lines: Vec<_> = output.console.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
        let name = self.tests[test].name(inst);
        self.results.entry((inst, test)).or_insert(Case::new(
            name,
            outcome,
            format!("{why}\n{tail}"),
        ));
        if !inst && self.tests[test].in_instance {
            self.results.entry((true, test)).or_insert(Case::new(
                self.tests[test].name(true),
                Outcome::Untested,
                "not run: there was no result of it outside of an instance",
            ));
        }
    }

    /// Finds the faults that the kernel reported and survived, and the tests they came in.
    fn faults(&mut self, items: &[Item], console: &str) {
        let mut done = 0;
        for line in console.lines() {
            let text = console::text(line);
            if text.starts_with("guest: ok ") || text.starts_with("guest: not ok ") {
                done += 1;
            }
            if console::is_fault(text) {
                let name = items
                    .get(done)
                    .map_or("after the tests".into(), |&(t, i)| self.tests[t].name(i));
                self.faults.push(format!("{name}: {text}"));
            }
        }
    }

    fn finish(mut self, wanted: &[Item]) -> Vec<Case> {
        let mut cases: Vec<Case> = wanted
            .iter()
            .map(|&(test, inst)| {
                self.results.remove(&(inst, test)).unwrap_or_else(|| {
                    let name = self.tests[test].name(inst);
                    Case::new(name, Outcome::Untested, "not run: the guest does not boot")
                })
            })
            .collect();
        // A crash has its own case.
        let crashed = |fault: &String| {
            cases.iter().any(|c| {
                c.outcome == Outcome::Crashed && fault.starts_with(&format!("{}: ", c.name))
            })
        };
        self.faults.retain(|fault| !crashed(fault));
        let problem = (!self.faults.is_empty()).then(|| self.faults.join("\n"));
        cases.push(Case::check(LOG, problem));
        cases
    }
}

/// Moves the output of a test in front of its result, where KTAP has it. ftracetest prints it
/// after the result.
fn notes_first(log: &str) -> String {
    let mut text = String::new();
    let mut result = None;
    for line in log.lines() {
        if line.starts_with("ok ") || line.starts_with("not ok ") {
            text.extend(result.replace(line).map(|r| format!("{r}\n")));
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.extend(result.map(|r| format!("{r}\n")));
    text
}

/// The detail of a case with the reason for its outcome in the first line. The output is a trace
/// of the shell's commands, so that the last of them, or what it said, is the reason.
fn explained(case: &Case) -> String {
    let lines: Vec<&str> = case
        .detail
        .lines()
        .map(|line| line.strip_prefix('#').unwrap_or(line).trim())
        .collect();
    let leaves = |line: &str| {
        let command = line.trim_start_matches('+').trim_start();
        line.starts_with('+') && (command.starts_with("exit") || command.starts_with("kill -s "))
    };
    let reason = lines
        .iter()
        .rev()
        .find(|line| !line.is_empty() && !leaves(line))
        .map_or("", |line| line.trim_start_matches(['+', ' ']));
    match case.outcome {
        Outcome::Passed => String::new(),
        _ => {
            let lines: Vec<_> = lines.iter().map(|line| shortened(line)).collect();
            format!("{}\n{}", shortened(reason), lines.join("\n"))
        }
    }
}

/// A line of at most [`WIDTH`] characters: a test's trace has the names of all events in one.
fn shortened(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::guest::qemu::Failure;

    fn test(path: &str, description: &str, in_instance: bool) -> Test {
        Test {
            path: path.into(),
            description: description.into(),
            in_instance,
        }
    }

    /// Three tests, of which ftracetest runs the second in an instance too.
    fn three() -> [Test; 3] {
        [
            test("a.tc", "first", false),
            test("b.tc", "second", true),
            test("c.tc", "third", false),
        ]
    }

    fn output(results: &str, console: &str, failure: Option<Failure>) -> Output {
        Output {
            console: console.into(),
            results: format!("TAP version 13\n1..4\n{results}"),
            failure,
            log: PathBuf::new(),
        }
    }

    #[test]
    fn a_later_run_counts_and_does_not_hide_faults() {
        let run = |cases: &[(&str, Outcome)]| Run {
            cases: cases
                .iter()
                .map(|&(name, outcome)| Case::new(name, outcome, "why"))
                .collect(),
            logs: Vec::new(),
        };
        use Outcome::{
            Failed,
            Passed,
            PassedAlone, //
        };
        let mut first = run(&[
            ("a", Failed),
            ("b", Failed),
            ("c", Passed),
            ("d", Passed),
            (LOG, Failed),
        ]);
        assert_eq!(first.failed().collect::<Vec<_>>(), ["a", "b"]);
        first.update(run(&[
            ("a", Passed),
            ("b", Failed),
            ("c", Failed),
            (LOG, Passed),
        ]));
        let outcomes: Vec<_> = first.cases.iter().map(|c| c.outcome).collect();
        assert_eq!(outcomes, [PassedAlone, Failed, Failed, Passed, Failed]);
        assert_eq!(first.cases[0].detail, "beside the other guest: why");

        let mut clean = run(&[(LOG, Passed)]);
        clean.update(run(&[(LOG, Failed)]));
        assert_eq!(clean.cases[0].outcome, Failed);
    }

    /// Boots until nothing is owed, with these outputs; gives the tests of each boot, and the
    /// outcomes.
    fn boots(outputs: &[Output]) -> (Vec<Vec<usize>>, Vec<(String, Outcome)>) {
        let tests = three();
        let wanted = items(&tests, &all(&tests));
        let mut progress = Progress {
            tests: &tests,
            results: BTreeMap::new(),
            faults: Vec::new(),
        };
        let mut given = Vec::new();
        for output in outputs {
            given.push(progress.owed(&wanted));
            progress.read(&given[given.len() - 1], output);
        }
        given.push(progress.owed(&wanted));
        let cases = progress.finish(&wanted);
        (
            given,
            cases.into_iter().map(|c| (c.name, c.outcome)).collect(),
        )
    }

    fn panic() -> Option<Failure> {
        Some(Failure::Panic("Kernel panic - not syncing".into()))
    }

    #[test]
    fn results_are_the_tests_in_order_and_then_those_in_instances() {
        let all = "ok 1 first\nnot ok 2 second\n# + false\nok 3 third # SKIP\n# no x\n\
                   ok 4 (instance) second\n";
        let (given, outcomes) = boots(&[output(all, "", None)]);
        assert_eq!(given, [vec![0, 1, 2], vec![]]);
        assert_eq!(
            outcomes,
            [
                ("a.tc".into(), Outcome::Passed),
                ("b.tc".into(), Outcome::Failed),
                ("c.tc".into(), Outcome::Skipped),
                ("b.tc (instance)".into(), Outcome::Passed),
                ("log".into(), Outcome::Passed),
            ]
        );
    }

    #[test]
    fn nothing_is_lost_after_a_crash() {
        let (given, outcomes) = boots(&[
            output("ok 1 first\n", "guest: ok 1 first\nOops", panic()),
            output("ok 1 third\n", "", None),
        ]);
        assert_eq!(given, [vec![0, 1, 2], vec![2], vec![]]);
        assert_eq!(outcomes[1], ("b.tc".into(), Outcome::Crashed));
        assert_eq!(outcomes[2], ("c.tc".into(), Outcome::Passed));
        assert_eq!(outcomes[3], ("b.tc (instance)".into(), Outcome::Untested));
        // The fault in the log is the crash's own.
        assert_eq!(outcomes[4], ("log".into(), Outcome::Passed));
    }

    #[test]
    fn a_test_runs_again_for_its_run_in_an_instance() {
        let (given, outcomes) = boots(&[
            output("ok 1 first\nok 2 second\n", "", panic()),
            output("not ok 1 second\nok 2 (instance) second\n", "", None),
        ]);
        assert_eq!(given, [vec![0, 1, 2], vec![1], vec![]]);
        assert_eq!(outcomes[1], ("b.tc".into(), Outcome::Passed));
        assert_eq!(outcomes[2], ("c.tc".into(), Outcome::Crashed));
        assert_eq!(outcomes[3], ("b.tc (instance)".into(), Outcome::Passed));
    }

    #[test]
    fn a_kernel_that_does_not_boot_ends_the_run() {
        let nothing = Output {
            results: String::new(),
            ..output("", "", panic())
        };
        let (given, outcomes) = boots(&[nothing]);
        assert_eq!(given[1], [1, 2]);
        assert_eq!(outcomes[0], ("a.tc".into(), Outcome::Crashed));
        assert_eq!(outcomes[2], ("c.tc".into(), Outcome::Untested));
    }

    #[test]
    fn a_fault_is_told_to_be_of_a_test() {
        let console = "[    1.0] guest: ok 1 first\n[    2.0] WARNING: CPU: 0 at x\n\
                       [    2.1] guest: ok 2 second\n[    3.0] guest: ok 3 third\n";
        let tests = three();
        let mut progress = Progress {
            tests: &tests,
            results: BTreeMap::new(),
            faults: Vec::new(),
        };
        progress.faults(&items(&tests, &all(&tests)), console);
        let cases = progress.finish(&[]);
        assert_eq!(cases[0].detail, "b.tc: WARNING: CPU: 0 at x");
    }

    #[test]
    fn the_reason_is_what_was_said_or_done_last() {
        let reason = |detail: &str| {
            let case = Case::new("x", Outcome::Failed, detail);
            let explained = explained(&case);
            explained.lines().next().unwrap().to_owned()
        };
        assert_eq!(
            reason("# + echo No x.\n# No x.\n# + exit_unsupported\n# + kill -s 40 12\n# + exit 0"),
            "No x."
        );
        assert_eq!(reason("# + cat trace\n# + grep -q foo\n#"), "grep -q foo");
        assert_eq!(reason("# ++ echo a\n# + test 1 -eq 2"), "test 1 -eq 2");
    }
}
