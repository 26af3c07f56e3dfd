// SPDX-License-Identifier: GPL-2.0

//! The tests of the crates that run on the host.

use std::{
    path::{
        Path,
        PathBuf, //
    },
    process::Command,
    time::{
        Duration,
        Instant, //
    },
};

use anyhow::Result;
use walkdir::WalkDir;

use crate::{
    commands::check::session::{
        log_name,
        Session, //
    },
    results::{
        case::{
            Case,
            Outcome, //
        },
        suite::Name, //
    },
};

impl Session<'_> {
    /// Tests, format and lints of crates that run on the host. Some tests take a browser.
    pub fn host(&mut self, names: &[String], browser_tests: bool) -> Result<()> {
        for (name, manifest) in crates(&self.ctx.paths.repo)? {
            if names.contains(&name) {
                self.one_crate(&name, &manifest, browser_tests);
            }
        }
        Ok(())
    }

    fn one_crate(&mut self, name: &str, manifest: &Path, browser_tests: bool) {
        let suite = Name::Host(name.to_owned());
        let cargo = |args: &[&str]| {
            let mut command = Command::new("cargo");
            command.args(args).arg("--manifest-path").arg(manifest);
            command
        };
        let target = self.ctx.paths.build.join("cargo");
        let start = Instant::now();
        let mut cases = vec![
            self.command("fmt", &suite, &mut cargo(&["fmt", "--check"])),
            self.command(
                "clippy",
                &suite,
                cargo(&["clippy", "--quiet", "--locked", "--all-targets"])
                    .env("CARGO_TARGET_DIR", &target)
                    .env("RUSTFLAGS", "-Dwarnings"),
            ),
        ];
        let mut output = String::new();
        let title = format!("test {suite}");
        let log = log_name(&suite.to_string(), "test");
        let run = self.ctx.ui.step(&title, &log, |step| {
            let mut test = cargo(&["test", "--locked", "--no-fail-fast"]);
            test.env("CARGO_TARGET_DIR", &target);
            if browser_tests {
                test.args(["--", "--include-ignored"]);
            }
            let limit = Some(Duration::from_secs(15 * 60));
            step.run_watched(&mut test, limit, |line| output.extend([line, "\n"]))
        });
        let tests = libtest(&output);
        let explained = tests.iter().any(|c| c.outcome == Outcome::Failed);
        cases.extend(tests);
        if let Err(error) = run {
            if !explained {
                cases.push(Case::new("test", Outcome::Failed, format!("{error:#}")));
            }
        }
        self.add(suite, start.elapsed(), cases);
    }
}

/// The crates that run on the host: the names of their suites, and their manifests.
pub fn crates(repo: &Path) -> Result<Vec<(String, PathBuf)>> {
    let folder = repo.join("tools/testing/rust-ftrace/crates");
    let mut found = Vec::new();
    for entry in WalkDir::new(folder).min_depth(1).max_depth(1) {
        let entry = entry?;
        let name = match &*entry.file_name().to_string_lossy() {
            "harness" => "rust-ftrace".to_owned(),
            name => name.to_owned(),
        };
        found.push((name, entry.path().join("Cargo.toml")));
    }
    found.sort();
    Ok(found)
}

/// Reads what Rust's test programs print: `test NAME ... ok`, and each failure's output.
fn libtest(output: &str) -> Vec<Case> {
    output
        .lines()
        .filter_map(|line| {
            let (name, verdict) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
            let outcome = match verdict.split(',').next()? {
                "ok" => Outcome::Passed,
                "FAILED" => Outcome::Failed,
                "ignored" => Outcome::Skipped,
                _ => return None,
            };
            let detail = match outcome {
                Outcome::Failed => output
                    .split_once(&format!("---- {name} stdout ----\n"))
                    .and_then(|(_, after)| after.split("\n\n").next())
                    .unwrap_or_default(),
                _ => "",
            };
            Some(Case::new(name.replace("::", "."), outcome, detail))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_a_rust_test_program() {
        let output = "\
running 3 tests
test a::tests::good ... ok
test a::tests::bad ... FAILED
test a::tests::slow ... ignored, takes an hour

failures:

---- a::tests::bad stdout ----
thread 'a::tests::bad' panicked at src/a.rs:1:1:
left != right

failures:
    a::tests::bad
";
        let cases = libtest(output);
        let outcomes: Vec<_> = cases.iter().map(|c| c.outcome).collect();
        assert_eq!(
            outcomes,
            [Outcome::Passed, Outcome::Failed, Outcome::Skipped]
        );
        assert!(cases[1].detail.ends_with("left != right"));
    }
}
