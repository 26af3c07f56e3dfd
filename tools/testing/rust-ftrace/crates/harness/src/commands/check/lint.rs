// SPDX-License-Identifier: GPL-2.0

//! Checks of style, and clippy with the kernel's flags.

use std::{
    collections::BTreeSet,
    fs,
    path::{
        Path,
        PathBuf, //
    },
    process::Command,
    time::Instant, //
};

use anyhow::{
    bail,
    ensure,
    Context as _,
    Result, //
};
use walkdir::WalkDir;

use crate::{
    commands::check::{
        plan::Plan,
        session::{
            log_name,
            Session, //
        },
    },
    guest,
    host::{
        files,
        process::output, //
    },
    kernel::{
        backend::Backend,
        kbuild::Kernel,
        machine::Machine,
        toolchain::Toolchain, //
    },
    results::{
        case::Case,
        suite::{
            Kind,
            Name, //
        },
    },
    tree::{
        install,
        series::{
            self,
            Series, //
        },
        source, //
    },
};

impl Session<'_> {
    /// Checks of style: those of the kernel on the series that `make patch` gives, and a shell's on
    /// the scripts for guests, which take no kernel.
    pub fn lint(&mut self, kernel: Option<&source::Kernel>, plan: &Plan) -> Result<()> {
        let start = Instant::now();
        let mut cases = Vec::new();
        if plan.scripts {
            let scripts = scripts(&guest::scripts(self.ctx))?;
            let case = "scripts";
            let run = self.ctx.ui.step(
                &format!("{}: {case}", Name::Lint),
                &log_name(&Name::Lint.to_string(), case),
                |_| parse_scripts(&scripts),
            );
            cases.push(Case::check(case, run.err().map(|e| format!("{e:#}"))));
        }
        if let Some(kernel) = kernel {
            self.kernel_style(kernel, plan, &mut cases)?;
        }
        if plan.sets {
            self.sets(&mut cases)?;
        }
        self.add(Name::Lint, start.elapsed(), cases);
        Ok(())
    }

    /// The kernel's own checks.
    fn kernel_style(
        &self,
        kernel: &source::Kernel,
        plan: &Plan,
        cases: &mut Vec<Case>,
    ) -> Result<()> {
        let tree = &kernel.dir;
        let series = Series::read(&self.ctx.paths.repo, &kernel.version.series())?;
        if plan.rustfmt {
            let files = series
                .added()
                .chain(series.edited())
                .filter(|f| f.extension().is_some_and(|e| e == "rs"));
            let mut command = Command::new("rustfmt");
            command.arg("--check").args(files).current_dir(tree);
            cases.push(self.command("rustfmt", &Name::Lint, &mut command));
        }
        if plan.checkpatch {
            self.checkpatch(tree, &series, cases)?;
            let case = "maintainers";
            if self.filter.keeps(&Name::Lint, case) {
                let run = ensure_maintained(tree, &series);
                cases.push(Case::check(case, run.err().map(|e| format!("{e:#}"))));
            }
        }
        Ok(())
    }

    /// Applies each set with what it needs alone, to each source that is there.
    fn sets(&self, cases: &mut Vec<Case>) -> Result<()> {
        let mut seen = BTreeSet::new();
        for kernel in source::stored(self.ctx)? {
            let version = kernel.version.series();
            let case = sets_case(&version);
            if self.filter.keeps(&Name::Lint, &case) && seen.insert(version.clone()) {
                let problems = Series::read(&self.ctx.paths.repo, &version)?
                    .sets_that_need_more(&install::originals(&kernel.dir)?)?;
                let problem = (!problems.is_empty()).then(|| problems.join("\n"));
                cases.push(Case::check(case, problem));
            }
        }
        Ok(())
    }

    fn checkpatch(&self, tree: &Path, series: &Series, cases: &mut Vec<Case>) -> Result<()> {
        let folder = self.ctx.paths.build.join("patches");
        files::remove_dir_all(&folder)?;
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let written = series.format(&install::originals(tree)?, None, None, true, &folder)?;
        for (name, patch) in series.names().zip(written) {
            let case = checkpatch_case(name);
            if self.filter.keeps(&Name::Lint, &case) {
                let mut command = Command::new(tree.join("scripts/checkpatch.pl"));
                command
                    .args(["--strict", "--terse", "--no-summary", "--show-types"])
                    // Whoever sends it signs it off: `make patch SIGNOFF=`.
                    .arg("--no-signoff")
                    // The tree has no history in which to find the commits of Fixes tags
                    .args(["--ignore", "UNKNOWN_COMMIT_ID"])
                    // The last patch says whose the new files are: see `ensure_maintained()`
                    .args(["--ignore", "FILE_PATH_CHANGES"])
                    .arg(&patch)
                    .current_dir(tree);
                cases.push(self.command(&case, &Name::Lint, &mut command));
            }
        }
        Ok(())
    }

    /// Clippy with the kernel's flags on our files in the kernel.
    pub fn kernel_clippy(&self, toolchain: &Toolchain, machine: &'static Machine) -> Result<()> {
        let version = toolchain.version.series();
        let series = Series::read(&self.ctx.paths.repo, &version)?;
        let ours: Vec<_> = series.added().map(|f| f.display().to_string()).collect();
        let kernel = Kernel::new(self.ctx, toolchain, machine, Backend::Rust);
        for object in kernel.rust_objects() {
            let suite = Name::Machine(machine.name, Backend::Rust, Kind::Build).to_string();
            let case = format!("clippy {object}");
            let (name, log) = (format!("{suite}: {case}"), log_name(&suite, &case));
            self.ctx.ui.step(&name, &log, |step| {
                let mut output = Vec::new();
                let mut command = kernel.clippy(&object)?;
                step.run_watched(&mut command, None, |line| output.push(line.to_owned()))?;
                let in_ours =
                    |l: &&String| l.contains("--> ") && ours.iter().any(|f| l.contains(f.as_str()));
                match output.iter().find(in_ours) {
                    Some(_) => bail!("clippy finds fault with our files:\n{}", output.join("\n")),
                    None => Ok(()),
                }
            })?;
        }
        Ok(())
    }
}

