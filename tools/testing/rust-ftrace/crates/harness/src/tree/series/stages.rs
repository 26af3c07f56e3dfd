// SPDX-License-Identifier: GPL-2.0

//! A series one patch after the other.

use std::path::{
    Path,
    PathBuf, //
};

use anyhow::Result;

use crate::tree::series::{
    apply,
    edited_files,
    patches,
    sets::Patch,
    Series, //
};

/// Files and folders that the build of no kernel reads.
const NOT_BUILT: [&str; 3] = ["Documentation", "MAINTAINERS", "tools/testing"];

/// A patch of the series, with what it does to a tree that has all patches before it.
pub struct Stage<'a> {
    series: &'a Series,
    patch: &'a Patch,
    /// What it changes and adds.
    pub files: Vec<PathBuf>,
}

impl Series {
    /// The patches in their order.
    pub fn stages(&self) -> Result<Vec<Stage<'_>>> {
        let stage = |patch| -> Result<Stage<'_>> {
            let mut files = edited_files(patch)?;
            files.extend(self.overlay[&patch.name].iter().cloned());
            Ok(Stage {
                series: self,
                patch,
                files,
            })
        };
        self.patches().map(stage).collect()
    }
}

impl Stage<'_> {
    /// `<set>/<number>-<slug>`.
    pub fn name(&self) -> &str {
        stem(&self.patch.name)
    }

    /// Whether a build for an architecture, by the kernel's `ARCH=`, can read any of its files.
    pub fn is_read_by(&self, arch: &str) -> bool {
        self.files.iter().any(|path| is_read_by(path, arch))
    }

    /// Applies it to a tree with all patches before it. If it does not apply, the tree stays as it
    /// is.
    pub fn apply(&self, tree: &Path) -> Result<()> {
        apply(tree, self.patch)?;
        for path in &self.series.overlay[&self.patch.name] {
            self.series.overlay_file(path)?.write(&tree.join(path))?;
        }
        Ok(())
    }
}

/// The names of a version's stages.
pub fn names(repo: &Path, version: &str) -> Result<Vec<String>> {
    let names = patches(repo, version)?;
    Ok(names.iter().map(|name| stem(name).to_owned()).collect())
}

fn stem(patch: &str) -> &str {
    patch.strip_suffix(".patch").unwrap_or(patch)
}

/// Whether a build for an architecture can read a file: it does not read what is another's.
fn is_read_by(path: &Path, arch: &str) -> bool {
    match path.strip_prefix("arch") {
        // Kconfig and Makefile of arch/ itself are everybody's.
        Ok(rest) => rest.iter().count() == 1 || rest.starts_with(arch),
        Err(_) => !NOT_BUILT.iter().any(|name| path.starts_with(name)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A repository with two sets, the second of which changes what the first has changed.
    fn repo() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("rust/new.rs", "// new\n");
        put(
            "patches/7.3/series.toml",
            "[[set]]\nname = 'mend'\ntitle = 'Mend'\npatches = ['0001-a.patch']\n\
             [[set]]\nname = 'add'\ntitle = 'Add'\npatches = [\n\
             '0001-b.patch', { patch = '0002-c.patch', brings = ['rust/'] }]\n",
        );
        put("patches/7.3/mend/cover.txt", "");
        put("patches/7.3/add/cover.txt", "");
        let diff = |file: &str, old: &str, new: &str| {
            format!(
                "diff --git a/{file} b/{file}\n--- a/{file}\n+++ b/{file}\n@@ -1 +1 @@\n-{old}\n\
                 +{new}\n"
            )
        };
        put(
            "patches/7.3/mend/0001-a.patch",
            &diff("arch/arm/x.c", "1", "2"),
        );
        put(
            "patches/7.3/add/0001-b.patch",
            &diff("arch/arm/x.c", "2", "3"),
        );
        put("patches/7.3/add/0002-c.patch", "");
        put("tree/arch/arm/x.c", "1\n");
        dir
    }

    #[test]
    fn a_stage_brings_what_is_of_its_patch() {
        let dir = repo();
        let tree = dir.path().join("tree");
        let series = Series::read(dir.path(), "7.3").unwrap();
        let stages = series.stages().unwrap();
        let named: Vec<_> = stages.iter().map(|s| (s.name(), s.files.len())).collect();
        assert_eq!(
            named,
            [("mend/0001-a", 1), ("add/0001-b", 1), ("add/0002-c", 1)]
        );
        let names = names(dir.path(), "7.3").unwrap();
        assert!(named
            .iter()
            .zip(&names)
            .all(|((name, _), other)| name == other));

        let text = |name: &str| fs::read_to_string(tree.join(name)).ok();
        // One that does not apply changes nothing.
        assert!(stages[1].apply(&tree).is_err());
        stages[0].apply(&tree).unwrap();
        assert_eq!(text("arch/arm/x.c").unwrap(), "2\n");
        stages[1].apply(&tree).unwrap();
        assert!(text("rust/new.rs").is_none());
        stages[2].apply(&tree).unwrap();
        assert_eq!(text("arch/arm/x.c").unwrap(), "3\n");
        assert_eq!(text("rust/new.rs").unwrap(), "// new\n");

        let read_by = |arch| {
            stages
                .iter()
                .map(|s| s.is_read_by(arch))
                .collect::<Vec<_>>()
        };
        assert_eq!(read_by("arm"), [true, true, true]);
        assert_eq!(read_by("mips"), [false, false, true]);
    }

    #[test]
    fn a_build_reads_nothing_of_another_architecture() {
        let read = |path: &str| ["arm", "mips"].map(|arch| is_read_by(Path::new(path), arch));
        assert_eq!(read("arch/arm/kernel/unwind.c"), [true, false]);
        assert_eq!(read("arch/mips/Kconfig"), [false, true]);
        assert_eq!(read("arch/arm64/Kconfig"), [false, false]);
        assert_eq!(read("arch/Kconfig"), [true, true]);
        // Kconfig reads those of samples and of all drivers.
        assert_eq!(read("samples/Kconfig"), [true, true]);
        assert_eq!(read("drivers/clocksource/mips-gic-timer.c"), [true, true]);
        assert_eq!(read("tools/include/linux/bits.h"), [true, true]);
        for path in [
            "Documentation/trace/index.rst",
            "MAINTAINERS",
            "tools/testing/selftests/ftrace/config",
        ] {
            assert_eq!(read(path), [false, false], "{path}");
        }
    }
}
