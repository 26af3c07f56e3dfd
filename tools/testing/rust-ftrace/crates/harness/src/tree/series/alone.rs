// SPDX-License-Identifier: GPL-2.0

//! The sets of a series, each with what it needs and no more.

use anyhow::Result;

use crate::tree::series::{
    apply,
    Originals,
    Series, //
};

impl Series {
    /// Applies each set to the tree whose own files are `originals`, with the sets that it needs and
    /// with no other. Gives what does not apply.
    pub fn sets_that_need_more(&self, originals: &Originals<'_>) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        for set in &self.sets {
            let scratch = self.scratch(originals)?;
            let needed = self.needed(&set.name)?;
            let sets = needed.iter().copied().chain([set]);
            let mut patches = sets.flat_map(|set| &set.patches);
            if let Err(error) = patches.try_for_each(|patch| apply(scratch.path(), patch)) {
                let names: Vec<_> = needed.iter().map(|set| set.name.as_str()).collect();
                let with = match &names[..] {
                    [] => "without any other".to_owned(),
                    names => format!("with {} alone", names.join(", ")),
                };
                problems.push(format!("set {}, {with}: {error:#}", set.name));
            }
        }
        Ok(problems)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tree::content::Content;

    /// What is wrong with two sets, the second of which changes what the first has changed, if
    /// `needs` is its line that says so.
    fn problems(needs: &str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let set = |name: &str, needs: &str| {
            format!("[[set]]\nname = '{name}'\ntitle = ''\n{needs}patches = ['1.patch']\n")
        };
        put(
            "patches/7.3/series.toml",
            &(set("mend", "") + &set("add", needs)),
        );
        for (set, old, new) in [("mend", 1, 2), ("add", 2, 3)] {
            put(&format!("patches/7.3/{set}/cover.txt"), "");
            put(
                &format!("patches/7.3/{set}/1.patch"),
                &format!("--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-{old}\n+{new}\n"),
            );
        }
        put("tree/x.c", "1\n");
        let tree = dir.path().join("tree");
        Series::read(dir.path(), "7.3")
            .unwrap()
            .sets_that_need_more(&|path| Content::read(&tree.join(path)))
            .unwrap()
    }

    #[test]
    fn a_set_that_does_not_name_what_it_needs_is_found() {
        assert_eq!(problems("needs = ['mend']\n"), [""; 0]);
        let problems = problems("");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("set add, without any other: "));
        assert!(problems[0].contains("add/1.patch does not apply"));
    }
}
