// SPDX-License-Identifier: GPL-2.0

//! Puts the backend into a kernel tree and takes it out again. How is in [`tree`].

use std::{
    path::{
        Path,
        PathBuf, //
    },
    process::Command, //
};

use anyhow::{
    bail,
    ensure,
    Context as _,
    Result, //
};

use crate::{
    host::{
        files,
        process::output,
        version::Version, //
    },
    tree::{
        content::Content,
        git::without_git_environment,
        install::{
            change::Change,
            tree::{
                lines,
                Tree, //
            },
        },
        series::Series,
        source, //
    },
};

mod change;
#[cfg(test)]
mod tests;
mod tree;

/// The folder in a kernel tree that has what we know of it.
pub const FOLDER: &str = ".rust-ftrace";

/// What `install` did.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    Installed(usize),
    Updated(usize),
    Unchanged,
}

/// The version of a kernel tree that this repository supports.
fn guard(repo: &Path, dir: &Path) -> Result<Version> {
    let supported = source::supported(repo)?.join(", ");
    let Some(version) = source::kernel_version(dir) else {
        bail!(
            "{} is no kernel source tree; supported: a tree of Linux {supported}",
            dir.display()
        );
    };
    ensure!(
        repo.join("patches").join(version.series()).is_dir(),
        "{} is Linux {version}; supported: {supported}",
        dir.display()
    );
    Ok(version)
}

/// Refuses a tree where files that we are about to take over are in use already.
fn ensure_pristine(tree: &Tree, series: &Series) -> Result<()> {
    let is_new = |path: &&PathBuf| {
        let manifest = tree.manifest.as_ref();
        manifest.is_none_or(|manifest| !manifest.files.contains_key(*path))
    };
    let present: Vec<_> = series
        .added()
        .filter(is_new)
        .filter(|path| tree.dir.join(path).symlink_metadata().is_ok())
        .cloned()
        .collect();
    ensure!(
        present.is_empty(),
        "{} has files already that would be added (has the series been applied by git?), nothing \
         was touched:{}",
        tree.dir.display(),
        lines(&present)
    );
    let edited: Vec<_> = series.edited().filter(is_new).collect();
    if edited.is_empty() || !tree.dir.join(".git").exists() {
        return Ok(());
    }
    let mut git = Command::new("git");
    without_git_environment(&mut git);
    let dirty = output(
        git.arg("-C")
            .arg(&tree.dir)
            .args(["-c", "safe.directory=*", "status", "--porcelain", "--"])
            .args(&edited),
    )?;
    ensure!(
        dirty.is_empty(),
        "{} has uncommitted changes where we patch, nothing was touched:\n{}",
        tree.dir.display(),
        dirty.trim_end()
    );
    Ok(())
}

/// Puts this repository's state into a kernel tree. On an error the tree is as it was.
pub fn install(repo: &Path, dir: &Path) -> Result<Outcome> {
    let version = guard(repo, dir)?;
    let mut tree = Tree::open(dir)?;
    tree.ensure_undrifted()?;
    if let (true, Some(journal)) = (tree.interrupted, &tree.manifest) {
        tree.restore(journal)
            .context("cannot undo an interrupted change")?;
        tree = Tree::open(dir)?;
    }
    let series = Series::read(repo, &version.series())?;
    ensure_pristine(&tree, &series)?;
    let plan = series
        .plan(&|path| tree.original(path))
        .with_context(|| format!("{}: nothing was touched", dir.display()))?;

    let mut change = Change::new(&tree, plan.clone())?;
    if change.drops_files() {
        if let Some(manifest) = &tree.manifest {
            tree.remove(manifest)?;
        }
        tree = Tree::open(dir)?;
        change = Change::new(&tree, plan)?;
    }
    if change.write.is_empty() {
        return Ok(Outcome::Unchanged);
    }
    files::remove_dir_all(&tree.own("staged"))?;
    if let Err(error) = tree.stage(&change) {
        clear_staging(&tree);
        return Err(error.context(format!("{}: nothing was touched", dir.display())));
    }
    tree.bring_in(&change)?;
    let count = change.write.len();
    Ok(match tree.manifest {
        Some(_) => Outcome::Updated(count),
        None => Outcome::Installed(count),
    })
}

/// Removes what an unfinished staging left, as far as that goes.
fn clear_staging(tree: &Tree) {
    let _ = match tree.manifest {
        Some(_) => files::remove_dir_all(&tree.own("staged")),
        None => files::remove_dir_all(&tree.dir.join(FOLDER)),
    };
}

/// Takes everything of ours out of a kernel tree. The result is the number of files, `None` if
/// nothing was installed.
pub fn uninstall(repo: &Path, dir: &Path) -> Result<Option<usize>> {
    let tree = Tree::open(dir)?;
    let Some(manifest) = &tree.manifest else {
        guard(repo, dir)?;
        files::remove_dir_all(&tree.dir.join(FOLDER))?;
        return Ok(None);
    };
    tree.ensure_undrifted()?;
    tree.remove(manifest)?;
    Ok(Some(manifest.files.len()))
}

/// What `status` says about a kernel tree.
pub fn status(repo: &Path, dir: &Path) -> Result<String> {
    let version = guard(repo, dir)?;
    let tree = Tree::open(dir)?;
    let Some(manifest) = &tree.manifest else {
        return Ok(format!("Linux {version}, not installed"));
    };
    tree.ensure_undrifted()?;
    ensure!(
        !tree.interrupted,
        "Linux {version}, an install or uninstall was interrupted: run either again"
    );
    let series = Series::read(repo, &version.series())?;
    let change = Change::new(&tree, series.plan(&|path| tree.original(path))?)?;
    let count = manifest.files.len();
    Ok(if change.write.is_empty() && !change.drops_files() {
        format!("Linux {version}, {count} files installed, up to date")
    } else {
        format!("Linux {version}, {count} files installed, not of this repository's state: install updates it")
    })
}

/// The tree's own content of its files, whether the backend is installed there or not.
pub fn originals(dir: &Path) -> Result<impl Fn(&Path) -> Result<Option<Content>>> {
    let tree = Tree::open(dir)?;
    ensure!(
        !tree.interrupted,
        "an install into {0} was interrupted: make install KDIR={0} repairs it",
        dir.display()
    );
    tree.ensure_undrifted()?;
    Ok(move |path: &Path| tree.original(path))
}
