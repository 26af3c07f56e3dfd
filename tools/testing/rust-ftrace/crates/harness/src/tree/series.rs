// SPDX-License-Identifier: GPL-2.0

//! What this repository makes of a kernel tree: new files (the overlay), and edits to the tree's
//! own files (the patches of one kernel series).
//!
//! `patches/<series>/series` names the patches in their order, one a line, and after each the
//! overlay files or folders that its commit brings along. Every overlay file belongs to exactly
//! one patch.

use std::{
    collections::{
        BTreeMap,
        BTreeSet, //
    },
    fs,
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

/// A patch and the overlay files of its commit.
struct Entry {
    patch: PathBuf,
    overlay: Vec<PathBuf>,
}

/// The patches of one kernel series.
pub struct Series {
    repo: PathBuf,
    entries: Vec<Entry>,
    /// The tree's own files that the patches edit.
    edited: BTreeSet<PathBuf>,
}

/// What becomes of a kernel tree, by path.
pub type Plan = BTreeMap<PathBuf, Content>;

/// The tree's own content of a path, `None` if it has none.
pub type Originals<'a> = dyn Fn(&Path) -> Result<Option<Content>> + 'a;

impl Series {
    pub fn read(repo: &Path, series: &str) -> Result<Self> {
        let folder = repo.join("patches").join(series);
        let list = folder.join("series");
        let text =
            fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
        let mut unclaimed: BTreeSet<PathBuf> = overlay_files(repo)?.into_iter().collect();
        let mut owner = BTreeMap::<PathBuf, String>::new();
        let mut entries = Vec::new();
        let mut edited = BTreeSet::new();
        for line in text.lines() {
            let mut words = words(line);
            let Some(name) = words.next() else {
                continue;
            };
            let patch = folder.join(name);
            ensure!(
                patch.is_file(),
                "{} names {name}, which is not there",
                list.display()
            );
            let mut overlay = Vec::new();
            for word in words {
                let claimed: Vec<_> = unclaimed
                    .iter()
                    .filter(|path| path.starts_with(word))
                    .cloned()
                    .collect();
                if claimed.is_empty() {
                    match owner.iter().find(|(path, _)| path.starts_with(word)) {
                        Some((_, other)) => bail!("{word} belongs to both {other} and {name}"),
                        None => bail!("{name} brings {word} along, which is no overlay file"),
                    }
                }
                for path in claimed {
                    unclaimed.remove(&path);
                    owner.insert(path.clone(), name.to_string());
                    overlay.push(path);
                }
            }
            edited.extend(edited_files(&patch)?);
            entries.push(Entry { patch, overlay });
        }
        if let Some(path) = unclaimed.first() {
            bail!(
                "{} overlay files belong to no patch of {}, {} for one",
                unclaimed.len(),
                list.display(),
                path.display()
            );
        }
        if let Some(path) = edited.iter().find(|path| owner.contains_key(*path)) {
            bail!(
                "{} is an overlay file and edited by a patch",
                path.display()
            );
        }
        Ok(Self {
            repo: repo.to_path_buf(),
            entries,
            edited,
        })
    }

    /// The tree's own files that patches edit.
    pub fn edited(&self) -> impl Iterator<Item = &PathBuf> {
        self.edited.iter()
    }

    /// The files that are new to the tree.
    pub fn added(&self) -> impl Iterator<Item = &PathBuf> {
        self.entries.iter().flat_map(|entry| &entry.overlay)
    }

    /// What becomes of the tree whose own files are `originals`. Nothing is written there.
    pub fn plan(&self, originals: &Originals<'_>) -> Result<Plan> {
        let scratch = self.scratch(originals)?;
        let mut plan = Plan::new();
        for entry in &self.entries {
            apply(scratch.path(), &entry.patch)?;
            for path in &entry.overlay {
                plan.insert(path.clone(), self.overlay_file(path)?);
            }
        }
        for path in &self.edited {
            let Some(content) = Content::read(&scratch.path().join(path))? else {
                bail!("a patch removes {}, which is not supported", path.display());
            };
            plan.insert(path.clone(), content);
        }
        Ok(plan)
    }

    /// Writes the series as patches for `git am` into a folder.
    pub fn format(&self, originals: &Originals<'_>, to: &Path) -> Result<()> {
        let scratch = self.scratch(originals)?;
        let dir = scratch.path();
        output(git(dir).args(["init", "-q"]))?;
        let mut author = Author::base();
        commit(dir, &author, "Linux\n")?;
        for entry in &self.entries {
            let message;
            (author, message) = Author::of(&entry.patch)?;
            apply(dir, &entry.patch)?;
            for path in &entry.overlay {
                self.overlay_file(path)?.write(&dir.join(path))?;
            }
            commit(dir, &author, &message)?;
        }
        output(
            git(dir)
                .args(["format-patch", "-q", "--no-signature", "--zero-commit"])
                .args(["--full-index", "--no-renames", "-o"])
                .arg(to)
                .arg(format!("HEAD~{}", self.entries.len())),
        )?;
        Ok(())
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

/// The names of the patches of a series, in their order.
pub fn patches(repo: &Path, series: &str) -> Result<Vec<String>> {
    let list = repo.join("patches").join(series).join("series");
    let text =
        fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let names = text.lines().filter_map(|line| words(line).next());
    Ok(names.map(str::to_owned).collect())
}

/// The words of a line of a series' list, without a comment.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split('#').next().unwrap_or("").split_whitespace()
}

/// Who wrote a patch and when. The committer is the same, so that the same input gives the same
/// output.
struct Author {
    name: String,
    email: String,
    date: String,
}

impl Author {
    fn base() -> Self {
        Self {
            name: "rust-ftrace".into(),
            email: "rust-ftrace".into(),
            date: "1970-01-01T00:00:00Z".into(),
        }
    }

    /// The author and the commit message of a patch.
    fn of(patch: &Path) -> Result<(Self, String)> {
        let dir = tempfile::tempdir()?;
        let text = fs::File::open(patch)?;
        let head = output(
            git(dir.path())
                .args(["mailinfo", "message", "diff"])
                .stdin(text),
        )?;
        let field = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .map(str::to_string)
                .with_context(|| format!("{} has no {name} in its head", patch.display()))
        };
        let body = fs::read_to_string(dir.path().join("message"))?;
        let author = Self {
            name: field("Author")?,
            email: field("Email")?,
            date: field("Date")?,
        };
        Ok((author, format!("{}\n\n{body}", field("Subject")?)))
    }
}

/// Commits everything in a scratch repository.
fn commit(dir: &Path, author: &Author, message: &str) -> Result<()> {
    output(git(dir).args(["add", "--all", "--force"]))?;
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), message)?;
    let mut git = git(dir);
    for role in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{role}_NAME"), &author.name)
            .env(format!("GIT_{role}_EMAIL"), &author.email)
            .env(format!("GIT_{role}_DATE"), &author.date);
    }
    output(
        git.args(["commit", "-q", "--allow-empty", "--cleanup=whitespace"])
            .arg("-F")
            .arg(file.path()),
    )?;
    Ok(())
}

/// Applies a patch in a scratch folder. An empty one only carries the message of a commit.
fn apply(dir: &Path, patch: &Path) -> Result<()> {
    let applied = git(dir)
        .args(["apply", "--allow-empty", "--whitespace=nowarn"])
        .arg(patch)
        .output()
        .context("cannot run git")?;
    ensure!(
        applied.status.success(),
        "{} does not apply:\n{}",
        patch.display(),
        String::from_utf8_lossy(&applied.stderr).trim_end()
    );
    Ok(())
}

fn edited_files(patch: &Path) -> Result<Vec<PathBuf>> {
    let folder = patch.parent().context("a file has a folder")?;
    let list = output(
        git(folder)
            .args(["apply", "--allow-empty", "--numstat", "-z"])
            .arg(patch),
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
