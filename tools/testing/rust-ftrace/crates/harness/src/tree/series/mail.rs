// SPDX-License-Identifier: GPL-2.0

//! The series as mails: one after the other for `git am`, or a folder a set for maintainers.

use std::{
    collections::BTreeSet,
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
use tempfile::TempDir;
use walkdir::WalkDir;

use crate::{
    host::{
        process::output,
        version::Version, //
    },
    tree::{
        git::git,
        series::{
            apply,
            message::{
                Commit,
                Person, //
            },
            recipients::{
                Recipients,
                Script, //
            },
            sets::{
                Patch,
                Set, //
            },
            Originals,
            Series, //
        },
    },
};

/// What stands in a cover letter that git has made, for us to replace.
const SUBJECT: &str = "*** SUBJECT HERE ***";
const BLURB: &str = "*** BLURB HERE ***";

/// What the patches are for.
pub struct Base {
    pub version: Version,
    /// The commit, if the source is of a git tree.
    pub commit: Option<String>,
}

impl Series {
    /// The set of a name.
    fn set(&self, name: &str) -> Result<&Set> {
        let set = self.sets.iter().find(|set| set.name == name);
        set.with_context(|| {
            let names: Vec<_> = self.sets.iter().map(|set| set.name.as_str()).collect();
            format!("SET={name} is no set; there is {}", names.join(", "))
        })
    }

    /// The sets that must be applied before a set, in their order.
    pub fn needed(&self, name: &str) -> Result<Vec<&Set>> {
        let mut wanted: BTreeSet<&str> = self.set(name)?.needs.iter().map(|n| n.as_str()).collect();
        let mut needed = Vec::new();
        // A set comes after all that it needs.
        for set in self.sets.iter().rev() {
            if wanted.contains(set.name.as_str()) {
                wanted.extend(set.needs.iter().map(|n| n.as_str()));
                needed.insert(0, set);
            }
        }
        Ok(needed)
    }

    /// Writes all patches, or those of a set, into a folder for `git am`. Their subjects say which
    /// of how many they are if they are `numbered`. Returns their files, in the order of the patches.
    pub fn format(
        &self,
        originals: &Originals<'_>,
        sender: Option<&Person>,
        only: Option<&str>,
        numbered: bool,
        to: &Path,
    ) -> Result<Vec<PathBuf>> {
        let scratch = Scratch::new(self, originals)?;
        match only {
            Some(name) => {
                scratch.apply_needed(name)?;
                scratch.commit_all(&self.set(name)?.patches, sender)?;
            }
            None => {
                scratch.start()?;
                let patches: Vec<_> = self.patches().cloned().collect();
                scratch.commit_all(&patches, sender)?;
            }
        }
        let numbers: &[&str] = if numbered { &[] } else { &["-N"] };
        scratch.format(numbers, sender, to)
    }

    /// Writes a folder for each set, or for the one that is asked for, with a cover letter and whom
    /// each mail goes to. Each set is applied to the tree with the sets that it needs and no other.
    /// Returns whether the tree says whom the mails go to.
    pub fn format_sets(
        &self,
        originals: &Originals<'_>,
        sender: Option<&Person>,
        only: Option<&str>,
        base: &Base,
        to: &Path,
    ) -> Result<bool> {
        if let Some(name) = only {
            self.set(name)?;
        }
        let scratch = Scratch::new(self, originals)?;
        let script = Script::of(originals)?;
        for (set, number) in self.sets.iter().zip(1..) {
            if only.is_some_and(|name| name != set.name) {
                continue;
            }
            let folder = to.join(format!("{number:02}-{}", set.name));
            fs::create_dir(&folder)?;
            scratch.apply_needed(&set.name)?;
            scratch
                .commit_all(&set.patches, sender)
                .with_context(|| match &set.needs[..] {
                    [] => format!("set {} does not apply by itself", set.name),
                    needs => format!("set {} does not apply with {}", set.name, needs.join(", ")),
                })?;
            let prefix = if set.rfc { "RFC PATCH" } else { "PATCH" };
            let options = ["--cover-letter", "-n", "--subject-prefix", prefix];
            let written = scratch.format(&options, sender, &folder)?;
            let cover = folder.join("0000-cover-letter.patch");
            let text = fs::read_to_string(&cover)?;
            let blurb = self.blurb(set, base)?;
            let text = text.replacen(SUBJECT, &set.title, 1);
            fs::write(&cover, text.replacen(BLURB, blurb.trim_end(), 1))?;
            if let Some(script) = &script {
                address(script, &cover, &written)?;
            }
        }
        Ok(script.is_some())
    }

    /// The text of a set's cover letter, with what it is for and what it needs.
    fn blurb(&self, set: &Set, base: &Base) -> Result<String> {
        let mut text = fs::read_to_string(&set.cover)?.trim_end().to_owned();
        let needed = self.needed(&set.name)?;
        text += &format!("\n\nIt applies to Linux {}", base.version);
        text += match needed.is_empty() {
            true => ".\n",
            false => " with these sets, which are sent apart:\n\n",
        };
        for set in needed {
            text += &format!("  {}\n", set.title);
        }
        if let Some(commit) = &base.commit {
            text += &format!("\nbase-commit: {commit}\n");
        }
        Ok(text)
    }
}

/// Says in mails whom they go to. The cover letter goes to all.
fn address(script: &Script, cover: &Path, patches: &[PathBuf]) -> Result<()> {
    let mut all = Recipients::default();
    for patch in patches.iter().filter(|patch| *patch != cover) {
        let text = fs::read_to_string(patch)?;
        let recipients = script.of_patch(&text)?;
        fs::write(patch, recipients.address(&text))?;
        all.add(&recipients);
    }
    fs::write(cover, all.address(&fs::read_to_string(cover)?))?;
    Ok(())
}

/// A repository with the tree's own files that patches edit.
struct Scratch<'a> {
    series: &'a Series,
    dir: TempDir,
}

