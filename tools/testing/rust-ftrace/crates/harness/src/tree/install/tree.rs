// SPDX-License-Identifier: GPL-2.0

//! A kernel tree, and what of ours is in it.
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
    time::SystemTime, //
};

use anyhow::{
    ensure,
    Context as _,
    Result, //
};
use serde::{
    Deserialize,
    Serialize, //
};

use crate::{
    host::files,
    tree::{
        content::Content,
        install::FOLDER, //
    },
};

/// A file of the tree as it was before us.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Original {
    pub sha256: String,
    pub mode: u32,
}

/// A file of ours in the tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Installed {
    pub sha256: String,
    pub mode: u32,
    /// In a journal, the content that is being replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    pub original: Option<Original>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub files: BTreeMap<PathBuf, Installed>,
    /// The folders that we made.
    pub folders: BTreeSet<PathBuf>,
}

impl Manifest {
    pub fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let manifest = serde_json::from_slice(&text)
            .with_context(|| format!("{} is damaged", path.display()))?;
        Ok(Some(manifest))
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        files::write_atomic(path, &serde_json::to_vec_pretty(self)?)
    }
}

/// A kernel tree, and what of ours is in it.
pub struct Tree {
    pub dir: PathBuf,
    /// What is there, or may be there if the tree is `interrupted`.
    pub manifest: Option<Manifest>,
    pub interrupted: bool,
}

impl Tree {
    pub fn open(dir: &Path) -> Result<Self> {
        let own = dir.join(FOLDER);
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

    pub fn own(&self, name: &str) -> PathBuf {
        self.dir.join(FOLDER).join(name)
    }

    pub fn backup(&self, path: &Path) -> PathBuf {
        self.own("originals").join(path)
    }

    /// The hash and the mode of a file of the tree, `None` if it is not there.
    pub fn state(&self, path: &Path) -> Result<Option<Original>> {
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
    pub fn drifted(&self) -> Result<Vec<PathBuf>> {
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

    pub fn ensure_undrifted(&self) -> Result<()> {
        let drifted = self.drifted()?;
        ensure!(
            drifted.is_empty(),
            "these files of {} changed since they were installed (or their originals in \
             .rust-ftrace did); nothing was touched. Undo these changes first:{}",
            self.dir.display(),
            lines(&drifted)
        );
        Ok(())
    }

    /// The tree's own content of a path.
    pub fn original(&self, path: &Path) -> Result<Option<Content>> {
        match self.manifest.as_ref().and_then(|m| m.files.get(path)) {
            Some(file) if file.original.is_none() => Ok(None),
            Some(_) => Content::read(&self.backup(path)),
            None => Content::read(&self.dir.join(path)),
        }
    }

    /// Gives the tree its own files back, by renaming only.
    pub fn restore(&self, journal: &Manifest) -> Result<()> {
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
        files::remove_dir_all(&self.dir.join(FOLDER))
    }

    /// Takes everything of ours out.
    pub fn remove(&self, manifest: &Manifest) -> Result<()> {
        let journal = self.own("journal.json");
        if !self.interrupted {
            fs::rename(self.own("manifest.json"), &journal)
                .with_context(|| format!("cannot write {}", journal.display()))?;
        }
        self.restore(manifest)
    }
}

pub fn lines(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| format!("\n  {}", path.display()))
        .collect()
}
