// SPDX-License-Identifier: GPL-2.0

//! Puts the backend into a kernel tree and takes it out again.
//!
//! `.rust-ftrace/` in the tree holds what that needs:
//!
//! | name | holds |
//! |---|---|
//! | `manifest.json` | what is installed |
//! | `journal.json` | instead, or beside it: a change is under way or was interrupted |
//! | `originals/` | the tree's own files that were replaced |
//! | `staged/` | new content, complete before the first file of the tree changes |
//!
//! Everything that takes disk space happens before `journal.json` appears; from there on files
//! are only renamed and removed. Whoever finds a journal goes back to the tree's own files.

use std::{
    collections::{
        BTreeMap,
        BTreeSet, //
    },
    fs::{
        self,
        File,
        Permissions, //
    },
    os::unix::fs::{
        MetadataExt,
        PermissionsExt, //
    },
    path::{
        Path,
        PathBuf, //
    },
    process::Command,
    time::SystemTime, //
};

use anyhow::{
    bail,
    ensure,
    Context as _,
    Result, //
};
use serde::{
    Deserialize,
    Serialize, //
};

use crate::{
    apt::output,
    files,
    overlay::{
        without_git_environment,
        Content,
        Plan,
        Series, //
    },
    source::{
        self,
        Version, //
    },
    Context, //
};

/// A file of the tree as it was before us.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Original {
    sha256: String,
    mode: u32,
}

/// A file of ours in the tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Installed {
    sha256: String,
    mode: u32,
    /// In a journal, the content that is being replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    original: Option<Original>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Manifest {
    files: BTreeMap<PathBuf, Installed>,
    /// The folders that we made.
    folders: BTreeSet<PathBuf>,
}

impl Manifest {
    fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let manifest = serde_json::from_slice(&text)
            .with_context(|| format!("{} is damaged", path.display()))?;
        Ok(Some(manifest))
    }

    fn write(&self, path: &Path) -> Result<()> {
        files::write_atomic(path, &serde_json::to_vec_pretty(self)?)
    }
}

/// What `install` did.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    Installed(usize),
    Updated(usize),
    Unchanged,
}

/// A kernel tree, and what of ours is in it.
struct Tree {
    dir: PathBuf,
    /// What is there, or may be there if the tree is `interrupted`.
    manifest: Option<Manifest>,
    interrupted: bool,
}

impl Tree {
    fn open(dir: &Path) -> Result<Self> {
        let own = dir.join(".rust-ftrace");
        let journal = Manifest::read(&own.join("journal.json"))?;
        let interrupted = journal.is_some();
        let manifest = match journal {
            Some(journal) => Some(journal),
            None => Manifest::read(&own.join("manifest.json"))?,
        };
        Ok(Self {
            dir: dir.to_path_buf(),
            manifest,
            interrupted,
        })
    }

    fn own(&self, name: &str) -> PathBuf {
        self.dir.join(".rust-ftrace").join(name)
    }

    fn backup(&self, path: &Path) -> PathBuf {
        self.own("originals").join(path)
    }

    /// The hash and the mode of a file of the tree, `None` if it is not there.
    fn state(&self, path: &Path) -> Result<Option<Original>> {
        let path = self.dir.join(path);
        let Ok(meta) = path.symlink_metadata() else {
            return Ok(None);
        };
        // A symbolic link or a folder is nothing that we put there.
        let sha256 = if meta.is_file() {
            files::sha256(&path)?
        } else {
            String::new()
        };
        let mode = meta.mode() & 0o7777;
        Ok(Some(Original { sha256, mode }))
    }

    /// The files that someone else changed since we wrote them.
    fn drifted(&self) -> Result<Vec<PathBuf>> {
        let mut drifted = Vec::new();
        for (path, file) in self.manifest.iter().flat_map(|manifest| &manifest.files) {
            let state = self.state(path)?;
            let is_original = state == file.original;
            let is_ours = state.is_some_and(|state| {
                state.mode == file.mode
                    && (state.sha256 == file.sha256 || Some(state.sha256) == file.previous)
            });
            let has_backup = match &file.original {
                Some(original) => {
                    let backup = self.backup(path);
                    backup.is_file() && files::sha256(&backup)? == original.sha256
                }
                None => true,
            };
            let known = (is_ours && has_backup) || (self.interrupted && is_original);
            if !known {
                drifted.push(path.clone());
            }
        }
        Ok(drifted)
    }

