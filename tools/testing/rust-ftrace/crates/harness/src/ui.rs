// SPDX-License-Identifier: GPL-2.0

//! What the user sees of long steps, and how commands are run.
//!
//! A step that succeeds folds to one line with its time. One that fails shows the end of its
//! log, the command to run again and the log's path. All of it goes to standard error: standard
//! output is for results.

use std::{
    cell::Cell,
    collections::BTreeSet,
    error::Error,
    ffi::OsStr,
    fmt,
    fs::{
        self,
        File, //
    },
    io::{
        self,
        IsTerminal,
        Read,
        Write, //
    },
    os::{
        fd::AsFd,
        unix::process::CommandExt, //
    },
    path::{
        Path,
        PathBuf, //
    },
    process::{
        Child,
        Command,
        ExitStatus,
        Stdio, //
    },
    sync::Mutex,
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
use nix::{
    poll::{
        poll,
        PollFd,
        PollFlags,
        PollTimeout, //
    },
    sys::signal::{
        killpg,
        Signal, //
    },
    unistd::Pid, //
};

/// Lines of a log that a failure shows.
const TAIL_LINES: usize = 30;

/// Bytes of a log that are searched for those lines.
const TAIL_BYTES: usize = 16 * 1024;

/// Process groups that are running now, for [`end_children_on_signal`].
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A child in a process group of its own, which ends as a whole when this is dropped.
pub struct Group(Child);

impl Group {
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let mut groups = GROUPS.lock().unwrap();
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        groups.insert(child.id().cast_signed());
        Ok(Self(child))
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.id().cast_signed();
        // The child may have left others behind. Where all are gone already there is nothing to
        // end, and killpg() says so.
        let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        let _ = self.0.wait();
        GROUPS.lock().unwrap().remove(&id);
    }
}

/// Makes Ctrl-C and SIGTERM end what we started: the terminal sends its signals to our process
/// group only.
pub fn end_children_on_signal() -> Result<()> {
    ctrlc::set_handler(|| {
        for &id in GROUPS.lock().unwrap().iter() {
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
        std::process::exit(130);
    })
    .context("cannot handle signals")
}

/// The shell command that does what `command` does.
pub fn command_line(command: &Command) -> String {
    let mut words = Vec::new();
    if let Some(dir) = command.get_current_dir() {
        words.push(format!("cd {} &&", quoted(dir.as_os_str())));
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", name.display(), quoted(value)));
        }
    }
    words.push(quoted(command.get_program()));
    words.extend(command.get_args().map(quoted));
    words.join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

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

/// The last lines of a log, as far as it can be read.
pub fn tail(log: &Path) -> Vec<String> {
    let content = fs::read(log).unwrap_or_default();
    let end = &content[content.len().saturating_sub(TAIL_BYTES)..];
    let text = String::from_utf8_lossy(end);
    let lines: Vec<_> = text.lines().collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    lines[first..].iter().map(|line| line.to_string()).collect()
}

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

    /// Whether the user asked for the output of everything (`V=1`).
    pub fn verbose(&self) -> bool {
        self.verbose
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

/// Runs a command with both outputs in one pipe and hands whole lines to `output`. The result is
/// `None` when `limit` passed first.
fn run_piped(
    command: &mut Command,
    limit: Option<Duration>,
    mut output: impl FnMut(&[u8]) -> Result<()>,
) -> Result<Option<ExitStatus>> {
    /// For the last words of processes that outlive the command.
    const DRAIN: Duration = Duration::from_secs(1);

    let start = Instant::now();
    let (mut reader, writer) = io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut group = Group::spawn(command)?;
    // `command` still holds the pipe's other end, which would hide its end of file.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let mut pending = Vec::new();
    let mut open = true;
    let mut ended = None;
    loop {
        let mut fds = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        let watched = if open { &mut fds[..] } else { &mut [] };
        let readable = poll(watched, PollTimeout::from(50_u8))? > 0;
        if readable {
            let mut chunk = [0; 64 * 1024];
            let count = reader.read(&mut chunk)?;
            open = count > 0;
            pending.extend_from_slice(&chunk[..count]);
            if let Some(newline) = pending.iter().rposition(|&byte| byte == b'\n') {
                output(&pending[..=newline])?;
                pending.drain(..=newline);
            }
        }
        if ended.is_none() {
            ended = group.child().try_wait()?.map(|end| (end, Instant::now()));
        }
        if let Some((status, when)) = ended {
            if !readable || !open || when.elapsed() > DRAIN {
                if !pending.is_empty() {
                    output(&pending)?;
                }
                return Ok(Some(status));
            }
        } else if limit.is_some_and(|limit| start.elapsed() >= limit) {
            return Ok(None);
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

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

    #[test]
    fn command_lines_can_be_pasted() {
        let mut command = Command::new("make");
        command
            .env("CC", "ccache gcc")
            .env_remove("MAKEFLAGS")
            .arg("it's");
        assert_eq!(command_line(&command), r"CC='ccache gcc' make 'it'\''s'");
    }
}
