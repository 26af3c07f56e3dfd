// SPDX-License-Identifier: GPL-2.0

//! `make build` and `make boot`: build what has changed, and try it in a guest.

use std::time::Instant;

use anyhow::{
    bail,
    ensure,
    Result, //
};
use clap::Args;

use crate::{
    commands::number::Number,
    guest::{
        self,
        rootfs,
        Guest, //
    },
    host::Context,
    kernel::{
        backend::Backend,
        machine,
        toolchain, //
    },
    results::{
        case::{
            Counts,
            Verdict, //
        },
        ktap, //
    },
    tree::source::Source, //
};

#[derive(Args)]
pub struct Boot {
    #[arg(long, env = "ARCH", default_value = "arm")]
    arch: String,
    /// A part of the names of the scripts in guest/tests and guest/mends to run.
    #[arg(long, env = "TEST")]
    test: Option<String>,
    /// How often the guest turns all functions on and off under load.
    #[arg(long, env = "TOGGLES", default_value_t = 10, value_parser = Number(1..=u32::MAX))]
    toggles: u32,
    #[command(flatten)]
    source: Source,
}

/// Builds the kernel with the Rust backend, its modules and the root file system.
pub fn build(ctx: &Context, arch: &str, source: &Source) -> Result<()> {
    let start = Instant::now();
    let guest = built(ctx, arch, source)?;
    let image = guest.image();
    let took = start.elapsed().as_secs_f32();
    println!("{}: built in {took:.1} s", image.display());
    Ok(())
}

/// Builds the same, and runs scripts in a guest.
pub fn boot(ctx: &Context, asked: &Boot) -> Result<()> {
    let start = Instant::now();
    let part = asked.test.as_deref().unwrap_or_default();
    let part = part.rsplit('/').next().unwrap_or_default();
    let mut known = Vec::new();
    let mut folders = Vec::new();
    for folder in ["tests", "mends"] {
        let tests = rootfs::tests(&guest::scripts(ctx), folder)?;
        if tests.iter().any(|test| test.contains(part)) {
            folders.push(folder);
        }
        known.extend(tests);
    }
    ensure!(
        !folders.is_empty(),
        "TEST={part} is no part of the name of a script in guest/tests or guest/mends: {}",
        known.join(" ")
    );
    let guest = built(ctx, &asked.arch, &asked.source)?;
    let built = start.elapsed().as_secs_f32();
    let mut outcomes = Vec::new();
    for folder in folders {
        let (append, limits) = guest::to_run(folder, asked.toggles, part);
        let output = guest.run(ctx, folder, &append, &limits)?;
        let cases = ktap::parse(&output.results);
        for case in &cases {
            println!("{:<12}{}", case.outcome.word(), case.name);
            if case.outcome.verdict() == Verdict::Fail {
                println!("{}", case.detail.trim_end());
            }
        }
        outcomes.extend(cases.iter().map(|case| case.outcome));
        let log = output.log.display();
        if let Some(failure) = output.failure {
            bail!("{failure}\nwhole log: {log}");
        }
        let faults: Vec<_> = guest::console::faults(&output.console).take(10).collect();
        ensure!(faults.is_empty(), "{}\nwhole log: {log}", faults[0]);
    }
    let counts = Counts::of(outcomes);
    println!(
        "{} passed, {} failed, in {:.1} s, of which {built:.1} s to build",
        counts.pass,
        counts.fail,
        start.elapsed().as_secs_f32()
    );
    ensure!(counts.fail == 0 && counts.pass > 0, "not all tests passed");
    Ok(())
}

fn built(ctx: &Context, arch: &str, source: &Source) -> Result<Guest> {
    let machine = machine::find(arch)?;
    let toolchain = toolchain::prepare(ctx, source, &[machine])?;
    Guest::build(ctx, &toolchain, machine, Backend::Rust)
}
