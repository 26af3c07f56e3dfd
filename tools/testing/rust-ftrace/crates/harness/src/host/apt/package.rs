// SPDX-License-Identifier: GPL-2.0

//! A package, as apt names it.

/// A package to download.
#[derive(Debug, PartialEq)]
pub struct Package {
    pub name: String,
    /// `None` for one of the host's or of every architecture.
    pub arch: Option<String>,
    /// Empty for whichever apt prefers.
    pub version: String,
}

impl Package {
    /// Reads what `apt-get -s` says of a package: `Inst NAME (VERSION SUITE... [ARCH])`.
    pub fn of_plan(line: &str) -> Option<Self> {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
        let (version, rest) = rest.split_once(' ')?;
        let (_, arch) = rest.split_once(')')?.0.rsplit_once('[')?;
        let arch = arch.strip_suffix(']')?;
        Some(Self {
            name: name.to_string(),
            arch: (arch != "all").then(|| arch.to_string()),
            version: version.to_string(),
        })
    }

    /// The package, as apt wants it named.
    pub fn spec(&self) -> String {
        let mut spec = self.name.clone();
        if let Some(arch) = &self.arch {
            spec += &format!(":{arch}");
        }
        if !self.version.is_empty() {
            spec += &format!("={}", self.version);
        }
        spec
    }
}

/// What dpkg's status file says of a package that is there and serves every architecture.
pub fn installed(name: &str) -> String {
    format!(
        "Package: {name}\n\
         Status: install ok installed\n\
         Version: 999\n\
         Architecture: all\n\
         Multi-Arch: foreign\n\
         Maintainer: none\n\
         Description: none\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_names_packages_of_every_architecture() {
        let package = |line| Package::of_plan(line).map(|p| (p.spec(), p.arch));
        let (libc, acl) = (
            "Inst libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [armhf]) []",
            "Inst libaudit-common (1:3.0.9-1 Debian:12.15/oldstable [all])",
        );
        let arm = Some("armhf".to_string());
        assert_eq!(
            package(libc),
            Some(("libc6:armhf=2.36-9+deb12u14".into(), arm))
        );
        assert_eq!(
            package(acl),
            Some(("libaudit-common=1:3.0.9-1".into(), None))
        );
        assert_eq!(package("Conf libc6 (2.36-9+deb12u14 Debian [armhf])"), None);
    }
}