    fn ensure_undrifted(&self) -> Result<()> {
        let drifted = self.drifted()?;
        ensure!(
            drifted.is_empty(),
            "these files of {} changed since they were installed (or their originals in \
             .rust-ftrace did), nothing was touched:{}",
            self.dir.display(),
            lines(&drifted)
        );
        Ok(())
    }

    /// The tree's own content of a path.
    fn original(&self, path: &Path) -> Result<Option<Content>> {
        match self.manifest.as_ref().and_then(|m| m.files.get(path)) {
            Some(file) if file.original.is_none() => Ok(None),
            Some(_) => Content::read(&self.backup(path)),
            None => Content::read(&self.dir.join(path)),
        }
    }

    /// Gives the tree its own files back, by renaming only.
    fn restore(&self, journal: &Manifest) -> Result<()> {
        for (path, file) in &journal.files {
            let target = self.dir.join(path);
            let restored = match &file.original {
                None if target.symlink_metadata().is_err() => Ok(()),
                None => fs::remove_file(&target),
                Some(original) if self.state(path)?.as_ref() == Some(original) => Ok(()),
                Some(original) => {
                    let backup = self.backup(path);
                    // The content changes now: so that `make` sees it, the time does too.
                    File::options()
                        .write(true)
                        .open(&backup)
                        .and_then(|file| file.set_modified(SystemTime::now()))
                        .and_then(|()| {
                            fs::set_permissions(&backup, Permissions::from_mode(original.mode))
                        })
                        .and_then(|()| fs::rename(&backup, &target))
                }
            };
            restored.with_context(|| format!("cannot restore {}", target.display()))?;
        }
        for folder in journal.folders.iter().rev() {
            // It stays when someone else put a file there.
            let _ = fs::remove_dir(self.dir.join(folder));
        }
        files::remove_dir_all(&self.dir.join(".rust-ftrace"))
    }

    /// Takes everything of ours out.
    fn remove(&self, manifest: &Manifest) -> Result<()> {
        let journal = self.own("journal.json");
        if !self.interrupted {
            fs::rename(self.own("manifest.json"), &journal)
                .with_context(|| format!("cannot write {}", journal.display()))?;
        }
        self.restore(manifest)
    }

    /// Puts new content and originals beside the tree; nothing of the tree changes.
    fn stage(&self, change: &Change) -> Result<()> {
        let owner = self.dir.metadata()?;
        for (path, content) in &change.write {
            let target = self.dir.join(path);
            let staged = self.own("staged").join(path);
            content.write(&staged)?;
            let mode = change.next.files[path].mode;
            fs::set_permissions(&staged, Permissions::from_mode(mode))?;
            let owner = target.metadata().unwrap_or_else(|_| owner.clone());
            if nix::unistd::geteuid().is_root() {
                std::os::unix::fs::chown(&staged, Some(owner.uid()), Some(owner.gid()))?;
            }
            // A delayed "no space left" comes here.
            File::open(&staged)
                .and_then(|file| file.sync_all())
                .with_context(|| format!("cannot write {}", staged.display()))?;
        }
        for path in &change.back_up {
            let backup = self.backup(path);
            let dir = backup.parent().context("a file has a folder")?;
            fs::create_dir_all(dir)
                .and_then(|()| fs::copy(self.dir.join(path), &backup))
                .and_then(|_| File::open(&backup)?.sync_all())
                .with_context(|| format!("cannot write {}", backup.display()))?;
        }
        change.next.write(&self.own("next.json"))?;
        change.journal.write(&self.own("journal.json"))
    }

