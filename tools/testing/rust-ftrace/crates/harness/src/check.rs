// SPDX-License-Identifier: GPL-2.0

//! `make check`: every test, one table, one JUnit file.

use std::{
    collections::BTreeSet,
    fs,
    path::{
        Path,
        PathBuf, //
    },
    process::Command,
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use anyhow::{
    bail,
    Context as _,
    Result, //
};
use walkdir::WalkDir;

use crate::{
    audit,
    bootlog,
    compare,
    doctor,
    files,
    fuzz::{
        self,
        Rounds, //
    },
    guest::{
        self,
        Guest,
        QUIET_BOOT, //
    },
    install,
    kbuild::{
        Backend,
        Kernel,
        Toolchain, //
    },
    known::Known,
    kselftest,
    ktap,
    machine::{
        self,
        Machine,
        TestedBy,
        KUNIT,
        MACHINES, //
    },
    overlay::Series,
    page,
    qemu::{
        Limits,
        Output, //
    },
    report::{
        About,
        Report, //
    },
    results::{
        Case,
        Counts,
        Outcome,
        Results,
        Suite, //
    },
    rootfs,
    setup,
    Check as Asked,
    Context, //
};

/// How much larger the kernel's text may be than with the C backend, in percent.
const TEXT_GROWTH: u64 = 1;

/// How long a test may take in a guest, and turning all functions on and off once on top of that.
const GUEST_TEST: Duration = Duration::from_secs(15 * 60);
const TOGGLE: Duration = Duration::from_secs(3);

/// How long a round of random commands may take, in seconds, and of how many [toggles](TOGGLE) there
/// is one.
const FUZZ_ROUND: u32 = 300;
const TOGGLES_PER_ROUND: u32 = 30;

/// How many processors of guests there may be for one of the host's.
const OVERCOMMIT: usize = 2;

/// Traces all functions from the first moment on, until a small buffer is full of them.
const EARLY_TRACE: &str = "ftrace=function trace_options=nooverwrite trace_buf_size=64k";

/// Probes functions whose memory the kernel frees before it runs init.
const INIT_PROBE: &str = "kprobe_event=p,prepare_namespace;p,console_on_rootfs";

/// Cases that are about a whole boot: where one fails, whatever was asked for has failed.
const OF_A_BOOT: [&str; 3] = ["any", "boot", "log"];

/// The KUnit suite that comes with the backend: C has nothing to hold against it.
const OUR_KUNIT_SUITE: &str = "ftrace_rust";

/// A log with a subtest that has no results in it, which kunit.py takes for passed and we do not.
const KUNIT_TAKES_IT: &str = "test_is_test_passed-no_tests_no_plan.log";

/// `TEST=`: a part of the full names, `suite/case`, of the tests to run.
struct Filter<'a>(Option<&'a str>);

impl Filter<'_> {
    /// Whether a test of the suite can match. `cases` is `None` where only a run tells them.
    fn wants(&self, suite: &str, cases: Option<&[String]>) -> bool {
        let Some(text) = self.0 else {
            return true;
        };
        if suite.contains(text) {
            return true;
        }
        // What spans the slash names the suite's end, so it says nothing about other suites. It
        // names whole words of it: "ftrace/" is no part of a test of host/rust-ftrace.
        match (text.split_once('/'), cases) {
            (_, Some(cases)) => cases.iter().any(|c| self.keeps(suite, c)),
            (Some(_), None) => suite
                .char_indices()
                .filter(|&(at, _)| at == 0 || suite.as_bytes()[at - 1] == b'/')
                .any(|(at, _)| text.starts_with(&format!("{}/", &suite[at..]))),
            (None, None) => !is_part_of_suites(text),
        }
    }

    fn keeps(&self, suite: &str, case: &str) -> bool {
        self.0
            .is_none_or(|text| format!("{suite}/{case}").contains(text))
    }
}

/// Whether a filter names whole suites, so that no name of a case is meant.
fn is_part_of_suites(text: &str) -> bool {
    [
        "host",
        "lint",
        "build",
        "selftest",
        "kunit",
        "kunit-backend",
        "guest",
        "faults",
        "results",
        "clients",
        "ftracetest",
        "fuzz",
    ]
    .contains(&text)
        || MACHINES.iter().any(|m| m.name == text)
}

