// SPDX-License-Identifier: GPL-2.0

//! What a guest's console says: faults, and the backend's boot line.

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
    fn the_backend_says_what_it_is() {
        let log = "[    0.0] Linux version 7.3.4\n[    0.0] ftrace_rust: A32 mcount\n";
        assert_eq!(backend_line(log), Some("ftrace_rust: A32 mcount"));
    }
}
