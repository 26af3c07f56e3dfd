// SPDX-License-Identifier: GPL-2.0

//! `make check`: every test, one table, one JUnit file.

use std::{
    collections::BTreeSet,
    path::PathBuf, //
};

use anyhow::Result;
use clap::Args;

use crate::{
    commands::{
        check::{
            filter::Filter,
            ftracetest::script,
            fuzz::Rounds,
            kernels::Scripts,
            plan::{
                Asked,
                Catalog, //
            },
            session::Session, //
        },
        number::Number, //
    },
    guest::{
        self,
        rootfs, //
    },
    host::Context,
    kernel::{
        kbuild,
        machine::{
            self,
            TestedBy, //
        },
        toolchain,
        tools, //
    },
    results::{
        known::Known,
        table::Results, //
    },
    tree::{
        series::stages,
        source::{
            self,
            Source, //
        },
    },
};

mod after;
mod boots;
mod filter;
mod ftracetest;
mod fuzz;
mod host;
mod kernels;
mod lint;
mod plan;
mod series;
mod session;

#[derive(Args)]
pub struct Options {
    /// Runs only the tests whose names contain this text.
    #[arg(long, env = "TEST")]
    test: Option<String>,
    /// Runs the machine tests on this machine alone.
    #[arg(long, env = "ARCH")]
    arch: Option<String>,
    /// How often the guest turns all functions on and off under load.
    #[arg(long, env = "TOGGLES", default_value_t = 100, value_parser = Number(1..=u32::MAX))]
    toggles: u32,
    /// The seed of the first round of random commands.
    #[arg(long, env = "SEED", default_value_t = 1, value_parser = Number(0..=u64::MAX))]
    seed: u64,
    /// A folder of random commands to run in place of those of seeds.
    #[arg(long, env = "REPLAY")]
    replay: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
}

/// For how many toggles there is one round of random commands.
const TOGGLES_PER_ROUND: u32 = 30;

/// Runs the tests of the machines that `by` tests, or of the one that is asked for.
pub fn check(ctx: &Context, by: TestedBy, options: &Options) -> Result<()> {
    let repo = &ctx.paths.repo;
    let test = options.test.as_deref();
    let asked = Asked {
        filter: Filter(test),
        by,
        one_machine: options.arch.is_some(),
        machines: match &options.arch {
            Some(name) => vec![machine::find(name)?],
            None => machine::tested(by, test),
        },
    };
    let rounds = match &options.replay {
        Some(folder) => Rounds::replay(folder)?,
        None => Rounds::Seeds {
            folder: ctx.paths.build.join("fuzz"),
            first: options.seed,
            number: (options.toggles / TOGGLES_PER_ROUND).max(1),
        },
    };
    let mut catalog = catalog(ctx, &rounds)?;
    let mut session = Session {
        ctx,
        filter: asked.filter,
        toggles: options.toggles,
        rounds,
        results: Results::default(),
        suffix: String::new(),
        known: Known::default(),
        ktap_logs: Vec::new(),
    };

    let mut plan = plan::plan(&asked, &catalog);

    // Only what the plan takes is set up.
    let mut kernel = None;
    let mut selftests = Vec::new();
    if plan.needs_source() {
        let source = toolchain::source(ctx, &options.source)?;
        selftests = script::tests(&kbuild::ftrace_selftests(&source.dir))?;
        catalog.selftests = Some(script::cases(&selftests));
        plan = plan::plan(&asked, &catalog);
        session.results.kernel = Some(source.version);
        session.suffix = source::suffix(repo, source.version)?;
        let known = guest::scripts(ctx).with_file_name("known-failures");
        let series = source.version.series();
        session.known = Known::read(&known, &series, &source::supported(repo)?)?;
        kernel = Some(source);
    }
    if let Some(text) = asked.filter.case().filter(|text| !catalog.has(text)) {
        println!(
            "No script, patch or kernel selftest has {text:?} in its name. Other suites name their \
             tests only when they run, so all of these run. That takes long. \
             TEST=arm/kunit/{text} or make test-host is shorter."
        );
    }
    if !plan.host.is_empty() {
        tools::ensure_for_host(ctx)?;
    }
    if plan.needs_browser() {
        tools::ensure_browser(ctx)?;
    }

    session.host(&plan.host, plan.browser_tests)?;
    if plan.lints() {
        session.lint(kernel.as_ref(), &plan)?;
    }
    if let Some(kernel) = kernel {
        if plan.needs_kernels() {
            let scripts = Scripts {
                tests: catalog.tests,
                mends: catalog.mends,
                clients: catalog.clients,
                faults: catalog.faults,
                selftests,
            };
            let toolchain = toolchain::complete(ctx, &kernel, &plan.machines())?;
            for on in &plan.machines {
                session.machine(&toolchain, on, &scripts)?;
            }
            for machine in &plan.series {
                session.series(&toolchain, &kernel, machine)?;
            }
        }
        session.compare();
        if plan.known {
            session.known();
        }
        if plan.ktap {
            session.ktap(&kernel.dir)?;
        }
    }
    session.report(&plan)?;
    session.end()
}

/// The tests that the repository tells of.
fn catalog(ctx: &Context, rounds: &Rounds) -> Result<Catalog> {
    let repo = &ctx.paths.repo;
    let in_folder = |folder| rootfs::tests(&guest::scripts(ctx), folder);
    let (mut patches, mut sets) = (Vec::new(), Vec::new());
    let mut stages = BTreeSet::new();
    for series in source::supported(repo)? {
        patches.extend(lint::checkpatch_cases(repo, &series)?);
        stages.extend(stages::names(repo, &series)?);
        sets.push(lint::sets_case(&series));
    }
    let crates = host::crates(repo)?;
    Ok(Catalog {
        crates: crates.into_iter().map(|(name, _)| name).collect(),
        patches,
        sets,
        series: stages.into_iter().collect(),
        tests: in_folder("tests")?,
        mends: in_folder("mends")?,
        clients: in_folder("clients")?,
        faults: in_folder("faults")?,
        rounds: rounds.names(),
        selftests: None,
    })
}