    /// Brings what is staged into the tree, or gives the tree its own files back.
    fn bring_in(&self, change: &Change) -> Result<()> {
        if let Err(error) = self.commit(change) {
            self.restore(&change.journal).with_context(|| {
                format!("{error:#}; undoing it failed too, uninstall tries it again")
            })?;
            return Err(error.context(format!("{}: its own files are back", self.dir.display())));
        }
        let journal = self.own("journal.json");
        fs::remove_file(&journal)
            .with_context(|| format!("cannot remove {}", journal.display()))?;
        files::remove_dir_all(&self.own("staged"))
    }

    fn commit(&self, change: &Change) -> Result<()> {
        let owner = self.dir.metadata()?;
        for folder in &change.next.folders {
            let folder = self.dir.join(folder);
            if !folder.is_dir() {
                fs::create_dir(&folder)
                    .with_context(|| format!("cannot create {}", folder.display()))?;
                if nix::unistd::geteuid().is_root() {
                    std::os::unix::fs::chown(&folder, Some(owner.uid()), Some(owner.gid()))?;
                }
            }
        }
        for path in change.write.keys() {
            let target = self.dir.join(path);
            fs::rename(self.own("staged").join(path), &target)
                .with_context(|| format!("cannot write {}", target.display()))?;
        }
        let manifest = self.own("manifest.json");
        fs::rename(self.own("next.json"), &manifest)
            .with_context(|| format!("cannot write {}", manifest.display()))
    }
}

/// From what is in a tree to what shall be.
struct Change {
    write: Plan,
    back_up: Vec<PathBuf>,
    journal: Manifest,
    next: Manifest,
}

impl Change {
    fn new(tree: &Tree, plan: Plan) -> Result<Self> {
        let old = tree.manifest.clone().unwrap_or_default();
        let mut change = Self {
            write: Plan::new(),
            back_up: Vec::new(),
            journal: old.clone(),
            next: Manifest {
                folders: old.folders,
                ..Manifest::default()
            },
        };
        for (path, content) in plan {
            for folder in path.ancestors().skip(1) {
                if !tree.dir.join(folder).is_dir() {
                    change.next.folders.insert(folder.to_path_buf());
                }
            }
            let previous = old.files.get(&path);
            let original = match previous {
                Some(file) => file.original.clone(),
                None => tree.state(&path)?,
            };
            let file = Installed {
                sha256: files::sha256_of(&content.bytes),
                mode: mode(&content, original.as_ref()),
                previous: None,
                original,
            };
            if previous != Some(&file) {
                if previous.is_none() && file.original.is_some() {
                    change.back_up.push(path.clone());
                }
                let journaled = Installed {
                    previous: previous.map(|file| file.sha256.clone()),
                    ..file.clone()
                };
                change.journal.files.insert(path.clone(), journaled);
                change.write.insert(path.clone(), content);
            }
            change.next.files.insert(path, file);
        }
        change
            .journal
            .folders
            .extend(change.next.folders.iter().cloned());
        Ok(change)
    }

    /// Whether files of ours are to go that another version of us brought.
    fn drops_files(&self) -> bool {
        self.journal
            .files
            .keys()
            .any(|path| !self.next.files.contains_key(path))
    }
}

/// The mode of a file: the original's, except for a change of whether it is executable.
fn mode(content: &Content, original: Option<&Original>) -> u32 {
    match original {
        Some(original) if (original.mode & 0o100 != 0) == content.executable => original.mode,
        _ if content.executable => 0o755,
        _ => 0o644,
    }
}

fn lines(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| format!("\n  {}", path.display()))
        .collect()
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
        None => files::remove_dir_all(&tree.dir.join(".rust-ftrace")),
    };
}

/// Takes everything of ours out of a kernel tree. The result is the number of files, `None` if
/// nothing was installed.
pub fn uninstall(repo: &Path, dir: &Path) -> Result<Option<usize>> {
    let tree = Tree::open(dir)?;
    let Some(manifest) = &tree.manifest else {
        guard(repo, dir)?;
        files::remove_dir_all(&tree.dir.join(".rust-ftrace"))?;
        return Ok(None);
    };
    tree.ensure_undrifted()?;
    tree.remove(manifest)?;
    Ok(Some(manifest.files.len()))
}

