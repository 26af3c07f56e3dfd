// SPDX-License-Identifier: GPL-2.0

//! The kernel's source: the user's or Debian's.
//!
//! A folder below `build/` that has its final name is complete: it was made under another one.

use std::{
    cmp::Reverse,
    fs,
    os::unix::fs::MetadataExt,
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
use clap::Args;
use sha2::{
    Digest,
    Sha256, //
};
use walkdir::WalkDir;

use crate::{
    host::{
        apt::{
            self,
            Apt, //
        },
        files,
        process::output,
        progress::Step,
        version::Version,
        Context, //
    },
    tree::series, //
};

#[cfg(test)]
mod tests;

#[derive(Args, Default)]
pub struct Source {
    /// A kernel tarball or tree to use in place of Debian's package.
    #[arg(long, env = "KERNEL_SRC")]
    pub kernel_src: Option<PathBuf>,
    /// The kernel series, for example 7.3. By default it is that of `kernel_src`, or the newest.
    #[arg(long, env = "KERNEL")]
    pub kernel: Option<String>,
}

/// The version that a kernel tree's Makefile names, if the folder is a kernel tree.
pub fn kernel_version(tree: &Path) -> Option<Version> {
    let is_kernel = [
        "Kbuild",
        "Kconfig",
        "scripts/Kbuild.include",
        "kernel/trace",
    ]
    .iter()
    .all(|path| tree.join(path).exists());
    let makefile = fs::read_to_string(tree.join("Makefile")).ok()?;
    let number = |name: &str| {
        makefile.lines().find_map(|line| {
            let (left, right) = line.split_once('=')?;
            (left.trim() == name).then(|| right.trim().parse().ok())?
        })
    };
    is_kernel.then_some(())?;
    Some(Version(
        number("VERSION")?,
        number("PATCHLEVEL")?,
        number("SUBLEVEL")?,
    ))
}

/// The kernel series that this repository has patches for, the newest first.
pub fn supported(repo: &Path) -> Result<Vec<String>> {
    let patches = repo.join("patches");
    let mut found: Vec<(Version, String)> = fs::read_dir(&patches)
        .with_context(|| format!("cannot read {}", patches.display()))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some((name.parse().ok()?, name)))
        .collect();
    found.sort();
    Ok(found.into_iter().rev().map(|(_, name)| name).collect())
}

/// A kernel tree, and what its version is.
#[derive(Debug)]
pub struct Kernel {
    pub dir: PathBuf,
    pub version: Version,
}