/// What the tests work with and add to.
struct Check<'a> {
    ctx: &'a Context,
    filter: Filter<'a>,
    by: TestedBy,
    toggles: u32,
    rounds: Rounds,
    results: Results,
    known: Known,
    /// This run's logs with KTAP in them.
    ktap_logs: Vec<PathBuf>,
}

/// Runs the tests of the machines that `by` tests, or of the one that is asked for.
pub fn check(ctx: &Context, by: TestedBy, asked: &Asked) -> Result<()> {
    let test = asked.test.as_deref();
    let machines = match &asked.arch {
        Some(name) => vec![machine::find(name)?],
        None => machine::tested(by, test),
    };
    let mut check = Check {
        ctx,
        filter: Filter(test),
        by,
        toggles: asked.toggles,
        rounds: match &asked.replay {
            Some(folder) => Rounds::Replay(folder.clone()),
            None => Rounds::Seeds {
                folder: ctx.paths.build.join("fuzz"),
                first: asked.seed,
                number: (asked.toggles / TOGGLES_PER_ROUND).max(1),
            },
        },
        results: Results::default(),
        known: Known::read(&guest::scripts(ctx).with_file_name("known-failures"))?,
        ktap_logs: Vec::new(),
    };
    let toolchain = setup::prepare(ctx, &asked.source, &machines)?;
    let looks = check.filter.wants("host/rust-ftrace", None)
        || check.filter.wants("results/page", Some(&page::cases()));
    if looks {
        doctor::ensure_browser(ctx)?;
    }

    check.host()?;
    check.lint(&toolchain)?;
    for &machine in &machines {
        check.machine(&toolchain, machine)?;
    }

    for suite in compare::suites(check.results.suites()) {
        check.results.add(suite);
    }
    if by == TestedBy::CheckAll && test.is_none() && asked.arch.is_none() {
        check.known();
    }
    check.ktap(&toolchain)?;
    check.report(&toolchain, &machines)?;

    let results = check.results;
    results.write_junit(&ctx.paths.build.join("junit.xml"))?;
    println!("{}", results.summary());
    match (test, results.totals()) {
        (Some(test), counts) if counts == Counts::default() => {
            bail!("no test has {test:?} in its name")
        }
        (
            None,
            Counts {
                pass: 0, fail: 0, ..
            },
        ) => bail!("no test ran"),
        (_, Counts { fail: 0, .. }) => Ok(()),
        // The table has said all.
        _ => std::process::exit(1),
    }
}

