// SPDX-License-Identifier: GPL-2.0

//! Tries the patches of a series on a tree, one after the other, on copies of its files.

use std::{
    collections::{
        BTreeMap,
        BTreeSet, //
    },
    fs,
    path::{
        Path,
        PathBuf, //
    },
};

use anyhow::{
    Context as _,
    Result, //
};
use walkdir::WalkDir;

use crate::tree::{
    git::git,
    series::{
        edited_files,
        sets::Patch,
        Originals,
        Series, //
    },
};

/// Lets git find a place by one line of context on each side of a change, as patch does with its
/// largest fuzz.
const FUZZ: &str = "-C1";

/// What became of a patch, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Applies,
    /// The tree has it already.
    Upstream,
    /// It applies if not all context has to be there.
    Fuzz,
    /// A file that it adds is there already.
    There,
    /// Some of its changes do not apply.
    Rebase,
    /// A file that it changes is not there.
    Missing,
}

impl Verdict {
    pub const ALL: [Self; 6] = [
        Self::Applies,
        Self::Upstream,
        Self::Fuzz,
        Self::There,
        Self::Rebase,
        Self::Missing,
    ];

    pub fn words(self) -> &'static str {
        match self {
            Self::Applies => "applies",
            Self::Upstream => "upstream already",
            Self::Fuzz => "applies with fuzz",
            Self::There => "file is there already",
            Self::Rebase => "rebase",
            Self::Missing => "file is not there",
        }
    }
}

/// A patch that was tried.
pub struct Tried {
    /// `<set>/<file>`.
    pub name: String,
    pub verdict: Verdict,
    /// The files that the verdict is about.
    pub files: Vec<PathBuf>,
    /// The changes that do not apply.
    pub rejects: String,
    /// Patches before it that failed in the same files: it may fail for that reason alone.
    pub after: Vec<String>,
}

impl Series {
    /// Tries all patches. What does not apply of one is left out for those after it.
    pub fn try_on(&self, originals: &Originals<'_>) -> Result<Vec<Tried>> {
        let scratch = self.scratch(originals)?;
        let mut failed = BTreeMap::<PathBuf, Vec<String>>::new();
        let mut all = Vec::new();
        for patch in self.patches() {
            let mut tried = self.try_one(scratch.path(), patch, originals)?;
            if matches!(tried.verdict, Verdict::Rebase | Verdict::Missing) {
                let before = tried.files.iter().filter_map(|file| failed.get(file));
                let before: BTreeSet<_> = before.flatten().cloned().collect();
                tried.after = before.into_iter().collect();
                for file in &tried.files {
                    let patches = failed.entry(file.clone()).or_default();
                    patches.push(tried.name.clone());
                }
            }
            all.push(tried);
        }
        Ok(all)
    }

    fn try_one(&self, dir: &Path, patch: &Patch, originals: &Originals<'_>) -> Result<Tried> {
        let mut tried = Tried {
            name: patch.name.clone(),
            verdict: Verdict::Applies,
            files: Vec::new(),
            rejects: String::new(),
            after: Vec::new(),
        };
        if takes(dir, &[], patch)? {
            for path in &self.overlay[&patch.name] {
                if originals(path)?.is_some() {
                    tried.verdict = Verdict::There;
                    tried.files.push(path.clone());
                }
            }
        } else if takes(dir, &["--reverse", "--check"], patch)? {
            tried.verdict = Verdict::Upstream;
        } else if takes(dir, &[FUZZ], patch)? {
            tried.verdict = Verdict::Fuzz;
        } else {
            let added = added_files(patch)?;
            let edited = edited_files(patch)?.into_iter();
            tried.files = edited
                .filter(|file| !added.contains(file) && !dir.join(file).exists())
                .collect();
            tried.verdict = Verdict::Missing;
            takes(dir, &[FUZZ, "--reject"], patch)?;
            let (rejected, rejects) = take_rejects(dir)?;
            tried.rejects = rejects;
            if tried.files.is_empty() {
                tried.verdict = Verdict::Rebase;
                // A file that it adds may be there with other content: git then rejects nothing.
                tried.files = match rejected.is_empty() {
                    true => added.into_iter().filter(|f| dir.join(f).exists()).collect(),
                    false => rejected,
                };
            }
        }
        Ok(tried)
    }
}

/// Whether git applies a patch in a scratch folder.
fn takes(dir: &Path, options: &[&str], patch: &Patch) -> Result<bool> {
    let applied = git(dir)
        .args(["apply", "--allow-empty", "--whitespace=nowarn"])
        .args(options)
        .arg(&patch.diff)
        .output()
        .context("cannot run git")?;
    Ok(applied.status.success())
}

/// The files that a patch adds.
fn added_files(patch: &Patch) -> Result<Vec<PathBuf>> {
    let text = fs::read_to_string(&patch.diff)?;
    let lines: Vec<_> = text.lines().collect();
    let added = lines.windows(2).filter(|pair| pair[0] == "--- /dev/null");
    let names = added.filter_map(|pair| pair[1].strip_prefix("+++ b/"));
    Ok(names.map(PathBuf::from).collect())
}

