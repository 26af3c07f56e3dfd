// SPDX-License-Identifier: GPL-2.0

use std::{
    fs::{
        self,
        Permissions, //
    },
    os::unix::fs::{
        MetadataExt as _,
        PermissionsExt as _, //
    },
};

use tempfile::TempDir;

use super::*;
use crate::host::process::tests::shell;

const PATCH: &str = "\
From: A Maintainer <a@example.org>
Date: Sun, 22 Nov 2026 12:00:00 +0000
Subject: [PATCH] trace: count to four

It went to three.
---
diff --git a/kernel/trace/count b/kernel/trace/count
--- a/kernel/trace/count
+++ b/kernel/trace/count
@@ -1,3 +1,4 @@
 one
 two
 three
+four
diff --git a/scripts/run b/scripts/run
--- a/scripts/run
+++ b/scripts/run
@@ -1 +1 @@
-old
+new
";

const EMPTY_PATCH: &str = "\
From: A Maintainer <a@example.org>
Date: Sun, 22 Nov 2026 12:00:00 +0000
Subject: [PATCH] rust: add things

# A line that is no comment.
---
";

/// A repository of ours and a kernel tree.
struct Pair {
    _dir: TempDir,
    repo: PathBuf,
    tree: PathBuf,
}

impl Pair {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (repo, tree) = (dir.path().join("repo"), dir.path().join("linux"));
        let pair = Self {
            _dir: dir,
            repo,
            tree,
        };
        pair.ours("patches/7.3/set/0001-count.patch", PATCH);
        pair.ours("patches/7.3/set/0002-rust.patch", EMPTY_PATCH);
        pair.ours("patches/7.3/set/cover.txt", "Why.\n");
        pair.brings("[]", "['rust', 'arch/arm/new.rs']");
        pair.ours("rust/kernel/new/a.rs", "a\n");
        pair.ours("rust/kernel/new/b.rs", "b\n");
        pair.ours("arch/arm/new.rs", "c\n");
        let makefile = "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\n";
        for (path, content) in [
            ("Makefile", makefile),
            ("Kbuild", ""),
            ("Kconfig", ""),
            ("scripts/Kbuild.include", ""),
            ("scripts/run", "old\n"),
            ("kernel/trace/count", "one\ntwo\nthree\n"),
            ("rust/kernel/lib.rs", ""),
        ] {
            pair.theirs(path, content);
        }
        let run = pair.tree.join("scripts/run");
        fs::set_permissions(run, Permissions::from_mode(0o775)).unwrap();
        pair
    }

    fn put(path: &Path, content: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn ours(&self, path: &str, content: &str) {
        Self::put(&self.repo.join(path), content);
    }

    /// Says which overlay files the two patches bring along.
    fn brings(&self, count: &str, rust: &str) {
        let list = format!(
            "[[set]]\nname = 'set'\ntitle = 'A set'\npatches = [\n\
             {{ patch = '0001-count.patch', brings = {count} }},\n\
             {{ patch = '0002-rust.patch', brings = {rust} }},\n]\n"
        );
        self.ours("patches/7.3/series.toml", &list);
    }

    fn theirs(&self, path: &str, content: &str) {
        Self::put(&self.tree.join(path), content);
    }

    fn content(&self, path: &str) -> String {
        fs::read_to_string(self.tree.join(path)).unwrap()
    }

    /// Every file and folder of the tree with its mode and content.
    fn snapshot(&self) -> Vec<(PathBuf, u32, Vec<u8>)> {
        walkdir::WalkDir::new(&self.tree)
            .sort_by_file_name()
            .into_iter()
            .map(|entry| {
                let entry = entry.unwrap();
                let mode = entry.metadata().unwrap().mode();
                let content = fs::read(entry.path()).unwrap_or_default();
                (entry.into_path(), mode, content)
            })
            .collect()
    }

    fn install(&self) -> Result<Outcome> {
        install(&self.repo, &self.tree)
    }

    fn uninstall(&self) -> Result<Option<usize>> {
        uninstall(&self.repo, &self.tree)
    }

    /// The complaint of an install that leaves the tree as it is.
    fn refused(&self) -> String {
        let before = self.snapshot();
        let error = format!("{:#}", self.install().unwrap_err());
        assert_eq!(self.snapshot(), before);
        error
    }

    fn git(&self, command: &str) {
        let identity = "-c user.name=a -c user.email=a@example.org";
        let line = format!("cd {} && git {identity} {command}", self.tree.display());
        assert!(shell(&line).status().unwrap().success());
    }
}

