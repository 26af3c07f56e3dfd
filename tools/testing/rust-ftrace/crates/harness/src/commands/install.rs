// SPDX-License-Identifier: GPL-2.0

//! `make install`, `make status` and `make uninstall`.

use std::{
    fs,
    path::PathBuf, //
};

use anyhow::{
    Context as _,
    Result, //
};
use clap::Args;

use crate::{
    host::Context,
    tree::install::{
        self,
        Outcome, //
    },
};

/// The kernel tree that a command is for.
pub fn named(Kdir { kdir }: &Kdir) -> Result<PathBuf> {
    let kdir = kdir
        .as_ref()
        .context("say which kernel tree: KDIR=/path/to/linux")?;
    fs::canonicalize(kdir).with_context(|| format!("cannot read KDIR={}", kdir.display()))
}

pub fn run_install(ctx: &Context, kdir: &Kdir) -> Result<()> {
    let dir = named(kdir)?;
    let did = match install::install(&ctx.paths.repo, &dir)? {
        Outcome::Installed(count) => format!("installed, {count} files written"),
        Outcome::Updated(count) => format!("updated, {count} files written"),
        Outcome::Unchanged => "installed already and up to date, nothing done".to_string(),
    };
    println!("{}: {did}", dir.display());
    Ok(())
}

pub fn run_status(ctx: &Context, kdir: &Kdir) -> Result<()> {
    let dir = named(kdir)?;
    println!(
        "{}: {}",
        dir.display(),
        install::status(&ctx.paths.repo, &dir)?
    );
    Ok(())
}

pub fn run_uninstall(ctx: &Context, kdir: &Kdir) -> Result<()> {
    let dir = named(kdir)?;
    let did = match install::uninstall(&ctx.paths.repo, &dir)? {
        Some(count) => format!("uninstalled, {count} files taken back"),
        None => "not installed, nothing done".to_string(),
    };
    println!("{}: {did}", dir.display());
    Ok(())
}

#[derive(Args)]
pub struct Kdir {
    /// The kernel tree to work on.
    #[arg(long, env = "KDIR")]
    kdir: Option<PathBuf>,
}
