// SPDX-License-Identifier: GPL-2.0

//! The kernel's tests of ftrace, as scripts: what each is called.

use std::{
    fs,
    path::Path, //
};

use anyhow::{
    Context as _,
    Result, //
};
use walkdir::WalkDir;

/// A test of the kernel's: a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// Its path below `test.d`.
    pub path: String,
    /// What ftracetest calls it in its results.
    pub description: String,
    /// Whether ftracetest runs it once more in an instance of the ring buffer.
    pub in_instance: bool,
}

/// A run of a test: its number, and whether it is the one in an instance.
pub type Item = (usize, bool);

impl Test {
    pub fn read(folder: &Path, path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let field = |name: &str| {
            text.lines().find_map(|line| {
                let (key, value) = line.strip_prefix('#')?.split_once(':')?;
                (key.trim() == name).then_some(value)
            })
        };
        Ok(Self {
            path: path.strip_prefix(folder)?.display().to_string(),
            description: words(field("description").unwrap_or_default()),
            in_instance: field("flags").is_some_and(|flags| flags.contains("instance")),
        })
    }

    pub fn name(&self, in_instance: bool) -> String {
        match in_instance {
            true => format!("{} (instance)", self.path),
            false => self.path.clone(),
        }
    }

    /// Whether `found` is what ftracetest calls it.
    pub fn is_called(&self, in_instance: bool, found: &str) -> bool {
        let prefix = if in_instance { "(instance) " } else { "" };
        words(found) == format!("{prefix}{}", self.description)
    }
}

/// Text with one blank between words, as a shell's `echo` has it.
pub fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// All tests of a kernel tree's folder.
pub fn tests(ftrace: &Path) -> Result<Vec<Test>> {
    let folder = ftrace.join("test.d");
    let mut tests = Vec::new();
    for entry in WalkDir::new(&folder).sort_by_file_name() {
        let entry = entry?;
        if entry.path().extension().is_some_and(|e| e == "tc") {
            tests.push(Test::read(&folder, entry.path())?);
        }
    }
    Ok(tests)
}

/// The names of the results that the tests have.
pub fn cases(tests: &[Test]) -> Vec<String> {
    items(tests, &all(tests))
        .into_iter()
        .map(|(test, in_instance)| tests[test].name(in_instance))
        .collect()
}

pub fn all(tests: &[Test]) -> Vec<usize> {
    (0..tests.len()).collect()
}

/// The results of `ftracetest`, in order, when it is given some of the tests.
pub fn items(tests: &[Test], given: &[usize]) -> Vec<Item> {
    let in_instances = given.iter().filter(|&&test| tests[test].in_instance);
    let top = given.iter().map(|&test| (test, false));
    top.chain(in_instances.map(|&test| (test, true))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tests_fields_are_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("test.d/x")).unwrap();
        fs::write(
            dir.path().join("test.d/x/a.tc"),
            "#!/bin/sh\n# description: Some  test: of a\n# flags: instance\n",
        )
        .unwrap();
        fs::write(dir.path().join("test.d/functions"), "").unwrap();
        let found = tests(dir.path()).unwrap();
        let test = Test {
            path: "x/a.tc".to_owned(),
            description: "Some test: of a".to_owned(),
            in_instance: true,
        };
        assert_eq!(found, [test]);
        assert_eq!(cases(&found), ["x/a.tc", "x/a.tc (instance)"]);
    }
}