#[test]
fn uninstall_gives_back_what_install_found() {
    let pair = Pair::new();
    let before = pair.snapshot();
    assert_eq!(pair.install().unwrap(), Outcome::Installed(5));
    assert_eq!(
        pair.content("kernel/trace/count"),
        "one\ntwo\nthree\nfour\n"
    );
    assert_eq!(pair.content("rust/kernel/new/b.rs"), "b\n");
    let run = pair.tree.join("scripts/run").metadata().unwrap();
    assert_eq!(run.mode() & 0o7777, 0o775);
    assert_eq!(pair.uninstall().unwrap(), Some(5));
    assert_eq!(pair.snapshot(), before);
}

#[test]
fn a_second_install_does_nothing() {
    let pair = Pair::new();
    pair.install().unwrap();
    let before = pair.snapshot();
    assert_eq!(pair.install().unwrap(), Outcome::Unchanged);
    assert_eq!(pair.snapshot(), before);
}

#[test]
fn uninstall_without_install_says_so() {
    let pair = Pair::new();
    assert_eq!(pair.uninstall().unwrap(), None);
}

#[test]
fn an_update_writes_only_what_changed() {
    let pair = Pair::new();
    let before = pair.snapshot();
    pair.install().unwrap();
    pair.ours("rust/kernel/new/a.rs", "newer\n");
    let time = |path: &str| pair.tree.join(path).metadata().unwrap().mtime_nsec();
    let count = time("kernel/trace/count");
    assert!(status(&pair.repo, &pair.tree).unwrap().contains("updates"));
    assert_eq!(pair.install().unwrap(), Outcome::Updated(1));
    assert_eq!(pair.content("rust/kernel/new/a.rs"), "newer\n");
    assert_eq!(time("kernel/trace/count"), count);
    assert!(status(&pair.repo, &pair.tree)
        .unwrap()
        .contains("up to date"));
    pair.uninstall().unwrap();
    assert_eq!(pair.snapshot(), before);
}

#[test]
fn an_update_takes_back_what_is_no_longer_ours() {
    let pair = Pair::new();
    let before = pair.snapshot();
    pair.install().unwrap();
    fs::remove_file(pair.repo.join("rust/kernel/new/a.rs")).unwrap();
    pair.ours("patches/7.3/set/0001-count.patch", EMPTY_PATCH);
    pair.install().unwrap();
    assert!(!pair.tree.join("rust/kernel/new/a.rs").exists());
    assert_eq!(pair.content("scripts/run"), "old\n");
    assert_eq!(pair.content("rust/kernel/new/b.rs"), "b\n");
    pair.uninstall().unwrap();
    assert_eq!(pair.snapshot(), before);
}

#[test]
fn drift_is_refused_by_name() {
    for path in ["kernel/trace/count", "rust/kernel/new/a.rs"] {
        let pair = Pair::new();
        pair.install().unwrap();
        pair.theirs(path, "mine\n");
        let before = pair.snapshot();
        for error in [
            pair.uninstall().unwrap_err(),
            pair.install().unwrap_err(),
            status(&pair.repo, &pair.tree).unwrap_err(),
        ] {
            assert!(error.to_string().contains(path), "{error}");
        }
        assert_eq!(pair.snapshot(), before);
    }
}

#[test]
fn a_changed_mode_and_a_lost_backup_are_drift() {
    let pair = Pair::new();
    pair.install().unwrap();
    let run = pair.tree.join("scripts/run");
    fs::set_permissions(&run, Permissions::from_mode(0o644)).unwrap();
    assert!(pair.uninstall().is_err());
    fs::set_permissions(&run, Permissions::from_mode(0o775)).unwrap();
    let backup = pair.tree.join(".rust-ftrace/originals/scripts/run");
    fs::remove_file(backup).unwrap();
    let before = pair.snapshot();
    let error = pair.uninstall().unwrap_err().to_string();
    assert!(error.contains("scripts/run"), "{error}");
    assert_eq!(pair.snapshot(), before);
}

