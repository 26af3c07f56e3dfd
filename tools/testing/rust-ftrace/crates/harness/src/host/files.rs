// SPDX-License-Identifier: GPL-2.0

//! Files that are whole or not there.

use std::{
    fs::{
        self,
        File,
        Permissions, //
    },
    io::{
        self,
        Write, //
    },
    os::unix::fs::{
        symlink,
        PermissionsExt, //
    },
    path::Path, //
};

use anyhow::{
    Context as _,
    Result, //
};
use sha2::{
    Digest,
    Sha256, //
};

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

/// Makes a folder, unless there is one from the same `origin`, which `stamp` keeps.
///
/// A folder from another origin goes first, and its stamp before it: a folder that is half made has
/// no stamp.
pub fn make_dir(
    dir: &Path,
    stamp: &Path,
    origin: &str,
    make: impl FnOnce() -> Result<()>,
) -> Result<()> {
    if fs::read_to_string(stamp).is_ok_and(|text| text == origin) {
        return Ok(());
    }
    if stamp.exists() {
        fs::remove_file(stamp).with_context(|| format!("cannot remove {}", stamp.display()))?;
    }
    remove_dir_all(dir)?;
    make()?;
    write_atomic(stamp, origin.as_bytes())
}

/// Makes a symbolic link.
pub fn link(target: &str, path: &Path) -> Result<()> {
    symlink(target, path).with_context(|| format!("cannot write {}", path.display()))
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

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_folder_is_made_once_and_never_taken_for_whole_when_it_is_not() {
        let top = tempfile::tempdir().unwrap();
        let (dir, stamp) = (top.path().join("made"), top.path().join("made.origin"));
        let file = dir.join("file");
        let fill = |text: &'static str| {
            let (dir, file) = (dir.clone(), file.clone());
            move || {
                fs::create_dir(dir)?;
                fs::write(file, text)?;
                Ok(())
            }
        };
        make_dir(&dir, &stamp, "a", fill("first")).unwrap();
        make_dir(&dir, &stamp, "a", || bail!("made again")).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "first");

        let half = || {
            fs::create_dir(&dir)?;
            bail!("disk full")
        };
        assert!(make_dir(&dir, &stamp, "b", half).is_err());
        make_dir(&dir, &stamp, "a", fill("second")).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "second");
    }
}
