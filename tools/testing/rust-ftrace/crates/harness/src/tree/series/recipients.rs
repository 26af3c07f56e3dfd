// SPDX-License-Identifier: GPL-2.0

//! Whom a patch goes to, by the kernel's scripts/get_maintainer.pl.

use std::{
    fs,
    path::Path,
    process::Command, //
};

use anyhow::Result;
use tempfile::TempDir;

use crate::{
    host::process::output,
    tree::series::Originals, //
};

/// What the script reads, besides itself.
const SCRIPT: &str = "scripts/get_maintainer.pl";
const NEEDED: [&str; 2] = [SCRIPT, "MAINTAINERS"];
const WELCOME: &str = ".get_maintainer.ignore";

/// The script and what it reads, in a folder of their own.
pub struct Script(TempDir);

/// Those who can take a patch, and those who read it.
#[derive(Debug, Default, PartialEq)]
pub struct Recipients {
    to: Vec<String>,
    cc: Vec<String>,
}

impl Script {
    /// Takes the script out of a tree, if it is there with what it needs.
    pub fn of(originals: &Originals<'_>) -> Result<Option<Self>> {
        let dir = tempfile::tempdir()?;
        for name in NEEDED {
            match originals(Path::new(name))? {
                Some(content) => content.write(&dir.path().join(name))?,
                None => return Ok(None),
            }
        }
        if let Some(content) = originals(Path::new(WELCOME))? {
            content.write(&dir.path().join(WELCOME))?;
        }
        Ok(Some(Self(dir)))
    }

    /// Whom a patch goes to. Its author is not looked at: names are no keywords.
    pub fn of_patch(&self, patch: &str) -> Result<Recipients> {
        let lines = patch.lines().filter(|line| !line.starts_with("From"));
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        let file = self.0.path().join("patch");
        fs::write(&file, text)?;
        let said = output(
            Command::new("perl")
                .args([SCRIPT, "--no-tree", "--no-git", "--no-git-fallback"])
                .args(["--roles", "--no-rolestats"])
                .arg(&file)
                .current_dir(self.0.path()),
        )?;
        Ok(Recipients::read(&said))
    }
}

impl Recipients {
    /// Reads lines such as `Name <address> (maintainer:MIPS)`.
    fn read(said: &str) -> Self {
        let mut recipients = Self::default();
        for line in said.lines() {
            if let Some((who, role)) = line.split_once(" (") {
                let takes = ["maintainer", "supporter"];
                let takes = takes.iter().any(|word| role.starts_with(word));
                let list = match takes {
                    true => &mut recipients.to,
                    false => &mut recipients.cc,
                };
                list.push(who.to_owned());
            }
        }
        recipients
    }

    /// Adds those of another patch.
    pub fn add(&mut self, other: &Self) {
        for who in &other.to {
            self.cc.retain(|reader| reader != who);
            if !self.to.contains(who) {
                self.to.push(who.clone());
            }
        }
        for who in &other.cc {
            if !self.to.contains(who) && !self.cc.contains(who) {
                self.cc.push(who.clone());
            }
        }
    }

    /// Adds them to the head of a mail.
    pub fn address(&self, mail: &str) -> String {
        let mut head = String::new();
        for (name, people) in [("To", &self.to), ("Cc", &self.cc)] {
            if !people.is_empty() {
                head += &format!("{name}: {}\n", people.join(",\n    "));
            }
        }
        match mail.split_once("\n\n") {
            Some((before, body)) => format!("{before}\n{head}\n{body}"),
            None => mail.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
A <a@a.org> (maintainer:MIPS)
\"B, Ö\" <b@b.org> (reviewer:RUST:Keyword:\\b(?i:rust)\\b)
l@l.org (open list:MIPS)
";

    #[test]
    fn maintainers_are_written_to_and_others_read_along() {
        let mut all = Recipients::read(SAID);
        assert_eq!(
            all.address("From: x\nSubject: y\n\nWhy.\n\nSo.\n"),
            "From: x\nSubject: y\nTo: A <a@a.org>\nCc: \"B, Ö\" <b@b.org>,\n    l@l.org\n\n\
             Why.\n\nSo.\n"
        );
        all.add(&Recipients::read(
            "\"B, Ö\" <b@b.org> (maintainer:RUST)\nl@l.org (open list)\n",
        ));
        assert_eq!(all.to, ["A <a@a.org>", "\"B, Ö\" <b@b.org>"]);
        assert_eq!(all.cc, ["l@l.org"]);
        assert_eq!(Recipients::default().address("a\n\nb\n"), "a\n\nb\n");
    }
}