#[test]
fn what_is_no_supported_kernel_is_refused() {
    let pair = Pair::new();
    pair.theirs("Makefile", "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n");
    let error = pair.refused();
    assert!(error.contains("Linux 6.12.1; supported: 7.3"), "{error}");
    fs::remove_file(pair.tree.join("Kconfig")).unwrap();
    assert!(pair.refused().contains("no kernel source tree"));
}

#[test]
fn a_patch_that_does_not_apply_leaves_the_tree_alone() {
    let pair = Pair::new();
    pair.theirs("scripts/run", "something else\n");
    let error = pair.refused();
    assert!(error.contains("0001-count.patch does not apply"), "{error}");
    assert!(error.contains("scripts/run"), "{error}");
}

#[test]
fn files_that_are_there_already_are_refused() {
    let pair = Pair::new();
    pair.theirs("arch/arm/new.rs", "c\n");
    assert!(pair.refused().contains("arch/arm/new.rs"));
}

#[test]
fn a_tree_that_is_dirty_where_we_patch_is_refused() {
    let pair = Pair::new();
    pair.git("init -q");
    pair.git("add -A");
    pair.git("commit -qm base");
    pair.theirs("kernel/trace/count", "one\ntwo\n");
    let error = pair.refused();
    assert!(error.contains("uncommitted changes"), "{error}");
    assert!(error.contains("kernel/trace/count"), "{error}");
    pair.git("checkout -q .");
    pair.theirs("rust/kernel/lib.rs", "dirty elsewhere\n");
    pair.install().unwrap();
}

