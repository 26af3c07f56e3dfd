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
    pub mends: Vec<String>,
    pub clients: Vec<String>,
    pub faults: Vec<String>,
    /// The rounds of random commands.
    pub rounds: Vec<String>,
    /// The patches of the series, by their sets.
    pub series: Vec<String>,
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
            &self.mends,
            &self.clients,
            &self.faults,
            &self.rounds,
            &self.series,
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
    /// The machines whose kernel is built and booted after each patch of the series.
    pub series: Vec<&'static Machine>,
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
    /// What the series mends in the kernel: it does so with either backend.
    pub mends: &'static [Backend],
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
        self.rustfmt || self.checkpatch || self.sets || self.ktap || self.needs_kernels()
    }

    /// Whether kernels are built.
    pub fn needs_kernels(&self) -> bool {
        !self.machines.is_empty() || !self.series.is_empty()
    }

    /// Whether any check of style is asked for.
    pub fn lints(&self) -> bool {
        self.rustfmt || self.scripts || self.checkpatch || self.sets
    }

    /// The machines that kernels are built for.
    pub fn machines(&self) -> Vec<&'static Machine> {
        let mut machines: Vec<_> = self.machines.iter().map(|m| m.machine).collect();
        let is_new = |machine: &&&Machine| machines.iter().all(|m| m.name != machine.name);
        let others: Vec<_> = self.series.iter().filter(is_new).copied().collect();
        machines.extend(others);
        machines
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
        series: (asked.machines.iter().copied())
            .filter(|machine| wants_series(asked, catalog, machine))
            .collect(),
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

/// Whether the series is asked for on a machine. It takes as many kernels as there are patches, so
/// a part of a name that means other tests does not take it along: it is asked for by its own name
/// or by that of a patch.
fn wants_series(asked: &Asked<'_>, catalog: &Catalog, machine: &Machine) -> bool {
    let is_default = machine.tested_by == TestedBy::Check || asked.one_machine;
    let is_check_all = asked.by == TestedBy::CheckAll;
    let Some(text) = asked.filter.0 else {
        return is_check_all && is_default;
    };
    let name = Name::Machine(machine.name, Backend::Rust, Kind::Series);
    let is_patch = |patch: &String| {
        let (_, file) = patch.split_once('/').unwrap_or_default();
        [patch, file].contains(&text)
    };
    let is_named = text.contains(Kind::Series.name())
        || (is_check_all && name.to_string().contains(text))
        || catalog.series.iter().any(is_patch);
    let is_meant = is_default || text.starts_with(&name.to_string());
    is_named && is_meant && asked.filter.wants(&name, Some(&catalog.series))
}

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
    let mends = wants(Kind::Mends, Some(&of_a_boot(&catalog.mends)));
    let takes_userland = !clients.is_empty() || !ftracetest.is_empty();
    let compares = boots || mends || takes_userland || wants_build("c") || wants_build("text size");
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
        mends: backends(mends, both),
        faults: wants(Kind::Faults, Some(&catalog.faults)),
        fuzz: backends(fuzzes, fuzzes_both),
        clients: of_built(clients),
        ftracetest: of_built(ftracetest),
    };
    let is_asked = builds_c
        || boots
        || on.guest
        || mends
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
            mends: names(&["leaf"]),
            clients: names(&["perf"]),
            faults: names(&["boot", "panic"]),
            rounds: names(&["seed-1"]),
            sets: names(&["sets 7.3"]),
            series: names(&["arm-mend/0001-ARM-toggle-nothing", "kprobes/0001-a"]),
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
        assert!(plan.sets && plan.series.is_empty());
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
        let thumb = plan
            .machines
            .iter()
            .find(|m| m.machine.name == "arm-thumb2");
        let thumb = thumb.unwrap();
        assert!(thumb.builds_c);
        assert_eq!((thumb.boot, thumb.ftracetest), (BOTH, BOTH));
        // A variant is not compared.
        let clang = plan.machines.iter().find(|m| m.machine.name == "arm-clang");
        assert!(!clang.unwrap().builds_c);
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
    fn the_series_takes_no_other_kernel() {
        let series = |by, test, arch| {
            let plan = planned(by, test, arch);
            let names: Vec<_> = plan.series.iter().map(|m| m.name).collect();
            (names.join(" "), plan.machines.len())
        };
        let check = |test| series(TestedBy::Check, Some(test), None);
        let of = |names: &str| (names.to_owned(), 0);
        assert_eq!(check("series"), of("arm mips"));
        assert_eq!(check("arm/series"), of("arm"));
        assert_eq!(check("arm/series/kprobes"), of("arm"));
        assert_eq!(check("arm/series/nothing"), of(""));
        assert_eq!(check("kprobes/0001-a"), of("arm mips"));
        assert_eq!(check("mips-r6/series/kprobes"), of("mips-r6"));
        assert_eq!(
            series(TestedBy::Check, Some("series"), Some("mips-r6")),
            of("mips-r6")
        );
        let plan = planned(TestedBy::Check, Some("arm/series"), None);
        assert!(plan.needs_source() && plan.needs_kernels() && !plan.lints());
        assert_eq!(plan.machines().len(), 1);
    }

    #[test]
    fn the_series_is_no_part_of_a_check_of_something_else() {
        let series = |by, test| planned(by, test, None).series.len();
        assert_eq!(series(TestedBy::Check, None), 0);
        for test in ["arm", "toggle", "arm/guest/toggle", "kprobes"] {
            assert_eq!(series(TestedBy::Check, Some(test)), 0, "{test}");
        }
        assert_eq!(series(TestedBy::CheckAll, None), 2);
        assert_eq!(series(TestedBy::CheckAll, Some("toggle")), 0);
        assert_eq!(series(TestedBy::CheckAll, Some("mips")), 1);
    }

    #[test]
    fn the_page_can_be_asked_for() {
        assert!(planned(TestedBy::Check, Some("results/page"), None).page);
    }
}
