// SPDX-License-Identifier: GPL-2.0

//! What the user sees of long steps, and how commands are run.
//!
//! A step that succeeds folds to one line with its time. One that fails shows the end of its
//! log, the command to run again and the log's path. All of it goes to standard error: standard
//! output is for results.

use std::{
    cell::Cell,
    error::Error,
    fmt,
    fs::{
        self,
        File, //
    },
    io::{
        self,
        IsTerminal,
        Write, //
    },
    path::{
        Path,
        PathBuf, //
    },
    process::Command,
    time::{
        Duration,
        Instant, //
    },
};

use anyhow::{
    Context as _,
    Result, //
};
use indicatif::{
    MultiProgress,
    ProgressBar,
    ProgressStyle, //
};

use crate::host::process::{
    command_line,
    run_piped,
    tail, //
};

/// A command that did not do its work.
#[derive(Debug)]
pub struct CommandFailed {
    end: String,
    tail: Vec<String>,
    command: String,
    log: PathBuf,
}

impl fmt::Display for CommandFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the command {}", self.end)?;
        for line in &self.tail {
            writeln!(f, "  | {line}")?;
        }
        writeln!(f, "run again: {}", self.command)?;
        write!(f, "whole log: {}", self.log.display())
    }
}

impl Error for CommandFailed {}

pub struct Ui {
    logs: PathBuf,
    verbose: bool,
    /// The steps under way: several at a time, in as many threads.
    bars: MultiProgress,
}

impl Ui {
    pub fn new(logs: PathBuf, verbose: bool) -> Self {
        Self {
            logs,
            verbose,
            bars: MultiProgress::new(),
        }
    }

    /// Says something between steps.
    pub fn note(&self, text: &str) {
        self.bars.suspend(|| eprintln!("{text}"));
    }

    /// Does `work` as one step, whose commands write to the log `name`.
    pub fn step<T>(
        &self,
        title: &str,
        name: &str,
        work: impl FnOnce(&Step<'_>) -> Result<T>,
    ) -> Result<T> {
        let log = self.logs.join(format!("{name}.log"));
        fs::create_dir_all(&self.logs)
            .and_then(|()| File::create(&log))
            .with_context(|| format!("cannot write {}", log.display()))?;
        let bar = if io::stderr().is_terminal() && !self.verbose {
            let bar = self.bars.add(ProgressBar::new_spinner());
            bar.set_message(title.to_string());
            bar.set_style(ProgressStyle::with_template(
                "{spinner} {msg} {elapsed:.dim} {prefix:.dim}",
            )?);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        } else {
            self.note(&format!("      {title} ..."));
            ProgressBar::hidden()
        };
        let start = Instant::now();
        let step = Step {
            ui: self,
            bar,
            log,
            folded: Cell::new(None),
        };
        let result = work(&step);
        step.bar.finish_and_clear();
        let verdict = if result.is_ok() { "  ok" } else { "FAIL" };
        let detail = step.folded.take().map(|text| format!(": {text}"));
        self.note(&format!(
            "{verdict}  {title}{} ({:.1} s)",
            detail.unwrap_or_default(),
            start.elapsed().as_secs_f32()
        ));
        result.with_context(|| format!("{title} failed"))
    }
}

/// A step that is under way.
pub struct Step<'a> {
    ui: &'a Ui,
    bar: ProgressBar,
    log: PathBuf,
    folded: Cell<Option<String>>,
}

impl Step<'_> {
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Shows how far the step has come.
    pub fn progress(&self, text: impl Into<String>) {
        self.bar.set_prefix(text.into());
    }

    /// Adds to the line that the step folds to.
    pub fn fold(&self, text: impl Into<String>) {
        self.folded.set(Some(text.into()));
    }

    /// Runs a command to its end.
    pub fn run(&self, command: &mut Command) -> Result<()> {
        self.run_watched(command, None, |_| ())
    }

    /// Runs a command, ends it after `limit` and hands each line of its output to `watch`.
    pub fn run_watched(
        &self,
        command: &mut Command,
        limit: Option<Duration>,
        mut watch: impl FnMut(&str),
    ) -> Result<()> {
        let mut log = File::options()
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        let line = command_line(command);
        let mut keep = |bytes: &[u8]| -> Result<()> {
            if self.ui.verbose {
                io::stderr().write_all(bytes)?;
            }
            log.write_all(bytes)
                .with_context(|| format!("cannot write {}", self.log.display()))
        };
        keep(format!("$ {line}\n").as_bytes())?;

        let end = run_piped(command, limit, |bytes| {
            keep(bytes)?;
            String::from_utf8_lossy(bytes).lines().for_each(&mut watch);
            Ok(())
        })?;
        let end = match end {
            Some(status) if status.success() => return Ok(()),
            Some(status) => format!("ended with {status}"),
            None => format!(
                "was ended: it did not finish in {:?}",
                limit.unwrap_or_default()
            ),
        };
        Err(CommandFailed {
            end,
            tail: tail(&self.log),
            command: line,
            log: self.log.clone(),
        }
        .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::process::tests::shell;

    fn in_step(work: impl FnOnce(&Step<'_>) -> Result<()>) -> (Result<()>, String) {
        let dir = tempfile::tempdir().unwrap();
        let ui = Ui::new(dir.path().to_path_buf(), false);
        let result = ui.step("Test", "test", work);
        let log = fs::read_to_string(dir.path().join("test.log")).unwrap();
        (result, log)
    }

    #[test]
    fn both_outputs_are_logged_and_watched() {
        let mut seen = Vec::new();
        let (result, log) = in_step(|step| {
            let mut command = shell("echo one; echo two >&2; printf three");
            step.run_watched(&mut command, None, |line| seen.push(line.to_string()))
        });
        result.unwrap();
        assert_eq!(seen, ["one", "two", "three"]);
        assert!(log.ends_with("\none\ntwo\nthree"), "{log}");
    }

    #[test]
    fn failure_shows_the_tail_the_command_and_the_log() {
        let (result, _) = in_step(|step| step.run(&mut shell("seq 100; exit 3")));
        let message = format!("{:#}", result.unwrap_err());
        assert!(message.contains("exit status: 3"), "{message}");
        assert!(message.contains("  | 71\n"), "{message}");
        assert!(!message.contains("  | 70\n"), "{message}");
        assert!(
            message.contains("run again: sh -c 'seq 100; exit 3'"),
            "{message}"
        );
        assert!(message.contains("test.log"), "{message}");
    }

    #[test]
    fn limit_ends_the_whole_group() {
        let start = Instant::now();
        let (result, log) = in_step(|step| {
            let mut command = shell("sleep 60 & echo $!; exec >&- 2>&-; wait");
            step.run_watched(&mut command, Some(Duration::from_millis(300)), |_| ())
        });
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(format!("{:#}", result.unwrap_err()).contains("did not finish"));
        let sleeper = log.lines().last().unwrap();
        let gone = || {
            let stat = fs::read_to_string(format!("/proc/{sleeper}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        while !gone() {
            assert!(start.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_left_over_process_does_not_keep_the_step() {
        let start = Instant::now();
        let (result, _) = in_step(|step| step.run(&mut shell("sleep 60 & true")));
        result.unwrap();
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