#[test]
fn every_overlay_file_belongs_to_one_patch() {
    let pair = Pair::new();
    let refused = |count: &str, rust: &str| {
        pair.brings(count, rust);
        pair.refused()
    };
    let error = refused("[]", "['rust']");
    assert!(error.contains("arch/arm/new.rs"), "{error}");
    let error = refused("['rust']", "['rust', 'arch']");
    assert!(error.contains("rust belongs to both"), "{error}");
    let error = refused("['rust', 'arch', 'nowhere']", "[]");
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn what_only_a_dropped_patch_brings_is_not_added() {
    let pair = Pair::new();
    pair.theirs("Makefile", "VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 1\n");
    pair.ours(
        "patches/7.2/series.toml",
        "base = '7.3'\n[[dropped]]\npatch = 'set/0002-rust.patch'\nwhy = 'No Rust there.'\n",
    );
    assert_eq!(pair.install().unwrap(), Outcome::Installed(2));
    assert!(!pair.tree.join("arch/arm/new.rs").exists());
}

#[test]
fn an_older_version_has_its_own_diff_and_says_why() {
    let pair = Pair::new();
    pair.theirs("Makefile", "VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 1\n");
    pair.theirs("kernel/trace/count", "1\n2\n3\n");
    pair.ours(
        "patches/7.2/series.toml",
        "base = '7.3'\n[[rebased]]\npatch = 'set/0001-count.patch'\nwhy = 'It has digits.'\n",
    );
    let diff = PATCH.split_once("---\ndiff").unwrap().1;
    let diff = format!("diff{diff}").replace(" one\n two\n three\n+four", " 1\n 2\n 3\n+4");
    pair.ours("patches/7.2/set/0001-count.patch", &diff);
    pair.install().unwrap();
    assert_eq!(pair.content("kernel/trace/count"), "1\n2\n3\n4\n");
    let series = Series::read(&pair.repo, "7.2").unwrap();
    let to = tempfile::tempdir().unwrap();
    let originals = originals(&pair.tree).unwrap();
    series
        .format(&originals, None, None, true, to.path())
        .unwrap();
    let text = fs::read_to_string(to.path().join("0001-trace-count-to-four.patch")).unwrap();
    assert!(
        text.contains("\nIt went to three.\n\n[ 7.2: It has digits. ]\n---\n"),
        "{text}"
    );
    pair.ours("patches/7.2/set/0001-count.patch", PATCH);
    let error = format!("{:#}", Series::read(&pair.repo, "7.2").err().unwrap());
    assert!(error.contains("holds more than a diff"), "{error}");
}

/// Changes the tree as an install would that is cut off after so many files.
fn cut_off_after(pair: &Pair, files: usize) {
    let tree = Tree::open(&pair.tree).unwrap();
    let series = Series::read(&pair.repo, "7.3").unwrap();
    let plan = series.plan(&|path| tree.original(path)).unwrap();
    let mut change = Change::new(&tree, plan).unwrap();
    tree.stage(&change).unwrap();
    while change.write.len() > files {
        change.write.pop_last();
    }
    tree.commit(&change).unwrap();
    assert!(status(&pair.repo, &pair.tree).is_err());
}

#[test]
fn an_interrupted_install_can_be_undone_and_repeated() {
    for files in 0..=5 {
        for again in [true, false] {
            let pair = Pair::new();
            let before = pair.snapshot();
            cut_off_after(&pair, files);
            if again {
                pair.install().unwrap();
                assert!(status(&pair.repo, &pair.tree)
                    .unwrap()
                    .contains("up to date"));
            }
            pair.uninstall().unwrap();
            assert_eq!(pair.snapshot(), before, "after {files} files");
        }
    }
}

#[test]
fn an_interrupted_update_can_be_undone_and_repeated() {
    for files in 0..=2 {
        for again in [true, false] {
            let pair = Pair::new();
            let before = pair.snapshot();
            pair.install().unwrap();
            pair.ours("rust/kernel/new/a.rs", "newer\n");
            pair.ours("rust/kernel/new/b.rs", "newer\n");
            cut_off_after(&pair, files);
            if again {
                pair.install().unwrap();
                assert_eq!(pair.content("rust/kernel/new/b.rs"), "newer\n");
            }
            pair.uninstall().unwrap();
            assert_eq!(pair.snapshot(), before, "after {files} files");
        }
    }
}

#[test]
fn an_interrupted_uninstall_can_be_finished() {
    let pair = Pair::new();
    let before = pair.snapshot();
    pair.install().unwrap();
    let tree = Tree::open(&pair.tree).unwrap();
    fs::rename(tree.own("manifest.json"), tree.own("journal.json")).unwrap();
    fs::remove_file(pair.tree.join("arch/arm/new.rs")).unwrap();
    let count = pair.tree.join("kernel/trace/count");
    fs::rename(tree.backup(Path::new("kernel/trace/count")), count).unwrap();
    pair.uninstall().unwrap();
    assert_eq!(pair.snapshot(), before);
}

#[test]
fn an_install_that_fails_in_the_middle_undoes_itself() {
    let pair = Pair::new();
    let before = pair.snapshot();
    let tree = Tree::open(&pair.tree).unwrap();
    let series = Series::read(&pair.repo, "7.3").unwrap();
    let plan = series.plan(&|path| tree.original(path)).unwrap();
    let change = Change::new(&tree, plan).unwrap();
    tree.stage(&change).unwrap();
    fs::remove_file(tree.own("staged/scripts/run")).unwrap();
    let error = tree.bring_in(&change).unwrap_err();
    assert!(format!("{error:#}").contains("own files are back"));
    assert_eq!(pair.snapshot(), before);
}

#[test]
fn the_series_is_the_same_each_time_and_git_takes_it() {
    let pair = Pair::new();
    let series = Series::read(&pair.repo, "7.3").unwrap();
    let format = |name: &str| {
        let to = pair.repo.join(name);
        fs::create_dir(&to).unwrap();
        let originals = originals(&pair.tree).unwrap();
        series.format(&originals, None, None, true, &to).unwrap();
        let patches: Vec<_> = [
            "0001-trace-count-to-four.patch",
            "0002-rust-add-things.patch",
        ]
        .map(|file| fs::read_to_string(to.join(file)).unwrap())
        .into();
        (to, patches)
    };
    let (to, first) = format("first");
    assert!(first[0].contains("Subject: [PATCH 1/2] trace: count to four"));
    assert!(first[1].contains("# A line that is no comment."));
    pair.git("init -q");
    pair.git("add -A");
    pair.git("commit -qm base");
    pair.git(&format!("am -q {}/*.patch", to.display()));
    assert_eq!(pair.content("scripts/run"), "new\n");
    assert_eq!(pair.content("rust/kernel/new/a.rs"), "a\n");
    pair.git("reset -q --hard HEAD~2");
    // An installed tree gives the same series.
    pair.install().unwrap();
    assert_eq!(format("second").1, first);
}
