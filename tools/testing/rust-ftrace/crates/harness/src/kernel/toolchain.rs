// SPDX-License-Identifier: GPL-2.0

//! What building a kernel takes, and its set-up: whatever is missing, in order.

use std::path::{
    Path,
    PathBuf, //
};

use anyhow::Result;

use crate::{
    host::{
        compilers::{
            self,
            Unpacked, //
        },
        rust,
        version::Version,
        Context, //
    },
    kernel::{
        machine::Machine,
        tools, //
    },
    tree::{
        install::{
            self,
            Outcome, //
        },
        source::{
            self,
            Source, //
        },
    },
};

/// Where the set-up put what a kernel build needs.
#[derive(Clone)]
pub struct Toolchain {
    /// The overlaid kernel source.
    pub source: PathBuf,
    /// Its version.
    pub version: Version,
    /// The end of the names of what is built from it, see [`source::suffix`].
    pub suffix: String,
    /// Rust's library sources.
    pub rust_lib_src: PathBuf,
    /// Folders to look for programs in before `PATH`'s.
    pub bin: Vec<PathBuf>,
    /// Other compilers than the host's, and the machines that these are for.
    pub compilers: Vec<(&'static str, Unpacked)>,
}

impl Toolchain {
    /// The same for another source of the same kernel.
    pub fn with_source(&self, source: &Path) -> Self {
        Self {
            source: source.to_path_buf(),
            ..self.clone()
        }
    }

    /// The compiler for a machine if it is not the host's.
    pub fn compiler(&self, machine: &Machine) -> Option<&Unpacked> {
        let mut compilers = self.compilers.iter();
        let own = compilers.find(|(name, _)| *name == machine.name);
        own.map(|(_, compiler)| compiler)
    }
}

/// Debian's folder of LLVM's programs, whose libclang bindgen loads.
const LLVM: &str = "/usr/lib/llvm-19/bin";

/// Brings all that building kernels for `machines` takes.
pub fn prepare(ctx: &Context, source: &Source, machines: &[&Machine]) -> Result<Toolchain> {
    complete(ctx, &self::source(ctx, source)?, machines)
}

/// Brings the kernel source, with the backend in it, and the host's packages for that alone.
pub fn source(ctx: &Context, source: &Source) -> Result<source::Kernel> {
    tools::ensure_for_source(ctx)?;
    let kernel = source::kernel(ctx, source)?;
    let title = "Put the backend into the kernel source";
    ctx.ui.step(title, "overlay", |step| {
        step.fold(match install::install(&ctx.paths.repo, &kernel.dir)? {
            Outcome::Installed(files) | Outcome::Updated(files) => format!("{files} files"),
            Outcome::Unchanged => "up to date".to_owned(),
        });
        Ok(())
    })?;
    Ok(kernel)
}

/// Brings what else building the kernel of [`source`] for `machines` takes. The kernel says which
/// tools it can be built with.
pub fn complete(
    ctx: &Context,
    kernel: &source::Kernel,
    machines: &[&Machine],
) -> Result<Toolchain> {
    tools::ensure_for_kernels(ctx, machines, &kernel.dir)?;
    let rust_lib_src = rust::library(ctx)?;
    rust::bindgen(ctx)?;
    let mut compilers = Vec::new();
    for machine in machines {
        if let Some(compiler) = machine.compiler {
            if let Some(unpacked) = compilers::unpacked(ctx, compiler, machine.cross)? {
                compilers.push((machine.name, unpacked));
            }
        }
    }
    Ok(Toolchain {
        source: kernel.dir.clone(),
        version: kernel.version,
        suffix: source::suffix(&ctx.paths.repo, kernel.version)?,
        rust_lib_src,
        bin: vec![ctx.paths.tools_bin(), LLVM.into()],
        compilers,
    })
}
