// SPDX-License-Identifier: GPL-2.0

//! Other programs. They are run for their output, or in a group that ends as a whole. A message
//! shows them as a shell takes them.
//!
//! By hand: crates such as process-wrap end the group of one child, but not the groups of all
//! children on a signal. shlex quotes every `NAME=value`, and `make` is given many of these.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::{
        self,
        Read, //
    },
    os::{
        fd::AsFd,
        unix::process::CommandExt, //
    },
    path::Path,
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
    ensure,
    Context as _,
    Result, //
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
        // The child may have left others behind. If all are gone already, killpg() fails: there is
        // nothing to end.
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

/// Runs a program for its output.
pub fn output(command: &mut Command) -> Result<String> {
    let line = command_line(command);
    let output = command
        .output()
        .with_context(|| format!("cannot run {line}"))?;
    ensure!(
        output.status.success(),
        "{line} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
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

/// The last lines of a log, as far as it can be read.
pub fn tail(log: &Path) -> Vec<String> {
    let content = fs::read(log).unwrap_or_default();
    let end = &content[content.len().saturating_sub(TAIL_BYTES)..];
    let text = String::from_utf8_lossy(end);
    let lines: Vec<_> = text.lines().collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    lines[first..].iter().map(|line| line.to_string()).collect()
}

/// Runs a command with both outputs in one pipe and hands whole lines to `output`. The result is
/// `None` when `limit` passed first.
pub fn run_piped(
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
