// SPDX-License-Identifier: GPL-2.0

//! A copy of a kernel's source that patches are applied to one by one: `<source>-series/`, beside
//! the source.
//!
//! `<source>-series.of` says which source it is a copy of, `<source>-series.touched` which of its
//! files are not as they are there. A file is written down before it changes, so that a run that was
//! interrupted leaves nothing behind that the next one does not undo.

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    os::unix::fs::symlink,
    path::{
        Path,
        PathBuf, //
    },
};

use anyhow::{
    Context as _,
    Result, //
};
use walkdir::WalkDir;

use crate::{
    host::{
        files,
        Context, //
    },
    tree::{
        content::Content,
        install,
        series::{
            stages::Stage,
            Originals, //
        },
        source::Kernel, //
    },
};

/// The name of the copy of `linux-<version>/`, after that.
const END: &str = "-series";

pub struct Scratch {
    pub dir: PathBuf,
    /// The list of the files that are not as they are in the source.
    touched: PathBuf,
}

impl Scratch {
    /// The copy, with the source's own files and nothing else.
    pub fn pristine(ctx: &Context, kernel: &Kernel) -> Result<Self> {
        let _lock = ctx.paths.lock()?;
        let beside = |end: &str| {
            let mut path = kernel.dir.clone().into_os_string();
            path.push(END);
            path.push(end);
            PathBuf::from(path)
        };
        let scratch = Self {
            dir: beside(""),
            touched: beside(".touched"),
        };
        let originals = install::originals(&kernel.dir)?;
        files::make_dir(&scratch.dir, &beside(".of"), &kernel.origin()?, || {
            let title = format!("Copy {}", kernel.dir.display());
            ctx.ui.step(&title, "series-source", |_| {
                copy(&kernel.dir, &originals, &scratch.dir)
            })
        })?;
        scratch.restore(&originals)?;
        Ok(scratch)
    }

    /// Applies a patch of the series to it.
    pub fn apply(&self, stage: &Stage<'_>) -> Result<()> {
        let mut touched = self.touched()?;
        touched.extend(stage.files.iter().cloned());
        let lines: Vec<_> = touched.iter().map(|path| path.to_string_lossy()).collect();
        files::write_atomic(&self.touched, lines.join("\n").as_bytes())?;
        stage.apply(&self.dir)
    }

    fn touched(&self) -> Result<BTreeSet<PathBuf>> {
        match fs::read_to_string(&self.touched) {
            Ok(text) => Ok(text.lines().map(PathBuf::from).collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => {
                Err(error).with_context(|| format!("cannot read {}", self.touched.display()))
            }
        }
    }

    /// Gives each file that was touched the source's content. One that has it already keeps its
    /// time, so that `make` builds nothing for it.
    fn restore(&self, originals: &Originals<'_>) -> Result<()> {
        for path in self.touched()? {
            let to = self.dir.join(&path);
            match originals(&path)? {
                own if own == Content::read(&to)? => {}
                Some(own) => own.write(&to)?,
                None => {
                    fs::remove_file(&to)
                        .with_context(|| format!("cannot remove {}", to.display()))?;
                    remove_empty_folders(&self.dir, &path);
                }
            }
        }
        match fs::remove_file(&self.touched) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.touched.display()))
            }
            _ => Ok(()),
        }
    }
}

/// Removes the folders of a file that is gone, as far as nothing else is in them.
fn remove_empty_folders(top: &Path, path: &Path) {
    let folders = path.ancestors().skip(1);
    let mut folders = folders.take_while(|folder| !folder.as_os_str().is_empty());
    while folders
        .next()
        .is_some_and(|folder| fs::remove_dir(top.join(folder)).is_ok())
    {}
}

