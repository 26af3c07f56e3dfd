// SPDX-License-Identifier: GPL-2.0

//! The list of a version's patches, `patches/<version>/series.toml`, as it is written.
//!
//! The newest version has sets of patches. An older one has a `base`, the next newer version, and
//! what differs from that.

use std::{
    collections::BTreeSet,
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
use serde::Deserialize;
use walkdir::WalkDir;

/// The name of the list in a version's folder.
pub const LIST: &str = "series.toml";

/// The body of a set's cover letter, in the set's folder.
pub const COVER: &str = "cover.txt";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The next newer version. The newest has none.
    pub base: Option<String>,
    /// Whether a suite of Debian has its source.
    #[serde(default = "yes")]
    pub debian: bool,
    /// The sets of the newest version. In an older one, what it has on top: they are applied before
    /// those of its base, and bring what the base's kernel has already.
    #[serde(default, rename = "set")]
    pub sets: Vec<Set>,
    /// Patches of the base that have another diff here.
    #[serde(default)]
    pub rebased: Vec<Rebased>,
    /// Patches and sets of the base that are not here.
    #[serde(default)]
    pub dropped: Vec<Dropped>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The name of its folder.
    pub name: String,
    /// The subject of its cover letter.
    pub title: String,
    /// The sets before it in this list that it cannot do without.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The sets of the base that cannot do without it.
    #[serde(default)]
    pub needed_by: Vec<String>,
    /// Whether it asks for comments and not to be merged.
    #[serde(default)]
    pub rfc: bool,
    pub patches: Vec<Patch>,
}

#[derive(Debug, Deserialize)]
#[serde(from = "Written")]
pub struct Patch {
    /// The name of its file.
    pub patch: String,
    /// The overlay files and folders that its commit adds.
    pub brings: Vec<PathBuf>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a patch is \"NAME\" or { patch = \"NAME\", brings = [\"FILE\", \"FOLDER/\"] }"
)]
enum Written {
    Name(String),
    Table { patch: String, brings: Vec<PathBuf> },
}

