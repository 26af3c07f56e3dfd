// SPDX-License-Identifier: GPL-2.0

//! Audits a kernel that was built, with its modules.

use std::path::Path;

use anyhow::{
    bail,
    Result, //
};
use ftrace_audit::Report;

use crate::{
    host::Context,
    kernel::kbuild::Kernel, //
};

/// What the names of the modules start with whose call sites are none.
const BAD_SITES: &str = "ftrace_bad_";

pub fn audit(ctx: &Context, kernel: &Kernel<'_>) -> Result<()> {
    let mut files = kernel.modules()?;
    files.retain(|file| !is_bad_on_purpose(file));
    files.push(kernel.vmlinux());
    let name = kernel.name();
    ctx.ui.step(
        &format!("Audit the {name} kernel"),
        &format!("{name}-audit"),
        |step| {
            let mut report = Report::default();
            for file in &files {
                report.add(file, ftrace_audit::audit(file)?);
            }
            if !report.problems.is_empty() {
                bail!("{report}");
            }
            step.fold(report.to_string());
            Ok(())
        },
    )
}

/// Whether a module is there to be refused.
fn is_bad_on_purpose(module: &Path) -> bool {
    let name = module.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(BAD_SITES)
}
