// SPDX-License-Identifier: GPL-2.0

//! Audits a kernel that was built, with its modules.

use anyhow::bail;
use anyhow::Result;
use ftrace_audit::Report;

use crate::kbuild::Kernel;
use crate::Context;

pub fn audit(ctx: &Context, kernel: &Kernel) -> Result<()> {
    let mut files = kernel.modules()?;
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
