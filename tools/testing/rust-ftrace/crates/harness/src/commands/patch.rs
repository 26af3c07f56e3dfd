// SPDX-License-Identifier: GPL-2.0

//! `make patch`: the series for `git am`, or its sets as they are sent to maintainers.

use std::{
    fs,
    io::{
        self,
        Write, //
    },
    os::unix::fs::PermissionsExt,
    path::{
        Path,
        PathBuf, //
    },
    process::Command, //
};

use anyhow::{
    Context as _,
    Result, //
};
use clap::Args;

use crate::{
    host::{
        process::output,
        Context, //
    },
    tree::{
        git::without_git_environment,
        install,
        series::{
            mail::Base,
            Person,
            Series, //
        },
        source::{
            self,
            Source, //
        },
    },
};

#[derive(Args)]
pub struct Asked {
    /// The folder to write the sets to, in place of one mailbox on standard output.
    #[arg(long, env = "OUT")]
    out: Option<PathBuf>,
    /// The one set to write.
    #[arg(long, env = "SET")]
    set: Option<String>,
    /// Who sends them: "Name <address>".
    #[arg(long, env = "SIGNOFF")]
    signoff: Option<Person>,
    #[command(flatten)]
    source: Source,
}

pub fn run_patch(ctx: &Context, asked: &Asked) -> Result<()> {
    let kernel = source::kernel(ctx, &asked.source)?;
    let series = Series::read(&ctx.paths.repo, &kernel.version.series())?;
    let originals = install::originals(&kernel.dir)?;
    let (set, sender) = (asked.set.as_deref(), asked.signoff.as_ref());
    if let Some(name) = set {
        let needed = series.needed(name)?;
        let needed: Vec<_> = needed.iter().map(|set| set.name.as_str()).collect();
        if !needed.is_empty() {
            eprintln!("{name} needs these sets before it: {}", needed.join(", "));
        }
    }
    let Some(to) = &asked.out else {
        let folder = tempfile::tempdir()?;
        let mut stdout = io::stdout().lock();
        for patch in series.format(&originals, sender, set, folder.path())? {
            stdout.write_all(&fs::read(patch)?)?;
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
    let base = Base {
        version: kernel.version,
        commit: asked.source.kernel_src.as_deref().and_then(head),
    };
    let mut addressed = false;
    ctx.ui.step("Write the sets", "patch", |_| {
        addressed = series.format_sets(&originals, sender, set, &base, folder.path())?;
        Ok(())
    })?;
    if !addressed {
        eprintln!(
            "{} lacks MAINTAINERS or scripts/get_maintainer.pl: the mails do not say whom they go to",
            kernel.dir.display()
        );
    }
    fs::rename(folder.path(), &to)
        .with_context(|| format!("OUT={} must be new or empty", to.display()))?;
    Ok(())
}

/// The commit of a git tree.
fn head(tree: &Path) -> Option<String> {
    tree.join(".git").exists().then_some(())?;
    let mut git = Command::new("git");
    without_git_environment(&mut git);
    git.arg("-C").arg(tree).args(["-c", "safe.directory=*"]);
    let commit = output(git.args(["rev-parse", "HEAD"])).ok()?;
    Some(commit.trim().to_owned())
}
