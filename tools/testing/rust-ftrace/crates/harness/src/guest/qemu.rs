// SPDX-License-Identifier: GPL-2.0

//! Boots a guest in QEMU. A boot always ends: with the guest's own word, or with an error that
//! names what happened.

use std::{
    ffi::OsString,
    fmt,
    fs::{
        self,
        File, //
    },
    io::{
        Read,
        Seek,
        SeekFrom, //
    },
    path::{
        Path,
        PathBuf, //
    },
    process::{
        Command,
        ExitStatus,
        Stdio, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use anyhow::{
    bail,
    Context as _,
    Result, //
};

use crate::{
    guest::console,
    host::process::Group,
    kernel::machine::{
        Machine,
        KERNEL_LOG, //
    },
};

/// What the guest's init writes last on the results channel.
const DONE: &str = "guest: done";

/// What each line of the results starts with on the console, if that is their channel.
const RESULT: &str = "result: ";

/// How often the watchdog looks.
const POLL: Duration = Duration::from_millis(50);

/// How long a guest that said it is done, or panicked, may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// Bytes of the console's end that are searched for a panic, and for the guest's word.
const WINDOW: u64 = 64 * 1024;

/// What a boot may use up.
pub struct Limits {
    pub total: Duration,
    /// Time without a byte on the console or the results channel.
    pub silence: Duration,
    /// Bytes on the console.
    pub console: u64,
    /// The panic that the guest is to end with, instead of saying that it is done.
    pub panic: Option<&'static str>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A board with four CPUs and 63,000 call sites takes 20 minutes on two busy cores.
            total: Duration::from_secs(40 * 60),
            silence: Duration::from_secs(3 * 60),
            console: 64 << 20,
            panic: None,
        }
    }
}

impl Limits {
    /// Gives the guest more time.
    pub fn and(mut self, more: Duration) -> Self {
        self.total += more;
        self
    }

    /// Returns what is wrong with a guest that ended in `failure`, or said that it was done.
    fn judge(&self, failure: Option<Failure>, reset: bool) -> Option<Failure> {
        match (self.panic, failure) {
            (Some(panic), Some(Failure::Panic(line))) if line.ends_with(panic) => {
                (!reset).then_some(Failure::TooLong(GRACE))
            }
            (Some(panic), None) => Some(Failure::Survived(panic)),
            (_, failure) => failure,
        }
    }
}

/// How a boot went wrong.
#[derive(Debug, PartialEq)]
pub enum Failure {
    Panic(String),
    Survived(&'static str),
    Silent(Duration),
    TooLong(Duration),
    Flood(u64),
    Ended(ExitStatus),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(line) => write!(f, "the kernel panicked: {line}"),
            Self::Survived(panic) => write!(f, "the kernel did not panic: {panic}"),
            Self::Silent(time) => write!(f, "the guest hangs: no output for {time:?}"),
            Self::TooLong(time) => write!(f, "the guest hangs: not done after {time:?}"),
            Self::Flood(limit) => write!(f, "the guest floods its console: over {limit} bytes"),
            Self::Ended(status) => write!(f, "QEMU ended ({status}) before the guest was done"),
        }
    }
}

/// A kernel with a root file system, and what its init is to do.
pub struct Boot<'a> {
    pub machine: &'a Machine,
    pub image: &'a Path,
    pub dtb: Option<&'a Path>,
    pub initrd: &'a Path,
    /// Added to the kernel's command line.
    pub append: String,
    /// Added to QEMU's arguments.
    pub options: Vec<OsString>,
}

/// What a boot left behind.
pub struct Output {
    pub console: String,
    pub results: String,
    /// `None` when the guest ended as it was to.
    pub failure: Option<Failure>,
    pub log: PathBuf,
}

