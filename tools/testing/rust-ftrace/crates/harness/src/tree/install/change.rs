// SPDX-License-Identifier: GPL-2.0

//! From what is in a tree to what shall be.

use std::{
    fs::{
        self,
        File,
        Permissions, //
    },
    os::unix::fs::{
        MetadataExt,
        PermissionsExt, //
    },
    path::PathBuf, //
};

use anyhow::{
    Context as _,
    Result, //
};

use crate::{
    host::files,
    tree::{
        content::Content,
        install::tree::{
            Installed,
            Manifest,
            Original,
            Tree, //
        },
        series::Plan, //
    },
};

/// From what is in a tree to what shall be.
pub struct Change {
    pub write: Plan,
    pub back_up: Vec<PathBuf>,
    pub journal: Manifest,
    pub next: Manifest,
}

impl Tree {
    /// Puts new content and originals beside the tree; nothing of the tree changes.
    pub fn stage(&self, change: &Change) -> Result<()> {
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
    pub fn bring_in(&self, change: &Change) -> Result<()> {
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

    pub fn commit(&self, change: &Change) -> Result<()> {
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

impl Change {
    pub fn new(tree: &Tree, plan: Plan) -> Result<Self> {
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
    pub fn drops_files(&self) -> bool {
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
