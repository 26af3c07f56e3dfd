// SPDX-License-Identifier: GPL-2.0

//! Checks what the ftrace backend takes for granted in built kernels and modules.
//!
//! | module | what it checks |
//! |---|---|
//! | `sites` | every recorded call site has the layout that the backend expects |
//! | `dead` | no register that the entry or a tracer changes is in use at a site |
//! | `path` | while text changes nothing runs that can be traced, and nothing panics |

use std::{
    collections::BTreeMap,
    fmt,
    path::Path, //
};

use anyhow::{
    Context as _,
    Result, //
};
use ftrace_pure::site::MIPS_FUNC_CALL;

mod a32;
mod constants;
mod dead;
mod decoder;
mod image;
mod insn;
mod mips;
mod path;
mod program;
mod sites;
mod t32;

#[cfg(test)]
mod tests;

use image::{
    Image,
    Isa, //
};
use program::Program;

/// What an image was found to be.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of sites of each layout.
    pub sites: BTreeMap<&'static str, usize>,
    /// The number of sites that keep their target.
    pub kept: usize,
    /// Entries of `__mcount_loc` that the build emptied.
    pub emptied: usize,
    /// The number of reads of registers that a tracer may have changed and that held nothing.
    pub empty: usize,
    /// All that is wrong.
    pub problems: Vec<String>,
}

impl Report {
    /// Adds what another image was found to be.
    pub fn add(&mut self, path: &Path, other: Self) {
        for (layout, sites) in other.sites {
            *self.sites.entry(layout).or_default() += sites;
        }
        self.kept += other.kept;
        self.emptied += other.emptied;
        self.empty += other.empty;
        let problems = other.problems.into_iter();
        self.problems
            .extend(problems.map(|problem| format!("{}: {problem}", path.display())));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.sites.iter().map(|(l, n)| format!("{n} {l}")).collect();
        match counts.is_empty() {
            true => write!(f, "no sites")?,
            false => write!(f, "{}", counts.join(", "))?,
        }
        if self.kept != 0 {
            write!(f, ", {} keep their target", self.kept)?;
        }
        if self.emptied != 0 {
            write!(f, ", {} entries emptied", self.emptied)?;
        }
        if self.empty != 0 {
            write!(f, ", {} reads of registers without a value", self.empty)?;
        }
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

/// Audits a vmlinux or a module.
pub fn audit(path: &Path) -> Result<Report> {
    let image = Image::read(path)?;
    audit_image(&image).with_context(|| format!("cannot audit {}", path.display()))
}

fn audit_image(image: &Image) -> Result<Report> {
    let program = Program::new(image)?;
    let sites = sites::sites(image)?;
    let mut report = Report {
        emptied: sites.emptied,
        problems: sites.bad,
        ..Report::default()
    };
    for site in &sites.good {
        *report.sites.entry(site.layout.name).or_default() += 1;
        report.kept += usize::from(site.keeps_target());
    }
    // What calls tracers has to call one after the other.
    let call = image.symbol("ftrace_call");
    let is_mips = matches!(image.isa, Isa::Mips32 | Isa::Mips32R6);
    if is_mips && call.is_some_and(|ip| MIPS_FUNC_CALL.keeps_target(ip)) {
        let problem = "ftrace_call is the last word of a page: QEMU would keep its target";
        report.problems.push(problem.to_owned());
    }
    let reads = dead::reads(&program, &sites.good)?;
    report.empty = reads.empty;
    report.problems.extend(reads.live.iter().map(|live| {
        let way: Vec<_> = live.path.iter().map(|a| format!("{a:#x}")).collect();
        format!(
            "{} reads {} as it was at a site; the way there: {}",
            image.name(live.address),
            program.decoder.names(live.register),
            way.join(" ")
        )
    }));
    if !image.module {
        if report.sites.is_empty() {
            report.problems.push("no call site is recorded".to_owned());
        }
        report.problems.extend(path::check(&program, &sites.good)?);
    }
    Ok(report)
}
