// SPDX-License-Identifier: GPL-2.0

//! `make why`: boots the C and the Rust backend side by side where they differ.

use std::{
    collections::{
        btree_map::Entry,
        BTreeMap, //
    },
    time::Duration, //
};

use anyhow::{
    bail,
    Result, //
};

use crate::{
    guest::{
        console,
        qemu::{
            Limits,
            Output, //
        },
        Guest,
        QUIET_BOOT, //
    },
    host::Context,
    kernel::{
        backend::Backend,
        machine,
        toolchain, //
    },
    tree::source::Source, //
};

/// Something that the C backend gets wrong.
struct Case {
    title: &'static str,
    /// What is wrong with the C backend, as the text before what was seen.
    cause: &'static str,
    machine: &'static str,
    /// The function of the guest's script.
    name: &'static str,
    /// For the kernel's command line: how it boots, and what the script asks for.
    boot: &'static str,
    append: &'static str,
    options: &'static [&'static str],
    /// Lines that a guest shows if all is right.
    right: &'static [&'static str],
}

impl Case {
    fn is_right(&self, lines: &[String]) -> bool {
        let shows = |right: &&str| lines.iter().any(|line| line == right);
        self.right.iter().all(shows)
    }
}

/// Lets QEMU interrupt the guest between any two instructions. Without it there is no interrupt
/// within a translation block.
const ANYWHERE: &[&str] = &["-icount", "shift=2"];

const CASES: &[Case] = &[
    Case {
        title: "MIPS: functions of a module are traced on and off while threads call them",
        cause: "A site in a module is two words. A thread that was preempted between them goes on \
                with the first word of one state and the second of the other. In the kernel, one \
                that was preempted in the delay slot of jal goes on with a return address that \
                points to itself.",
        machine: "mips",
        name: "sites",
        boot: QUIET_BOOT,
        append: "toggles=12000",
        options: ANYWHERE,
        right: &["errors 0", "bad_addresses 0"],
    },
    Case {
        title: "MIPS: vfs_read() is called, and takes a stack trace",
        cause: "The entry saves the return address where the unwinder does not find it.",
        machine: "mips",
        name: "stack",
        boot: QUIET_BOOT,
        append: "",
        options: &[],
        right: &["=> vfs_read", "=> ksys_read"],
    },
];

/// Where a kernel died, in the words of its log.
const PLACES: [&str; 4] = ["epc   :", "ra    :", "PC is at", "LR is at"];

/// How much of the log is shown of a guest that failed.
const CLUES: usize = 6;

/// A guest may hang: one of the cases is about that.
const LIMITS: Limits = Limits {
    total: Duration::from_secs(10 * 60),
    silence: Duration::from_secs(3 * 60),
    console: 64 << 20,
    panic: None,
};

/// What became of a guest, in lines.
fn said(output: &Output) -> Vec<String> {
    let results = output.results.lines().map(str::trim);
    let mut lines: Vec<String> = results
        .filter(|line| !line.is_empty() && !line.starts_with("guest: "))
        .map(str::to_owned)
        .collect();
    if let Some(failure) = &output.failure {
        let log = output.console.lines().map(console::text);
        let clues = log.filter(|line| {
            PLACES.iter().any(|place| line.starts_with(place)) || console::is_fault(line)
        });
        lines.extend(clues.take(CLUES).map(str::to_owned));
        lines.push(format!("{failure} (whole log: {})", output.log.display()));
    }
    if lines.is_empty() {
        lines.push("nothing".to_owned());
    }
    lines
}

pub fn why(ctx: &Context, source: &Source) -> Result<()> {
    let machines: Vec<_> = CASES
        .iter()
        .map(|case| machine::find(case.machine))
        .collect::<Result<_>>()?;
    let toolchain = toolchain::prepare(ctx, source, &machines)?;
    let mut seen = Vec::new();
    let mut failed = false;
    let mut guests = BTreeMap::new();
    for (case, machine) in CASES.iter().zip(machines) {
        let mut sides = Vec::new();
        for backend in [Backend::C, Backend::Rust] {
            let guest = match guests.entry((machine.name, backend.name())) {
                Entry::Occupied(built) => built.into_mut(),
                Entry::Vacant(missing) => {
                    missing.insert(Guest::build(ctx, &toolchain, machine, backend)?)
                }
            };
            let append = format!("filter={} {} {}", case.name, case.boot, case.append);
            let options = case.options.iter().map(Into::into).collect();
            // Some cases are there to show a guest that fails.
            let output = guest.run_with(ctx, "why", &append, &LIMITS, options)?;
            let lines = said(&output);
            let is_right = output.failure.is_none() && case.is_right(&lines);
            failed |= backend == Backend::Rust && !is_right;
            sides.push(lines);
        }
        seen.push((case, sides));
    }
    for (case, sides) in seen {
        println!("\n{}\n  {}", case.title, case.cause);
        for (name, lines) in ["C", "Rust"].iter().zip(sides) {
            println!("  {name}:");
            for line in lines {
                println!("    {line}");
            }
        }
    }
    if failed {
        bail!("the Rust backend is not right either");
    }
    Ok(())
}