impl From<Written> for Patch {
    fn from(written: Written) -> Self {
        match written {
            Written::Name(patch) => Self {
                patch,
                brings: Vec::new(),
            },
            Written::Table { patch, brings } => Self { patch, brings },
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rebased {
    /// `<set>/<file>`. That file in the folder of this version is a diff alone.
    pub patch: String,
    /// One sentence for the patch's message.
    pub why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropped {
    /// `<set>/<file>`, or a whole set.
    pub patch: Option<String>,
    pub set: Option<String>,
    pub why: String,
}

impl List {
    /// Reads the list of a version's folder. Every patch in the folder is on the list, and every
    /// file that the list names is there.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(LIST);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text)
            .and_then(|list| {
                list.ensure_files(folder)?;
                Ok(list)
            })
            .with_context(|| format!("{} cannot be used", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let list: Self = toml::from_str(text)?;
        let mut names = BTreeSet::new();
        for set in &list.sets {
            ensure!(!set.patches.is_empty(), "set {} has no patch", set.name);
            if let Some(name) = set.needs.iter().find(|name| !names.contains(*name)) {
                bail!("set {} needs {name}, which is no set before it", set.name);
            }
            ensure!(
                list.base.is_some() || set.needed_by.is_empty(),
                "set {}: without a base there is no needed_by",
                set.name
            );
            ensure!(names.insert(&set.name), "set {} is there twice", set.name);
            for patch in &set.patches {
                ensure!(
                    list.base.is_none() || patch.brings.is_empty(),
                    "{}/{} brings overlay files along, which are of the newest version: what an \
                     older one adds is in the diffs of its patches",
                    set.name,
                    patch.patch
                );
            }
        }
        for dropped in &list.dropped {
            ensure!(
                dropped.patch.is_some() != dropped.set.is_some(),
                "what is dropped is one `patch` or one `set` ({})",
                dropped.why
            );
        }
        if list.base.is_none() {
            ensure!(!list.sets.is_empty(), "there is neither a set nor a base");
            ensure!(
                list.rebased.is_empty() && list.dropped.is_empty(),
                "without a base nothing can be rebased or dropped"
            );
        }
        Ok(list)
    }

    fn ensure_files(&self, folder: &Path) -> Result<()> {
        let mut named = BTreeSet::new();
        for set in &self.sets {
            let cover = Path::new(&set.name).join(COVER);
            ensure!(
                folder.join(&cover).is_file(),
                "set {} has no cover letter: {} is not there",
                set.name,
                cover.display()
            );
            for patch in &set.patches {
                named.insert(format!("{}/{}", set.name, patch.patch));
            }
        }
        named.extend(self.rebased.iter().map(|rebased| rebased.patch.clone()));
        if let Some(name) = named.iter().find(|name| !folder.join(name).is_file()) {
            bail!("it names {name}, which is not there");
        }
        for entry in WalkDir::new(folder).sort_by_file_name() {
            let entry = entry?;
            let path = entry.path();
            let name = path.strip_prefix(folder)?.to_string_lossy();
            let is_patch = path.extension().is_some_and(|e| e == "patch");
            ensure!(
                !is_patch || named.contains(&*name),
                "it does not name {name}, which is in the folder"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = "[[set]]\nname = 'a'\ntitle = 'A'\npatches = ['0001-a.patch']\n";

    #[test]
    fn a_patch_is_a_name_or_a_table() {
        let text = "[[set]]\nname = 'a'\ntitle = 'A'\n\
                    patches = ['1.patch', { patch = '2.patch', brings = ['rust/a/'] }]\n";
        let list = List::parse(text).unwrap();
        let [first, second] = &list.sets[0].patches[..] else {
            panic!("{list:?}");
        };
        assert_eq!((&*first.patch, first.brings.len()), ("1.patch", 0));
        assert_eq!(second.brings, [PathBuf::from("rust/a/")]);
    }

    #[test]
    fn what_a_list_cannot_mean_is_refused() {
        let based = format!("base = '7.4'\n{SET}");
        for (text, part) in [
            (format!("{SET}colour = 'red'\n"), "colour"),
            (format!("colour = 'red'\n{SET}"), "colour"),
            (
                SET.replace("['0001", "[{ patch = 'x', x = 1 }, '0001"),
                "a patch is",
            ),
            (
                format!("{SET}needs = ['b']\n"),
                "needs b, which is no set before it",
            ),
            (
                format!("{SET}needs = ['a']\n"),
                "needs a, which is no set before it",
            ),
            (format!("{SET}needed_by = ['b']\n"), "no needed_by"),
            (SET.repeat(2), "a is there twice"),
            (String::new(), "neither a set nor a base"),
            (
                format!("{SET}[[dropped]]\nset = 'a'\nwhy = 'w'\n"),
                "without a base nothing can be rebased or dropped",
            ),
            (
                "base = '7.4'\n[[dropped]]\nwhy = 'w'\n".to_owned(),
                "one `patch` or one `set`",
            ),
            (
                based.replace("['0001-a.patch'", "[{ patch = 'x', brings = ['rust'] }"),
                "a/x brings overlay files along",
            ),
        ] {
            let error = format!("{:#}", List::parse(&text).unwrap_err());
            assert!(error.contains(part), "{text}: {error}");
        }
        List::parse(&format!("{based}needed_by = ['b']\n")).unwrap();
    }

    #[test]
    fn the_list_and_the_folder_agree() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let refused = || format!("{:#}", List::read(dir.path()).unwrap_err());
        assert!(refused().contains("cannot read"));
        put(LIST, SET);
        assert!(refused().contains("set a has no cover letter: a/cover.txt is not there"));
        put("a/cover.txt", "Why.\n");
        assert!(refused().contains("names a/0001-a.patch, which is not there"));
        put("a/0001-a.patch", "");
        List::read(dir.path()).unwrap();
        put("a/0002-b.patch", "");
        assert!(refused().contains("does not name a/0002-b.patch, which is in the folder"));
    }
}
