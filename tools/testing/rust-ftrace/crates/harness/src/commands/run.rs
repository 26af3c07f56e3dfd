// SPDX-License-Identifier: GPL-2.0

//! `make run` and `make shell`: the backend at work, and a guest for the user.

use anyhow::{
    bail,
    Context as _,
    Result, //
};

use crate::{
    guest::{
        console,
        demo,
        qemu::Limits,
        Guest,
        QUIET_BOOT, //
    },
    host::{
        process,
        Context, //
    },
    kernel::{
        backend::Backend,
        machine,
        toolchain, //
    },
    tree::source::Source, //
};

/// `make run`: shows the backend at work.
pub fn demo(ctx: &Context, arch: &str, source: &Source) -> Result<()> {
    let guest = prepare(ctx, arch, source)?;
    let output = guest.run(ctx, "demo", QUIET_BOOT, &Limits::default())?;
    let log = output.log.display();
    if let Some(failure) = &output.failure {
        let tail = process::tail(&output.log).join("\n  | ");
        bail!("{failure}\n  | {tail}\nwhole log: {log}");
    }
    let backend = console::backend_line(&output.console)
        .with_context(|| format!("the kernel did not report its Rust backend\nwhole log: {log}"))?;

    println!("\n{backend}");
    for (title, lines) in demo::sections(&output.results) {
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
    let initrd = guest.initrd(None)?;
    let boot = guest.boot(&initrd, QUIET_BOOT.to_owned(), Vec::new());
    boot.interactive()
}

fn prepare(ctx: &Context, arch: &str, source: &Source) -> Result<Guest> {
    let machine = machine::find(arch)?;
    let toolchain = toolchain::prepare(ctx, source, &[machine])?;
    Guest::build(ctx, &toolchain, machine, Backend::Rust)
}
