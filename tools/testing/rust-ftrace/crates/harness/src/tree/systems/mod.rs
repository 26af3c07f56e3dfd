// SPDX-License-Identifier: GPL-2.0

//! The series as a build system takes it: patches and kernel options where it looks for them.

use std::{
    collections::BTreeMap,
    fs,
    path::{
        Path,
        PathBuf, //
    },
    str::FromStr, //
};

use anyhow::{
    bail,
    Context as _,
    Result, //
};

use crate::host::version::Version;

mod buildroot;
mod openwrt;
#[cfg(test)]
mod tests;
mod yocto;

/// A build system.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum System {
    Openwrt,
    Buildroot,
    Yocto,
}

impl System {
    pub const ALL: [Self; 3] = [Self::Openwrt, Self::Buildroot, Self::Yocto];

    pub fn name(self) -> &'static str {
        match self {
            Self::Openwrt => "openwrt",
            Self::Buildroot => "buildroot",
            Self::Yocto => "yocto",
        }
    }

    /// The page that says how it takes the files, in this repository. It is among the files.
    pub fn page(self) -> PathBuf {
        Path::new("doc").join(format!("{}.md", self.name()))
    }

    /// The files that it takes.
    pub fn files(self, given: &Given) -> Files {
        let mut files = match self {
            Self::Openwrt => openwrt::files(given),
            Self::Buildroot => buildroot::files(given),
            Self::Yocto => yocto::files(given),
        };
        files.insert("README.md".into(), given.page.clone().into_bytes());
        files.insert("COPYING".into(), given.licence.clone().into_bytes());
        files
    }
}

impl FromStr for System {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some(system) = Self::ALL.into_iter().find(|system| system.name() == text) else {
            let names = Self::ALL.map(Self::name).join(", ");
            bail!("FORMAT={text} is none of {names}");
        };
        Ok(system)
    }
}

/// An architecture that has the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arch {
    Arm,
    Mips,
}

impl Arch {
    pub const ALL: [Self; 2] = [Self::Arm, Self::Mips];

    pub fn name(self) -> &'static str {
        match self {
            Self::Arm => "arm",
            Self::Mips => "mips",
        }
    }

    /// The fragments in `configs/` that a user's kernel is asked for.
    pub fn fragments(self) -> &'static [&'static str] {
        match self {
            Self::Arm => &["user", "user-arm"],
            Self::Mips => &["user"],
        }
    }
}

/// The fragment in `configs/` with what only OpenWrt has to be told.
pub const OPENWRT_FRAGMENT: &str = "user-openwrt";

/// Kernel options by name, without `CONFIG_`. The value of one that is not set is `n`.
pub type Options = BTreeMap<String, String>;

/// Files by their path in the folder that is written.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What files are made of.
pub struct Given {
    pub version: Version,
    /// In their order.
    pub patches: Vec<Mail>,
    pub options: BTreeMap<Arch, Options>,
    /// Options that only OpenWrt has to be told.
    pub openwrt: Options,
    /// How the system takes the files, for people.
    pub page: String,
    /// The licence of what is written.
    pub licence: String,
}

/// A patch for `git am`.
pub struct Mail {
    /// Its subject as a part of a file's name.
    pub slug: String,
    pub text: Vec<u8>,
}

impl Mail {
    /// Reads a file as `git format-patch` calls it.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let slug = name.split_once('-').map(|(_, slug)| slug.to_owned());
        Ok(Self {
            slug: slug.with_context(|| format!("{} has no number", path.display()))?,
            text: fs::read(path)?,
        })
    }
}

/// Puts the patches into a folder. `name` makes a file's name of a number and a slug.
fn put_patches(
    files: &mut Files,
    given: &Given,
    folder: &str,
    name: impl Fn(usize, &str) -> String,
) -> Vec<String> {
    let mut names = Vec::new();
    for (patch, number) in given.patches.iter().zip(1..) {
        let name = name(number, &patch.slug);
        files.insert(Path::new(folder).join(&name), patch.text.clone());
        names.push(name);
    }
    names
}

/// The name that `git format-patch` gives.
fn numbered(number: usize, slug: &str) -> String {
    format!("{number:04}-{slug}.patch")
}

/// Options as a fragment has them, with something before their names.
fn fragment<'a>(
    prefix: &str,
    options: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> String {
    let line = |(name, value): (&String, &String)| match value.as_str() {
        "n" => format!("# CONFIG_{prefix}{name} is not set\n"),
        _ => format!("CONFIG_{prefix}{name}={value}\n"),
    };
    options.into_iter().map(line).collect()
}