/// The kernel's source, and that with what a set needs.
const TREE: &str = "tree";
const START: &str = "start";

impl<'a> Scratch<'a> {
    fn new(series: &'a Series, originals: &Originals<'_>) -> Result<Self> {
        let dir = series.scratch(originals)?;
        let scratch = Self { series, dir };
        output(git(scratch.dir.path()).args(["init", "-q"]))?;
        scratch.commit(&Commit::base())?;
        output(git(scratch.dir.path()).args(["tag", TREE]))?;
        Ok(scratch)
    }

    /// Marks what patches are formatted from.
    fn start(&self) -> Result<()> {
        output(git(self.dir.path()).args(["tag", "-f", START]))?;
        Ok(())
    }

    /// Goes back to the tree, and applies all that a set needs.
    fn apply_needed(&self, name: &str) -> Result<()> {
        output(git(self.dir.path()).args(["checkout", "-q", "--detach", TREE]))?;
        for set in self.series.needed(name)? {
            for patch in &set.patches {
                self.apply(patch)?;
            }
        }
        self.commit(&Commit::base())?;
        self.start()
    }

    fn apply(&self, patch: &Patch) -> Result<()> {
        apply(self.dir.path(), patch)?;
        for path in &self.series.overlay[&patch.name] {
            let content = self.series.overlay_file(path)?;
            content.write(&self.dir.path().join(path))?;
        }
        Ok(())
    }

    fn commit_all(&self, patches: &[Patch], sender: Option<&Person>) -> Result<()> {
        for patch in patches {
            self.apply(patch)?;
            self.commit(&Commit::of(patch, sender)?)?;
        }
        Ok(())
    }

