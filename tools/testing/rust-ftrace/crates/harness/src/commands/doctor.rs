// SPDX-License-Identifier: GPL-2.0

//! `make doctor`: the tools that the host needs: yours, minimum, how to get it.

use std::collections::BTreeSet;

use anyhow::{
    bail,
    Result, //
};

use crate::{
    host::Context,
    kernel::tools::{
        kernel_tree,
        BROWSER,
        MACHINE_TOOLS,
        TOOLS, //
    },
};

/// Says of each tool what is there.
pub fn report(ctx: &Context) -> Result<()> {
    let kernel = kernel_tree(ctx);
    println!("{:<20}{:<12}{:<12}", "tool", "yours", "minimum");
    let mut bad = 0;
    for tool in TOOLS.iter().chain([&BROWSER]) {
        let (line, good) = tool.line(kernel.as_deref());
        println!("{line}");
        bad += usize::from(!good);
    }
    println!("\nfor `make check-all` and the machines named:");
    let mut names = BTreeSet::new();
    for (_, tool) in MACHINE_TOOLS {
        if names.insert(tool.name) {
            println!("{}", tool.line(kernel.as_deref()).0);
        }
    }
    println!("\nbindgen, Rust's library source and the kernel's source are fetched into build/.");
    match bad {
        0 => Ok(()),
        _ => bail!("{bad} tools are missing or too old; make run, check and shell install them"),
    }
}
