// SPDX-License-Identifier: GPL-2.0

//! What a kernel log says: the boot self-tests' verdicts, faults, the backend's boot line.

use crate::results::{
    Case,
    Outcome, //
};

/// Start of the line in which the Rust backend says what it is.
const BACKEND: &str = "ftrace_rust:";

/// Lines that no healthy boot prints.
const FAULTS: &[&str] = &[
    "Kernel panic",
    "WARNING: ",
    "BUG: ",
    "Oops",
    "Internal error",
    "Unable to handle kernel",
    "rcu_sched self-detected stall",
    "rcu_preempt self-detected stall",
    "blocked for more than",
];

/// Strips the time stamp (and, with PRINTK_CALLER, the caller) from a line of the log.
pub fn text(line: &str) -> &str {
    let line = line.trim_end_matches(['\r', '\n']);
    let mut rest = line;
    while let Some((stamp, after)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
        let stamp = stamp.trim_start().trim_start_matches(['T', 'C']);
        if !stamp.starts_with(|c: char| c.is_ascii_digit())
            || !stamp.chars().all(|c| c.is_ascii_digit() || c == '.')
        {
            break;
        }
        rest = after;
    }
    // One blank separates the stamp from the message; others are the message's own.
    match rest.strip_prefix(' ') {
        Some(message) if rest.len() < line.len() => message,
        _ => rest,
    }
}

/// The line that the Rust backend prints at boot, without its time stamp.
pub fn backend_line(log: &str) -> Option<&str> {
    log.lines().map(text).find(|l| l.starts_with(BACKEND))
}

/// Every line of the log that reports a fault.
pub fn faults(log: &str) -> impl Iterator<Item = &str> {
    log.lines().map(text).filter(|line| is_fault(line))
}

/// Whether a line of the log reports a fault.
pub fn is_fault(line: &str) -> bool {
    FAULTS.iter().any(|fault| line.contains(fault))
}

/// Whether a fault is a warning from a KUnit test, which has its own verdict.
pub fn is_of_kunit(fault: &str) -> bool {
    let task = fault.rsplit(' ').next().unwrap_or_default();
    fault.starts_with("WARNING: ") && task.starts_with("kunit_try_catch/")
}

/// The name of the test that a line of the log opens, and what follows on the line.
fn opening(line: &str) -> Option<(String, &str)> {
    if line == "Running ring buffer tests..." {
        return Some(("ring-buffer".to_owned(), ""));
    }
    // This one is over with its only line; one that fails is a warning in place of it.
    if line.starts_with("ftrace section at ") && line.ends_with(" sorted properly") {
        return Some(("ftrace-sort".to_owned(), "OK"));
    }
    let (name, after) = line.strip_prefix("Testing ")?.split_once(':')?;
    // That of ops with registers, where they are not offered. It says so in its name.
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

    #[test]
    fn stamps_go_and_indentation_stays() {
        assert_eq!(text("[    1.234567]     ok 1 x\r"), "    ok 1 x");
        assert_eq!(text("[    1.234567][    T1] ok 1 x"), "ok 1 x");
        assert_eq!(text("    ok 1 x"), "    ok 1 x");
        assert_eq!(text("[drm] not a stamp"), "[drm] not a stamp");
    }

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
        assert_eq!(faults(log).count(), 2);
    }

    #[test]
    fn warnings_of_kunit_tests() {
        let log = "\
[    1.0] WARNING: lib/math/int_log.c:63 at intlog2+0x1c/0x9c, CPU#1: kunit_try_catch/123
[    1.1] WARNING: kernel/trace/trace.c:1 at trace_init+0x2/0x3, CPU#0: swapper/0/1
[    1.2] BUG: sleeping function called from invalid context, CPU#1: kunit_try_catch/123
";
        let of_kunit: Vec<_> = faults(log).map(is_of_kunit).collect();
        assert_eq!(of_kunit, [true, false, false]);
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

    #[test]
    fn the_backend_says_what_it_is() {
        let log = "[    0.0] Linux version 7.3.4\n[    0.0] ftrace_rust: A32 mcount\n";
        assert_eq!(backend_line(log), Some("ftrace_rust: A32 mcount"));
    }
}
