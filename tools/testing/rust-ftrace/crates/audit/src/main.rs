// SPDX-License-Identifier: GPL-2.0

//! The audit as a program.

use std::{
    path::PathBuf,
    process::ExitCode, //
};

use anyhow::Result;
use clap::Parser;

/// Audits kernels and modules that the ftrace backend is built into or is to trace.
#[derive(Parser)]
struct Args {
    /// vmlinux files and modules
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let mut problems = 0;
    for file in Args::parse().files {
        let report = ftrace_audit::audit(&file)?;
        println!("{}: {report}", file.display());
        problems += report.problems.len();
    }
    Ok(match problems {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
