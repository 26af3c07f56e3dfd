// SPDX-License-Identifier: GPL-2.0

//! `make check`: every test, one table, one JUnit file.

use std::{
    fs,
    path::PathBuf,
    process::Command,
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
use clap::Args;
use walkdir::WalkDir;

use crate::{
    commands::check::{
        filter::Filter,
        fuzz::Rounds, //
    },
    guest,
    host::Context,
    kernel::{
        backend::Backend,
        machine::{
            self,
            Machine,
            TestedBy, //
        },
        toolchain::{
            self,
            Toolchain, //
        },
        tools, //
    },
    report::{
        about::About,
        document::Report,
        page, //
    },
    results::{
        case::{
            Case,
            Counts,
            Outcome,
            Suite, //
        },
        compare,
        known::Known,
        ktap,
        table::Results, //
    },
    tree::source::Source, //
};

mod boots;
mod filter;
mod ftracetest;
mod fuzz;
mod host;
mod kernels;
mod lint;

#[derive(Args)]
pub struct Asked {
    /// Runs only the tests whose names contain this text.
    #[arg(long, env = "TEST")]
    test: Option<String>,
    /// Runs the machine tests on this machine alone.
    #[arg(long, env = "ARCH")]
    arch: Option<String>,
    /// How often the guest turns all functions on and off under load.
    #[arg(long, env = "TOGGLES", default_value_t = 100)]
    pub toggles: u32,
    /// The seed of the first round of random commands.
    #[arg(long, env = "SEED", default_value_t = 1)]
    seed: u64,
    /// A folder of random commands to run in place of those of seeds.
    #[arg(long, env = "REPLAY")]
    replay: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
}

/// For how many toggles there is one round of random commands.
const TOGGLES_PER_ROUND: u32 = 30;

/// Cases that are about a whole boot: where one fails, whatever was asked for has failed.
const OF_A_BOOT: [&str; 3] = ["any", "boot", "log"];

/// A log with a subtest that has no results in it, which kunit.py takes for passed and we do not.
const KUNIT_TAKES_IT: &str = "test_is_test_passed-no_tests_no_plan.log";

/// What the tests work with and add to.
struct Check<'a> {
    pub ctx: &'a Context,
    pub filter: Filter<'a>,
    pub by: TestedBy,
    pub toggles: u32,
    pub rounds: Rounds,
    pub results: Results,
    pub known: Known,
    /// This run's logs with KTAP in them.
    pub ktap_logs: Vec<PathBuf>,
}

/// Runs the tests of the machines that `by` tests, or of the one that is asked for.
pub fn check(ctx: &Context, by: TestedBy, asked: &Asked) -> Result<()> {
    let test = asked.test.as_deref();
    let machines = match &asked.arch {
        Some(name) => vec![machine::find(name)?],
        None => machine::tested(by, test),
    };
    let mut check = Check {
        ctx,
        filter: Filter(test),
        by,
        toggles: asked.toggles,
        rounds: match &asked.replay {
            Some(folder) => Rounds::Replay(folder.clone()),
            None => Rounds::Seeds {
                folder: ctx.paths.build.join("fuzz"),
                first: asked.seed,
                number: (asked.toggles / TOGGLES_PER_ROUND).max(1),
            },
        },
        results: Results::default(),
        known: Known::read(&guest::scripts(ctx).with_file_name("known-failures"))?,
        ktap_logs: Vec::new(),
    };
    let toolchain = toolchain::prepare(ctx, &asked.source, &machines)?;
    let looks = check.filter.wants("host/rust-ftrace", None)
        || check.filter.wants("results/page", Some(&page::cases()));
    if looks {
        tools::ensure_browser(ctx)?;
    }

    check.host()?;
    check.lint(&toolchain)?;
    for &machine in &machines {
        check.machine(&toolchain, machine)?;
    }

    for suite in compare::suites(check.results.suites()) {
        check.results.add(suite);
    }
    if by == TestedBy::CheckAll && test.is_none() && asked.arch.is_none() {
        check.known();
    }
    check.ktap(&toolchain)?;
    check.report(&toolchain, &machines)?;

    let results = check.results;
    results.write_junit(&ctx.paths.build.join("junit.xml"))?;
    println!("{}", results.summary());
    match (test, results.totals()) {
        (Some(test), counts) if counts == Counts::default() => {
            bail!("no test has {test:?} in its name")
        }
        (
            None,
            Counts {
                pass: 0, fail: 0, ..
            },
        ) => bail!("no test ran"),
        (_, Counts { fail: 0, .. }) => Ok(()),
        // The table has said all.
        _ => std::process::exit(1),
    }
}