/// The entry of our files in MAINTAINERS.
const ENTRY: &str = "FTRACE BACKEND IN RUST";

/// Finds each file that the series adds in MAINTAINERS.
fn ensure_maintained(tree: &Path, series: &Series) -> Result<()> {
    let path = tree.join("MAINTAINERS");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let patterns: Vec<_> = file_patterns(&text, ENTRY).collect();
    let others: Vec<_> = series
        .added()
        .map(|file| file.display().to_string())
        .filter(|file| !patterns.iter().any(|pattern| is_in(file, pattern)))
        .collect();
    ensure!(
        others.is_empty(),
        "{ENTRY} in MAINTAINERS has no F: line for {}",
        others.join(", ")
    );
    Ok(())
}

/// What the `F:` lines of an entry of MAINTAINERS say.
fn file_patterns<'a>(text: &'a str, entry: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .skip_while(move |line| *line != entry)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("F:").map(str::trim))
}

/// Whether a file is in a folder, has a name, or begins as a pattern with a star at its end does.
fn is_in(file: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => file.starts_with(start),
        None if pattern.ends_with('/') => file.starts_with(pattern),
        None => file == pattern,
    }
}

/// The scripts of a folder: the files that begin with a comment.
fn scripts(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let path = entry?.into_path();
        if !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(&path);
        if text
            .with_context(|| format!("cannot read {}", path.display()))?
            .starts_with('#')
        {
            scripts.push(path);
        }
    }
    Ok(scripts)
}

/// Has a shell parse all of `scripts`, and execute none.
fn parse_scripts(scripts: &[PathBuf]) -> Result<()> {
    ensure!(!scripts.is_empty(), "there are no scripts");
    let parse = |script| output(Command::new("sh").arg("-n").arg(script)).err();
    let failures: Vec<_> = scripts
        .iter()
        .filter_map(parse)
        .map(|e| format!("{e:#}"))
        .collect();
    ensure!(failures.is_empty(), failures.join("\n"));
    Ok(())
}

/// The names of the cases of checkpatch for the patches of a version.
pub fn checkpatch_cases(repo: &Path, version: &str) -> Result<Vec<String>> {
    let names = series::patches(repo, version)?;
    Ok(names.iter().map(|name| checkpatch_case(name)).collect())
}

/// The name of the case of a version's sets.
pub fn sets_case(version: &str) -> String {
    format!("sets {version}")
}

fn checkpatch_case(patch: &str) -> String {
    format!("checkpatch {}", patch.trim_end_matches(".patch"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_line_in_maintainers() {
        let text =
            "OTHER\nF:\tother/\n\nOURS\nS:\tMaintained\nF:\ta/b.rs\nF:\tc/\nF:\td/e*\n\nF:\tf\n";
        let patterns: Vec<_> = file_patterns(text, "OURS").collect();
        assert_eq!(patterns, ["a/b.rs", "c/", "d/e*"]);
        let is_ours = |file| patterns.iter().any(|pattern| is_in(file, pattern));
        assert!(["a/b.rs", "c/x/y", "d/e-f.svg"].into_iter().all(is_ours));
        assert!(!["a/b.rs2", "other/x", "f", "d/f"].into_iter().any(is_ours));
    }

    #[test]
    fn a_script_that_no_shell_can_parse_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        let parsed = || {
            let scripts = scripts(dir.path()).unwrap();
            parse_scripts(&scripts).map_err(|error| error.to_string())
        };
        assert!(parsed().unwrap_err().contains("no scripts"));
        write("motd", "no script: it isn't one\n");
        write("good", "#!/bin/sh\nif true; then echo; fi\n");
        parsed().unwrap();
        write("bad", "# A test.\nif true; then echo\n");
        write("worse", "# Another one.\n( }\n");
        let error = parsed().unwrap_err();
        assert!(error.contains("/bad"), "{error}");
        assert!(error.contains("/worse"), "{error}");
        assert!(!error.contains("/good"), "{error}");
    }
}