impl Check<'_> {
    /// Adds the results of a suite that are asked for.
    fn add(&mut self, name: &str, time: Duration, cases: Vec<Case>) {
        self.add_as(name.to_owned(), name, time, cases);
    }

    /// Adds the results of a backend on a machine. What is asked for of the Rust backend's is so
    /// of the C backend's.
    fn add_of(
        &mut self,
        machine: &Machine,
        backend: Backend,
        kind: &str,
        time: Duration,
        mut cases: Vec<Case>,
    ) {
        let asked = Backend::Rust.suite(machine, kind);
        for case in &mut cases {
            self.known.apply(machine, kind, backend, case);
        }
        self.add_as(backend.suite(machine, kind), &asked, time, cases);
    }

    fn add_as(&mut self, name: String, asked: &str, time: Duration, mut cases: Vec<Case>) {
        cases.retain(|c| {
            let concerns_all = c.outcome != Outcome::Passed && OF_A_BOOT.contains(&&*c.name);
            concerns_all || self.filter.keeps(asked, &c.name)
        });
        if !cases.is_empty() {
            self.results.add(Suite { name, cases, time });
        }
    }

    /// Tests, format and lints of the crates that run on the host.
    fn host(&mut self) -> Result<()> {
        for manifest in manifests(&self.ctx.paths.repo)? {
            let dir = manifest.parent().context("a manifest without a folder")?;
            let suite = match dir.file_name().unwrap_or_default().to_string_lossy() {
                name if name == "harness" => "host/rust-ftrace".to_owned(),
                name => format!("host/{name}"),
            };
            if !self.filter.wants(&suite, None) {
                continue;
            }
            let cargo = |args: &[&str]| {
                let mut command = Command::new("cargo");
                command.args(args).arg("--manifest-path").arg(&manifest);
                command
            };
            let target = self.ctx.paths.build.join("cargo");
            let start = Instant::now();
            let mut cases = vec![
                self.command("fmt", &suite, &mut cargo(&["fmt", "--check"])),
                self.command(
                    "clippy",
                    &suite,
                    cargo(&["clippy", "--quiet", "--locked", "--all-targets"])
                        .env("CARGO_TARGET_DIR", &target)
                        .env("RUSTFLAGS", "-Dwarnings"),
                ),
            ];
            let mut output = String::new();
            let run = self.ctx.ui.step(
                &format!("test {suite}"),
                &log_name(&suite, "test"),
                |step| {
                    step.run_watched(
                        cargo(&["test", "--locked", "--no-fail-fast"])
                            .env("CARGO_TARGET_DIR", &target),
                        Some(Duration::from_secs(15 * 60)),
                        |line| output.extend([line, "\n"]),
                    )
                },
            );
            let tests = libtest(&output);
            let explained = tests.iter().any(|c| c.outcome == Outcome::Failed);
            cases.extend(tests);
            if let Err(error) = run {
                if !explained {
                    cases.push(Case::new("test", Outcome::Failed, format!("{error:#}")));
                }
            }
            self.add(&suite, start.elapsed(), cases);
        }
        Ok(())
    }

    /// The patches and files that the kernel source has been given.
    fn series(&self, toolchain: &Toolchain) -> Result<Series> {
        let version = toolchain.version()?;
        Series::read(&self.ctx.paths.repo, &version.series())
    }

    /// The kernel's own style checks on the series that `make patch` gives.
    fn lint(&mut self, toolchain: &Toolchain) -> Result<()> {
        let tree = &toolchain.source;
        let series = self.series(toolchain)?;
        let start = Instant::now();
        let mut cases = Vec::new();

        if self.filter.wants("lint", Some(&["rustfmt".to_owned()])) {
            let files = series
                .added()
                .chain(series.edited())
                .filter(|f| f.extension().is_some_and(|e| e == "rs"));
            let mut command = Command::new("rustfmt");
            command.arg("--check").args(files).current_dir(tree);
            cases.push(self.command("rustfmt", "lint", &mut command));
        }

        let folder = self.ctx.paths.build.join("patches");
        files::remove_dir_all(&folder)?;
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        series.format(&install::originals(tree)?, &folder)?;
        for patch in WalkDir::new(&folder).min_depth(1).sort_by_file_name() {
            let patch = patch?.into_path();
            let name = patch.file_stem().unwrap_or_default().to_string_lossy();
            let case = format!("checkpatch {name}");
            if self.filter.wants("lint", Some(std::slice::from_ref(&case))) {
                let mut command = Command::new(tree.join("scripts/checkpatch.pl"));
                command
                    .args(["--strict", "--terse", "--no-summary", "--show-types"])
                    // The tree has no history in which to find the commits of Fixes tags
                    .args(["--ignore", "UNKNOWN_COMMIT_ID"])
                    .arg(&patch)
                    .current_dir(tree);
                cases.push(self.command(&case, "lint", &mut command));
            }
        }
        self.add("lint", start.elapsed(), cases);
        Ok(())
    }

    /// The tests of a machine: of its kernels, and in guests.
    fn machine(&mut self, toolchain: &Toolchain, machine: &'static Machine) -> Result<()> {
        let kernel = |backend| Kernel::new(self.ctx, toolchain, machine, backend);
        let in_folder = |folder| -> Result<Vec<String>> {
            let mut names = rootfs::tests(&guest::scripts(self.ctx), folder)?;
            names.extend(["boot".to_owned(), "log".to_owned()]);
            Ok(names)
        };
        let (tests, clients) = (in_folder("tests")?, in_folder("clients")?);
        let selftests = kselftest::tests(&kernel(Backend::Rust).ftrace_selftests())?;
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
            boots_userland && wants("ftracetest", Some(&kselftest::cases(&selftests)));
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

    /// The kernel's boot self-tests and its KUnit suites, and the suite of the Rust backend.
    fn boot_tests<'g>(
        &mut self,
        machine: &'static Machine,
        guests: impl IntoIterator<Item = &'g (Backend, Guest)>,
    ) -> Result<()> {
        let boots = side_by_side(machine, guests, |guest| {
            self.boot(guest, "boot", "", &Limits::default(), |o| &o.console)
        });
        for (backend, (console, mut cases, time)) in boots {
            cases.extend(some(bootlog::self_tests(&console), "self-test"));
            self.add_of(machine, backend, "selftest", time, cases);
            let cases = self.read_ktap(&backend.suite(machine, "kunit"), &console)?;
            let (ours, theirs): (Vec<_>, Vec<_>) = cases
                .into_iter()
                .partition(|case| case.name.starts_with(OUR_KUNIT_SUITE));
            let mut add = |kind, cases| {
                self.add_of(machine, backend, kind, Duration::ZERO, some(cases, "KUnit"));
            };
            add("kunit", theirs);
            if backend == Backend::Rust {
                add("kunit-backend", ours);
            }
        }
        Ok(())
    }

    /// Our scripts in guests: those that `mode` stands for, as suite `kind`.
    fn guest_tests<'g>(
        &mut self,
        machine: &'static Machine,
        (kind, mode): (&str, &str),
        tests: &[String],
        guests: impl IntoIterator<Item = &'g (Backend, Guest)>,
    ) -> Result<()> {
        let suite = Backend::Rust.suite(machine, kind);
        // Where the filter does not name the whole suite, the guest can leave tests out.
        let part = self.filter.0.filter(|text| !suite.contains(text));
        let part = part.and_then(|text| text.rsplit('/').next());
        let part = part.filter(|part| tests.iter().any(|t| t.contains(part)));
        let (toggles, part) = (self.toggles, part.unwrap_or_default());
        let limit = (GUEST_TEST + TOGGLE * toggles).as_secs();
        let append = format!("{QUIET_BOOT} toggles={toggles} filter={part} limit={limit}");
        let limits = Limits::default().and(TOGGLE * toggles);
        let boots = side_by_side(machine, guests, |guest| {
            self.boot(guest, mode, &append, &limits, |o| &o.results)
        });
        for (backend, (results, mut cases, time)) in boots {
            let name = backend.suite(machine, kind);
            cases.extend(some(self.read_ktap(&name, &results)?, "guest test"));
            self.add_of(machine, backend, kind, time, cases);
        }
        Ok(())
    }

    /// Scripts each of which takes a boot: after most of them ftrace has turned itself off.
    fn faults(
        &mut self,
        machine: &'static Machine,
        guest: &Guest,
        faults: &[String],
    ) -> Result<()> {
        let suite = Backend::Rust.suite(machine, "faults");
        let start = Instant::now();
        let mut cases = Vec::new();
        let asked = faults.iter().filter(|f| self.filter.keeps(&suite, f));
        for fault in asked.collect::<Vec<_>>() {
            let (options, panic) = match fault.as_str() {
                "boot" => (EARLY_TRACE, None),
                "init_probe" => (INIT_PROBE, None),
                "panic" => ("", Some("sysrq triggered crash")),
                _ => ("", None),
            };
            let limit = GUEST_TEST.as_secs();
            let append = format!("{QUIET_BOOT} {options} filter={fault} limit={limit}");
            let limits = Limits {
                panic,
                ..Limits::default()
            };
            match guest.run(self.ctx, "faults", &append, &limits) {
                Ok(output) if output.failure.is_some() => {
                    cases.extend(boot_cases(machine, &output).into_iter().map(|case| Case {
                        name: format!("{fault}: {}", case.name),
                        ..case
                    }));
                }
                Ok(_) if panic.is_some() => cases.push(Case::check(fault, None)),
                Ok(output) => {
                    let name = format!("{suite} {fault}");
                    cases.extend(some(self.read_ktap(&name, &output.results)?, "guest test"));
                }
                Err(error) => cases.push(Case::new(fault, Outcome::Failed, format!("{error:#}"))),
            }
        }
        self.add_of(machine, Backend::Rust, "faults", start.elapsed(), cases);
        Ok(())
    }

    /// Rounds of random commands. Each is a test.
    fn fuzz<'g>(
        &mut self,
        machine: &'static Machine,
        guests: impl IntoIterator<Item = &'g (Backend, Guest)>,
    ) -> Result<()> {
        let folders = self.rounds.write()?;
        let append = format!("{QUIET_BOOT} limit={FUZZ_ROUND}");
        let limits = Limits::default().and(TOGGLE * self.toggles);
        let boots = side_by_side(machine, guests, |guest| {
            let start = Instant::now();
            let output = guest.run_rounds(self.ctx, &append, &folders, &limits);
            (output, start.elapsed())
        });
        for (backend, (output, time)) in boots {
            let cases = match output {
                Ok(output) => {
                    let name = backend.suite(machine, "fuzz");
                    let mut cases = boot_cases(machine, &output);
                    cases.extend(some(self.read_ktap(&name, &output.results)?, "round"));
                    let last = fuzz::last_round(&output.console).unwrap_or_default();
                    for case in cases.iter_mut().filter(|c| c.outcome == Outcome::Failed) {
                        let is_round = self.rounds.names().contains(&case.name);
                        let round = if is_round { &case.name } else { last };
                        let again = self.rounds.again(machine.name, round);
                        case.detail
                            .push_str(&format!("\nin round {round}\n{again}"));
                    }
                    cases
                }
                Err(error) => vec![Case::new("boot", Outcome::Failed, format!("{error:#}"))],
            };
            self.add_of(machine, backend, "fuzz", time, cases);
        }
        Ok(())
    }

    /// The kernel's selftests of ftrace.
    fn selftests(
        &mut self,
        machine: &'static Machine,
        tests: &[kselftest::Test],
        guests: &[(Backend, Guest)],
    ) -> Result<()> {
        const KIND: &str = "ftracetest";
        const ALONE: &str = "ftracetest-alone";
        let suite = Backend::Rust.suite(machine, KIND);
        let mut runs = side_by_side(machine, guests, |guest| {
            let start = Instant::now();
            let keeps = |name: &str| self.filter.keeps(&suite, name);
            let run = kselftest::run(self.ctx, guest, KIND, tests, keeps);
            (run, start.elapsed())
        });
        // Some tests expect things to happen within a time that the other guest can take.
        let failed = runs.iter().filter_map(|(_, (run, _))| run.as_ref().ok());
        let failed: BTreeSet<_> = failed
            .flat_map(|run| run.failed().map(str::to_owned))
            .collect();
        for ((_, guest), (_, (run, time))) in guests.iter().zip(&mut runs) {
            if let Ok(run) = run {
                let start = Instant::now();
                let keeps = |name: &str| failed.contains(name);
                run.update(kselftest::run(self.ctx, guest, ALONE, tests, keeps)?);
                *time += start.elapsed();
            }
        }
        for (backend, (run, time)) in runs {
            let cases = match run {
                Ok(run) => {
                    for (boot, log) in run.logs.iter().enumerate() {
                        let name = format!("{}-{boot}", backend.suite(machine, KIND));
                        self.read_ktap(&name, log)?;
                    }
                    run.cases
                }
                Err(error) => vec![Case::new("boot", Outcome::Failed, format!("{error:#}"))],
            };
            self.add_of(machine, backend, KIND, time, cases);
        }
        Ok(())
    }

    /// Clippy with the kernel's flags on our files in the kernel.
    fn kernel_clippy(&self, toolchain: &Toolchain, machine: &'static Machine) -> Result<()> {
        let series = self.series(toolchain)?;
        let ours: Vec<_> = series.added().map(|f| f.display().to_string()).collect();
        let kernel = Kernel::new(self.ctx, toolchain, machine, Backend::Rust);
        for object in kernel.rust_objects() {
            let suite = format!("{}/build", machine.name);
            let case = format!("clippy {object}");
            let (name, log) = (format!("{suite}: {case}"), log_name(&suite, &case));
            self.ctx.ui.step(&name, &log, |step| {
                let mut output = Vec::new();
                let mut command = kernel.clippy(&object)?;
                step.run_watched(&mut command, None, |line| output.push(line.to_owned()))?;
                let in_ours =
                    |l: &&String| l.contains("--> ") && ours.iter().any(|f| l.contains(f.as_str()));
                match output.iter().find(in_ours) {
                    Some(_) => bail!("clippy finds fault with our files:\n{}", output.join("\n")),
                    None => Ok(()),
                }
            })?;
        }
        Ok(())
    }

    /// Boots, and gives the output asked for and what every boot must show: an orderly end and
    /// a log without faults.
    fn boot(
        &self,
        guest: &Guest,
        mode: &str,
        append: &str,
        limits: &Limits,
        wanted: impl Fn(&Output) -> &String,
    ) -> (String, Vec<Case>, Duration) {
        let start = Instant::now();
        match guest.run(self.ctx, mode, append, limits) {
            Ok(output) => (
                wanted(&output).clone(),
                boot_cases(guest.machine, &output),
                start.elapsed(),
            ),
            Err(error) => {
                let case = Case::new("boot", Outcome::Failed, format!("{error:#}"));
                (String::new(), vec![case], start.elapsed())
            }
        }
    }

    /// Reads a suite's log, and keeps it for [`Self::ktap`].
    fn read_ktap(&mut self, suite: &str, log: &str) -> Result<Vec<Case>> {
        let name = log_name(suite, "ktap");
        let path = self
            .ctx
            .paths
            .build
            .join("log")
            .join(name)
            .with_extension("log");
        fs::write(&path, log).with_context(|| format!("cannot write {}", path.display()))?;
        self.ktap_logs.push(path);
        Ok(ktap::parse(log))
    }

    /// The entries of `known-failures` for tests that are not there any more, after a run of all
    /// tests.
    fn known(&mut self) {
        let unseen: Vec<_> = self.known.unseen().collect();
        let problem = format!("no such tests: {}", unseen.join(", "));
        let case = Case::check("known-failures", (!unseen.is_empty()).then_some(problem));
        self.add("results/known", Duration::ZERO, vec![case]);
    }

    /// Our reading of KTAP against that of the kernel's `kunit.py`: of the logs that the kernel
    /// has to test it, and of this run's.
    fn ktap(&mut self, toolchain: &Toolchain) -> Result<()> {
        let suite = "results/ktap";
        if !self.filter.wants(suite, None) {
            return Ok(());
        }
        let start = Instant::now();
        let tree = &toolchain.source;
        let of_the_kernel = WalkDir::new(tree.join("tools/testing/kunit/test_data"));
        let mut logs = Vec::new();
        for entry in of_the_kernel.sort_by_file_name() {
            let path = entry?.into_path();
            if path.extension().is_some_and(|e| e == "log") && !path.ends_with(KUNIT_TAKES_IT) {
                logs.push(path);
            }
        }
        let logs = logs.iter().chain(&self.ktap_logs);
        let cases = logs.map(|log| {
            let name = log.file_stem().unwrap_or_default().to_string_lossy();
            let problem = ktap::disagreement(tree, log).map_err(|e| format!("{e:#}"));
            Case::check(name, problem.unwrap_or_else(Some))
        });
        let cases = some(cases.collect(), "KTAP");
        self.add(suite, start.elapsed(), cases);
        Ok(())
    }

    /// Writes the page and the Markdown, and looks at the page in a browser. The page does not
    /// tell what that showed.
    fn report(&mut self, toolchain: &Toolchain, machines: &[&'static Machine]) -> Result<()> {
        let build = &self.ctx.paths.build;
        let html = build.join("report.html");
        let about = About::find(self.ctx, toolchain, machines, self.filter.0);
        let report = Report::new(&about, self.results.totals(), self.results.suites());
        report.write(&html, &build.join("report.md"))?;

        let suite = "results/page";
        if !self.filter.wants(suite, Some(&page::cases())) {
            return Ok(());
        }
        let (rows, start) = (report.rows(), Instant::now());
        let mut seen = Vec::new();
        let looked = self.ctx.ui.step(
            "Open the report in Chromium",
            &log_name(suite, "browser"),
            |step| {
                seen = page::check(&html, rows, step.log())?;
                Ok(())
            },
        );
        if let Err(error) = looked {
            seen.push(Case::new("browser", Outcome::Failed, format!("{error:#}")));
        }
        self.add(suite, start.elapsed(), seen);
        Ok(())
    }

    /// Runs a command whose success is the test.
    fn command(&self, case: &str, suite: &str, command: &mut Command) -> Case {
        let run = self.ctx.ui.step(
            &format!("{suite}: {case}"),
            &log_name(suite, case),
            |step| step.run(command),
        );
        Case::check(case, run.err().map(|e| format!("{e:#}")))
    }
}

