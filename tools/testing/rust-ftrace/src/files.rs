// SPDX-License-Identifier: GPL-2.0

//! Files that are whole or not there.

use std::fs;
use std::fs::File;
use std::fs::Permissions;
use std::io;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context as _;
use anyhow::Result;
use sha2::Digest;
use sha2::Sha256;

/// Writes a file under another name first, so that no reader finds half of it.
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<()> {
    let dir = path.parent().context("a file has a folder")?;
    let write = || -> io::Result<()> {
        fs::create_dir_all(dir)?;
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(dir)?;
        file.write_all(content)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Removes a folder that may not be there.
pub fn remove_dir_all(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The SHA-256 of a file, in hexadecimal.
pub fn sha256(path: &Path) -> Result<String> {
    let read = || -> io::Result<String> {
        let mut hasher = Sha256::new();
        io::copy(&mut File::open(path)?, &mut hasher)?;
        Ok(format!("{:x}", hasher.finalize()))
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

/// The SHA-256 of bytes, in hexadecimal.
pub fn sha256_of(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}
