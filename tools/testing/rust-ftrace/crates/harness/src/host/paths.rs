// SPDX-License-Identifier: GPL-2.0

//! Where things are: the repository, `build/` and the user's cache folder.

use std::{
    env,
    fs::{
        self,
        File, //
    },
    path::{
        Path,
        PathBuf, //
    },
};

use anyhow::{
    bail,
    Context as _,
    Result, //
};

pub struct Paths {
    /// The root of this repository.
    pub repo: PathBuf,
    /// Everything that the set-up builds; `make clean` removes it.
    pub build: PathBuf,
}

impl Paths {
    /// Looks for the repository from the current folder upwards.
    pub fn find() -> Result<Self> {
        let here = env::current_dir().context("cannot tell the current folder")?;
        let Some(repo) = here
            .ancestors()
            .find(|dir| dir.join("tools/testing/rust-ftrace/Cargo.toml").is_file())
        else {
            bail!("{} is not inside a rust-ftrace repository", here.display());
        };
        Ok(Self::at(repo))
    }

    pub fn at(repo: &Path) -> Self {
        Self {
            repo: repo.to_path_buf(),
            build: repo.join("build"),
        }
    }

    /// Downloads, which survive `make clean`: `$XDG_CACHE_HOME/rust-ftrace` or
    /// `~/.cache/rust-ftrace`.
    pub fn cache(&self) -> Result<PathBuf> {
        // The XDG Base Directory Specification has relative paths ignored.
        let absolute = |name| {
            env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .map(|cache| cache.join("rust-ftrace"))
            .context("neither XDG_CACHE_HOME nor HOME names a folder for the downloads")
    }

    /// Keeps other runs from setting up the same `build/` until the result is dropped.
    pub fn lock(&self) -> Result<File> {
        let path = self.build.join("lock");
        let lock = fs::create_dir_all(&self.build).and_then(|()| File::create(&path));
        let lock = lock.with_context(|| format!("cannot write {}", path.display()))?;
        if lock.try_lock().is_err() {
            eprintln!("waiting for another run to set up {}", self.build.display());
            lock.lock()?;
        }
        Ok(lock)
    }

    /// Tools that the set-up installs for itself, by their programs' folder.
    pub fn tools_bin(&self) -> PathBuf {
        self.build.join("tools/bin")
    }
}
