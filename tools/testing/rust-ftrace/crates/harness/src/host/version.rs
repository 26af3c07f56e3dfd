// SPDX-License-Identifier: GPL-2.0

//! Versions of programs and kernels.

use std::{
    fmt,
    str::FromStr, //
};

use anyhow::{
    bail,
    Result, //
};

/// A version with up to three numbers, which compare in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The first version in a program's greeting.
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| !c.is_ascii_digit() && c != '.')
            .find_map(|word| word.parse().ok())
    }

    /// The kernel series that this release belongs to, as a folder below `patches/` is called.
    pub fn series(self) -> String {
        format!("{}.{}", self.0, self.1)
    }
}

impl FromStr for Version {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut numbers = text.split('.').map(str::parse);
        let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
            bail!("{text} is no version");
        };
        Ok(Self(major?, minor?, numbers.next().unwrap_or(Ok(0))?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_and_compared() {
        let clang = "Debian clang version 19.1.7 (3~deb12u1)";
        assert_eq!(Version::find(clang), Some(Version(19, 1, 7)));
        assert_eq!(Version::find("xz (XZ Utils) 5.4"), Some(Version(5, 4, 0)));
        assert_eq!(Version::find("no version. here"), None);
        assert!(Version(10, 0, 0) > Version(9, 11, 2));
    }
}