impl Boot<'_> {
    fn command(&self, append: &str) -> Result<Command> {
        let append = format!(
            "console={} panic=-1 oops=panic {append} {}",
            self.machine.console, self.append
        );
        let (length, longest) = (append.len(), self.machine.command_line);
        if length > longest {
            bail!("a command line of {length} characters, of which {longest} reach the kernel: {append}");
        }
        let mut command = Command::new(self.machine.qemu);
        command
            .args(self.machine.arguments())
            .args(["-display", "none", "-no-reboot"])
            .arg("-kernel")
            .arg(self.image)
            .arg("-initrd")
            .arg(self.initrd)
            .arg("-append")
            .arg(append)
            .args(&self.options);
        if let Some(dtb) = self.dtb {
            command.arg("-dtb").arg(dtb);
        }
        Ok(command)
    }

    /// Boots with the console in `<log>.console` and the results in `<log>.results`.
    pub fn run(&self, log: &Path, limits: &Limits) -> Result<Output> {
        let console = log.with_extension("console");
        let results = log.with_extension("results");
        let mut command = self.command(&format!("channel={}", self.machine.channel))?;
        command.args(["-monitor", "none"]);
        for (id, path) in [("console", &console), ("results", &results)] {
            // A comma would start the next option of the character device.
            let path = path.display().to_string().replace(',', ",,");
            command.arg("-chardev");
            command.arg(format!("file,id={id},path={path}"));
        }
        command
            .args(["-serial", "chardev:console"])
            .args(self.machine.results);
        let failure = watch(&mut command, &console, &results, limits)?;
        let read = |path: &Path| fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned());
        let all = read(&console).unwrap_or_default();
        let (results_text, console_text) = match self.machine.channel {
            KERNEL_LOG => {
                let (said, rest) = apart(&all);
                fs::write(&results, &said)
                    .with_context(|| format!("cannot write {}", results.display()))?;
                (said, rest)
            }
            _ => (read(&results).unwrap_or_default(), all),
        };
        Ok(Output {
            console: console_text,
            results: results_text,
            failure,
            log: console,
        })
    }

    /// Gives the user's terminal to the guest until it ends.
    pub fn interactive(&self) -> Result<()> {
        let mut command = self.command("mode=shell quiet")?;
        command.args(["-serial", "mon:stdio"]);
        let status = command
            .status()
            .with_context(|| format!("cannot run {}", self.machine.qemu))?;
        if !status.success() {
            bail!("{} ended with {status}", self.machine.qemu);
        }
        Ok(())
    }
}

/// Runs QEMU until the guest is done or a limit is reached. Whichever it is, QEMU is gone after.
fn watch(
    command: &mut Command,
    console: &Path,
    results: &Path,
    limits: &Limits,
) -> Result<Option<Failure>> {
    for path in [console, results] {
        File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let errors = console.with_extension("qemu");
    let stderr =
        File::create(&errors).with_context(|| format!("cannot write {}", errors.display()))?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr);

    let start = Instant::now();
    let mut qemu = Group::spawn(command)?;
    let mut last_sizes = (0, 0);
    let mut last_output = start;
    let mut last_look = false;
    let mut ending: Option<(Option<Failure>, Instant)> = None;
    loop {
        // QEMU may have written more between the last look and its end.
        let ended = qemu.child().try_wait()?;
        let sizes = (size(console), size(results));
        if sizes != last_sizes {
            last_sizes = sizes;
            last_output = Instant::now();
        }
        if ending.is_none() {
            let end = tail(console, WINDOW);
            if tail(results, 64).contains(DONE) || is_done_by_console(&end) {
                ending = Some((None, Instant::now()));
            } else if let Some(line) = panic_line(&end) {
                ending = Some((Some(Failure::Panic(line)), Instant::now()));
            }
        }
        if let Some((failure, since)) = &mut ending {
            if ended.is_some() || since.elapsed() > GRACE {
                return Ok(limits.judge(failure.take(), ended.is_some()));
            }
        } else if let Some(status) = ended {
            if last_look {
                let said = fs::read_to_string(&errors).unwrap_or_default();
                if !said.trim().is_empty() {
                    bail!("QEMU failed ({status}): {}", said.trim());
                }
                return Ok(Some(Failure::Ended(status)));
            }
            last_look = true;
            continue;
        } else if sizes.0 > limits.console {
            return Ok(Some(Failure::Flood(limits.console)));
        } else if last_output.elapsed() > limits.silence {
            return Ok(Some(Failure::Silent(limits.silence)));
        } else if start.elapsed() > limits.total {
            return Ok(Some(Failure::TooLong(limits.total)));
        }
        thread::sleep(POLL);
    }
}

/// The results in a console's output, and the other lines of that.
fn apart(console: &str) -> (String, String) {
    let (mut results, mut others) = (String::new(), String::new());
    for line in console.split_inclusive('\n') {
        match console::text(line).strip_prefix(RESULT) {
            Some(result) => results.extend([result, "\n"]),
            None => others.push_str(line),
        }
    }
    (results, others)
}

/// Whether the results have gone to the console, all of them.
fn is_done_by_console(end: &str) -> bool {
    apart(end).0.lines().any(|line| line == DONE)
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}