impl Kernel {
    /// What the source was made from.
    pub fn origin(&self) -> Result<String> {
        let path = stamp(&self.dir);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}

/// The file that says what a source was made from.
fn stamp(dir: &Path) -> PathBuf {
    let mut path = dir.as_os_str().to_owned();
    path.push(".origin");
    path.into()
}

/// The sources that are there, of any series.
pub fn stored(ctx: &Context) -> Result<Vec<Kernel>> {
    let folder = ctx.paths.build.join("src");
    let mut found = Vec::new();
    for entry in WalkDir::new(&folder).min_depth(1).max_depth(1) {
        let dir = entry
            .with_context(|| format!("cannot read {}", folder.display()))?
            .into_path();
        if stamp(&dir).exists() {
            if let Some(version) = kernel_version(&dir) {
                found.push(Kernel { dir, version });
            }
        }
    }
    found.sort_by_key(|kernel| Reverse(kernel.version));
    Ok(found)
}

/// A kernel source below `build/src/`: the user's if one is named, otherwise Debian's.
pub fn kernel(ctx: &Context, source: &Source) -> Result<Kernel> {
    let _lock = ctx.paths.lock()?;
    let series = wanted(&ctx.paths.repo, source)?;
    let store = Store {
        dir: ctx.paths.build.join("src"),
        series: &series,
    };
    match (&source.kernel_src, &series[..]) {
        (None, [series]) => {
            ensure!(
                series::is_in_debian(&ctx.paths.repo, series)?,
                no_package(series)
            );
            store.debians(ctx, series)
        }
        (Some(path), _) => store.users(ctx, path),
        (None, _) => bail!("there are no patches"),
    }
}

/// The series that come into question: what `KERNEL=` says, or all for a source of the user's, or
/// the newest.
fn wanted(repo: &Path, source: &Source) -> Result<Vec<String>> {
    let mut series = supported(repo)?;
    match (&source.kernel, &source.kernel_src) {
        (Some(wanted), _) => {
            ensure!(
                series.contains(wanted),
                "KERNEL={wanted} is not supported: there is {}",
                series.join(", ")
            );
            series = vec![wanted.clone()];
        }
        (None, Some(_)) => {}
        (None, None) => series.truncate(1),
    }
    Ok(series)
}

fn no_package(series: &str) -> String {
    format!(
        "Debian has no source of Linux {series}: give kernel.org's linux-{series}.N.tar.xz, or a \
         tree of yours, by KERNEL_SRC="
    )
}

/// A source of the wanted series that is there already, for what it says about tools.
pub fn at_hand(ctx: &Context, source: &Source) -> Option<PathBuf> {
    let series = wanted(&ctx.paths.repo, source).ok()?;
    let stored = fs::read_dir(ctx.paths.build.join("src")).ok();
    let stored = stored.into_iter().flatten();
    let stored = stored.filter_map(|entry| Some(entry.ok()?.path()));
    let mut trees = source.kernel_src.iter().cloned().chain(stored);
    trees.find(|tree| kernel_version(tree).is_some_and(|v| series.contains(&v.series())))
}

/// What names of build folders and logs have at their end: nothing for the newest series, so that
/// several can be built side by side.
pub fn suffix(repo: &Path, version: Version) -> Result<String> {
    let series = version.series();
    Ok(match supported(repo)?.first() {
        Some(newest) if *newest != series => format!("-{series}"),
        _ => String::new(),
    })
}

/// Where kernel sources are kept: `linux-<version>/`, with what it was made from in
/// `linux-<version>.origin`.
struct Store<'a> {
    dir: PathBuf,
    series: &'a [String],
}

impl Store<'_> {
    /// The complete source that `wanted` says the origin of.
    fn find(&self, wanted: impl Fn(&str) -> bool) -> Option<Kernel> {
        fs::read_dir(&self.dir).ok()?.find_map(|entry| {
            let origin = entry.ok()?.path();
            let is_wanted = origin.extension()? == "origin"
                && fs::read_to_string(&origin).is_ok_and(|text| wanted(&text));
            is_wanted.then_some(())?;
            let dir = origin.with_extension("");
            let version = kernel_version(&dir)?;
            Some(Kernel { dir, version })
        })
    }

    fn ensure_wanted(&self, origin: &str, version: Version) -> Result<()> {
        ensure!(
            self.series.contains(&version.series()),
            "{origin} is Linux {version}; supported: {}",
            self.series.join(", ")
        );
        Ok(())
    }

    /// Makes a source: `fill` puts it into a new folder.
    fn make(&self, origin: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Kernel> {
        let new = self.dir.join("new");
        files::remove_dir_all(&new)?;
        fs::create_dir_all(&new).with_context(|| format!("cannot create {}", new.display()))?;
        fill(&new)?;
        let Some(version) = kernel_version(&new) else {
            bail!("{origin} is no kernel source");
        };
        self.ensure_wanted(origin, version)?;
        let dir = self.dir.join(format!("linux-{version}"));
        let stamp = stamp(&dir);
        if stamp.exists() {
            fs::remove_file(&stamp)?;
        }
        files::remove_dir_all(&dir)?;
        fs::rename(&new, &dir)?;
        files::write_atomic(&stamp, origin.as_bytes())?;
        Ok(Kernel { dir, version })
    }

    fn users(&self, ctx: &Context, path: &Path) -> Result<Kernel> {
        let path = fs::canonicalize(path)
            .with_context(|| format!("cannot read KERNEL_SRC={}", path.display()))?;
        if path.is_dir() {
            let files = listed(&path)?;
            let origin = format!("tree {} {}", path.display(), digest(&path, &files)?);
            if let Some(kernel) = self.find(|text| text == origin) {
                self.ensure_wanted(&origin, kernel.version)?;
                return Ok(kernel);
            }
            let title = format!("Copy {}", path.display());
            return ctx.ui.step(&title, "source", |_| {
                self.make(&origin, |new| copy(&path, &files, new))
            });
        }
        let meta = fs::metadata(&path)?;
        let origin = format!(
            "tarball {} {} {}.{}",
            path.display(),
            meta.len(),
            meta.mtime(),
            meta.mtime_nsec()
        );
        if let Some(kernel) = self.find(|text| text == origin) {
            self.ensure_wanted(&origin, kernel.version)?;
            return Ok(kernel);
        }
        let title = format!("Unpack {}", path.display());
        ctx.ui.step(&title, "source", |step| {
            self.make(&origin, |new| unpack(step, &path, new))
        })
    }

    fn debians(&self, ctx: &Context, series: &str) -> Result<Kernel> {
        let package = format!("linux-source-{series}");
        let origin = format!("debian {package} ");
        if let Some(kernel) = self.find(|text| text.starts_with(&origin)) {
            return Ok(kernel);
        }
        ctx.ui.step("Fetch the kernel's source", "source", |step| {
            let apt = Apt::for_fetching(ctx)?;
            let deb = match apt.cached(&package, None, "") {
                Some(deb) => deb,
                None => {
                    apt.update(step)?;
                    ensure!(!apt.versions(&package)?.is_empty(), no_package(series));
                    apt.download(step, &package, None, "")?
                }
            };
            let file = deb.file_name().context("a package has a name")?;
            let origin = format!("debian {package} {}", file.display());
            let unpacked = self.dir.join("deb");
            let kernel = self.make(&origin, |new| {
                files::remove_dir_all(&unpacked)?;
                apt::extract(step, &deb, &unpacked)?;
                let tarball = unpacked.join(format!("usr/src/{package}.tar.xz"));
                unpack(step, &tarball, new)
            });
            files::remove_dir_all(&unpacked)?;
            let kernel = kernel?;
            step.fold(format!("Linux {} from {package}", kernel.version));
            Ok(kernel)
        })
    }
}