/// Takes what git has rejected out of a scratch folder: the files that it is about, and the text.
fn take_rejects(dir: &Path) -> Result<(Vec<PathBuf>, String)> {
    let mut files = Vec::new();
    let mut text = String::new();
    for entry in WalkDir::new(dir).sort_by_file_name() {
        let path = entry?.into_path();
        if path.extension().is_some_and(|e| e == "rej") {
            text += &fs::read_to_string(&path)?;
            fs::remove_file(&path)?;
            files.push(path.with_extension("").strip_prefix(dir)?.to_path_buf());
        }
    }
    Ok((files, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::content::Content;

    /// A patch that turns a line of a file with four lines into another.
    fn diff(file: &str, new: &str) -> String {
        format!(
            "diff --git a/{file} b/{file}\n--- a/{file}\n+++ b/{file}\n@@ -11,5 +11,5 @@\n 1\n 2\n-x\n\
             +{new}\n 4\n 5\n"
        )
    }

    const ADDS: &str = "diff --git a/new b/new\nnew file mode 100644\n--- /dev/null\n+++ b/new\n\
                        @@ -0,0 +1 @@\n+new\n";

    /// Tries patches on a tree with these files.
    fn tried(patches: &[&str], files: &[(&str, &str)]) -> Vec<Tried> {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let mut list = "[[set]]\nname = 'set'\ntitle = 'Set'\npatches = [\n".to_owned();
        for (number, text) in patches.iter().enumerate() {
            put(&format!("repo/patches/7.3/set/{number}.patch"), text);
            list += &format!("{{ patch = '{number}.patch', brings = [");
            list += if text.is_empty() {
                "'rust'] },\n"
            } else {
                "] },\n"
            };
        }
        put("repo/patches/7.3/series.toml", &(list + "]\n"));
        put("repo/patches/7.3/set/cover.txt", "");
        if patches.contains(&"") {
            put("repo/rust/a.rs", "");
        }
        for (name, text) in files {
            put(&format!("tree/{name}"), text);
        }
        let tree = dir.path().join("tree");
        let series = Series::read(&dir.path().join("repo"), "7.3").unwrap();
        series
            .try_on(&|path| Content::read(&tree.join(path)))
            .unwrap()
    }

    fn verdict(patch: &str, files: &[(&str, &str)]) -> Verdict {
        tried(&[patch], files)[0].verdict
    }

    #[test]
    fn what_fits_applies_at_other_lines_too() {
        let patch = diff("a", "y");
        assert_eq!(
            verdict(&patch, &[("a", "1\n2\nx\n4\n5\n")]),
            Verdict::Applies
        );
        let moved = [("a", "0\n0\n1\n2\nx\n4\n5\n6\n")];
        assert_eq!(verdict(&patch, &moved), Verdict::Applies);
        assert_eq!(verdict(ADDS, &[]), Verdict::Applies);
    }

    #[test]
    fn what_is_there_is_upstream() {
        let patch = diff("a", "y");
        assert_eq!(
            verdict(&patch, &[("a", "1\n2\ny\n4\n5\n")]),
            Verdict::Upstream
        );
        assert_eq!(verdict(ADDS, &[("new", "new\n")]), Verdict::Upstream);
    }

    #[test]
    fn what_takes_fuzz_is_taken_for_those_after_it() {
        let files = [("a", "one\n2\nx\n4\nfive\n")];
        let second = diff("a", "z")
            .replace("-x", "-y")
            .replace("\n 1\n", "\n one\n");
        let second = second.replace("\n 5\n", "\n five\n");
        let tried = tried(&[&diff("a", "y"), &second], &files);
        let verdicts: Vec<_> = tried.iter().map(|t| t.verdict).collect();
        assert_eq!(verdicts, [Verdict::Fuzz, Verdict::Applies]);
    }

    #[test]
    fn what_must_be_rebased_names_files_and_changes_and_the_others_go_on() {
        let both = diff("a", "y") + &diff("b", "y");
        let after = diff("a", "z").replace("-x", "-y");
        let other = diff("b", "z").replace("-x", "-y");
        let files = [("a", "1\n2\nX\n4\n5\n"), ("b", "1\n2\nx\n4\n5\n")];
        let tried = tried(&[&both, &after, &other], &files);
        let [first, second, third] = &tried[..] else {
            panic!("{}", tried.len());
        };
        assert_eq!(first.verdict, Verdict::Rebase);
        assert_eq!(first.files, [PathBuf::from("a")]);
        assert!(first.rejects.contains("-x\n+y"), "{}", first.rejects);
        assert!(first.after.is_empty());
        assert_eq!(second.verdict, Verdict::Rebase);
        assert_eq!(second.after, ["set/0.patch"]);
        // What has applied of the first is there for the third.
        assert_eq!(third.verdict, Verdict::Applies);
    }

    #[test]
    fn a_file_can_be_missing_or_there_already() {
        let both = diff("a", "y") + &diff("gone", "y");
        let tried = tried(
            &[&both, &diff("a", "z").replace("-x", "-y")],
            &[("a", "1\n2\nx\n4\n5\n")],
        );
        assert_eq!(tried[0].verdict, Verdict::Missing);
        assert_eq!(tried[0].files, [PathBuf::from("gone")]);
        assert_eq!(tried[1].verdict, Verdict::Applies);
        assert_eq!(verdict(ADDS, &[("new", "other\n")]), Verdict::Rebase);
        assert_eq!(verdict("", &[("rust/a.rs", "theirs\n")]), Verdict::There);
        assert_eq!(verdict("", &[]), Verdict::Applies);
    }
}
