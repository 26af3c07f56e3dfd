// SPDX-License-Identifier: GPL-2.0

//! The two backends.

/// Which ftrace backend a kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    C,
    Rust,
}

impl Backend {
    pub fn name(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Rust => "rust",
        }
    }

    /// Fragments besides a machine's own, by the kernel's `ARCH=`. Both kernels have Rust and
    /// KUnit. They differ only in the backend and in what it makes possible.
    pub fn fragments(self, arch: &str) -> Vec<&'static str> {
        let common = ["base", "ftrace", "rust", "kunit", "kselftest"];
        let own: &[&str] = match (self, arch) {
            (Self::C, "arm") => &["backend-c", "arm-c"],
            (Self::C, _) => &["backend-c", "mips-c"],
            (Self::Rust, "arm") => &["backend-rust", "arm-rust"],
            (Self::Rust, _) => &["backend-rust"],
        };
        common.iter().chain(own).copied().collect()
    }
}
