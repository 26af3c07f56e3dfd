// SPDX-License-Identifier: GPL-2.0

//! The set-up of the commands that build kernels: whatever is missing, in order.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    apt::{
        self,
        Apt, //
    },
    crossbuild,
    doctor,
    gcc,
    install::{
        self,
        Outcome, //
    },
    kbuild::Toolchain,
    machine::Machine,
    source,
    ui::Step,
    Context,
    Source, //
};

/// Debian's folder of LLVM's programs, whose libclang bindgen loads.
const LLVM: &str = "/usr/lib/llvm-19/bin";

/// Brings the host's packages for `machines`, the tools and the kernel source with the backend in
/// it.
pub fn prepare(ctx: &Context, source: &Source, machines: &[&Machine]) -> Result<Toolchain> {
    doctor::ensure_host(ctx, machines)?;
    let kernel = source::kernel(ctx, source)?;
    let rust_lib_src = source::rust_library(ctx)?;
    source::bindgen(ctx)?;
    let mut gcc = Vec::new();
    for machine in machines {
        if let Some(folder) = gcc::folder(ctx, machine)? {
            gcc.push((machine.name, folder));
        }
    }
    ctx.ui.step(
        "Put the backend into the kernel source",
        "overlay",
        |step| {
            step.fold(match install::install(&ctx.paths.repo, &kernel.dir)? {
                Outcome::Installed(files) | Outcome::Updated(files) => format!("{files} files"),
                Outcome::Unchanged => "up to date".to_owned(),
            });
            Ok(())
        },
    )?;
    Ok(Toolchain {
        source: kernel.dir,
        rust_lib_src,
        bin: vec![ctx.paths.tools_bin(), LLVM.into()],
        gcc,
    })
}

/// A static busybox for the machine's userland, from Debian's package or built from its source.
pub fn busybox(ctx: &Context, step: &Step<'_>, machine: &Machine) -> Result<PathBuf> {
    let Some(arch) = machine.debian else {
        return crossbuild::busybox(ctx, step, machine);
    };
    let dir = ctx.paths.build.join(format!("busybox-{arch}"));
    let package = Apt::for_fetching(ctx)?.download(step, "busybox-static", Some(arch), "")?;
    apt::extract(step, &package, &dir)?;
    Ok(dir.join("bin/busybox"))
}
