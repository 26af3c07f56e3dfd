// SPDX-License-Identifier: GPL-2.0

//! The kernel's own checks of style, and clippy with the kernel's flags.

use std::{
    fs,
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
        log_name,
        Check, //
    },
    host::files,
    kernel::{
        backend::Backend,
        kbuild::Kernel,
        machine::Machine,
        toolchain::Toolchain, //
    },
    tree::{
        install,
        series::Series, //
    },
};

impl Check<'_> {
    /// The patches and files that the kernel source has been given.
    pub fn series(&self, toolchain: &Toolchain) -> Result<Series> {
        let version = toolchain.version()?;
        Series::read(&self.ctx.paths.repo, &version.series())
    }

    /// The kernel's own style checks on the series that `make patch` gives.
    pub fn lint(&mut self, toolchain: &Toolchain) -> Result<()> {
        let tree = &toolchain.source;
        let series = self.series(toolchain)?;
        let start = Instant::now();
        let mut cases = Vec::new();

        if self.filter.wants("lint", Some(&["rustfmt".to_owned()])) {
            let files = series
                .added()
                .chain(series.edited())
                .filter(|f| f.extension().is_some_and(|e| e == "rs"));
            let mut command = Command::new("rustfmt");
            command.arg("--check").args(files).current_dir(tree);
            cases.push(self.command("rustfmt", "lint", &mut command));
        }

        let folder = self.ctx.paths.build.join("patches");
        files::remove_dir_all(&folder)?;
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        series.format(&install::originals(tree)?, &folder)?;
        for patch in WalkDir::new(&folder).min_depth(1).sort_by_file_name() {
            let patch = patch?.into_path();
            let name = patch.file_stem().unwrap_or_default().to_string_lossy();
            let case = format!("checkpatch {name}");
            if self.filter.wants("lint", Some(std::slice::from_ref(&case))) {
                let mut command = Command::new(tree.join("scripts/checkpatch.pl"));
                command
                    .args(["--strict", "--terse", "--no-summary", "--show-types"])
                    // The tree has no history in which to find the commits of Fixes tags
                    .args(["--ignore", "UNKNOWN_COMMIT_ID"])
                    .arg(&patch)
                    .current_dir(tree);
                cases.push(self.command(&case, "lint", &mut command));
            }
        }
        self.add("lint", start.elapsed(), cases);
        Ok(())
    }

    /// Clippy with the kernel's flags on our files in the kernel.
    pub fn kernel_clippy(&self, toolchain: &Toolchain, machine: &'static Machine) -> Result<()> {
        let series = self.series(toolchain)?;
        let ours: Vec<_> = series.added().map(|f| f.display().to_string()).collect();
        let kernel = Kernel::new(self.ctx, toolchain, machine, Backend::Rust);
        for object in kernel.rust_objects() {
            let suite = format!("{}/build", machine.name);
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
