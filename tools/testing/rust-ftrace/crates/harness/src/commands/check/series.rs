// SPDX-License-Identifier: GPL-2.0

//! The kernel after each patch of the series: it builds, boots and traces.

use std::time::{
    Duration,
    Instant, //
};

use anyhow::{
    bail,
    ensure,
    Result, //
};

use crate::{
    commands::check::{
        boots::boot_cases,
        session::{
            log_name,
            Session, //
        },
    },
    guest::{
        demo,
        qemu::Limits,
        Guest,
        QUIET_BOOT, //
    },
    host::{
        files,
        process, //
    },
    kernel::{
        backend::Backend,
        kbuild::Kernel,
        machine::Machine,
        toolchain::Toolchain, //
    },
    results::{
        case::{
            Case,
            Outcome, //
        },
        suite::{
            Kind,
            Name, //
        },
    },
    tree::{
        scratch::Scratch,
        series::{
            stages::Stage,
            Series, //
        },
        source, //
    },
};

/// How long a boot may take that only shows the tracers.
const BOOT: Duration = Duration::from_secs(10 * 60);

/// The image that was found to boot last, by its SHA-256.
type Booted = Option<String>;

impl Session<'_> {
    /// Applies the patches of the series one by one to a copy of the source, and builds and boots
    /// the kernel after each that is asked for. One that fails stays applied.
    pub fn series(
        &mut self,
        toolchain: &Toolchain,
        kernel: &source::Kernel,
        machine: &'static Machine,
    ) -> Result<()> {
        let start = Instant::now();
        let suite = Name::Machine(machine.name, Backend::Rust, Kind::Series);
        let series = Series::read(&self.ctx.paths.repo, &kernel.version.series())?;
        let stages = series.stages()?;
        let is_asked = |stage: &Stage<'_>| self.filter.keeps(&suite, stage.name());
        let number = stages.iter().rposition(is_asked).map_or(0, |last| last + 1);
        let scratch = Scratch::pristine(self.ctx, kernel)?;
        let toolchain = toolchain.with_source(&scratch.dir);
        let mut booted = Booted::None;
        let mut cases = Vec::new();
        for stage in &stages[..number] {
            let applied = scratch.apply(stage);
            if !is_asked(stage) {
                continue;
            }
            if applied.is_ok() && !stage.is_read_by(machine.arch) {
                let reason = format!("no file of this build: ARCH={} reads none", machine.arch);
                cases.push(Case::new(stage.name(), Outcome::Skipped, reason));
                continue;
            }
            let run = applied.and_then(|()| self.stage(&toolchain, machine, stage, &mut booted));
            cases.push(match run {
                Ok(note) => Case::new(stage.name(), Outcome::Passed, note),
                Err(error) => Case::new(stage.name(), Outcome::Failed, format!("{error:#}")),
            });
        }
        self.add_of(machine, Backend::Rust, Kind::Series, start.elapsed(), cases);
        Ok(())
    }

    /// Builds and boots the kernel after a patch. Gives a remark for the reader.
    fn stage(
        &self,
        toolchain: &Toolchain,
        machine: &'static Machine,
        stage: &Stage<'_>,
        booted: &mut Booted,
    ) -> Result<&'static str> {
        let suite = Name::Machine(machine.name, Backend::Rust, Kind::Series).to_string();
        let kernel = Kernel::of_stage(self.ctx, toolchain, machine)?;
        let title = format!("{suite}: {}, {}", stage.name(), kernel.backend.name());
        let log = log_name(&suite, stage.name());
        let guest = self.ctx.ui.step(&title, &log, |step| {
            Guest::build_stage(self.ctx, step, &kernel)
        })?;
        // If the patch is about what this configuration does not have, the image stays the same.
        let image = Some(files::sha256(guest.image())?);
        if *booted == image {
            return Ok("builds; the image is the one that was booted last");
        }
        self.show(machine, &guest)?;
        *booted = image;
        Ok("")
    }

    /// Boots a guest, and has the tracers show what they record.
    fn show(&self, machine: &'static Machine, guest: &Guest) -> Result<()> {
        let limits = Limits {
            total: BOOT,
            ..Limits::default()
        };
        let output = guest.run(self.ctx, "demo", QUIET_BOOT, &limits)?;
        let cases = boot_cases(machine, &output);
        let failed = cases.iter().filter(|case| case.outcome == Outcome::Failed);
        let failed: Vec<_> = failed.map(|case| case.detail.as_str()).collect();
        // The next patch's boot takes the log's place.
        let tail = || process::tail(&output.log).join("\n  | ");
        ensure!(failed.is_empty(), "{}\n  | {}", failed.join("\n"), tail());
        if let Some(tracer) = demo::silent(&output.results) {
            bail!("the {tracer} tracer recorded nothing\n  | {}", tail());
        }
        Ok(())
    }
}
