// SPDX-License-Identifier: GPL-2.0

//! What this repository makes of a kernel tree: new files (the overlay), and edits to the tree's
//! own files (the patches of one kernel series).
//!
//! [`list`] reads `patches/<version>/series.toml`, [`sets`] what the lists of several versions come
//! to. Here is what becomes of a tree. Every overlay file belongs to exactly one patch.

use std::{
    collections::{
        BTreeMap,
        BTreeSet, //
    },
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
use tempfile::TempDir;
use walkdir::WalkDir;

use crate::{
    host::process::output,
    tree::{
        content::Content,
        git::{
            git,
            without_git_environment, //
        },
        series::{
            list::List,
            sets::{
                Patch,
                Set, //
            },
        },
    },
};

/// The folders of this repository whose files go to the same path of a kernel tree.
const OVERLAY: [&str; 8] = [
    "arch",
    "rust",
    "Documentation",
    "kernel",
    "include",
    "samples",
    "tools/testing/selftests",
    "tools/testing/kunit",
];

mod alone;
mod list;
pub mod mail;
mod message;
mod recipients;
mod sets;
pub mod stages;
pub mod trial;

pub use message::Person;

/// The patches of one kernel series.
pub struct Series {
    repo: PathBuf,
    sets: Vec<Set>,
    /// The overlay files of the patches' commits, by the names of the patches.
    overlay: BTreeMap<String, Vec<PathBuf>>,
    /// The tree's own files that the patches edit.
    edited: BTreeSet<PathBuf>,
}

/// What becomes of a kernel tree, by path.
pub type Plan = BTreeMap<PathBuf, Content>;

/// The tree's own content of a path, `None` if it has none.
pub type Originals<'a> = dyn Fn(&Path) -> Result<Option<Content>> + 'a;

impl Series {
    /// Reads the series of a version, such as 7.3.
    pub fn read(repo: &Path, version: &str) -> Result<Self> {
        let all = sets::sets(repo, version)?;
        let owners = owners(overlay_files(repo)?, &all)?;
        let sets = sets::without_dropped(all);
        let mut overlay = BTreeMap::new();
        let mut edited = BTreeSet::new();
        for patch in sets.iter().flat_map(|set| &set.patches) {
            let own = owners.iter().filter(|(_, owner)| **owner == patch.name);
            let own: Vec<_> = own.map(|(path, _)| path.clone()).collect();
            overlay.insert(patch.name.clone(), own);
            edited.extend(edited_files(patch)?);
        }
        if let Some(path) = edited.iter().find(|path| owners.contains_key(*path)) {
            bail!(
                "{} is an overlay file and edited by a patch",
                path.display()
            );
        }
        Ok(Self {
            repo: repo.to_path_buf(),
            sets,
            overlay,
            edited,
        })
    }

    /// The names of the patches in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.patches().map(|patch| patch.name.as_str())
    }

    fn patches(&self) -> impl Iterator<Item = &Patch> {
        self.sets.iter().flat_map(|set| &set.patches)
    }

    /// The tree's own files that patches edit.
    pub fn edited(&self) -> impl Iterator<Item = &PathBuf> {
        self.edited.iter()
    }

    /// The files that are new to the tree.
    pub fn added(&self) -> impl Iterator<Item = &PathBuf> {
        self.overlay.values().flatten()
    }

    /// What becomes of the tree whose own files are `originals`. Nothing is written there.
    pub fn plan(&self, originals: &Originals<'_>) -> Result<Plan> {
        let scratch = self.scratch(originals)?;
        let mut plan = Plan::new();
        for patch in self.patches() {
            apply(scratch.path(), patch)?;
        }
        for path in self.added() {
            plan.insert(path.clone(), self.overlay_file(path)?);
        }
        for path in &self.edited {
            let Some(content) = Content::read(&scratch.path().join(path))? else {
                bail!("a patch removes {}, which is not supported", path.display());
            };
            plan.insert(path.clone(), content);
        }
        Ok(plan)
    }

    /// A folder with the tree's own files that patches edit.
    fn scratch(&self, originals: &Originals<'_>) -> Result<TempDir> {
        let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
        for path in &self.edited {
            if let Some(content) = originals(path)? {
                content.write(&scratch.path().join(path))?;
            }
        }
        Ok(scratch)
    }

    fn overlay_file(&self, path: &Path) -> Result<Content> {
        Content::read(&self.repo.join(path))?
            .with_context(|| format!("{} is not there", path.display()))
    }
}

