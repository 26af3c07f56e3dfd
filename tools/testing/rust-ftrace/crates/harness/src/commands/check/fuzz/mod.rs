// SPDX-License-Identifier: GPL-2.0

//! Random commands for tracefs, in rounds. In a round several shells of a guest, the writers, each
//! run commands of their own. A round is a function of its seed alone, and a folder of files that
//! can be run again as they are: one file a writer, one command a line.

use std::{
    fs,
    path::{
        Path,
        PathBuf, //
    },
};

use anyhow::{
    ensure,
    Result, //
};
use fastrand::Rng;

use crate::{
    commands::check::fuzz::grammar::{
        LISTS,
        TEMPLATES, //
    },
    guest::console,
    host::files, //
};

mod grammar;

/// How many writers a round has.
const WRITERS: usize = 3;

/// How many commands each of them has.
const COMMANDS: usize = 60;

/// What the guest's script writes to the log at the start of a round, before its name.
const ROUND: &str = "guest: round ";

/// How the name of a round begins. Its seed follows.
const SEED: &str = "seed-";

/// Replaces each name in braces by one of the texts that it stands for.
fn fill(rng: &mut Rng, template: &str) -> String {
    let Some((before, rest)) = template.split_once('{') else {
        return template.to_owned();
    };
    let (name, after) = rest.split_once('}').unwrap_or((rest, ""));
    let list = LISTS.iter().find(|(list, _)| *list == name);
    let picked = list.and_then(|(_, words)| rng.choice(*words));
    let picked = fill(rng, picked.copied().unwrap_or_default());
    format!("{before}{picked}{}", fill(rng, after))
}

/// One of the commands.
fn command(rng: &mut Rng) -> String {
    let all = TEMPLATES.iter().map(|(weight, _)| weight).sum();
    let mut at = rng.u32(0..all);
    for (weight, template) in TEMPLATES {
        match at.checked_sub(*weight) {
            Some(left) => at = left,
            None => return fill(rng, template),
        }
    }
    unreachable!("{at} is beyond the sum of all weights")
}

/// The files of a round: the commands of each writer.
fn round(seed: u64) -> [String; WRITERS] {
    let mut rng = Rng::with_seed(seed);
    [(); WRITERS].map(|()| (0..COMMANDS).map(|_| command(&mut rng) + "\n").collect())
}

/// What to run.
pub enum Rounds {
    /// Rounds of consecutive seeds, in this folder.
    Seeds {
        folder: PathBuf,
        first: u64,
        number: u32,
    },
    /// The round in this folder.
    Replay(PathBuf),
}

impl Rounds {
    /// A round that was made before, or what was left of it.
    pub fn replay(folder: &Path) -> Result<Self> {
        let has_commands = fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some());
        ensure!(
            has_commands,
            "REPLAY={} is no folder with files of commands: name one of build/fuzz, or a copy of it",
            folder.display()
        );
        Ok(Self::Replay(folder.to_path_buf()))
    }

    /// The names of the rounds, which are those of their tests.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Seeds { first, number, .. } => (0..u64::from(*number))
                .map(|n| format!("{SEED}{}", first.wrapping_add(n)))
                .collect(),
            Self::Replay(folder) => {
                let name = folder.file_name().unwrap_or_default();
                vec![name.to_string_lossy().into_owned()]
            }
        }
    }

    /// Makes the files of the rounds, and returns the folder of each.
    pub fn write(&self) -> Result<Vec<PathBuf>> {
        let Self::Seeds { folder, first, .. } = self else {
            return Ok(vec![self.folder("")]);
        };
        let mut folders = Vec::new();
        for (seed, name) in (*first..).zip(self.names()) {
            let folder = folder.join(name);
            for (writer, commands) in (1..).zip(round(seed)) {
                files::write_atomic(&folder.join(format!("{writer}")), commands.as_bytes())?;
            }
            folders.push(folder);
        }
        Ok(folders)
    }

    /// How to run a round again.
    pub fn again(&self, machine: &str, name: &str) -> String {
        let test = format!("make check TEST={machine}/fuzz");
        let folder = self.folder(name);
        let replay = format!("{test} REPLAY={}", folder.display());
        match (self, name.strip_prefix(SEED)) {
            (Self::Seeds { .. }, Some(seed)) => format!(
                "again: {test} SEED={seed} TOGGLES=1\nwith fewer commands, \
                 after taking some out of a copy of the folder: {replay}"
            ),
            _ => format!("again: {replay}"),
        }
    }

    fn folder(&self, name: &str) -> PathBuf {
        match self {
            Self::Seeds { folder, .. } => folder.join(name),
            Self::Replay(folder) => folder.clone(),
        }
    }
}

