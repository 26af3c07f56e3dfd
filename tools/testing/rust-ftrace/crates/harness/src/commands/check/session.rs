// SPDX-License-Identifier: GPL-2.0

//! A run of tests: what was asked for, and the results so far.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::Duration, //
};

use anyhow::{
    Context as _,
    Result, //
};

use crate::{
    commands::check::{
        filter::Filter,
        fuzz::Rounds, //
    },
    host::Context,
    kernel::{
        backend::Backend,
        machine::Machine, //
    },
    results::{
        case::{
            Case,
            Outcome,
            Suite, //
        },
        known::Known,
        ktap,
        suite::{
            Kind,
            Name, //
        },
        table::Results, //
    },
};

/// Cases that are about a whole boot: if one fails, all that was asked for has failed.
const OF_A_BOOT: [&str; 3] = ["any", "boot", "log"];

pub struct Session<'a> {
    pub ctx: &'a Context,
    pub filter: Filter<'a>,
    pub toggles: u32,
    pub rounds: Rounds,
    pub results: Results,
    /// The end of the names of the kernels' builds, and of logs.
    pub suffix: String,
    pub known: Known,
    /// This run's logs with KTAP in them.
    pub ktap_logs: Vec<PathBuf>,
}

impl Session<'_> {
    /// Adds the results of a suite that are asked for.
    pub fn add(&mut self, name: Name, time: Duration, cases: Vec<Case>) {
        self.add_as(name.clone(), &name, time, cases);
    }

    /// Adds the results of a backend on a machine. The filter names suites of the Rust backend, and
    /// asks for the same cases of the C backend.
    pub fn add_of(
        &mut self,
        machine: &Machine,
        backend: Backend,
        kind: Kind,
        time: Duration,
        mut cases: Vec<Case>,
    ) {
        for case in &mut cases {
            self.known.apply(machine, kind, backend, case);
        }
        let name = |backend| Name::Machine(machine.name, backend, kind);
        self.add_as(name(backend), &name(Backend::Rust), time, cases);
    }

    fn add_as(&mut self, name: Name, asked: &Name, time: Duration, mut cases: Vec<Case>) {
        cases.retain(|c| {
            let concerns_all = c.outcome != Outcome::Passed && OF_A_BOOT.contains(&&*c.name);
            concerns_all || self.filter.keeps(asked, &c.name)
        });
        if !cases.is_empty() {
            self.results.add(Suite { name, cases, time });
        }
    }

    /// Reads a log of a suite's, and keeps it.
    pub fn read_ktap(&mut self, name: &str, log: &str) -> Result<Vec<Case>> {
        let name = log_name(name, &format!("ktap{}", self.suffix));
        let path = self.ctx.paths.build.join("log").join(name);
        let path = path.with_extension("log");
        fs::write(&path, log).with_context(|| format!("cannot write {}", path.display()))?;
        self.ktap_logs.push(path);
        Ok(ktap::parse(log))
    }

    /// Runs a command whose success is the test.
    pub fn command(&self, case: &str, suite: &Name, command: &mut Command) -> Case {
        let suite = suite.to_string();
        let run = self.ctx.ui.step(
            &format!("{suite}: {case}"),
            &log_name(&suite, case),
            |step| step.run(command),
        );
        Case::check(case, run.err().map(|e| format!("{e:#}")))
    }
}

/// A source of tests that yields none is broken, not clean.
pub fn some(cases: Vec<Case>, what: &str) -> Vec<Case> {
    if cases.is_empty() {
        let problem = format!("the log has no {what} results");
        return vec![Case::new("any", Outcome::Failed, problem)];
    }
    cases
}

pub fn log_name(suite: &str, case: &str) -> String {
    format!("{suite}-{case}").replace(['/', ' '], "-")
}
