// SPDX-License-Identifier: GPL-2.0

//! Counts the instructions that a guest executes within functions of its kernel.
//!
//! It does so from outside, by breakpoints of QEMU's debugger stub and the instruction counter of
//! its monitor: it needs nothing in the guest, which executes the same instructions as ever, and
//! works before the kernel has a clock.

use std::{
    ffi::OsString,
    io::{
        BufRead,
        BufReader,
        Read,
        Write, //
    },
    os::unix::net::UnixStream,
    path::{
        Path,
        PathBuf, //
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

/// How long QEMU may take to open its sockets.
const START: Duration = Duration::from_secs(10);

/// GDB's numbers of the registers that are read.
pub struct Registers {
    pub pc: u8,
    /// The return address on entry of a function.
    pub link: u8,
}

/// A function of the guest's kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Function {
    pub name: &'static str,
    pub address: u32,
}

/// A call of a function, by the instructions that the guest had executed since its start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub name: &'static str,
    pub start: u64,
    pub end: u64,
}

impl Span {
    pub fn instructions(&self) -> u64 {
        self.end - self.start
    }

    /// Whether `other` is within this call.
    pub fn contains(&self, other: &Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// The sockets through which QEMU is controlled.
pub struct Sockets {
    gdb: PathBuf,
    qmp: PathBuf,
}

impl Sockets {
    pub fn within(folder: &Path) -> Self {
        Self {
            gdb: folder.join("gdb"),
            qmp: folder.join("qmp"),
        }
    }

    /// QEMU's arguments for them. The guest waits to be told to start.
    pub fn options(&self) -> Vec<OsString> {
        let socket = |path: &Path| format!("unix:{},server=on,wait=off", path.display()).into();
        let [gdb, qmp] = [&self.gdb, &self.qmp].map(|path| socket(path));
        vec!["-S".into(), "-gdb".into(), gdb, "-qmp".into(), qmp]
    }

    /// Connects to a QEMU that is about to start.
    pub fn connect(&self) -> Result<Counter<UnixStream>> {
        let start = Instant::now();
        let connect = |path: &Path| loop {
            match UnixStream::connect(path) {
                Err(_) if start.elapsed() < START => thread::sleep(Duration::from_millis(20)),
                result => {
                    return result.with_context(|| format!("no QEMU at {}", path.display()));
                }
            }
        };
        Counter::new(connect(&self.gdb)?, connect(&self.qmp)?)
    }
}

/// A connection to a guest.
pub struct Counter<S: Read> {
    gdb: BufReader<S>,
    qmp: BufReader<S>,
}

impl<S: Read + Write> Counter<S> {
    fn new(gdb: S, qmp: S) -> Result<Self> {
        let mut counter = Self {
            gdb: BufReader::new(gdb),
            qmp: BufReader::new(qmp),
        };
        counter.ask_monitor("qmp_capabilities", serde_json::json!({}))?;
        Ok(counter)
    }

    /// Lets the guest run to its end and returns the calls of `functions`, in the order of their
    /// ends. A call within a call of the same function is a part of that.
    pub fn run(mut self, functions: &[Function], registers: &Registers) -> Result<Vec<Span>> {
        for function in functions {
            self.breakpoint(true, function.address)?;
        }
        let mut open: Vec<(Function, u32, u64)> = Vec::new();
        let mut spans = Vec::new();
        while self.resume()? {
            let pc = self.register(registers.pc)?;
            let count = self.count()?;
            if let Some(function) = functions.iter().find(|f| f.address == pc) {
                // A breakpoint where the guest stands would stop it again before it moves, so
                // that of the function makes way for the one of its end.
                let back = self.register(registers.link)?;
                self.breakpoint(false, pc)?;
                self.breakpoint(true, back)?;
                open.push((*function, back, count));
                continue;
            }
            self.breakpoint(false, pc)?;
            let before = spans.len();
            while let Some((function, _, start)) = open.pop_if(|(_, back, _)| *back == pc) {
                self.breakpoint(true, function.address)?;
                spans.push(Span {
                    name: function.name,
                    start,
                    end: count,
                });
            }
            if spans.len() == before {
                bail!("the guest stopped at {pc:#x}, where no call that began last returns to");
            }
        }
        Ok(spans)
    }

    /// Lets the guest run to its end. QEMU logs each instruction of the first call of `function`.
    pub fn log_call(mut self, function: Function, registers: &Registers) -> Result<Span> {
        let Function { name, address } = function;
        self.breakpoint(true, address)?;
        if !self.resume()? {
            bail!("{name}() was not called");
        }
        let back = self.register(registers.link)?;
        self.breakpoint(false, address)?;
        self.breakpoint(true, back)?;
        let start = self.count()?;
        self.log(true)?;
        if !self.resume()? {
            bail!("{name}() did not return");
        }
        self.log(false)?;
        let end = self.count()?;
        self.breakpoint(false, back)?;
        if self.resume()? {
            bail!("the guest stopped where no breakpoint is");
        }
        Ok(Span { name, start, end })
    }

    /// Lets the guest run to its end. QEMU logs each instruction of every `nth` call of `function`, to
    /// a file that `file` names for each.
    pub fn log_calls(
        mut self,
        function: Function,
        nth: usize,
        registers: &Registers,
        file: impl Fn(usize) -> PathBuf,
    ) -> Result<Vec<Span>> {
        let Function { name, address } = function;
        self.breakpoint(true, address)?;
        let mut spans = Vec::new();
        let mut calls = 0;
        while self.resume()? {
            calls += 1;
            let is_logged = calls % nth == 0;
            let back = self.register(registers.link)?;
            self.breakpoint(false, address)?;
            self.breakpoint(true, back)?;
            let start = self.count()?;
            if is_logged {
                let file = file(spans.len());
                self.tell_monitor(&format!("logfile {}", file.display()))?;
                self.log(true)?;
            }
            if !self.resume()? {
                bail!("{name}() did not return");
            }
            let end = self.count()?;
            if is_logged {
                self.log(false)?;
                spans.push(Span { name, start, end });
            }
            self.breakpoint(false, back)?;
            self.breakpoint(true, address)?;
        }
        Ok(spans)
    }

    /// Has QEMU log each instruction, or none.
    fn log(&mut self, on: bool) -> Result<()> {
        let commands = match on {
            true => ["one-insn-per-tb on", "log exec,nochain"],
            false => ["log none", "one-insn-per-tb off"],
        };
        commands
            .into_iter()
            .try_for_each(|line| self.tell_monitor(line))
    }

    /// Instructions that the guest has executed.
    fn count(&mut self) -> Result<u64> {
        let answer = self.ask_monitor("query-replay", serde_json::json!({}))?;
        answer["icount"]
            .as_u64()
            .context("QEMU's monitor does not count instructions")
    }

    /// Gives the monitor a command. It answers only if there is an error.
    fn tell_monitor(&mut self, line: &str) -> Result<()> {
        let arguments = serde_json::json!({ "command-line": line });
        match self
            .ask_monitor("human-monitor-command", arguments)?
            .as_str()
        {
            Some("") => Ok(()),
            said => bail!("QEMU's monitor answers {line:?} with {said:?}"),
        }
    }

    fn ask_monitor(
        &mut self,
        command: &str,
        arguments: serde_json::Value,
    ) -> Result<serde_json::Value> {
        let request = serde_json::json!({ "execute": command, "arguments": arguments });
        writeln!(self.qmp.get_mut(), "{request}")?;
        loop {
            let mut line = String::new();
            if self.qmp.read_line(&mut line)? == 0 {
                bail!("QEMU's monitor has gone");
            }
            // The greeting and events come in between.
            let mut answer: serde_json::Value = serde_json::from_str(&line)?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU's monitor refuses {command}: {error}");
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }

    fn breakpoint(&mut self, set: bool, address: u32) -> Result<()> {
        let verb = if set { 'Z' } else { 'z' };
        self.command(&format!("{verb}0,{address:x},4"))
    }

    /// Reads a register of a little-endian guest.
    fn register(&mut self, number: u8) -> Result<u32> {
        let packet = format!("p{number:x}");
        self.send(&packet)?;
        let answer = self.receive()?.context("QEMU has ended")?;
        let value = u32::from_str_radix(&answer, 16).ok();
        let value = value.filter(|_| answer.len() == 8);
        value
            .map(u32::swap_bytes)
            .with_context(|| format!("QEMU's debugger stub answers {packet} with {answer:?}"))
    }

    /// Runs the guest up to the next breakpoint; false if it ended.
    fn resume(&mut self) -> Result<bool> {
        self.send("c")?;
        match self.receive()?.as_deref() {
            None => Ok(false),
            Some(stop) if stop.starts_with('W') => Ok(false),
            Some(stop) if stop.starts_with(['S', 'T']) => Ok(true),
            Some(other) => bail!("QEMU's debugger stub says {other:?}"),
        }
    }

    fn command(&mut self, packet: &str) -> Result<()> {
        self.send(packet)?;
        match self.receive()?.as_deref() {
            Some("OK") => Ok(()),
            other => bail!("QEMU's debugger stub answers {packet} with {other:?}"),
        }
    }

    /// Sends a packet of GDB's remote protocol: `$`, the packet, `#`, the sum of its bytes.
    fn send(&mut self, packet: &str) -> Result<()> {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        write!(self.gdb.get_mut(), "${packet}#{sum:02x}")?;
        Ok(())
    }

    /// The next packet, `None` after the last one.
    fn receive(&mut self) -> Result<Option<String>> {
        // Acknowledgements stand between packets.
        self.gdb.skip_until(b'$')?;
        let mut packet = Vec::new();
        if self.gdb.read_until(b'#', &mut packet)? == 0 {
            return Ok(None);
        }
        packet.pop();
        self.gdb.read_exact(&mut [0; 2])?;
        // QEMU does not wait for this after its last packet.
        let _ = self.gdb.get_mut().write_all(b"+");
        Ok(Some(String::from_utf8(packet)?))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Takes what is written and gives what was prepared.
    struct Fake {
        answers: io::Cursor<Vec<u8>>,
        sent: Vec<u8>,
    }

    impl Fake {
        fn new(answers: &str) -> Self {
            Self {
                answers: io::Cursor::new(answers.into()),
                sent: Vec::new(),
            }
        }
    }

    impl Read for Fake {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.answers.read(buffer)
        }
    }

    impl Write for Fake {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.sent.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const ARM: Registers = Registers { pc: 15, link: 14 };

    fn packets(bodies: &[&str]) -> String {
        let packet = |body: &&str| {
            let sum = body.bytes().fold(0u8, u8::wrapping_add);
            format!("${body}#{sum:02x}")
        };
        bodies.iter().map(packet).collect()
    }

    fn counts(counts: &[u64]) -> String {
        let mut lines = "{\"QMP\": {}}\n{\"return\": {}}\n".to_owned();
        for count in counts {
            lines.push_str("{\"event\": \"STOP\"}\n");
            lines.push_str(&format!(
                "{{\"return\": {{\"icount\": {count}, \"mode\": \"none\"}}}}\n"
            ));
        }
        lines
    }

    fn run(answers: &[&str], monitor: &[u64]) -> Result<Vec<Span>> {
        let gdb = Fake::new(&format!("+{}", packets(answers)));
        let function = |name, address| Function { name, address };
        Counter::new(gdb, Fake::new(&counts(monitor)))?
            .run(&[function("outer", 0x100), function("inner", 0x200)], &ARM)
    }

    #[test]
    fn calls_within_calls_are_counted() {
        let stop = "T05thread:01;";
        let answers = [
            "OK", "OK", // Two breakpoints.
            stop, "00010000", "00100000", "OK", "OK", // outer, called from 0x1000
            stop, "00020000", "10010000", "OK", "OK", // inner, called from 0x110
            stop, "10010000", "OK", "OK", // back in outer
            stop, "00100000", "OK", "OK", // back at 0x1000
            "W00",
        ];
        let spans = run(&answers, &[10, 25, 75, 100]).unwrap();
        assert_eq!(
            spans
                .iter()
                .map(|s| (s.name, s.instructions()))
                .collect::<Vec<_>>(),
            [("inner", 50), ("outer", 90)]
        );
        assert!(spans[1].contains(&spans[0]) && !spans[0].contains(&spans[1]));
    }

    fn log_call(monitor: &str) -> Result<Span> {
        let stop = "T05thread:01;";
        let answers = ["OK", stop, "00100000", "OK", "OK", stop, "OK", "W00"];
        let gdb = Fake::new(&format!("+{}", packets(&answers)));
        let function = Function {
            name: "f",
            address: 0x100,
        };
        Counter::new(gdb, Fake::new(monitor))?.log_call(function, &ARM)
    }

    #[test]
    fn a_call_is_logged() {
        let said = "{\"return\": \"\"}\n";
        let count = |n| format!("{{\"return\": {{\"icount\": {n}}}}}\n");
        let monitor = [
            &counts(&[]),
            &*count(20),
            said,
            said,
            said,
            said,
            &count(50),
        ]
        .concat();
        assert_eq!(log_call(&monitor).unwrap().instructions(), 30);

        let refused = "{\"return\": \"unknown command\"}\n";
        let monitor = [&counts(&[]), &*count(20), refused].concat();
        let error = log_call(&monitor).unwrap_err().to_string();
        assert!(error.contains("unknown command"), "{error}");
    }

    #[test]
    fn a_stop_that_is_nobodys_is_an_error() {
        let answers = ["OK", "OK", "S05", "00100000", "OK"];
        let error = run(&answers, &[10]).unwrap_err();
        assert!(error.to_string().contains("0x1000"), "{error}");
    }

    #[test]
    fn a_stub_that_refuses_is_an_error() {
        let error = run(&["OK", "E22"], &[]).unwrap_err();
        assert!(error.to_string().contains("E22"), "{error}");
    }

    #[test]
    fn a_guest_that_vanishes_ends_the_run() {
        assert_eq!(run(&["OK", "OK"], &[]).unwrap(), []);
    }
}
