// SPDX-License-Identifier: GPL-2.0

//! The commands: one for each target of the Makefile.

use anyhow::Result;
use clap::{
    Args,
    Subcommand, //
};

use crate::{
    host::Context,
    kernel::machine::TestedBy,
    tree::source::Source, //
};

mod bench;
mod check;
mod develop;
mod doctor;
mod install;
pub mod number;
mod patch;
mod run;
mod series_check;
mod why;

#[derive(Subcommand)]
pub enum Command {
    Run(Machine),
    Build(Machine),
    Boot(develop::Boot),
    Check(check::Options),
    Shell(Machine),
    Install(install::Kdir),
    Status(install::Kdir),
    Uninstall(install::Kdir),
    Patch(patch::Asked),
    SeriesCheck(install::Kdir),
    Doctor(Source),
    CheckAll(check::Options),
    Bench(Machine),
    Why(Source),
}

#[derive(Args)]
pub struct Machine {
    #[arg(long, env = "ARCH", default_value = "arm")]
    pub arch: String,
    #[command(flatten)]
    pub source: Source,
}

impl Command {
    pub fn run(self, ctx: &Context) -> Result<()> {
        match self {
            Self::Run(machine) => run::demo(ctx, &machine.arch, &machine.source),
            Self::Build(machine) => develop::build(ctx, &machine.arch, &machine.source),
            Self::Boot(asked) => develop::boot(ctx, &asked),
            Self::Shell(machine) => run::shell(ctx, &machine.arch, &machine.source),
            Self::Install(kdir) => install::run_install(ctx, &kdir),
            Self::Status(kdir) => install::run_status(ctx, &kdir),
            Self::Uninstall(kdir) => install::run_uninstall(ctx, &kdir),
            Self::Patch(asked) => patch::run_patch(ctx, &asked),
            Self::SeriesCheck(kdir) => series_check::run(ctx, &kdir),
            Self::Doctor(source) => doctor::report(ctx, &source),
            Self::Check(asked) => check::check(ctx, TestedBy::Check, &asked),
            Self::CheckAll(asked) => check::check(ctx, TestedBy::CheckAll, &asked),
            Self::Bench(machine) => bench::bench(ctx, &machine.arch, &machine.source),
            Self::Why(source) => why::why(ctx, &source),
        }
    }
}
