// SPDX-License-Identifier: GPL-2.0

//! The verdicts of the boot self-tests, in the kernel's log.

use crate::{
    guest::console::text,
    results::case::{
        Case,
        Outcome, //
    },
};

/// The name of the test that a line of the log opens, and what follows on the line.
fn opening(line: &str) -> Option<(String, &str)> {
    if line == "Running ring buffer tests..." {
        return Some(("ring-buffer".to_owned(), ""));
    }
    // This test prints one line. If it fails, it prints a warning in place of that.
    if line.starts_with("ftrace section at ") && line.ends_with(" sorted properly") {
        return Some(("ftrace-sort".to_owned(), "OK"));
    }
    let (name, after) = line.strip_prefix("Testing ")?.split_once(':')?;
    // The test of ops with registers, if they are not offered. It says so in its name.
    let name = name.trim_end_matches("(no arch support)");
    Some((name.replace(' ', "-"), after.trim()))
}

/// The verdicts of the boot self-tests: FTRACE_STARTUP_TEST, EVENT_TRACE_STARTUP_TEST,
/// RING_BUFFER_STARTUP_TEST, FTRACE_SORT_STARTUP_TEST.
///
/// The kernel prints `Testing NAME: ` and appends the verdict when the test is over; messages of
/// other CPUs and the test's own remarks may come between.
pub fn self_tests(log: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut open: Option<(String, Vec<&str>)> = None;
    for line in log.lines().map(text) {
        let mut rest = line.trim();
        if let Some((name, after)) = opening(rest) {
            if let Some((name, remarks)) = open.take() {
                cases.push(without_verdict(name, &remarks));
            }
            open = Some((name, Vec::new()));
            rest = after;
        }
        let Some((name, remarks)) = open.as_mut() else {
            continue;
        };
        let outcome = match rest.rsplit(' ').next().unwrap_or_default() {
            "PASSED" | "PASSED!" | "OK" => Outcome::Passed,
            "FAILED!" | "FAILED" => Outcome::Failed,
            _ if rest.starts_with("NG:") => Outcome::Failed,
            _ => {
                if !rest.is_empty() {
                    remarks.push(rest);
                }
                continue;
            }
        };
        remarks.push(rest);
        let repeats = cases
            .iter()
            .filter(|c| c.name.split('@').next() == Some(name))
            .count();
        let name = match repeats {
            0 => std::mem::take(name),
            n => format!("{name}@{}", n + 1),
        };
        cases.push(Case::new(name, outcome, remarks.join("\n")));
        open = None;
    }
    if let Some((name, remarks)) = open {
        cases.push(without_verdict(name, &remarks));
    }
    cases
}

fn without_verdict(name: String, remarks: &[&str]) -> Case {
    let detail = format!("no verdict; after it the log has:\n{}", remarks.join("\n"));
    Case::new(name, Outcome::Failed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::console;

    #[test]
    fn verdicts_on_the_same_line_and_on_a_later_one() {
        let log = "\
[    0.5] Running postponed tracer tests:
[    0.6] Testing tracer function: PASSED
[    0.7] Testing dynamic ftrace: PASSED
[    0.8] Testing dynamic ftrace ops #1: 
[    0.8] (1 0 1 0 0) 
[    0.9] (2 1 3 1 1066) PASSED
[    1.0] Testing tracer irqsoff: 
[    1.1] random: crng init done
[    1.2] PASSED
[    1.3] Testing kprobe tracing: OK
";
        let cases = self_tests(log);
        let names: Vec<_> = cases.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "tracer-function",
                "dynamic-ftrace",
                "dynamic-ftrace-ops-#1",
                "tracer-irqsoff",
                "kprobe-tracing"
            ]
        );
        assert!(cases.iter().all(|c| c.outcome == Outcome::Passed));
    }

    #[test]
    fn failed_and_unfinished_tests_fail() {
        let log = "\
[    1.0] Testing fgraph storage of 1 byte: *** bad *** FAILED!
[    1.1] WARNING: CPU: 0 PID: 1 at kernel/trace/trace.c:1 run_tracer_selftest
[    1.2] Testing tracer wakeup: 
[    1.3] Kernel panic - not syncing: oops
";
        let cases = self_tests(log);
        assert_eq!(cases.len(), 2);
        assert!(cases.iter().all(|c| c.outcome == Outcome::Failed));
        assert!(cases[1].detail.contains("no verdict"));
        assert_eq!(console::faults(log).count(), 2);
    }

    #[test]
    fn repeated_tests_keep_their_own_result() {
        let log = "Testing tracer x: PASSED\nTesting tracer x: FAILED!\n";
        let cases = self_tests(log);
        assert_eq!(cases[1].name, "tracer-x@2");
    }

    #[test]
    fn a_test_of_what_is_not_offered_has_the_same_name() {
        let log = "Testing ftrace regs(no arch support): PASSED\n";
        assert_eq!(self_tests(log)[0].name, "ftrace-regs");
    }

    #[test]
    fn tests_that_open_in_words_of_their_own() {
        let log = "\
[    0.1] ftrace section at c0a01234 sorted properly
[    0.2] Testing event sched_switch: OK
[    0.3] Running ring buffer tests...
[   10.3] finished
[   10.4] CPU 0:
[   10.5]               events:    26314
[   10.6] Ring buffer PASSED!
[   10.7] Testing event system sched: OK
";
        let cases = self_tests(log);
        let names: Vec<_> = cases.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "ftrace-sort",
                "event-sched_switch",
                "ring-buffer",
                "event-system-sched"
            ]
        );
        assert!(cases.iter().all(|c| c.outcome == Outcome::Passed));
        let failed = log.replace("Ring buffer PASSED!", "FAILED!");
        assert_eq!(self_tests(&failed)[2].outcome, Outcome::Failed);
        let cut = log.split("finished").next().unwrap();
        assert_eq!(self_tests(cut)[2].outcome, Outcome::Failed);
    }
}
