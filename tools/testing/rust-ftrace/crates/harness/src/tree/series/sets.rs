// SPDX-License-Identifier: GPL-2.0

//! The sets of patches of a version: what its list and those of the newer versions come to.

use std::{
    fs,
    path::{
        Path,
        PathBuf, //
    },
};

use anyhow::{
    bail,
    ensure,
    Context as _,
    Result, //
};

use crate::tree::{
    series::list::{
        List,
        COVER, //
    },
    source, //
};

/// Patches that are sent and merged together.
#[derive(Clone, Debug)]
pub struct Set {
    pub name: String,
    pub title: String,
    /// The body of its cover letter.
    pub cover: PathBuf,
    /// The sets that must be applied before, by name.
    pub needs: Vec<String>,
    /// Whether it asks for comments and not to be merged.
    pub rfc: bool,
    pub patches: Vec<Patch>,
}

#[derive(Clone, Debug)]
pub struct Patch {
    /// `<set>/<file>`.
    pub name: String,
    /// The file that its author, subject and message are in.
    pub message: PathBuf,
    /// The file that its diff is in: the same, unless an older version has another diff.
    pub diff: PathBuf,
    /// Why the diff is another one, with the version that it was made for.
    pub note: Option<Note>,
    /// The overlay files and folders that its commit adds.
    pub brings: Vec<PathBuf>,
    /// Whether the version leaves it out.
    pub dropped: bool,
}

#[derive(Clone, Debug)]
pub struct Note {
    pub version: String,
    pub why: String,
}

/// All sets that a version and the newer ones tell of, in their order. Patches that the version
/// leaves out are among them.
pub fn sets(repo: &Path, version: &str) -> Result<Vec<Set>> {
    let versions = source::supported(repo)?;
    let mut sets = Vec::new();
    let mut newer = None;
    for current in versions {
        let folder = repo.join("patches").join(&current);
        let list = List::read(&folder)?;
        let mut add = || {
            ensure!(
                list.base == newer,
                "its base must be {}",
                newer
                    .as_deref()
                    .unwrap_or("left out: it is the newest version")
            );
            put_on_top(&mut sets, &current, &folder, &list)
        };
        add().with_context(|| format!("{} cannot be used", folder.display()))?;
        if current == version {
            return Ok(sets);
        }
        newer = Some(current);
    }
    bail!("there are no patches for Linux {version}")
}

/// Makes the sets of the base those of the next older version.
fn put_on_top(sets: &mut Vec<Set>, version: &str, folder: &Path, list: &List) -> Result<()> {
    for rebased in &list.rebased {
        let patch = find(sets, &rebased.patch)?;
        patch.diff = folder.join(&rebased.patch);
        ensure!(
            is_diff(&patch.diff)?,
            "{} holds more than a diff: its message is that of {}",
            rebased.patch,
            patch.message.display()
        );
        patch.note = Some(Note {
            version: version.to_owned(),
            why: rebased.why.clone(),
        });
    }
    for dropped in &list.dropped {
        let (patch, set) = (dropped.patch.as_ref(), dropped.set.as_ref());
        if let Some(name) = patch {
            let patch = find(sets, name)?;
            ensure!(
                !patch.diff.starts_with(folder),
                "{name} is both rebased and dropped"
            );
            patch.dropped = true;
        }
        if let Some(name) = set {
            for patch in &mut find_set(sets, name)?.patches {
                patch.dropped = true;
            }
        }
    }
    let mut own = Vec::new();
    for set in &list.sets {
        let is_new = sets.iter().all(|other| other.name != set.name);
        ensure!(is_new, "its base has a set {} too", set.name);
        let patches = set.patches.iter().map(|patch| {
            let name = format!("{}/{}", set.name, patch.patch);
            let file = folder.join(&name);
            Patch {
                name,
                message: file.clone(),
                diff: file,
                note: None,
                brings: patch.brings.clone(),
                dropped: false,
            }
        });
        own.push(Set {
            name: set.name.clone(),
            title: set.title.clone(),
            cover: folder.join(&set.name).join(COVER),
            needs: set.needs.clone(),
            rfc: set.rfc,
            patches: patches.collect(),
        });
        for user in &set.needed_by {
            find_set(sets, user)?.needs.push(set.name.clone());
        }
    }
    sets.splice(0..0, own);
    Ok(())
}

/// Whether a file has no head of a mail.
fn is_diff(path: &Path) -> Result<bool> {
    let text = fs::read_to_string(path)?;
    Ok(text.is_empty() || text.starts_with("diff "))
}

fn find_set<'a>(sets: &'a mut [Set], name: &str) -> Result<&'a mut Set> {
    let set = sets.iter_mut().find(|set| set.name == name);
    set.with_context(|| format!("its base has no set {name}"))
}

/// A patch that a list names, of those that are not dropped.
fn find<'a>(sets: &'a mut [Set], name: &str) -> Result<&'a mut Patch> {
    let mut patches = sets.iter_mut().flat_map(|set| &mut set.patches);
    let patch = patches.find(|patch| patch.name == name && !patch.dropped);
    patch.with_context(|| format!("its base has no patch {name}"))
}

