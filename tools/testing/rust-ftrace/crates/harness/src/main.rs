// SPDX-License-Identifier: GPL-2.0

//! The host side of rust-ftrace: fetches, overlays, builds, boots and reports.
//!
//! `make` in the root of the repository is its front door; `make help` lists the commands.
//!
//! A room takes from those below it alone:
//!
//! | room | holds |
//! |---|---|
//! | `commands` | what each command of `make` does |
//! | `report` | the results as people read them |
//! | `results` | what tests came to: read from logs, compared, summed up |
//! | `guest` | a kernel's root file system, and QEMU that boots both |
//! | `kernel` | the machines, their kernels' configuration, and the build |
//! | `tree` | a kernel's source, the series of patches, and how it gets in and out |
//! | `host` | processes, progress, packages, compilers, files |

use std::{
    path::PathBuf,
    process::ExitCode, //
};

use anyhow::Result;
use clap::Parser;

use crate::{
    commands::{
        number::Number,
        Command, //
    },
    host::{
        paths::Paths,
        process,
        progress::Ui,
        Context, //
    },
};

mod commands;
mod guest;
mod host;
mod kernel;
mod report;
mod results;
mod tree;

#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// 1 shows the output of every command that is run.
    #[arg(long, env = "V", default_value_t = 0, global = true, value_parser = Number(0u8..=1))]
    verbose: u8,
}

/// Folders that Debian leaves out of the `PATH` of users who are not root; `depmod` is there.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Removes the variables that the calling `make` leaves for its own sub-makes: the kernel's `make`
/// would take them for its own command line. Removes variables that are set to nothing. Adds what
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
        "TOGGLES",
        "OUT",
        "FORMAT",
        "SET",
        "SIGNOFF",
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

fn run(cli: Cli) -> Result<()> {
    process::end_children_on_signal()?;
    let paths = Paths::find()?;
    let ui = Ui::new(paths.build.join("log"), cli.verbose > 0);
    cli.command.run(&Context { paths, ui })
}

fn main() -> ExitCode {
    clean_environment();
    let cli = Cli::parse();
    if let Err(error) = run(cli) {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