/// The names of the patches of a version, in their order.
pub fn patches(repo: &Path, version: &str) -> Result<Vec<String>> {
    let sets = sets::without_dropped(sets::sets(repo, version)?);
    let patches = sets.into_iter().flat_map(|set| set.patches);
    Ok(patches.map(|patch| patch.name).collect())
}

/// Whether a suite of Debian has the source of a version.
pub fn is_in_debian(repo: &Path, version: &str) -> Result<bool> {
    Ok(List::read(&repo.join("patches").join(version))?.debian)
}

/// The patch that each overlay file belongs to.
fn owners(files: Vec<PathBuf>, sets: &[Set]) -> Result<BTreeMap<PathBuf, String>> {
    let mut unclaimed: BTreeSet<PathBuf> = files.into_iter().collect();
    let mut owners = BTreeMap::new();
    for patch in sets.iter().flat_map(|set| &set.patches) {
        let name = patch.name.as_str();
        for wanted in &patch.brings {
            let is_wanted = |path: &PathBuf| path.starts_with(wanted);
            let claimed: Vec<_> = unclaimed.iter().filter(|p| is_wanted(p)).cloned().collect();
            if claimed.is_empty() {
                let wanted = wanted.display();
                match owners.iter().find(|(path, _)| is_wanted(path)) {
                    Some((_, other)) => bail!("{wanted} belongs to both {other} and {name}"),
                    None => bail!("{name} brings {wanted} along, which is no overlay file"),
                }
            }
            for path in claimed {
                unclaimed.remove(&path);
                owners.insert(path, name.to_owned());
            }
        }
    }
    if let Some(path) = unclaimed.first() {
        bail!(
            "{} overlay files belong to no patch, {} for one: `brings` of the patch that adds it \
             says so",
            unclaimed.len(),
            path.display()
        );
    }
    Ok(owners)
}

/// Applies a patch in a scratch folder. An empty one only carries the message of a commit.
fn apply(dir: &Path, patch: &Patch) -> Result<()> {
    let applied = git(dir)
        .args(["apply", "--allow-empty", "--whitespace=nowarn"])
        .arg(&patch.diff)
        .output()
        .context("cannot run git")?;
    ensure!(
        applied.status.success(),
        "{} does not apply:\n{}",
        patch.diff.display(),
        String::from_utf8_lossy(&applied.stderr).trim_end()
    );
    Ok(())
}

fn edited_files(patch: &Patch) -> Result<Vec<PathBuf>> {
    let folder = patch.diff.parent().context("a file has a folder")?;
    let list = output(
        git(folder)
            .args(["apply", "--allow-empty", "--numstat", "-z"])
            .arg(&patch.diff),
    )?;
    Ok(list
        .split_terminator('\0')
        .filter_map(|row| row.split('\t').nth(2))
        .map(PathBuf::from)
        .collect())
}

/// The overlay files of this repository, which may be a clone or an unpacked archive.
fn overlay_files(repo: &Path) -> Result<Vec<PathBuf>> {
    if repo.join(".git").exists() {
        let mut git = Command::new("git");
        without_git_environment(&mut git);
        let list = output(
            git.arg("-C")
                .arg(repo)
                .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached"])
                .args(["--others", "--exclude-standard", "--"])
                .args(OVERLAY),
        )?;
        return Ok(list
            .split_terminator('\0')
            .map(PathBuf::from)
            .filter(|path| repo.join(path).exists())
            .collect());
    }
    let mut files = Vec::new();
    for folder in OVERLAY.map(|folder| repo.join(folder)) {
        if !folder.exists() {
            continue;
        }
        for entry in WalkDir::new(&folder) {
            let entry = entry?;
            if entry.file_type().is_file() {
                files.push(entry.path().strip_prefix(repo)?.to_path_buf());
            }
        }
    }
    Ok(files)
}