/// The round that a guest was in when it ended, from its log.
pub fn last_round(console: &str) -> Option<&str> {
    let lines = console.lines().map(console::text);
    lines
        .filter_map(|line| line.strip_prefix(ROUND))
        .next_back()
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fs, //
    };

    use super::*;

    #[test]
    fn a_round_is_a_function_of_its_seed() {
        assert_eq!(round(1), round(1));
        assert_ne!(round(1), round(2));
        let [first, second, _] = round(1);
        assert_ne!(first, second);
        assert!(round(1).iter().all(|w| w.lines().count() == COMMANDS));
    }

    #[test]
    fn every_name_stands_for_something_and_every_list_is_used() {
        let texts = TEMPLATES.iter().map(|(_, text)| *text);
        let words = LISTS.iter().flat_map(|(_, words)| *words).copied();
        let used: BTreeSet<_> = texts
            .chain(words)
            .flat_map(|text| text.split('{').skip(1))
            .map(|rest| rest.split_once('}').expect("an open brace").0)
            .collect();
        let defined: BTreeSet<_> = LISTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(used, defined);
        assert_eq!(defined.len(), LISTS.len());
        assert!(LISTS.iter().all(|(_, words)| !words.is_empty()));
    }

    #[test]
    fn every_command_comes() {
        let mut rng = Rng::with_seed(1);
        let commands: Vec<_> = (0..10_000).map(|_| command(&mut rng)).collect();
        for (_, template) in TEMPLATES {
            // A command has the parts between the names in its template.
            let parts: Vec<_> = template
                .split('{')
                .map(|part| part.split_once('}').map_or(part, |(_, after)| after))
                .collect();
            let comes = |command: &&String| {
                let start = command.strip_prefix(parts[0]);
                start.is_some_and(|rest| parts[1..].iter().all(|part| rest.contains(part)))
            };
            assert!(commands.iter().any(|c| comes(&c)), "{template}");
        }
        assert!(commands.iter().all(|c| !c.contains(['{', '}', '\n'])));
    }

    #[test]
    fn rounds_in_folders() {
        let top = tempfile::tempdir().unwrap();
        let rounds = Rounds::Seeds {
            folder: top.path().to_path_buf(),
            first: 8,
            number: 2,
        };
        assert_eq!(rounds.names(), ["seed-8", "seed-9"]);
        let folders = rounds.write().unwrap();
        assert_eq!(folders, ["seed-8", "seed-9"].map(|n| top.path().join(n)));
        let third = fs::read_to_string(folders[1].join("3")).unwrap();
        assert_eq!(third, round(9)[2]);
        let again = rounds.again("arm", "seed-9");
        assert!(again.contains("TEST=arm/fuzz SEED=9 TOGGLES=1"), "{again}");

        assert!(Rounds::replay(&top.path().join("seed-7")).is_err());
        let replay = Rounds::replay(&folders[1]).unwrap();
        assert_eq!(replay.names(), ["seed-9"]);
        assert_eq!(replay.write().unwrap(), [folders[1].clone()]);
        let again = replay.again("arm", "seed-9");
        assert!(again.ends_with(&format!("REPLAY={}", folders[1].display())));
    }

    #[test]
    fn the_round_in_which_a_guest_died() {
        let log = "\
[    1.0] guest: round seed-1
[    1.1] guest: 1.1 echo nop > current_tracer
[    9.0] guest: round seed-2
[    9.1] guest: 2.1 echo 'guest: round x' > current_tracer
[    9.2] Kernel panic - not syncing: Fatal exception
";
        assert_eq!(last_round(log), Some("seed-2"));
        assert_eq!(last_round("no round"), None);
    }
}