/// Leaves out what is dropped.
pub fn without_dropped(mut sets: Vec<Set>) -> Vec<Set> {
    for set in &mut sets {
        set.patches.retain(|patch| !patch.dropped);
    }
    sets.retain(|set| !set.patches.is_empty());
    let names: Vec<_> = sets.iter().map(|set| set.name.clone()).collect();
    for set in &mut sets {
        set.needs.retain(|name| names.contains(name));
    }
    sets
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const NEWEST: &str = "\
[[set]]
name = 'mend'
title = 'Mend'
patches = ['0001-a.patch', '0002-b.patch']
[[set]]
name = 'add'
title = 'Add'
needs = ['mend']
patches = ['0001-c.patch']
";

    const API: &str = "\
[[set]]
name = 'api'
title = 'API'
needed_by = ['add']
patches = ['0001-api.patch']
";

    /// A repository with lists of three versions, and the files that they name.
    fn repo(lists: [&str; 3]) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (version, text) in ["7.3", "7.2", "6.18"].iter().zip(lists) {
            let folder = dir.path().join("patches").join(version);
            let put = |name: &str, text: &str| {
                let path = folder.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            };
            put("series.toml", text);
            let list: List = toml::from_str(text).unwrap();
            for set in &list.sets {
                put(&format!("{}/cover.txt", set.name), "Why.\n");
                for patch in &set.patches {
                    put(&format!("{}/{}", set.name, patch.patch), "");
                }
            }
            for rebased in &list.rebased {
                put(&rebased.patch, "");
            }
        }
        dir
    }

    fn of(lists: [&str; 3], version: &str) -> Result<Vec<Set>> {
        Ok(without_dropped(sets(repo(lists).path(), version)?))
    }

    /// The versions that the diffs of all patches are from.
    fn diffs(sets: &[Set]) -> Vec<String> {
        let patches = sets.iter().flat_map(|set| &set.patches);
        patches
            .map(|patch| {
                let folder = patch.diff.ancestors().nth(2).unwrap();
                let version = folder.file_name().unwrap().to_string_lossy();
                format!("{} {version}", patch.name)
            })
            .collect()
    }

    #[test]
    fn an_older_version_is_what_differs() {
        let next = format!(
            "base = '7.3'\n{API}[[rebased]]\npatch = 'mend/0001-a.patch'\nwhy = 'Moved.'\n"
        );
        let oldest = "base = '7.2'\n[[rebased]]\npatch = 'api/0001-api.patch'\nwhy = 'Older.'\n\
                      [[dropped]]\npatch = 'mend/0002-b.patch'\nwhy = 'No such code.'\n";
        let lists = [NEWEST, &next, oldest];
        let newest = of(lists, "7.3").unwrap();
        assert_eq!(
            diffs(&newest),
            [
                "mend/0001-a.patch 7.3",
                "mend/0002-b.patch 7.3",
                "add/0001-c.patch 7.3"
            ]
        );
        let next = of(lists, "7.2").unwrap();
        assert_eq!(
            diffs(&next),
            [
                "api/0001-api.patch 7.2",
                "mend/0001-a.patch 7.2",
                "mend/0002-b.patch 7.3",
                "add/0001-c.patch 7.3"
            ]
        );
        assert_eq!(next[2].needs, ["mend", "api"]);
        assert!(next[1].patches[0]
            .message
            .to_string_lossy()
            .contains("/7.3/"));
        let oldest = of(lists, "6.18").unwrap();
        assert_eq!(
            diffs(&oldest),
            [
                "api/0001-api.patch 6.18",
                "mend/0001-a.patch 7.2",
                "add/0001-c.patch 7.3"
            ]
        );
        let note = oldest[1].patches[0].note.as_ref().unwrap();
        assert_eq!((&*note.version, &*note.why), ("7.2", "Moved."));
    }

    #[test]
    fn a_whole_set_can_be_dropped() {
        let next = format!("base = '7.3'\n{API}");
        let oldest = "base = '7.2'\n[[dropped]]\nset = 'api'\nwhy = 'There.'\n";
        let sets = of([NEWEST, &next, oldest], "6.18").unwrap();
        let names: Vec<_> = sets.iter().map(|set| &*set.name).collect();
        assert_eq!(names, ["mend", "add"]);
        assert_eq!(sets[1].needs, ["mend"]);
    }

    #[test]
    fn what_is_in_no_base_is_refused() {
        let refused = |next: &str| {
            let next = format!("base = '7.3'\n{next}");
            let lists = [NEWEST, &*next, "base = '7.2'\n"];
            // A version does not depend on the older ones.
            of(lists, "7.3").unwrap();
            format!("{:#}", of(lists, "7.2").unwrap_err())
        };
        for (next, part) in [
            (
                "[[rebased]]\npatch = 'mend/x.patch'\nwhy = ''\n",
                "no patch mend/x.patch",
            ),
            (
                "[[dropped]]\npatch = 'x/0001-a.patch'\nwhy = ''\n",
                "no patch x/0001-a.patch",
            ),
            ("[[dropped]]\nset = 'x'\nwhy = ''\n", "no set x"),
            (&API.replace("'add'", "'x'"), "no set x"),
            (&API.replace("'api'", "'mend'"), "has a set mend too"),
            (
                "[[dropped]]\npatch = 'mend/0001-a.patch'\nwhy = ''\n\
                 [[rebased]]\npatch = 'mend/0001-a.patch'\nwhy = ''\n",
                "both rebased and dropped",
            ),
        ] {
            let error = refused(next);
            assert!(error.contains(part), "{next}: {error}");
        }
        let error = of([NEWEST, "base = '7.4'\n", ""], "7.2").unwrap_err();
        assert!(format!("{error:#}").contains("its base must be 7.3"));
        assert!(of([NEWEST, "base = '7.3'\n", "base = '7.2'\n"], "6.1").is_err());
    }
}
