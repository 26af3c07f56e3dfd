// SPDX-License-Identifier: GPL-2.0

//! The tests of a machine: of its kernels, and in guests.

use std::time::Instant;

use anyhow::{
    bail,
    Result, //
};

use crate::{
    commands::check::{
        ftracetest::script,
        plan::OnMachine,
        session::Session, //
    },
    guest::Guest,
    host::Context,
    kernel::{
        audit,
        backend::Backend,
        kbuild::Kernel,
        machine::Machine,
        toolchain::Toolchain, //
    },
    results::{
        case::{
            Case,
            Outcome,
            Suite, //
        },
        suite::{
            Kind,
            Name, //
        },
    },
};

/// How much larger the kernel's text may be than with the C backend, in percent.
const TEXT_GROWTH: u64 = 1;

impl Session<'_> {
    /// The tests of a machine: of its kernels, and in guests.
    pub fn machine(
        &mut self,
        toolchain: &Toolchain,
        on: &OnMachine,
        scripts: &Scripts,
    ) -> Result<()> {
        let machine = on.machine;
        let kernel = |backend| Kernel::new(self.ctx, toolchain, machine, backend);
        let name = Name::Machine(machine.name, Backend::Rust, Kind::Build);
        let start = Instant::now();
        let mut cases = Vec::new();
        let mut check = |name: &str, result: Result<()>| {
            let problem = result.err().map(|e| format!("{e:#}"));
            cases.push(Case::check(name, problem));
        };
        // Whatever was asked for fails with the kernel that it needs.
        let mut guests = Vec::new();
        for (backend, needed) in [(Backend::Rust, true), (Backend::C, on.builds_c)] {
            if needed {
                let guest = Guest::build(self.ctx, toolchain, machine, backend);
                check(backend.name(), guest.map(|g| guests.push((backend, g))));
            }
        }
        let has_rust = guests.iter().any(|(b, _)| *b == Backend::Rust);
        if has_rust && on.audit {
            check("audit", audit::audit(self.ctx, &kernel(Backend::Rust)));
        }
        if has_rust && on.clippy {
            check("clippy", self.kernel_clippy(toolchain, machine));
        }
        if guests.len() == 2 && on.text_size {
            check("text size", text_growth(self.ctx, toolchain, machine));
        }
        let mut with_userland = Vec::new();
        if on.takes_userland() {
            let asked = guests.iter().filter(|(b, _)| machine.selftests.contains(b));
            for (backend, guest) in asked {
                let whole = guest.with_userland(self.ctx, &kernel(*backend));
                let name = format!("userland {}", backend.name());
                check(&name, whole.map(|g| with_userland.push((*backend, g))));
            }
        }
        cases.retain(|c| c.outcome != Outcome::Passed || self.filter.keeps(&name, &c.name));
        if !cases.is_empty() {
            let time = start.elapsed();
            self.results.add(Suite { name, cases, time });
        }

        let of = |guests: &'_ [(Backend, Guest)], backends: &[Backend]| -> Vec<_> {
            let asked = guests.iter().filter(|(b, _)| backends.contains(b));
            asked.map(|(b, guest)| (*b, guest.clone())).collect()
        };
        if !on.boot.is_empty() {
            self.boot_tests(machine, &of(&guests, on.boot))?;
        }
        if on.guest {
            let rust = of(&guests, &[Backend::Rust]);
            self.guest_tests(machine, (Kind::Guest, "tests"), &scripts.tests, &rust)?;
        }
        if !on.mends.is_empty() {
            let both = of(&guests, on.mends);
            self.guest_tests(machine, (Kind::Mends, "mends"), &scripts.mends, &both)?;
        }
        if let Some((_, rust)) = guests.iter().find(|(b, _)| *b == Backend::Rust) {
            if on.faults {
                self.faults(machine, rust, &scripts.faults)?;
            }
        }
        if !on.fuzz.is_empty() {
            self.fuzz(machine, &of(&guests, on.fuzz))?;
        }
        if !on.clients.is_empty() {
            let mode = (Kind::Clients, "clients");
            self.guest_tests(machine, mode, &scripts.clients, &with_userland)?;
        }
        if !on.ftracetest.is_empty() {
            self.selftests(machine, &scripts.selftests, &with_userland)?;
        }
        Ok(())
    }
}

/// What runs in guests.
pub struct Scripts {
    pub tests: Vec<String>,
    pub mends: Vec<String>,
    pub clients: Vec<String>,
    pub faults: Vec<String>,
    /// The kernel's own tests of ftrace.
    pub selftests: Vec<script::Test>,
}

/// Holds the Rust backend's kernel against the C backend's, as far as both have the same to offer.
fn text_growth(ctx: &Context, toolchain: &Toolchain, machine: &'static Machine) -> Result<()> {
    let kernel = |backend| Kernel::new(ctx, toolchain, machine, backend);
    let [c, rust] = [Backend::C, Backend::Rust].map(|b| kernel(b).text_size());
    let fprobe = kernel(Backend::Rust).fprobe_size()?;
    let (c, rust) = (c?, rust? - fprobe);
    ctx.ui.note(&format!(
        "      {} text: C {c} bytes, Rust {rust} bytes and {fprobe} of fprobe",
        machine.name
    ));
    if rust * 100 > c * (100 + TEXT_GROWTH) {
        bail!("text grows by more than {TEXT_GROWTH}%: {c} bytes with C, {rust} with Rust");
    }
    Ok(())
}
