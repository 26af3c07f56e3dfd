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

use anyhow::{
    Context as _,
    Result, //
};
use walkdir::WalkDir;

use crate::{
    commands::check::{
        log_name,
        Check, //
    },
    results::case::{
        Case,
        Outcome, //
    },
};

impl Check<'_> {
    /// Tests, format and lints of the crates that run on the host.
    pub fn host(&mut self) -> Result<()> {
        for manifest in manifests(&self.ctx.paths.repo)? {
            let dir = manifest.parent().context("a manifest without a folder")?;
            let suite = match dir.file_name().unwrap_or_default().to_string_lossy() {
                name if name == "harness" => "host/rust-ftrace".to_owned(),
                name => format!("host/{name}"),
            };
            if !self.filter.wants(&suite, None) {
                continue;
            }
            let cargo = |args: &[&str]| {
                let mut command = Command::new("cargo");
                command.args(args).arg("--manifest-path").arg(&manifest);
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
            let run = self.ctx.ui.step(
                &format!("test {suite}"),
                &log_name(&suite, "test"),
                |step| {
                    step.run_watched(
                        cargo(&["test", "--locked", "--no-fail-fast"])
                            .env("CARGO_TARGET_DIR", &target),
                        Some(Duration::from_secs(15 * 60)),
                        |line| output.extend([line, "\n"]),
                    )
                },
            );
            let tests = libtest(&output);
            let explained = tests.iter().any(|c| c.outcome == Outcome::Failed);
            cases.extend(tests);
            if let Err(error) = run {
                if !explained {
                    cases.push(Case::new("test", Outcome::Failed, format!("{error:#}")));
                }
            }
            self.add(&suite, start.elapsed(), cases);
        }
        Ok(())
    }
}

/// The manifests of our host crates.
fn manifests(repo: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let crates = repo.join("tools/testing/rust-ftrace/crates");
    for entry in WalkDir::new(crates).sort_by_file_name() {
        let entry = entry?;
        if entry.file_name() == "Cargo.toml" {
            found.push(entry.into_path());
        }
    }
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