impl Check<'_> {
    /// Adds the results of a suite that are asked for.
    pub fn add(&mut self, name: &str, time: Duration, cases: Vec<Case>) {
        self.add_as(name.to_owned(), name, time, cases);
    }

    /// Adds the results of a backend on a machine. What is asked for of the Rust backend's is so
    /// of the C backend's.
    pub fn add_of(
        &mut self,
        machine: &Machine,
        backend: Backend,
        kind: &str,
        time: Duration,
        mut cases: Vec<Case>,
    ) {
        let asked = machine.suite(Backend::Rust, kind);
        for case in &mut cases {
            self.known.apply(machine, kind, backend, case);
        }
        self.add_as(machine.suite(backend, kind), &asked, time, cases);
    }

    pub fn add_as(&mut self, name: String, asked: &str, time: Duration, mut cases: Vec<Case>) {
        cases.retain(|c| {
            let concerns_all = c.outcome != Outcome::Passed && OF_A_BOOT.contains(&&*c.name);
            concerns_all || self.filter.keeps(asked, &c.name)
        });
        if !cases.is_empty() {
            self.results.add(Suite { name, cases, time });
        }
    }

    /// Reads a suite's log, and keeps it for [`Self::ktap`].
    pub fn read_ktap(&mut self, suite: &str, log: &str) -> Result<Vec<Case>> {
        let name = log_name(suite, "ktap");
        let path = self
            .ctx
            .paths
            .build
            .join("log")
            .join(name)
            .with_extension("log");
        fs::write(&path, log).with_context(|| format!("cannot write {}", path.display()))?;
        self.ktap_logs.push(path);
        Ok(ktap::parse(log))
    }

    /// The entries of `known-failures` for tests that are not there any more, after a run of all
    /// tests.
    pub fn known(&mut self) {
        let unseen: Vec<_> = self.known.unseen().collect();
        let problem = format!("no such tests: {}", unseen.join(", "));
        let case = Case::check("known-failures", (!unseen.is_empty()).then_some(problem));
        self.add("results/known", Duration::ZERO, vec![case]);
    }

    /// Our reading of KTAP against that of the kernel's `kunit.py`: of the logs that the kernel
    /// has to test it, and of this run's.
    pub fn ktap(&mut self, toolchain: &Toolchain) -> Result<()> {
        let suite = "results/ktap";
        if !self.filter.wants(suite, None) {
            return Ok(());
        }
        let start = Instant::now();
        let tree = &toolchain.source;
        let of_the_kernel = WalkDir::new(tree.join("tools/testing/kunit/test_data"));
        let mut logs = Vec::new();
        for entry in of_the_kernel.sort_by_file_name() {
            let path = entry?.into_path();
            if path.extension().is_some_and(|e| e == "log") && !path.ends_with(KUNIT_TAKES_IT) {
                logs.push(path);
            }
        }
        let logs = logs.iter().chain(&self.ktap_logs);
        let cases = logs.map(|log| {
            let name = log.file_stem().unwrap_or_default().to_string_lossy();
            let problem = ktap::disagreement(tree, log).map_err(|e| format!("{e:#}"));
            Case::check(name, problem.unwrap_or_else(Some))
        });
        let cases = some(cases.collect(), "KTAP");
        self.add(suite, start.elapsed(), cases);
        Ok(())
    }

    /// Writes the page and the Markdown, and looks at the page in a browser. The page does not
    /// tell what that showed.
    pub fn report(&mut self, toolchain: &Toolchain, machines: &[&'static Machine]) -> Result<()> {
        let build = &self.ctx.paths.build;
        let html = build.join("report.html");
        let about = About::find(self.ctx, toolchain, machines, self.filter.0);
        let report = Report::new(&about, self.results.totals(), self.results.suites());
        report.write(&html, &build.join("report.md"))?;

        let suite = "results/page";
        if !self.filter.wants(suite, Some(&page::cases())) {
            return Ok(());
        }
        let (rows, start) = (report.rows(), Instant::now());
        let mut seen = Vec::new();
        let looked = self.ctx.ui.step(
            "Open the report in Chromium",
            &log_name(suite, "browser"),
            |step| {
                seen = page::check(&html, rows, step.log())?;
                Ok(())
            },
        );
        if let Err(error) = looked {
            seen.push(Case::new("browser", Outcome::Failed, format!("{error:#}")));
        }
        self.add(suite, start.elapsed(), seen);
        Ok(())
    }

    /// Runs a command whose success is the test.
    pub fn command(&self, case: &str, suite: &str, command: &mut Command) -> Case {
        let run = self.ctx.ui.step(
            &format!("{suite}: {case}"),
            &log_name(suite, case),
            |step| step.run(command),
        );
        Case::check(case, run.err().map(|e| format!("{e:#}")))
    }
}

/// A source of tests that yields none is broken, not clean.
fn some(cases: Vec<Case>, what: &str) -> Vec<Case> {
    if cases.is_empty() {
        let problem = format!("the log has no {what} results");
        return vec![Case::new("any", Outcome::Failed, problem)];
    }
    cases
}

fn log_name(suite: &str, case: &str) -> String {
    format!("{suite}-{case}").replace(['/', ' '], "-")
}
