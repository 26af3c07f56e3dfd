// SPDX-License-Identifier: GPL-2.0

//! The kernel after one patch of the series, built in `build/<kernel>-series/` on top of what is
//! there from the patch before.

use std::{
    fs,
    path::Path, //
};

use anyhow::{
    Context as _,
    Result, //
};

use crate::{
    host::{
        progress::Step,
        Context, //
    },
    kernel::{
        backend::Backend,
        kbuild::Kernel,
        machine::Machine,
        toolchain::Toolchain, //
    },
};

/// The file that declares the Rust backend's option, and that option.
const CHOICE: &str = "kernel/trace/Kconfig";
const RUST: &str = "FTRACE_RUST";

impl<'a> Kernel<'a> {
    /// The kernel of the toolchain's source, with the Rust backend if it has one by now.
    pub fn of_stage(
        ctx: &Context,
        toolchain: &'a Toolchain,
        machine: &'static Machine,
    ) -> Result<Self> {
        let backend = backend(&toolchain.source)?;
        let name = format!("{}-series{}", machine.kernel_name(), toolchain.suffix);
        Ok(Self::named(ctx, toolchain, machine, backend, name))
    }

    /// Configures and builds the image and the kernel's own modules. What the patches that follow
    /// bring is not missed; with the Rust backend to choose, all is there.
    pub fn build_stage(&self, ctx: &Context, step: &Step<'_>) -> Result<()> {
        self.create_out()?;
        let run = |command: &mut _| step.run(command);
        match self.backend {
            Backend::C => self.configure_what_there_is(ctx, run)?,
            Backend::Rust => self.configure(ctx, run)?,
        }
        self.make_image(step)
    }
}

/// The best backend that a source has.
fn backend(source: &Path) -> Result<Backend> {
    let path = source.join(CHOICE);
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(match declares(&text, RUST) {
        true => Backend::Rust,
        false => Backend::C,
    })
}

/// Whether a Kconfig file declares an option.
fn declares(kconfig: &str, option: &str) -> bool {
    let mut lines = kconfig.lines().map(str::split_whitespace);
    lines.any(|mut words| words.next() == Some("config") && words.next() == Some(option))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_is_selected_is_not_declared() {
        let text = "config HAVE_FTRACE_RUST\n\tbool\nconfig ARM\n\tdepends on FTRACE_RUST\n";
        assert!(!declares(text, RUST));
        assert!(declares(&format!("{text}config FTRACE_RUST\n"), RUST));
    }
}