/// Does the same in guests of a machine, in several at a time where the host has the processors.
fn side_by_side<'g, T: Send>(
    machine: &Machine,
    guests: impl IntoIterator<Item = &'g (Backend, Guest)>,
    work: impl Fn(&Guest) -> T + Sync,
) -> Vec<(Backend, T)> {
    let work = &work;
    let host = thread::available_parallelism().map_or(1, usize::from);
    let at_a_time = (host * OVERCOMMIT / machine.cpus).max(1);
    let guests: Vec<_> = guests.into_iter().collect();
    let together = |guests: &[&'g (Backend, Guest)]| -> Vec<(Backend, T)> {
        thread::scope(|scope| {
            let threads: Vec<_> = guests
                .iter()
                .map(|(backend, guest)| (*backend, scope.spawn(move || work(guest))))
                .collect();
            threads
                .into_iter()
                .map(|(backend, thread)| match thread.join() {
                    Ok(done) => (backend, done),
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect()
        })
    };
    guests.chunks(at_a_time).flat_map(together).collect()
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

fn boot_cases(machine: &Machine, output: &Output) -> Vec<Case> {
    let at = format!("whole log: {}", output.log.display());
    let end = output.failure.as_ref().map(|f| format!("{f}\n{at}"));
    // Some of the kernel's tests warn on purpose. Ours do not, which machines without those show.
    let is_meant = |line: &&str| machine.options.contains(&KUNIT) && bootlog::is_of_kunit(line);
    let faults = bootlog::faults(&output.console).filter(|line| !is_meant(line));
    let faults: Vec<_> = faults.take(10).collect();
    let faults = (!faults.is_empty()).then(|| format!("{}\n{at}", faults.join("\n")));
    vec![Case::check("boot", end), Case::check("log", faults)]
}

/// A source of tests that yields none is broken, not clean.
fn some(cases: Vec<Case>, what: &str) -> Vec<Case> {
    if cases.is_empty() {
        let problem = format!("the log has no {what} results");
        return vec![Case::new("any", Outcome::Failed, problem)];
    }
    cases
}

fn log_name(suite: &str, case: &str) -> String {
    format!("{suite}-{case}").replace(['/', ' '], "-")
}

/// The manifests of our host crates.
fn manifests(repo: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let crates = repo.join("tools/testing/rust-ftrace/crates");
    for entry in WalkDir::new(crates).sort_by_file_name() {
        let entry = entry?;
        if entry.file_name() == "Cargo.toml" {
            found.push(entry.into_path());
        }
    }
    Ok(found)
}

/// Reads what Rust's test programs print: `test NAME ... ok`, and each failure's output.
fn libtest(output: &str) -> Vec<Case> {
    output
        .lines()
        .filter_map(|line| {
            let (name, verdict) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
            let outcome = match verdict.split(',').next()? {
                "ok" => Outcome::Passed,
                "FAILED" => Outcome::Failed,
                "ignored" => Outcome::Skipped,
                _ => return None,
            };
            let detail = match outcome {
                Outcome::Failed => output
                    .split_once(&format!("---- {name} stdout ----\n"))
                    .and_then(|(_, after)| after.split("\n\n").next())
                    .unwrap_or_default(),
                _ => "",
            };
            Some(Case::new(name.replace("::", "."), outcome, detail))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_a_rust_test_program() {
        let output = "\
running 3 tests
test a::tests::good ... ok
test a::tests::bad ... FAILED
test a::tests::slow ... ignored, takes an hour

failures:

---- a::tests::bad stdout ----
thread 'a::tests::bad' panicked at src/a.rs:1:1:
left != right

failures:
    a::tests::bad
";
        let cases = libtest(output);
        let outcomes: Vec<_> = cases.iter().map(|c| c.outcome).collect();
        assert_eq!(
            outcomes,
            [Outcome::Passed, Outcome::Failed, Outcome::Skipped]
        );
        assert!(cases[1].detail.ends_with("left != right"));
    }

    #[test]
    fn a_filter_runs_no_suite_that_it_cannot_match() {
        let cases = ["toggle".to_owned(), "filter".to_owned()];
        let wants =
            |text, suite, known: bool| Filter(Some(text)).wants(suite, known.then_some(&cases[..]));
        assert!(Filter(None).wants("arm/guest", Some(&cases)));
        assert!(wants("toggle", "arm/guest", true));
        assert!(!wants("module", "arm/guest", true));
        assert!(wants("arm", "arm/kunit", false));
        assert!(!wants("arm", "mips/kunit", false));
        assert!(wants("arm/guest/tog", "arm/guest", true));
        assert!(!wants("arm/guest/tog", "arm/kunit", false));
        assert!(wants("kunit/ftrace", "arm/kunit", false));
        assert!(wants("some_case", "arm/kunit", false));
        assert!(!wants("guest", "arm/kunit", false));
        assert!(!wants("ftrace/x.tc", "host/rust-ftrace", false));
    }
}
