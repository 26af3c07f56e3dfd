// SPDX-License-Identifier: GPL-2.0

//! The host that all of it runs on.

use paths::Paths;
use progress::Ui;

pub mod apt;
pub mod browser;
pub mod compilers;
pub mod files;
pub mod packages;
pub mod paths;
pub mod process;
pub mod progress;
pub mod rust;
pub mod version;

/// What every command works with.
pub struct Context {
    pub paths: Paths,
    pub ui: Ui,
}
