// SPDX-License-Identifier: GPL-2.0

//! The kernel's own checks of style, and clippy with the kernel's flags.

use std::{
    fs,
    path::Path,
    process::Command,
    time::Instant, //
};

use anyhow::{
    bail,
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
    host::files,
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
    /// The kernel's own style checks on the series that `make patch` gives.
    pub fn lint(&mut self, kernel: &source::Kernel, plan: &Plan) -> Result<()> {
        let tree = &kernel.dir;
        let series = Series::read(&self.ctx.paths.repo, &kernel.version.series())?;
        let start = Instant::now();
        let mut cases = Vec::new();
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
            self.checkpatch(tree, &series, &mut cases)?;
        }
        self.add(Name::Lint, start.elapsed(), cases);
        Ok(())
    }

    fn checkpatch(&self, tree: &Path, series: &Series, cases: &mut Vec<Case>) -> Result<()> {
        let folder = self.ctx.paths.build.join("patches");
        files::remove_dir_all(&folder)?;
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        series.format(&install::originals(tree)?, &folder)?;
        for patch in WalkDir::new(&folder).min_depth(1).sort_by_file_name() {
            let patch = patch?.into_path();
            let name = patch.file_stem().unwrap_or_default().to_string_lossy();
            let case = format!("checkpatch {name}");
            if self.filter.keeps(&Name::Lint, &case) {
                let mut command = Command::new(tree.join("scripts/checkpatch.pl"));
                command
                    .args(["--strict", "--terse", "--no-summary", "--show-types"])
                    // The tree has no history in which to find the commits of Fixes tags
                    .args(["--ignore", "UNKNOWN_COMMIT_ID"])
                    .arg(&patch)
                    .current_dir(tree);
                cases.push(self.command(&case, &Name::Lint, &mut command));
            }
        }
        Ok(())
    }

    /// Clippy with the kernel's flags on our files in the kernel.
    pub fn kernel_clippy(&self, toolchain: &Toolchain, machine: &'static Machine) -> Result<()> {
        let version = toolchain.version()?;
        let series = Series::read(&self.ctx.paths.repo, &version.series())?;
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

/// The names of the cases of checkpatch for the patches of a series.
pub fn checkpatch_cases(repo: &Path, series: &str) -> Result<Vec<String>> {
    let names = series::patches(repo, series)?;
    let names = names.iter().zip(1..);
    // `git format-patch` numbers them anew.
    Ok(names
        .map(|(name, number)| {
            let name = name.trim_end_matches(".patch");
            let subject = name.split_once('-').map_or(name, |(_, subject)| subject);
            format!("checkpatch {number:04}-{subject}")
        })
        .collect())
}
