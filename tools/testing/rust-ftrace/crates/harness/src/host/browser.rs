// SPDX-License-Identifier: GPL-2.0

//! A headless Chromium, told what to do by its DevTools protocol over a pipe.
//!
//! By hand: crates for DevTools bring an asynchronous runtime and the whole protocol for the few
//! calls that are made here.

use std::{
    fs::File,
    io::{
        Read,
        Write, //
    },
    os::fd::AsFd,
    path::Path,
    process::{
        ChildStdin,
        ChildStdout,
        Command,
        Stdio, //
    },
    time::{
        Duration,
        Instant, //
    },
};

use anyhow::{
    bail,
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
    unistd::geteuid, //
};
use serde_json::{
    json,
    Value, //
};
use tempfile::TempDir;

use crate::host::process::Group;

pub const PROGRAM: &str = "chromium-headless-shell";

/// How long the browser may take for one thing: it starts slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a page is looked at with.
#[derive(Clone, Copy)]
pub struct View {
    pub width: u32,
    pub dark: bool,
}

pub struct Browser {
    to: ChildStdin,
    from: ChildStdout,
    /// What has come of the next message.
    pending: Vec<u8>,
    last_id: u64,
    session: Value,
    /// The errors that the page has caused.
    errors: Vec<String>,
    loaded: bool,
    _group: Group,
    _profile: TempDir,
}

impl Browser {
    /// Starts the browser, which writes what it has to say of itself to `log`.
    pub fn start(log: File) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        // It reads commands from descriptor 3 and answers on 4.
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >&2"#, PROGRAM])
            .args([
                "--remote-debugging-pipe",
                "--disable-gpu",
                "--hide-scrollbars",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            // Chromium's sandbox refuses root.
            .args(geteuid().is_root().then_some("--no-sandbox"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut group = Group::spawn(&mut command)?;
        let pipes = (group.child().stdin.take(), group.child().stdout.take());
        let (Some(to), Some(from)) = pipes else {
            bail!("{PROGRAM} has no pipes");
        };
        let mut browser = Self {
            to,
            from,
            pending: Vec::new(),
            last_id: 0,
            session: Value::Null,
            errors: Vec::new(),
            loaded: false,
            _group: group,
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        browser.session = browser.call("Target.attachToTarget", attach)?["sessionId"].take();
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(browser)
    }

    /// Loads a page and gives the value of a script's expression in it, and the errors on the
    /// console.
    pub fn look(&mut self, page: &Path, view: View, script: &str) -> Result<(Value, Vec<String>)> {
        let metrics = json!({
            "width": view.width, "height": 800, "deviceScaleFactor": 1, "mobile": false
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics)?;
        let scheme = if view.dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", media)?;

        self.errors.clear();
        self.loaded = false;
        let page = page.canonicalize()?;
        let url = format!("file://{}", page.display());
        let answer = self.call("Page.navigate", json!({"url": url}))?;
        if let Some(error) = answer.get("errorText") {
            bail!("{url}: {error}");
        }
        let start = Instant::now();
        while !self.loaded {
            self.receive(start)?;
        }
        let evaluate = json!({"expression": script, "returnByValue": true});
        let mut answer = self.call("Runtime.evaluate", evaluate)?;
        if let Some(exception) = answer.get("exceptionDetails") {
            bail!("the script failed: {exception}");
        }
        Ok((
            answer["result"]["value"].take(),
            std::mem::take(&mut self.errors),
        ))
    }

    /// Calls a method of the protocol and waits for its answer.
    fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": params});
        if !self.session.is_null() {
            message["sessionId"] = self.session.clone();
        }
        self.to
            .write_all(format!("{message}\0").as_bytes())
            .with_context(|| format!("{PROGRAM} has gone"))?;
        let start = Instant::now();
        loop {
            let mut message = self.receive(start)?;
            if message["id"] == self.last_id {
                if let Some(error) = message.get("error") {
                    bail!("{method}: {error}");
                }
                return Ok(message["result"].take());
            }
        }
    }

    /// Waits for a message, and notes what it tells if it is an event.
    fn receive(&mut self, start: Instant) -> Result<Value> {
        let end = loop {
            if let Some(end) = self.pending.iter().position(|&byte| byte == 0) {
                break end;
            }
            ensure!(
                start.elapsed() < PATIENCE,
                "{PROGRAM} did not answer in {PATIENCE:?}"
            );
            let mut fds = [PollFd::new(self.from.as_fd(), PollFlags::POLLIN)];
            if poll(&mut fds, PollTimeout::from(100_u8))? > 0 {
                let mut chunk = [0; 64 * 1024];
                let count = self.from.read(&mut chunk)?;
                ensure!(count > 0, "{PROGRAM} has gone");
                self.pending.extend_from_slice(&chunk[..count]);
            }
        };
        let message: Value = serde_json::from_slice(&self.pending[..end])?;
        self.pending.drain(..=end);

        let params = &message["params"];
        match message["method"].as_str() {
            Some("Page.loadEventFired") => self.loaded = true,
            Some("Runtime.exceptionThrown") => {
                let details = &params["exceptionDetails"];
                let said = &details["exception"]["description"];
                self.errors.push(text(if said.is_null() {
                    &details["text"]
                } else {
                    said
                }));
            }
            Some("Runtime.consoleAPICalled") if params["type"] == "error" => {
                self.errors.push(params["args"].to_string());
            }
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                self.errors.push(text(&params["entry"]["text"]));
            }
            _ => (),
        }
        Ok(message)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