fn tail(path: &Path, bytes: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(size(path).saturating_sub(bytes)))?;
        let mut text = Vec::new();
        file.take(bytes).read_to_end(&mut text)?;
        Ok(text)
    };
    // A file that cannot be read says nothing yet; the limits end the boot all the same.
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// The kernel's word of a panic, once the console has the whole line.
fn panic_line(end: &str) -> Option<String> {
    end.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(console::text)
        .find(|line| line.starts_with("Kernel panic - "))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a shell script in QEMU's place; `$0` is the console, `$1` the results.
    fn fake(script: &str) -> Result<Option<Failure>> {
        fake_that_panics(None, script)
    }

    fn fake_that_panics(panic: Option<&'static str>, script: &str) -> Result<Option<Failure>> {
        let dir = tempfile::tempdir()?;
        let console = dir.path().join("console");
        let results = dir.path().join("results");
        let limits = Limits {
            total: Duration::from_secs(4),
            silence: Duration::from_secs(1),
            console: 64 << 10,
            panic,
        };
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(&console).arg(&results);
        watch(&mut command, &console, &results, &limits)
    }

    #[test]
    fn a_command_line_that_would_be_cut_off() {
        let command = |length| {
            let boot = Boot {
                machine: crate::kernel::machine::find("mips").unwrap(),
                image: Path::new("vmlinux"),
                dtb: None,
                initrd: Path::new("initrd"),
                append: "x".repeat(length),
                options: Vec::new(),
            };
            boot.command("quiet").map(|_| ())
        };
        assert!(command(100).is_ok());
        let error = command(200).unwrap_err().to_string();
        assert!(
            error.starts_with("a command line of 240 characters, of which 208 reach"),
            "{error}"
        );
    }

    #[test]
    fn a_guest_that_is_done() {
        assert_eq!(
            fake("echo boot > $0; echo 'guest: done' > $1").unwrap(),
            None
        );
    }

    #[test]
    fn a_guest_that_is_done_says_so_on_its_console() {
        let script = "echo '[    1.0] result: guest: done' > $0; echo 'reboot: Restarting' >> $0";
        assert_eq!(fake(script).unwrap(), None);
        let quoted = "echo '[    1.0] a guest: done' > $0";
        assert!(matches!(fake(quoted).unwrap(), Some(Failure::Ended(_))));
    }

    #[test]
    fn results_on_a_console_are_told_from_its_other_lines() {
        let console = "[    1.0] boot\r\n[    2.0] result: ok 1 - a\r\n[    2.1] WARNING: b\r\n\
                       [    2.2] result: # WARNING: c\r\nno result: d\r\n";
        let (results, others) = apart(console);
        assert_eq!(results, "ok 1 - a\n# WARNING: c\n");
        assert_eq!(
            others,
            "[    1.0] boot\r\n[    2.1] WARNING: b\r\nno result: d\r\n"
        );
    }

    #[test]
    fn a_guest_that_hangs_silently() {
        let failure = fake("echo boot > $0; sleep 100").unwrap();
        assert!(matches!(failure, Some(Failure::Silent(_))), "{failure:?}");
    }

    #[test]
    fn a_guest_that_hangs_talking() {
        let failure = fake("while :; do echo again >> $0; sleep 0.2; done").unwrap();
        assert!(matches!(failure, Some(Failure::TooLong(_))), "{failure:?}");
    }

    #[test]
    fn a_guest_that_floods_the_console() {
        let failure = fake("while :; do echo flood flood flood; done > $0").unwrap();
        assert!(matches!(failure, Some(Failure::Flood(_))), "{failure:?}");
    }

    #[test]
    fn a_kernel_that_panics_and_resets() {
        let failure = fake("echo '[    1.0] Kernel panic - not syncing: Fatal' > $0").unwrap();
        assert_eq!(
            failure,
            Some(Failure::Panic("Kernel panic - not syncing: Fatal".into()))
        );
    }

    #[test]
    fn a_kernel_that_is_to_panic() {
        let fake = |script| fake_that_panics(Some("Fatal"), script).unwrap();
        let panic = "echo 'Kernel panic - not syncing: Fatal' > $0";
        assert_eq!(fake(panic), None);
        // Half of a line is no other one.
        assert_eq!(
            fake("printf 'Kernel panic - not syncing: F' > $0; sleep 0.3; echo atal >> $0"),
            None
        );
        assert_eq!(
            fake("echo 'Kernel panic - not syncing: Other' > $0"),
            Some(Failure::Panic("Kernel panic - not syncing: Other".into()))
        );
        assert_eq!(
            fake("echo 'guest: done' > $1"),
            Some(Failure::Survived("Fatal"))
        );
        let stays = format!("{panic}; sleep 100");
        assert_eq!(fake(&stays), Some(Failure::TooLong(GRACE)));
    }

    #[test]
    fn a_guest_that_ends_without_a_word() {
        let failure = fake("echo boot > $0").unwrap();
        assert!(matches!(failure, Some(Failure::Ended(_))), "{failure:?}");
    }

    #[test]
    fn qemu_that_refuses_to_start_says_why() {
        let error = fake("echo 'no such machine' >&2; exit 1").unwrap_err();
        assert!(error.to_string().contains("no such machine"));
    }

    #[test]
    fn nothing_survives_the_watch() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; sleep 1000", pid.display());
        assert!(fake(&script).unwrap().is_some());
        let pid = fs::read_to_string(pid).unwrap();
        let alive = |pid: &str| {
            fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
                .is_ok_and(|stat| !stat.contains(") Z "))
        };
        let start = Instant::now();
        while alive(&pid) && start.elapsed() < Duration::from_secs(2) {
            thread::sleep(POLL);
        }
        assert!(!alive(&pid));
    }
}