    fn commit(&self, commit: &Commit) -> Result<()> {
        let dir = self.dir.path();
        output(git(dir).args(["add", "--all", "--force"]))?;
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), &commit.message)?;
        let mut git = git(dir);
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), &commit.author.name)
                .env(format!("GIT_{role}_EMAIL"), &commit.author.email)
                .env(format!("GIT_{role}_DATE"), &commit.date);
        }
        output(
            git.args(["commit", "-q", "--allow-empty", "--cleanup=whitespace"])
                .arg("-F")
                .arg(file.path()),
        )?;
        Ok(())
    }

    /// Writes the commits since the start into a folder, from `sender` if there is one.
    fn format(&self, options: &[&str], sender: Option<&Person>, to: &Path) -> Result<Vec<PathBuf>> {
        let dir = self.dir.path();
        let date = output(git(dir).args(["log", "-1", "--format=%cI"]))?;
        let nobody = Person::nobody();
        let who = sender.unwrap_or(&nobody);
        output(
            git(dir)
                .env("GIT_COMMITTER_NAME", &who.name)
                .env("GIT_COMMITTER_EMAIL", &who.email)
                .env("GIT_COMMITTER_DATE", date.trim())
                .arg("format-patch")
                .args(sender.map(|sender| format!("--from={sender}")))
                .args(["-q", "--no-signature", "--zero-commit"])
                .args(["--full-index", "--no-renames"])
                .args(options)
                .arg("-o")
                .arg(to)
                .arg(format!("{START}..HEAD")),
        )?;
        let mut files = Vec::new();
        for entry in WalkDir::new(to).min_depth(1).sort_by_file_name() {
            files.push(entry?.into_path());
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        host::process::tests::shell,
        tree::content::Content, //
    };

    /// A patch that adds a line to the file `count`.
    fn patch(subject: &str, before: &str, line: &str) -> String {
        format!(
            "From: N <n@nowhere.example>\nDate: Sun, 22 Nov 2026 12:00:00 +0000\n\
             Subject: [PATCH 07/20] {subject}\n\nWhy.\n\n\
             Signed-off-by: N <n@nowhere.example>\n---\n\
             diff --git a/count b/count\n--- a/count\n+++ b/count\n@@ -{before} +{before},2 @@\n {before}\n+{line}\n"
        )
    }

    const LIST: &str = "\
[[set]]
name = 'mend'
title = 'count: Mend'
patches = ['0001-a.patch']
[[set]]
name = 'other'
title = 'Other'
patches = ['0001-b.patch']
[[set]]
name = 'add'
title = 'count: Add'
rfc = true
needs = ['mend']
patches = ['0001-c.patch', '0002-d.patch']
";

    /// A repository with three sets, and a tree.
    fn pair() -> (TempDir, Series) {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("tree/count", "1\n");
        put("repo/patches/7.3/series.toml", LIST);
        for set in ["mend", "other", "add"] {
            put(
                &format!("repo/patches/7.3/{set}/cover.txt"),
                "What it is for.\n",
            );
        }
        let other = patch("other: be", "1", "x").replace("count", "other");
        put("tree/other", "1\n");
        put(
            "repo/patches/7.3/mend/0001-a.patch",
            &patch("count: two", "1", "2"),
        );
        put("repo/patches/7.3/other/0001-b.patch", &other);
        put(
            "repo/patches/7.3/add/0001-c.patch",
            &patch("count: three", "2", "3"),
        );
        put(
            "repo/patches/7.3/add/0002-d.patch",
            &patch("count: four", "3", "4"),
        );
        let series = Series::read(&dir.path().join("repo"), "7.3").unwrap();
        (dir, series)
    }

    fn base() -> Base {
        Base {
            version: Version(7, 3, 4),
            commit: Some("0123abc".into()),
        }
    }

    fn format_sets(
        dir: &TempDir,
        series: &Series,
        sender: Option<&Person>,
        only: Option<&str>,
    ) -> bool {
        let (tree, out) = (dir.path().join("tree"), dir.path().join("out"));
        fs::create_dir(&out).unwrap();
        let originals = |path: &Path| Content::read(&tree.join(path));
        series
            .format_sets(&originals, sender, only, &base(), &out)
            .unwrap()
    }

    fn mail(dir: &TempDir, name: &str) -> String {
        fs::read_to_string(dir.path().join("out").join(name)).unwrap()
    }

    #[test]
    fn a_set_has_a_cover_letter_and_its_own_numbers() {
        let (dir, series) = pair();
        assert!(!format_sets(&dir, &series, None, None));
        let cover = mail(&dir, "03-add/0000-cover-letter.patch");
        for part in [
            "From: rust-ftrace <>\n",
            "Date: Sun, 22 Nov 2026 12:00:00 +0000\n",
            "Subject: [RFC PATCH 0/2] count: Add\n",
            "\n\nWhat it is for.\n\nIt applies to Linux 7.3.4 with these sets, which are sent \
             apart:\n\n  count: Mend\n\nbase-commit: 0123abc\n",
            " count | 2 ++\n",
        ] {
            assert!(cover.contains(part), "{part}: {cover}");
        }
        let patch = mail(&dir, "03-add/0002-count-four.patch");
        assert!(
            patch.contains("Subject: [RFC PATCH 2/2] count: four\n\nWhy.\n---\n"),
            "{patch}"
        );
        assert!(
            !patch.contains("nowhere") && !patch.contains("/20]"),
            "{patch}"
        );
        let alone = mail(&dir, "01-mend/0000-cover-letter.patch");
        assert!(
            alone.contains("Subject: [PATCH 0/1] count: Mend\n"),
            "{alone}"
        );
        assert!(
            alone.contains("It applies to Linux 7.3.4.\n\nbase-commit"),
            "{alone}"
        );
        // Git takes what is from nobody.
        let script = format!(
            "cd {}/tree && git init -q && git config user.name a && git config user.email a@b.org \
             && git add -A && git commit -qm base && git am -q ../out/01-mend/0001* \
             ../out/03-add/000[12]* && test $(wc -l < count) = 4 && git log -1 --format='%an <%ae>'",
            dir.path().display()
        );
        assert_eq!(output(&mut shell(&script)).unwrap(), "rust-ftrace <>\n");
    }

    #[test]
    fn who_sends_a_set_is_its_author_and_signs_it_off() {
        let (dir, series) = pair();
        let sender = "A B <a@b.org>".parse().unwrap();
        format_sets(&dir, &series, Some(&sender), Some("other"));
        let out = dir.path().join("out");
        assert_eq!(fs::read_dir(out).unwrap().count(), 1);
        for name in ["0000-cover-letter.patch", "0001-other-be.patch"] {
            let text = mail(&dir, &format!("02-other/{name}"));
            assert!(text.contains("From: A B <a@b.org>\n"), "{text}");
        }
        let text = mail(&dir, "02-other/0001-other-be.patch");
        assert!(
            text.contains("\n\nWhy.\n\nSigned-off-by: A B <a@b.org>\n---\n"),
            "{text}"
        );
    }

    #[test]
    fn the_tree_says_whom_a_mail_goes_to() {
        let (dir, series) = pair();
        let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        fs::create_dir(dir.path().join("tree/scripts")).unwrap();
        put("tree/MAINTAINERS", "");
        // It names the file of the last patch that it reads.
        put(
            "tree/scripts/get_maintainer.pl",
            "while (<>) { die 'nobody' if /rust-ftrace/; $file = $1 if m{^\\+\\+\\+ b/(.*)} } \
             BEGIN { @ARGV = grep { !/^--/ } @ARGV } \
             print \"M <$file\\@m.org> (maintainer:X)\\nl\\@l.org (open list:X)\\n\";",
        );
        assert!(format_sets(&dir, &series, None, Some("other")));
        for name in ["0000-cover-letter.patch", "0001-other-be.patch"] {
            let text = mail(&dir, &format!("02-other/{name}"));
            assert!(
                text.contains("\nTo: M <other@m.org>\nCc: l@l.org\n\n"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_set_is_applied_with_what_it_needs_and_no_more() {
        let (dir, series) = pair();
        let names = |set| -> Vec<_> {
            let needed = series.needed(set).unwrap();
            needed.iter().map(|set| set.name.clone()).collect()
        };
        assert_eq!(names("add"), ["mend"]);
        assert!(series
            .needed("none")
            .err()
            .unwrap()
            .to_string()
            .contains("mend, other, add"));
        let list = dir.path().join("repo/patches/7.3/series.toml");
        fs::write(list, LIST.replace("needs = ['mend']", "needs = ['other']")).unwrap();
        let series = Series::read(&dir.path().join("repo"), "7.3").unwrap();
        let (tree, out) = (dir.path().join("tree"), dir.path().join("out"));
        fs::create_dir(&out).unwrap();
        let originals = |path: &Path| Content::read(&tree.join(path));
        let error = series.format_sets(&originals, None, None, &base(), &out);
        let error = format!("{:#}", error.unwrap_err());
        assert!(
            error.contains("set add does not apply with other"),
            "{error}"
        );
        let mails = series.format(&originals, None, Some("mend"), true, &out.join("mend"));
        assert_eq!(mails.unwrap().len(), 1);
    }
}