/// Unpacks a tarball. The files become new ones (`-m`), so that `make` builds again what it built
/// from another source of the same version.
fn unpack(step: &Step<'_>, tarball: &Path, to: &Path) -> Result<()> {
    step.progress("unpacking");
    step.run(
        Command::new("tar")
            .args(["--strip-components=1", "--no-same-owner", "-xmf"])
            .arg(tarball)
            .arg("-C")
            .arg(to),
    )
    .with_context(|| format!("cannot unpack {} (is it whole?)", tarball.display()))
}

/// The files of a user's tree: those that git knows or, outside of git, all.
fn listed(tree: &Path) -> Result<Vec<PathBuf>> {
    if tree.join(".git").exists() {
        let list = output(Command::new("git").arg("-C").arg(tree).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let mut files: Vec<PathBuf> = list
            .split_terminator('\0')
            .map(PathBuf::from)
            .filter(|path| tree.join(path).symlink_metadata().is_ok())
            .collect();
        files.dedup();
        return Ok(files);
    }
    let mut files = Vec::new();
    for entry in WalkDir::new(tree).sort_by_file_name() {
        let entry = entry?;
        if !entry.file_type().is_dir() {
            files.push(entry.path().strip_prefix(tree)?.to_path_buf());
        }
    }
    Ok(files)
}

/// What changes when one of the files does, without reading them.
fn digest(tree: &Path, files: &[PathBuf]) -> Result<String> {
    let mut hasher = Sha256::new();
    for path in files {
        let meta = fs::symlink_metadata(tree.join(path))?;
        hasher.update(format!(
            "{} {} {} {} {}\n",
            path.display(),
            meta.mode(),
            meta.len(),
            meta.mtime(),
            meta.mtime_nsec()
        ));
    }
    Ok(format!("{:x}", hasher.finalize()))
}

fn copy(tree: &Path, files: &[PathBuf], to: &Path) -> Result<()> {
    for path in files {
        let (from, to) = (tree.join(path), to.join(path));
        fs::create_dir_all(to.parent().context("a file has a folder")?)?;
        if from.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
        } else {
            fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        }
    }
    Ok(())
}
