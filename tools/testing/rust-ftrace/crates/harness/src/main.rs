// SPDX-License-Identifier: GPL-2.0

//! The host side of rust-ftrace: fetches, overlays, builds, boots and reports.
//!
//! `make` in the root of the repository is its front door; `make help` lists the commands.

mod apt;
mod audit;
mod bench;
mod bootlog;
mod browser;
mod check;
mod compare;
mod config;
mod counter;
mod crossbuild;
mod doctor;
mod files;
mod fuzz;
mod gcc;
mod guest;
mod install;
mod kbuild;
mod known;
mod kselftest;
mod ktap;
mod machine;
mod overlay;
mod page;
mod paths;
mod qemu;
mod report;
mod results;
mod rootfs;
mod setup;
mod source;
mod ui;
mod userland;
mod why;

use std::{
    path::PathBuf,
    process::ExitCode, //
};

use anyhow::Result;
use clap::{
    Args,
    Parser,
    Subcommand, //
};

use crate::{
    machine::TestedBy,
    paths::Paths,
    ui::Ui, //
};

/// What every command works with.
pub struct Context {
    pub paths: Paths,
    pub ui: Ui,
}

#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// 1 shows the output of every command that is run.
    #[arg(long, env = "V", default_value_t = 0, global = true)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    Run(Machine),
    Check(Check),
    Shell(Machine),
    Install(Kdir),
    Status(Kdir),
    Uninstall(Kdir),
    Patch(Patch),
    Doctor,
    CheckAll(Check),
    Bench(Machine),
    Why(Source),
}

#[derive(Args)]
pub struct Source {
    /// A kernel tarball or tree to use in place of Debian's package.
    #[arg(long, env = "KERNEL_SRC")]
    kernel_src: Option<PathBuf>,
    /// The kernel version, for example 7.3.
    #[arg(long, env = "KERNEL")]
    kernel: Option<String>,
}

#[derive(Args)]
pub struct Machine {
    #[arg(long, env = "ARCH", default_value = "arm")]
    arch: String,
    #[command(flatten)]
    source: Source,
}

#[derive(Args)]
pub struct Check {
    /// Runs only the tests whose names contain this text.
    #[arg(long, env = "TEST")]
    test: Option<String>,
    /// Runs the machine tests on this machine alone.
    #[arg(long, env = "ARCH")]
    arch: Option<String>,
    /// How often the guest turns all functions on and off under load.
    #[arg(long, env = "TOGGLES", default_value_t = 100)]
    toggles: u32,
    /// The seed of the first round of random commands.
    #[arg(long, env = "SEED", default_value_t = 1)]
    seed: u64,
    /// A folder of random commands to run in place of those of seeds.
    #[arg(long, env = "REPLAY")]
    replay: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
}

#[derive(Args)]
struct Kdir {
    /// The kernel tree to work on.
    #[arg(long, env = "KDIR")]
    kdir: Option<PathBuf>,
}

#[derive(Args)]
struct Patch {
    /// The folder to write the patches to, in place of standard output.
    #[arg(long, env = "OUT")]
    out: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
}

fn run(cli: Cli) -> Result<()> {
    let paths = Paths::find()?;
    let ctx = Context {
        ui: Ui::new(paths.build.join("log"), cli.verbose > 0),
        paths,
    };
    match cli.command {
        Command::Run(machine) => guest::demo(&ctx, &machine.arch, &machine.source),
        Command::Shell(machine) => guest::shell(&ctx, &machine.arch, &machine.source),
        Command::Install(Kdir { kdir }) => install::run_install(&ctx, kdir.as_deref()),
        Command::Status(Kdir { kdir }) => install::run_status(&ctx, kdir.as_deref()),
        Command::Uninstall(Kdir { kdir }) => install::run_uninstall(&ctx, kdir.as_deref()),
        Command::Patch(Patch { out, source }) => overlay::run_patch(&ctx, &source, out.as_deref()),
        Command::Doctor => doctor::report(&ctx),
        Command::Check(check) => check::check(&ctx, TestedBy::Check, &check),
        Command::CheckAll(check) => check::check(&ctx, TestedBy::CheckAll, &check),
        Command::Why(source) => why::why(&ctx, &source),
        Command::Bench(machine) => bench::bench(&ctx, &machine.arch, &machine.source),
    }
}

/// Folders that Debian leaves out of the `PATH` of users who are not root; `depmod` is there.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Removes the variables that the calling `make` leaves for its own sub-makes, or that are set
/// to nothing: the kernel's `make` would take the former for its own command line. Adds what
/// `PATH` lacks.
fn clean_environment() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let missing = SYSTEM_FOLDERS.map(PathBuf::from);
    let missing = missing.into_iter().filter(|f| !folders.contains(f));
    if let Ok(path) = std::env::join_paths(folders.iter().cloned().chain(missing)) {
        std::env::set_var("PATH", path);
    }
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"] {
        std::env::remove_var(name);
    }
    for name in [
        "KDIR",
        "KERNEL",
        "KERNEL_SRC",
        "TEST",
        "OUT",
        "V",
        "ARCH",
        "SEED",
        "REPLAY",
    ] {
        if std::env::var_os(name).is_some_and(|value| value.is_empty()) {
            std::env::remove_var(name);
        }
    }
}

fn main() -> ExitCode {
    clean_environment();
    let cli = Cli::parse();
    if let Err(error) = ui::end_children_on_signal().and_then(|()| run(cli)) {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
