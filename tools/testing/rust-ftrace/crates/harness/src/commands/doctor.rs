// SPDX-License-Identifier: GPL-2.0

//! `make doctor`: the tools that the host needs: yours, minimum, how to get it.

use std::collections::BTreeSet;

use anyhow::{
    bail,
    Result, //
};

use crate::{
    host::Context,
    kernel::{
        machine::{
            self,
            TestedBy, //
        },
        tools::{
            self,
            BROWSER,
            MACHINE_TOOLS,
            TOOLS, //
        },
    },
    tree::source::{
        self,
        Source, //
    },
};

/// Says of each tool what is there.
pub fn report(ctx: &Context, source: &Source) -> Result<()> {
    let kernel = source::at_hand(ctx, source);
    println!("{:<20}{:<12}{:<12}", "tool", "yours", "minimum");
    let of_check = machine::tested(TestedBy::Check, None);
    let of_check = of_check
        .iter()
        .flat_map(|machine| tools::of_machine(machine));
    let mut names = BTreeSet::new();
    let mut bad = 0;
    for tool in TOOLS.iter().chain(of_check) {
        if names.insert(tool.name) {
            let (line, good) = tool.line(kernel.as_deref());
            println!("{line}");
            bad += usize::from(!good);
        }
    }
    println!("\nfor `make check-all` and the machines named:");
    let of_machines = MACHINE_TOOLS.iter().map(|(_, tool)| tool);
    for tool in of_machines.chain([&BROWSER]) {
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
