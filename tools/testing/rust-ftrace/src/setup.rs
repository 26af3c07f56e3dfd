// SPDX-License-Identifier: GPL-2.0

//! The set-up of the commands that build kernels: whatever is missing, in order.

use std::path::PathBuf;

use anyhow::Result;

use crate::apt;
use crate::apt::Apt;
use crate::doctor;
use crate::install;
use crate::install::Outcome;
use crate::kbuild::Toolchain;
use crate::machine::Machine;
use crate::source;
use crate::ui::Step;
use crate::Context;
use crate::Source;

/// Debian's folder of LLVM's programs, whose libclang bindgen loads.
const LLVM: &str = "/usr/lib/llvm-19/bin";

/// Brings the host's packages, the tools and the kernel source with the backend in it.
pub fn prepare(ctx: &Context, source: &Source) -> Result<Toolchain> {
    doctor::ensure_host(ctx)?;
    let kernel = source::kernel(ctx, source)?;
    let rust_lib_src = source::rust_library(ctx)?;
    source::bindgen(ctx)?;
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
    })
}

/// A static busybox for the machine's userland, from Debian's package.
pub fn busybox(ctx: &Context, step: &Step<'_>, machine: &Machine) -> Result<PathBuf> {
    let dir = ctx.paths.build.join(format!("busybox-{}", machine.debian));
    let package =
        Apt::for_fetching(ctx)?.download(step, "busybox-static", Some(machine.debian), "")?;
    apt::extract(step, &package, &dir)?;
    Ok(dir.join("bin/busybox"))
}
