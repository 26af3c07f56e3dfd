// SPDX-License-Identifier: GPL-2.0

//! git, kept to the folder that is meant.

use std::{
    path::Path,
    process::Command, //
};

/// git in a folder that is no part of the repository around it, without the user's settings.
pub fn git(dir: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(dir)
        .env("GIT_CEILING_DIRECTORIES", dir.parent().unwrap_or(dir))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("LC_ALL", "C.UTF-8");
    without_git_environment(&mut git);
    git
}

/// Keeps the repository that a git hook or alias runs us in from being the one that is meant.
pub fn without_git_environment(git: &mut Command) {
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        git.env_remove(name);
    }
}
