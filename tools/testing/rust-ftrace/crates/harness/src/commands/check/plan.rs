// SPDX-License-Identifier: GPL-2.0

//! What a run will do, computed before anything is set up for it.

use crate::{
    commands::check::filter::Filter,
    kernel::{
        backend::Backend,
        machine::{
            Machine,
            TestedBy, //
        },
    },
    report::page,
    results::suite::{
        Kind,
        Name, //
    },
};

/// What is asked for.
pub struct Asked<'a> {
    pub filter: Filter<'a>,
    pub by: TestedBy,
    /// Whether one machine is asked for by its name.
    pub one_machine: bool,
    /// The machines that come into question.
    pub machines: Vec<&'static Machine>,
}

/// The names of tests that are known before any of them has run.
#[derive(Default)]
pub struct Catalog {
    /// The suites of the crates that run on the host.
    pub crates: Vec<String>,
    /// The cases of checkpatch.
    pub patches: Vec<String>,
    /// The cases of the sets, one a version.
    pub sets: Vec<String>,
    /// Our scripts for guests, by their folders.
    pub tests: Vec<String>,
    pub clients: Vec<String>,
    pub faults: Vec<String>,
    /// The rounds of random commands.
    pub rounds: Vec<String>,
    /// The kernel's own tests of ftrace. Only the kernel's source tells them.
    pub selftests: Option<Vec<String>>,
}

impl Catalog {
    /// Whether the name of one of these tests has `text` in it.
    pub fn has(&self, text: &str) -> bool {
        [
            &self.patches,
            &self.sets,
            &self.tests,
            &self.clients,
            &self.faults,
            &self.rounds,
        ]
        .into_iter()
        .chain(&self.selftests)
        .flatten()
        .any(|name| name.contains(text))
    }
}

/// What a run will do.
#[derive(Default)]
pub struct Plan {
    /// The crates whose tests run on the host.
    pub host: Vec<String>,
    pub rustfmt: bool,
    /// Whether the shell reads the scripts for guests.
    pub scripts: bool,
    pub checkpatch: bool,
    /// Whether each set is applied with what it needs.
    pub sets: bool,
    pub machines: Vec<OnMachine>,
    /// Whether `known-failures` is held against all results.
    pub known: bool,
    /// Whether our reading of KTAP is compared with the kernel's.
    pub ktap: bool,
    /// Whether the page with the results is looked at in a browser.
    pub page: bool,
    /// Whether the host's tests are run that take a browser.
    pub browser_tests: bool,
}

/// What a run will do on a machine, and with which backends. The Rust backend's kernel is always
/// built.
pub struct OnMachine {
    pub machine: &'static Machine,
    pub builds_c: bool,
    pub audit: bool,
    pub clippy: bool,
    pub text_size: bool,
    /// The kernel's boot self-tests and its KUnit suites.
    pub boot: &'static [Backend],
    pub guest: bool,
    pub faults: bool,
    pub fuzz: &'static [Backend],
    pub clients: &'static [Backend],
    pub ftracetest: &'static [Backend],
}

const NONE: &[Backend] = &[];
const RUST: &[Backend] = &[Backend::Rust];
const BOTH: &[Backend] = &[Backend::Rust, Backend::C];

impl Plan {
    /// Whether the kernel's source is needed, with the backend in it.
    pub fn needs_source(&self) -> bool {
        self.rustfmt || self.checkpatch || self.sets || self.ktap || !self.machines.is_empty()
    }

    /// Whether any check of style is asked for.
    pub fn lints(&self) -> bool {
        self.rustfmt || self.scripts || self.checkpatch || self.sets
    }

    /// The machines that kernels are built for.
    pub fn machines(&self) -> Vec<&'static Machine> {
        self.machines.iter().map(|m| m.machine).collect()
    }

    pub fn needs_browser(&self) -> bool {
        self.page || self.browser_tests
    }
}

impl OnMachine {
    /// Whether a GNU userland is needed.
    pub fn takes_userland(&self) -> bool {
        !self.clients.is_empty() || !self.ftracetest.is_empty()
    }
}