/// What `status` says about a kernel tree.
fn status(repo: &Path, dir: &Path) -> Result<String> {
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

/// The kernel tree that a command is for.
fn named(kdir: Option<&Path>) -> Result<PathBuf> {
    let kdir = kdir.context("say which kernel tree: KDIR=/path/to/linux")?;
    fs::canonicalize(kdir).with_context(|| format!("cannot read KDIR={}", kdir.display()))
}

pub fn run_install(ctx: &Context, kdir: Option<&Path>) -> Result<()> {
    let dir = named(kdir)?;
    let did = match install(&ctx.paths.repo, &dir)? {
        Outcome::Installed(count) => format!("installed, {count} files written"),
        Outcome::Updated(count) => format!("updated, {count} files written"),
        Outcome::Unchanged => "installed already and up to date, nothing done".to_string(),
    };
    println!("{}: {did}", dir.display());
    Ok(())
}

pub fn run_status(ctx: &Context, kdir: Option<&Path>) -> Result<()> {
    let dir = named(kdir)?;
    println!("{}: {}", dir.display(), status(&ctx.paths.repo, &dir)?);
    Ok(())
}

pub fn run_uninstall(ctx: &Context, kdir: Option<&Path>) -> Result<()> {
    let dir = named(kdir)?;
    let did = match uninstall(&ctx.paths.repo, &dir)? {
        Some(count) => format!("uninstalled, {count} files taken back"),
        None => "not installed, nothing done".to_string(),
    };
    println!("{}: {did}", dir.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::ui::tests::shell;

    const PATCH: &str = "\
From: A Maintainer <a@example.org>
Date: Sun, 22 Nov 2026 12:00:00 +0000
Subject: [PATCH] trace: count to four

It went to three.
---
diff --git a/kernel/trace/count b/kernel/trace/count
--- a/kernel/trace/count
+++ b/kernel/trace/count
@@ -1,3 +1,4 @@
 one
 two
 three
+four
diff --git a/scripts/run b/scripts/run
--- a/scripts/run
+++ b/scripts/run
@@ -1 +1 @@
-old
+new
";

    const EMPTY_PATCH: &str = "\
From: A Maintainer <a@example.org>
Date: Sun, 22 Nov 2026 12:00:00 +0000
Subject: [PATCH] rust: add things

# A line that is no comment.
---
";

    /// A repository of ours and a kernel tree.
    struct Pair {
        _dir: TempDir,
        repo: PathBuf,
        tree: PathBuf,
    }

    impl Pair {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let (repo, tree) = (dir.path().join("repo"), dir.path().join("linux"));
            let pair = Self {
                _dir: dir,
                repo,
                tree,
            };
            pair.ours("patches/7.3/0001-count.patch", PATCH);
            pair.ours("patches/7.3/0002-rust.patch", EMPTY_PATCH);
            pair.ours(
                "patches/7.3/series",
                "# In order.\n0001-count.patch\n0002-rust.patch rust arch/arm/new.rs\n",
            );
            pair.ours("rust/kernel/new/a.rs", "a\n");
            pair.ours("rust/kernel/new/b.rs", "b\n");
            pair.ours("arch/arm/new.rs", "c\n");
            let makefile = "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\n";
            for (path, content) in [
                ("Makefile", makefile),
                ("Kbuild", ""),
                ("Kconfig", ""),
                ("scripts/Kbuild.include", ""),
                ("scripts/run", "old\n"),
                ("kernel/trace/count", "one\ntwo\nthree\n"),
                ("rust/kernel/lib.rs", ""),
            ] {
                pair.theirs(path, content);
            }
            let run = pair.tree.join("scripts/run");
            fs::set_permissions(run, Permissions::from_mode(0o775)).unwrap();
            pair
        }

        fn put(path: &Path, content: &str) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        fn ours(&self, path: &str, content: &str) {
            Self::put(&self.repo.join(path), content);
        }

        fn theirs(&self, path: &str, content: &str) {
            Self::put(&self.tree.join(path), content);
        }

        fn content(&self, path: &str) -> String {
            fs::read_to_string(self.tree.join(path)).unwrap()
        }

        /// Every file and folder of the tree with its mode and content.
        fn snapshot(&self) -> Vec<(PathBuf, u32, Vec<u8>)> {
            walkdir::WalkDir::new(&self.tree)
                .sort_by_file_name()
                .into_iter()
                .map(|entry| {
                    let entry = entry.unwrap();
                    let mode = entry.metadata().unwrap().mode();
                    let content = fs::read(entry.path()).unwrap_or_default();
                    (entry.into_path(), mode, content)
                })
                .collect()
        }

        fn install(&self) -> Result<Outcome> {
            install(&self.repo, &self.tree)
        }

        fn uninstall(&self) -> Result<Option<usize>> {
            uninstall(&self.repo, &self.tree)
        }

        /// The complaint of an install that leaves the tree as it is.
        fn refused(&self) -> String {
            let before = self.snapshot();
            let error = format!("{:#}", self.install().unwrap_err());
            assert_eq!(self.snapshot(), before);
            error
        }

        fn git(&self, command: &str) {
            let identity = "-c user.name=a -c user.email=a@example.org";
            let line = format!("cd {} && git {identity} {command}", self.tree.display());
            assert!(shell(&line).status().unwrap().success());
        }
    }

    #[test]
    fn uninstall_gives_back_what_install_found() {
        let pair = Pair::new();
        let before = pair.snapshot();
        assert_eq!(pair.install().unwrap(), Outcome::Installed(5));
        assert_eq!(
            pair.content("kernel/trace/count"),
            "one\ntwo\nthree\nfour\n"
        );
        assert_eq!(pair.content("rust/kernel/new/b.rs"), "b\n");
        let run = pair.tree.join("scripts/run").metadata().unwrap();
        assert_eq!(run.mode() & 0o7777, 0o775);
        assert_eq!(pair.uninstall().unwrap(), Some(5));
        assert_eq!(pair.snapshot(), before);
    }

    #[test]
    fn a_second_install_does_nothing() {
        let pair = Pair::new();
        pair.install().unwrap();
        let before = pair.snapshot();
        assert_eq!(pair.install().unwrap(), Outcome::Unchanged);
        assert_eq!(pair.snapshot(), before);
    }

    #[test]
    fn uninstall_without_install_says_so() {
        let pair = Pair::new();
        assert_eq!(pair.uninstall().unwrap(), None);
    }

    #[test]
    fn an_update_writes_only_what_changed() {
        let pair = Pair::new();
        let before = pair.snapshot();
        pair.install().unwrap();
        pair.ours("rust/kernel/new/a.rs", "newer\n");
        let time = |path: &str| pair.tree.join(path).metadata().unwrap().mtime_nsec();
        let count = time("kernel/trace/count");
        assert!(status(&pair.repo, &pair.tree).unwrap().contains("updates"));
        assert_eq!(pair.install().unwrap(), Outcome::Updated(1));
        assert_eq!(pair.content("rust/kernel/new/a.rs"), "newer\n");
        assert_eq!(time("kernel/trace/count"), count);
        assert!(status(&pair.repo, &pair.tree)
            .unwrap()
            .contains("up to date"));
        pair.uninstall().unwrap();
        assert_eq!(pair.snapshot(), before);
    }

    #[test]
    fn an_update_takes_back_what_is_no_longer_ours() {
        let pair = Pair::new();
        let before = pair.snapshot();
        pair.install().unwrap();
        fs::remove_file(pair.repo.join("rust/kernel/new/a.rs")).unwrap();
        pair.ours("patches/7.3/0001-count.patch", EMPTY_PATCH);
        pair.install().unwrap();
        assert!(!pair.tree.join("rust/kernel/new/a.rs").exists());
        assert_eq!(pair.content("scripts/run"), "old\n");
        assert_eq!(pair.content("rust/kernel/new/b.rs"), "b\n");
        pair.uninstall().unwrap();
        assert_eq!(pair.snapshot(), before);
    }

    #[test]
    fn drift_is_refused_by_name() {
        for path in ["kernel/trace/count", "rust/kernel/new/a.rs"] {
            let pair = Pair::new();
            pair.install().unwrap();
            pair.theirs(path, "mine\n");
            let before = pair.snapshot();
            for error in [
                pair.uninstall().unwrap_err(),
                pair.install().unwrap_err(),
                status(&pair.repo, &pair.tree).unwrap_err(),
            ] {
                assert!(error.to_string().contains(path), "{error}");
            }
            assert_eq!(pair.snapshot(), before);
        }
    }

    #[test]
    fn a_changed_mode_and_a_lost_backup_are_drift() {
        let pair = Pair::new();
        pair.install().unwrap();
        let run = pair.tree.join("scripts/run");
        fs::set_permissions(&run, Permissions::from_mode(0o644)).unwrap();
        assert!(pair.uninstall().is_err());
        fs::set_permissions(&run, Permissions::from_mode(0o775)).unwrap();
        let backup = pair.tree.join(".rust-ftrace/originals/scripts/run");
        fs::remove_file(backup).unwrap();
        let before = pair.snapshot();
        let error = pair.uninstall().unwrap_err().to_string();
        assert!(error.contains("scripts/run"), "{error}");
        assert_eq!(pair.snapshot(), before);
    }

    #[test]
    fn what_is_no_supported_kernel_is_refused() {
        let pair = Pair::new();
        pair.theirs("Makefile", "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n");
        let error = pair.refused();
        assert!(error.contains("Linux 6.12.1; supported: 7.3"), "{error}");
        fs::remove_file(pair.tree.join("Kconfig")).unwrap();
        assert!(pair.refused().contains("no kernel source tree"));
    }

    #[test]
    fn a_patch_that_does_not_apply_leaves_the_tree_alone() {
        let pair = Pair::new();
        pair.theirs("scripts/run", "something else\n");
        let error = pair.refused();
        assert!(error.contains("0001-count.patch does not apply"), "{error}");
        assert!(error.contains("scripts/run"), "{error}");
    }

    #[test]
    fn files_that_are_there_already_are_refused() {
        let pair = Pair::new();
        pair.theirs("arch/arm/new.rs", "c\n");
        assert!(pair.refused().contains("arch/arm/new.rs"));
    }

    #[test]
    fn a_tree_that_is_dirty_where_we_patch_is_refused() {
        let pair = Pair::new();
        pair.git("init -q");
        pair.git("add -A");
        pair.git("commit -qm base");
        pair.theirs("kernel/trace/count", "one\ntwo\n");
        let error = pair.refused();
        assert!(error.contains("uncommitted changes"), "{error}");
        assert!(error.contains("kernel/trace/count"), "{error}");
        pair.git("checkout -q .");
        pair.theirs("rust/kernel/lib.rs", "dirty elsewhere\n");
        pair.install().unwrap();
    }

    #[test]
    fn every_overlay_file_belongs_to_one_patch() {
        let pair = Pair::new();
        let series = |text: &str| {
            pair.ours("patches/7.3/series", text);
            pair.refused()
        };
        let error = series("0001-count.patch\n0002-rust.patch rust\n");
        assert!(error.contains("arch/arm/new.rs"), "{error}");
        let error = series("0001-count.patch rust\n0002-rust.patch rust arch\n");
        assert!(error.contains("rust belongs to both"), "{error}");
        let error = series("0001-count.patch rust arch nowhere\n");
        assert!(error.contains("nowhere"), "{error}");
        let error = series("0003-none.patch rust arch\n");
        assert!(
            error.contains("0003-none.patch, which is not there"),
            "{error}"
        );
    }

    /// Changes the tree as an install would that is cut off after so many files.
    fn cut_off_after(pair: &Pair, files: usize) {
        let tree = Tree::open(&pair.tree).unwrap();
        let series = Series::read(&pair.repo, "7.3").unwrap();
        let plan = series.plan(&|path| tree.original(path)).unwrap();
        let mut change = Change::new(&tree, plan).unwrap();
        tree.stage(&change).unwrap();
        while change.write.len() > files {
            change.write.pop_last();
        }
        tree.commit(&change).unwrap();
        assert!(status(&pair.repo, &pair.tree).is_err());
    }

    #[test]
    fn an_interrupted_install_can_be_undone_and_repeated() {
        for files in 0..=5 {
            for again in [true, false] {
                let pair = Pair::new();
                let before = pair.snapshot();
                cut_off_after(&pair, files);
                if again {
                    pair.install().unwrap();
                    assert!(status(&pair.repo, &pair.tree)
                        .unwrap()
                        .contains("up to date"));
                }
                pair.uninstall().unwrap();
                assert_eq!(pair.snapshot(), before, "after {files} files");
            }
        }
    }

    #[test]
    fn an_interrupted_update_can_be_undone_and_repeated() {
        for files in 0..=2 {
            for again in [true, false] {
                let pair = Pair::new();
                let before = pair.snapshot();
                pair.install().unwrap();
                pair.ours("rust/kernel/new/a.rs", "newer\n");
                pair.ours("rust/kernel/new/b.rs", "newer\n");
                cut_off_after(&pair, files);
                if again {
                    pair.install().unwrap();
                    assert_eq!(pair.content("rust/kernel/new/b.rs"), "newer\n");
                }
                pair.uninstall().unwrap();
                assert_eq!(pair.snapshot(), before, "after {files} files");
            }
        }
    }

    #[test]
    fn an_interrupted_uninstall_can_be_finished() {
        let pair = Pair::new();
        let before = pair.snapshot();
        pair.install().unwrap();
        let tree = Tree::open(&pair.tree).unwrap();
        fs::rename(tree.own("manifest.json"), tree.own("journal.json")).unwrap();
        fs::remove_file(pair.tree.join("arch/arm/new.rs")).unwrap();
        let count = pair.tree.join("kernel/trace/count");
        fs::rename(tree.backup(Path::new("kernel/trace/count")), count).unwrap();
        pair.uninstall().unwrap();
        assert_eq!(pair.snapshot(), before);
    }

    #[test]
    fn an_install_that_fails_in_the_middle_undoes_itself() {
        let pair = Pair::new();
        let before = pair.snapshot();
        let tree = Tree::open(&pair.tree).unwrap();
        let series = Series::read(&pair.repo, "7.3").unwrap();
        let plan = series.plan(&|path| tree.original(path)).unwrap();
        let change = Change::new(&tree, plan).unwrap();
        tree.stage(&change).unwrap();
        fs::remove_file(tree.own("staged/scripts/run")).unwrap();
        let error = tree.bring_in(&change).unwrap_err();
        assert!(format!("{error:#}").contains("own files are back"));
        assert_eq!(pair.snapshot(), before);
    }

    #[test]
    fn the_series_is_the_same_each_time_and_git_takes_it() {
        let pair = Pair::new();
        let series = Series::read(&pair.repo, "7.3").unwrap();
        let format = |name: &str| {
            let to = pair.repo.join(name);
            fs::create_dir(&to).unwrap();
            series.format(&originals(&pair.tree).unwrap(), &to).unwrap();
            let patches: Vec<_> = [
                "0001-trace-count-to-four.patch",
                "0002-rust-add-things.patch",
            ]
            .map(|file| fs::read_to_string(to.join(file)).unwrap())
            .into();
            (to, patches)
        };
        let (to, first) = format("first");
        assert!(first[0].contains("Subject: [PATCH 1/2] trace: count to four"));
        assert!(first[1].contains("# A line that is no comment."));
        pair.git("init -q");
        pair.git("add -A");
        pair.git("commit -qm base");
        pair.git(&format!("am -q {}/*.patch", to.display()));
        assert_eq!(pair.content("scripts/run"), "new\n");
        assert_eq!(pair.content("rust/kernel/new/a.rs"), "a\n");
        pair.git("reset -q --hard HEAD~2");
        // An installed tree gives the same series.
        pair.install().unwrap();
        assert_eq!(format("second").1, first);
    }
}
