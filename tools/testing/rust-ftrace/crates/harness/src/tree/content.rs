// SPDX-License-Identifier: GPL-2.0

//! Files of a kernel tree, by what is in them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path, //
};

use anyhow::{
    ensure,
    Context as _,
    Result, //
};

/// A file of a kernel tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub bytes: Vec<u8>,
    pub executable: bool,
}

impl Content {
    /// Reads a regular file; `None` if there is nothing of that name.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let Ok(meta) = path.symlink_metadata() else {
            return Ok(None);
        };
        ensure!(meta.is_file(), "{} is no regular file", path.display());
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let executable = meta.permissions().mode() & 0o100 != 0;
        Ok(Some(Self { bytes, executable }))
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        let mode = if self.executable { 0o755 } else { 0o644 };
        let dir = path.parent().context("a file has a folder")?;
        fs::create_dir_all(dir)
            .and_then(|()| fs::write(path, &self.bytes))
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