/// Plans a run.
pub fn plan(asked: &Asked<'_>, catalog: &Catalog) -> Plan {
    let filter = &asked.filter;
    let is_whole = filter.0.is_none() && !asked.one_machine;
    let wants_lint = |case: &str| filter.wants(&Name::Lint, Some(&[case.to_owned()]));
    let host = catalog.crates.iter();
    let host = host.filter(|name| filter.wants(&Name::Host((*name).clone()), None));
    let host: Vec<_> = host.cloned().collect();
    let is_check_all = asked.by == TestedBy::CheckAll;
    Plan {
        rustfmt: wants_lint("rustfmt"),
        scripts: wants_lint("scripts"),
        checkpatch: filter.wants(&Name::Lint, Some(&catalog.patches)),
        sets: filter.wants(&Name::Lint, Some(&catalog.sets)),
        machines: asked
            .machines
            .iter()
            .filter_map(|machine| on_machine(asked, catalog, machine))
            .collect(),
        known: is_check_all && is_whole,
        ktap: filter.wants(&Name::Ktap, None),
        // A browser is large, and a change of the kernel's code cannot break the page.
        page: (is_check_all || filter.0.is_some())
            && filter.wants(&Name::Page, Some(&page::cases())),
        browser_tests: is_check_all && host.iter().any(|name| name == HARNESS),
        host,
    }
}

/// The suite of the crate with tests that take a browser.
const HARNESS: &str = "rust-ftrace";

