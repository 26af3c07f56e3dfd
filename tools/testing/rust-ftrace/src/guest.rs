// SPDX-License-Identifier: GPL-2.0

//! A kernel with its root file system, ready to boot; the commands `run` and `shell`.

use std::path::PathBuf;

use anyhow::bail;
use anyhow::Context as _;
use anyhow::Result;

use crate::bootlog;
use crate::kbuild::Backend;
use crate::kbuild::Kernel;
use crate::kbuild::Toolchain;
use crate::machine;
use crate::machine::Machine;
use crate::qemu::Boot;
use crate::qemu::Limits;
use crate::qemu::Output;
use crate::rootfs;
use crate::setup;
use crate::ui;
use crate::Context;
use crate::Source;

/// Keeps a boot short where its tests are not wanted: any tracer named on the command line turns
/// the boot self-tests off.
pub const QUIET_BOOT: &str = "ftrace=nop kunit.enable=0";

pub struct Guest {
    machine: &'static Machine,
    name: String,
    image: PathBuf,
    initrd: PathBuf,
}

impl Guest {
    /// Builds kernel and root file system.
    pub fn build(
        ctx: &Context,
        toolchain: &Toolchain,
        machine: &'static Machine,
        backend: Backend,
    ) -> Result<Self> {
        let kernel = Kernel::new(ctx, toolchain, machine, backend);
        kernel.build(ctx)?;
        let name = kernel.name();
        let initrd = ctx.ui.step(
            &format!("Pack the {name} root file system"),
            &format!("{name}-rootfs"),
            |step| {
                let busybox = setup::busybox(ctx, step, machine)?;
                rootfs::pack(step, &kernel, &busybox, &scripts(ctx))
            },
        )?;
        Ok(Self {
            machine,
            name,
            image: kernel.image(),
            initrd,
        })
    }

    fn boot(&self, append: String) -> Boot<'_> {
        Boot {
            machine: self.machine,
            image: &self.image,
            initrd: &self.initrd,
            append,
        }
    }

    /// Boots to do `mode`, which is also part of the logs' names. A guest that failed has
    /// output all the same.
    pub fn run(&self, ctx: &Context, mode: &str, append: &str, limits: &Limits) -> Result<Output> {
        let name = format!("{}-{mode}", self.name);
        let mut kept = None;
        let step = ctx.ui.step(&format!("Boot {name} in QEMU"), &name, |step| {
            let output = self
                .boot(format!("mode={mode} {append}"))
                .run(step.log(), limits)?;
            match &kept.insert(output).failure {
                Some(failure) => bail!("{failure}"),
                None => Ok(()),
            }
        });
        match kept {
            Some(output) => Ok(output),
            None => Err(step.err().context("a boot without output or error")?),
        }
    }
}

/// The folder of the guest's scripts.
pub fn scripts(ctx: &Context) -> PathBuf {
    ctx.paths.repo.join("tools/testing/rust-ftrace/guest")
}

/// `make run`: shows the backend at work.
pub fn demo(ctx: &Context, arch: &str, source: &Source) -> Result<()> {
    let guest = prepare(ctx, arch, source)?;
    let output = guest.run(ctx, "demo", QUIET_BOOT, &Limits::default())?;
    let log = output.log.display();
    if let Some(failure) = &output.failure {
        let tail = ui::tail(&output.log).join("\n  | ");
        bail!("{failure}\n  | {tail}\nwhole log: {log}");
    }
    let backend = bootlog::backend_line(&output.console)
        .with_context(|| format!("the kernel did not report its Rust backend\nwhole log: {log}"))?;

    println!("\n{backend}");
    for (title, lines) in sections(&output.results) {
        match title {
            "functions" => println!("{} traceable functions", lines.trim()),
            _ if lines.trim().is_empty() => {
                bail!("the {title} tracer recorded nothing\nwhole log: {log}")
            }
            _ => println!("\n{title}:\n{}", lines.trim_end()),
        }
    }
    Ok(())
}

/// `make shell`: gives the guest to the user.
pub fn shell(ctx: &Context, arch: &str, source: &Source) -> Result<()> {
    let guest = prepare(ctx, arch, source)?;
    guest.boot(QUIET_BOOT.to_owned()).interactive()
}

fn prepare(ctx: &Context, arch: &str, source: &Source) -> Result<Guest> {
    let machine = machine::find(arch)?;
    let toolchain = setup::prepare(ctx, source, &[machine])?;
    Guest::build(ctx, &toolchain, machine, Backend::Rust)
}

/// Splits the demo's output at its `== title` lines.
fn sections(results: &str) -> impl Iterator<Item = (&str, &str)> {
    results
        .split("== ")
        .skip(1)
        .filter_map(|section| section.split_once('\n'))
        .map(|(title, lines)| {
            let lines = lines.split("guest: done").next().unwrap_or_default();
            (title.trim(), lines)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_the_demo() {
        let text = "== functions\r\n18924\r\n== function\r\n a <-b\r\n c <-d\r\nguest: done\r\n";
        let got: Vec<_> = sections(text).collect();
        assert_eq!(
            got,
            [
                ("functions", "18924\r\n"),
                ("function", " a <-b\r\n c <-d\r\n")
            ]
        );
    }
}
