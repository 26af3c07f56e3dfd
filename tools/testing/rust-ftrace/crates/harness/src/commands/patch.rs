// SPDX-License-Identifier: GPL-2.0

//! `make patch`: the series for `git am`.

use std::{
    fs,
    io::{
        self,
        Write, //
    },
    os::unix::fs::PermissionsExt,
    path::PathBuf, //
};

use anyhow::{
    Context as _,
    Result, //
};
use clap::Args;
use walkdir::WalkDir;

use crate::{
    host::Context,
    tree::{
        install,
        series::Series,
        source::{
            self,
            Source, //
        },
    },
};

#[derive(Args)]
pub struct Asked {
    /// The folder to write the patches to, in place of standard output.
    #[arg(long, env = "OUT")]
    out: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
}

/// Writes the series to standard output or into a new folder.
pub fn run_patch(ctx: &Context, Asked { out, source }: &Asked) -> Result<()> {
    let kernel = source::kernel(ctx, source)?;
    let series = Series::read(&ctx.paths.repo, &kernel.version.series())?;
    let originals = install::originals(&kernel.dir)?;
    let Some(to) = out else {
        let folder = tempfile::tempdir()?;
        series.format(&originals, folder.path())?;
        let mut stdout = io::stdout().lock();
        for patch in WalkDir::new(folder.path()).sort_by_file_name() {
            let patch = patch?;
            if patch.file_type().is_file() {
                stdout.write_all(&fs::read(patch.path())?)?;
            }
        }
        return Ok(());
    };
    // The folder comes to its name when it is complete; an empty one may have it already.
    let to = std::path::absolute(to)?;
    let beside = to.parent().context("OUT= names no folder")?;
    fs::create_dir_all(beside)?;
    let folder = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir_in(beside)
        .with_context(|| format!("cannot write into {}", beside.display()))?;
    series.format(&originals, folder.path())?;
    fs::rename(folder.path(), &to)
        .with_context(|| format!("OUT={} must be new or empty", to.display()))?;
    Ok(())
}