/// What is asked for on a machine, if anything is.
fn on_machine(
    asked: &Asked<'_>,
    catalog: &Catalog,
    machine: &'static Machine,
) -> Option<OnMachine> {
    let wants = |kind: Kind, cases: Option<&[String]>| {
        let name = Name::Machine(machine.name, Backend::Rust, kind);
        asked.filter.wants(&name, cases)
    };
    let wants_build = |case: &str| wants(Kind::Build, Some(&[case.to_owned()]));
    let of_a_boot = |names: &[String]| -> Vec<String> {
        let boot = ["boot", "log"].map(str::to_owned);
        names.iter().cloned().chain(boot).collect()
    };
    // A userland, and a kernel with the other backend, take too long for a run of all tests that
    // is to be over soon.
    let is_patient = asked.by == TestedBy::CheckAll || asked.filter.0.is_some();
    let both = is_patient && machine.is_compared;
    let backends = |wanted: bool, both: bool| match (wanted, both) {
        (false, _) => NONE,
        (true, false) => RUST,
        (true, true) => BOTH,
    };
    let with_userland = |wanted: bool| match wanted && is_patient {
        true => machine.selftests,
        false => NONE,
    };

    let boots = [Kind::Selftest, Kind::Kunit, Kind::KunitBackend];
    let boots = boots.into_iter().any(|kind| wants(kind, None));
    // Several shells at once do another thing each time.
    let fuzzes = is_patient && wants(Kind::Fuzz, Some(&of_a_boot(&catalog.rounds)));
    let fuzzes_both = asked.by == TestedBy::CheckAll && machine.is_compared && fuzzes;
    // If Debian has no packages, they are not built from source.
    let has_clients = machine.debian.is_some();
    let clients =
        with_userland(has_clients && wants(Kind::Clients, Some(&of_a_boot(&catalog.clients))));
    let ftracetest = with_userland(wants(Kind::Ftracetest, catalog.selftests.as_deref()));
    let takes_userland = !clients.is_empty() || !ftracetest.is_empty();
    let compares = boots || takes_userland || wants_build("c") || wants_build("text size");
    let builds_c = (both && compares) || fuzzes_both;
    // The first of the machines that boot a kernel answers for it.
    let is_first = machine.is_first_of_kernel();
    let of_built = |backends: &'static [Backend]| match builds_c {
        true => backends,
        false => match backends.contains(&Backend::Rust) {
            true => RUST,
            false => NONE,
        },
    };

    let on = OnMachine {
        machine,
        builds_c,
        audit: is_first && wants_build("audit"),
        clippy: is_first && wants_build("clippy"),
        text_size: builds_c && wants_build("text size"),
        boot: backends(boots, both),
        guest: wants(Kind::Guest, Some(&of_a_boot(&catalog.tests))),
        faults: wants(Kind::Faults, Some(&catalog.faults)),
        fuzz: backends(fuzzes, fuzzes_both),
        clients: of_built(clients),
        ftracetest: of_built(ftracetest),
    };
    let is_asked = builds_c
        || boots
        || on.guest
        || on.faults
        || fuzzes
        || takes_userland
        || ["rust", "audit", "clippy"].into_iter().any(wants_build);
    is_asked.then_some(on)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::machine;

    fn catalog() -> Catalog {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Catalog {
            crates: names(&["audit", "rust-ftrace"]),
            patches: names(&["checkpatch 0001-ARM-ftrace-add-the-Rust-backend"]),
            tests: names(&["filter", "toggle"]),
            clients: names(&["perf"]),
            faults: names(&["boot", "panic"]),
            rounds: names(&["seed-1"]),
            sets: names(&["sets 7.3"]),
            selftests: Some(names(&["00basic/basic1.tc"])),
        }
    }

    fn planned(by: TestedBy, test: Option<&str>, arch: Option<&str>) -> Plan {
        let asked = Asked {
            filter: Filter(test),
            by,
            one_machine: arch.is_some(),
            machines: match arch {
                Some(name) => vec![machine::find(name).unwrap()],
                None => machine::tested(by, test),
            },
        };
        plan(&asked, &catalog())
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.machines.iter().map(|m| m.machine.name).collect()
    }

    #[test]
    fn tests_of_the_host_take_no_kernel() {
        let plan = planned(TestedBy::Check, Some("host"), None);
        assert_eq!(plan.host, ["audit", "rust-ftrace"]);
        assert!(!plan.needs_source() && !plan.needs_browser());
        let plan = planned(TestedBy::Check, Some("host/audit"), None);
        assert_eq!(plan.host, ["audit"]);
        assert!(!plan.needs_source());
    }

    #[test]
    fn checks_of_style_take_no_machine() {
        let plan = planned(TestedBy::Check, Some("lint"), None);
        assert!(plan.rustfmt && plan.scripts && plan.checkpatch && plan.needs_source());
        assert!(plan.sets);
        assert!(plan.host.is_empty() && plan.machines.is_empty());
        let plan = planned(TestedBy::Check, Some("lint/scripts"), None);
        assert!(plan.lints() && !plan.needs_source());
        let plan = planned(TestedBy::Check, Some("lint/rustfmt"), None);
        assert!(plan.rustfmt && !plan.checkpatch);
    }

    #[test]
    fn a_machine_that_is_asked_for_is_the_only_one() {
        let plan = planned(TestedBy::Check, None, Some("arm"));
        assert_eq!(names(&plan), ["arm"]);
        assert!(plan.checkpatch && !plan.host.is_empty() && !plan.known);
    }

    #[test]
    fn one_test_of_a_guest_takes_one_kernel() {
        let plan = planned(TestedBy::Check, Some("arm/guest/toggle"), None);
        assert_eq!(names(&plan), ["arm"]);
        let arm = &plan.machines[0];
        assert!(arm.guest && !arm.builds_c && !arm.audit && !arm.clippy && !arm.faults);
        assert_eq!((arm.boot, arm.fuzz, arm.ftracetest), (NONE, NONE, NONE));
        let others = (plan.rustfmt, plan.checkpatch, plan.ktap, plan.page);
        assert_eq!(others, (false, false, false, false));
        assert!(plan.host.is_empty());
    }

    #[test]
    fn the_audit_takes_one_kernel_and_no_guest() {
        let plan = planned(TestedBy::Check, Some("arm/build/audit"), None);
        assert_eq!(names(&plan), ["arm"]);
        let arm = &plan.machines[0];
        assert!(arm.audit && !arm.clippy && !arm.guest && !arm.builds_c);
    }

    #[test]
    fn a_check_of_all_is_over_soon() {
        let plan = planned(TestedBy::Check, None, None);
        assert_eq!(names(&plan), ["arm", "mips"]);
        for on in &plan.machines {
            assert!(!on.builds_c && on.guest && on.faults && on.audit && on.clippy);
            assert_eq!((on.boot, on.fuzz), (RUST, NONE));
            assert!(!on.takes_userland());
        }
        assert!(!plan.needs_browser() && plan.ktap && !plan.known);
    }

    #[test]
    fn a_check_of_everything_compares_and_looks_at_the_page() {
        let plan = planned(TestedBy::CheckAll, None, None);
        let arm = &plan.machines[0];
        assert!(arm.builds_c && arm.text_size);
        assert_eq!((arm.boot, arm.fuzz), (BOTH, BOTH));
        assert_eq!((arm.clients, arm.ftracetest), (BOTH, BOTH));
        assert!(plan.known && plan.page && plan.browser_tests);
        // C panics there, and is not compared.
        let thumb = plan
            .machines
            .iter()
            .find(|m| m.machine.name == "arm-thumb2");
        let thumb = thumb.unwrap();
        assert!(!thumb.builds_c);
        assert_eq!((thumb.boot, thumb.ftracetest), (RUST, RUST));
    }

    #[test]
    fn the_kernels_tests_are_asked_for_by_their_names() {
        let plan = planned(TestedBy::Check, Some("basic1.tc"), Some("arm"));
        assert_eq!(plan.machines[0].ftracetest, BOTH);
        let plan = planned(TestedBy::Check, Some("arm/ftracetest/nothing"), None);
        assert_eq!(names(&plan), [""; 0]);
    }

    #[test]
    fn a_catalog_has_parts_of_its_names() {
        assert!(catalog().has("tog") && catalog().has("basic1"));
        assert!(!catalog().has("some_case"));
    }

    #[test]
    fn the_page_can_be_asked_for() {
        assert!(planned(TestedBy::Check, Some("results/page"), None).page);
    }
}
