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
        Check, //
    },
    guest::{
        self,
        rootfs,
        Guest, //
    },
    host::Context,
    kernel::{
        audit,
        backend::Backend,
        kbuild::Kernel,
        machine::{
            Machine,
            TestedBy, //
        },
        toolchain::Toolchain, //
    },
    results::case::{
        Case,
        Outcome,
        Suite, //
    },
};

/// How much larger the kernel's text may be than with the C backend, in percent.
const TEXT_GROWTH: u64 = 1;

impl Check<'_> {
    /// The tests of a machine: of its kernels, and in guests.
    pub fn machine(&mut self, toolchain: &Toolchain, machine: &'static Machine) -> Result<()> {
        let kernel = |backend| Kernel::new(self.ctx, toolchain, machine, backend);
        let in_folder = |folder| -> Result<Vec<String>> {
            let mut names = rootfs::tests(&guest::scripts(self.ctx), folder)?;
            names.extend(["boot".to_owned(), "log".to_owned()]);
            Ok(names)
        };
        let (tests, clients) = (in_folder("tests")?, in_folder("clients")?);
        let selftests = script::tests(&kernel(Backend::Rust).ftrace_selftests())?;
        let suite = |kind: &str| format!("{}/{kind}", machine.name);
        let wants = |kind: &str, cases: Option<&[String]>| self.filter.wants(&suite(kind), cases);
        let wants_build = |case: &str| wants("build", Some(&[case.to_owned()]));
        let boots_tests = ["selftest", "kunit", "kunit-backend"]
            .iter()
            .any(|kind| wants(kind, None));
        let boots_guest = wants("guest", Some(&tests));
        let faults = rootfs::tests(&guest::scripts(self.ctx), "faults")?;
        let boots_faults = wants("faults", Some(&faults));
        let mut rounds = self.rounds.names();
        rounds.extend(["boot".to_owned(), "log".to_owned()]);
        // A userland, and a kernel with the other backend, take too long for a run of all tests that
        // is to be over soon.
        let is_patient = self.by == TestedBy::CheckAll || self.filter.0.is_some();
        let boots_both = is_patient && machine.is_compared;
        // What several shells do at once is another thing each time.
        let boots_fuzz = is_patient && wants("fuzz", Some(&rounds));
        let fuzzes_both = self.by == TestedBy::CheckAll && machine.is_compared && boots_fuzz;
        let boots_userland = is_patient && !machine.selftests.is_empty();
        // They are not built from source where Debian has no packages.
        let boots_clients =
            boots_userland && machine.debian.is_some() && wants("clients", Some(&clients));
        let boots_selftests =
            boots_userland && wants("ftracetest", Some(&script::cases(&selftests)));
        let takes_userland = boots_clients || boots_selftests;
        let compares =
            boots_tests || takes_userland || wants_build("c") || wants_build("text size");
        let needs_c = (boots_both && compares) || fuzzes_both;
        if !needs_c
            && !boots_tests
            && !boots_guest
            && !boots_faults
            && !boots_fuzz
            && !takes_userland
            && !["rust", "audit", "clippy"].into_iter().any(wants_build)
        {
            return Ok(());
        }

        let start = Instant::now();
        let mut cases = Vec::new();
        let mut check = |name: &str, result: Result<()>| {
            let problem = result.err().map(|e| format!("{e:#}"));
            cases.push(Case::check(name, problem));
        };
        // Whatever was asked for fails with the kernel that it needs.
        let mut guests = Vec::new();
        for (backend, needed) in [(Backend::Rust, true), (Backend::C, needs_c)] {
            if needed {
                let guest = Guest::build(self.ctx, toolchain, machine, backend);
                check(backend.name(), guest.map(|g| guests.push((backend, g))));
            }
        }
        let built = |backend| guests.iter().any(|(b, _)| *b == backend);
        // The first of the machines that boot a kernel answers for it.
        let is_first = machine.is_first_of_kernel();
        if built(Backend::Rust) && is_first && wants_build("audit") {
            check("audit", audit::audit(self.ctx, &kernel(Backend::Rust)));
        }
        if built(Backend::Rust) && is_first && wants_build("clippy") {
            check("clippy", self.kernel_clippy(toolchain, machine));
        }
        if guests.len() == 2 && wants_build("text size") {
            check("text size", text_growth(self.ctx, toolchain, machine));
        }
        let mut with_userland = Vec::new();
        if takes_userland {
            let asked = guests.iter().filter(|(b, _)| machine.selftests.contains(b));
            for (backend, guest) in asked {
                let whole = guest.with_userland(self.ctx, &kernel(*backend));
                let name = format!("userland {}", backend.name());
                check(&name, whole.map(|g| with_userland.push((*backend, g))));
            }
        }
        cases.retain(|c| c.outcome != Outcome::Passed || wants_build(&c.name));
        if !cases.is_empty() {
            self.results.add(Suite {
                name: suite("build"),
                cases,
                time: start.elapsed(),
            });
        }

        if boots_tests {
            let guests = guests.iter();
            let asked = guests.filter(|(b, _)| boots_both || *b == Backend::Rust);
            self.boot_tests(machine, asked)?;
        }
        if boots_guest {
            let rust = guests.iter().filter(|(b, _)| *b == Backend::Rust);
            self.guest_tests(machine, ("guest", "check"), &tests, rust)?;
        }
        if let Some((_, rust)) = guests.iter().find(|(b, _)| *b == Backend::Rust) {
            if boots_faults {
                self.faults(machine, rust, &faults)?;
            }
        }
        if boots_fuzz {
            let guests = guests.iter();
            let asked = guests.filter(|(b, _)| fuzzes_both || *b == Backend::Rust);
            self.fuzz(machine, asked)?;
        }
        if boots_clients {
            self.guest_tests(machine, ("clients", "clients"), &clients, &with_userland)?;
        }
        if boots_selftests {
            self.selftests(machine, &selftests, &with_userland)?;
        }
        Ok(())
    }
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