/// Copies a tree's own files.
fn copy(tree: &Path, originals: &Originals<'_>, to: &Path) -> Result<()> {
    let entries = WalkDir::new(tree)
        .min_depth(1)
        .into_iter()
        .filter_entry(|entry| entry.depth() != 1 || entry.file_name() != install::FOLDER);
    for entry in entries {
        let entry = entry?;
        let path = entry.path().strip_prefix(tree)?;
        let to = to.join(path);
        if entry.file_type().is_symlink() {
            let folder = to.parent().context("a file has a folder")?;
            fs::create_dir_all(folder)
                .and_then(|()| symlink(fs::read_link(entry.path())?, &to))
                .with_context(|| format!("cannot write {}", to.display()))?;
        } else if entry.file_type().is_file() {
            if let Some(own) = originals(path)? {
                own.write(&to)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        host::{
            paths::Paths,
            process::tests::shell,
            progress::Ui,
            version::Version, //
        },
        tree::series::Series,
    };

    /// A repository with one patch, which has been put into the kernel of `build/src`.
    fn set_up() -> (tempfile::TempDir, Context, Kernel) {
        let dir = tempfile::tempdir().unwrap();
        let script = format!(
            "cd {} && mkdir -p patches/7.3/set rust/new build/src/linux-7.3.4 && touch rust/new/a.rs \
             patches/7.3/set/cover.txt &&
             printf '[[set]]\\nname = \"set\"\\ntitle = \"Set\"\\npatches = [{{ patch = \"1.patch\", \
             brings = [\"rust/\"] }}]\\n' > patches/7.3/series.toml &&
             printf -- '--- a/init/x\\n+++ b/init/x\\n@@ -1 +1 @@\\n-1\\n+2\\n' \
             > patches/7.3/set/1.patch &&
             cd build/src && printf 'tree' > linux-7.3.4.origin && cd linux-7.3.4 &&
             mkdir -p init scripts kernel/trace && touch Kbuild Kconfig scripts/Kbuild.include &&
             ln -s Kbuild link && printf '#!/bin/sh' > run && chmod +x run && echo 1 > init/x &&
             printf 'VERSION = 7\\nPATCHLEVEL = 3\\nSUBLEVEL = 4\\n' > Makefile",
            dir.path().display(),
        );
        assert!(shell(&script).status().unwrap().success());
        let paths = Paths::at(dir.path());
        let ui = Ui::new(paths.build.join("log"), false);
        let kernel = Kernel {
            dir: paths.build.join("src/linux-7.3.4"),
            version: Version(7, 3, 4),
        };
        install::install(dir.path(), &kernel.dir).unwrap();
        (dir, Context { paths, ui }, kernel)
    }

    #[test]
    fn what_was_applied_is_undone() {
        let (dir, ctx, kernel) = set_up();
        let scratch = Scratch::pristine(&ctx, &kernel).unwrap();
        let read = |name: &str| fs::read_to_string(scratch.dir.join(name)).ok();
        let is_pristine = || {
            assert_eq!(read("init/x").unwrap(), "1\n");
            assert!(!scratch.dir.join("rust").exists());
            assert!(!scratch.dir.join(install::FOLDER).exists());
        };
        is_pristine();
        assert!(scratch.dir.join("link").is_symlink());
        assert!(
            Content::read(&scratch.dir.join("run"))
                .unwrap()
                .unwrap()
                .executable
        );

        let series = Series::read(dir.path(), "7.3").unwrap();
        scratch.apply(&series.stages().unwrap()[0]).unwrap();
        assert_eq!(read("init/x").unwrap(), "2\n");
        assert_eq!(read("rust/new/a.rs").unwrap(), "");
        fs::write(scratch.dir.join("mark"), "").unwrap();
        Scratch::pristine(&ctx, &kernel).unwrap();
        is_pristine();
        assert!(read("mark").is_some());

        // Another source takes another copy.
        fs::write(kernel.dir.with_file_name("linux-7.3.4.origin"), "other").unwrap();
        Scratch::pristine(&ctx, &kernel).unwrap();
        assert!(read("mark").is_none());
    }
}
