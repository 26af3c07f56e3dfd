// SPDX-License-Identifier: GPL-2.0

//! Tests in guests.

use std::{
    collections::BTreeSet,
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use anyhow::Result;

use crate::{
    commands::check::{
        ftracetest::{
            self,
            script, //
        },
        fuzz,
        session::{
            some,
            Session, //
        },
    },
    guest::{
        self,
        console,
        qemu::{
            Limits,
            Output, //
        },
        Guest,
        QUIET_BOOT,
        SCRIPT,
        TOGGLE, //
    },
    kernel::{
        backend::Backend,
        machine::{
            Machine,
            KUNIT, //
        },
    },
    results::{
        case::{
            Case,
            Outcome, //
        },
        selftest,
        suite::{
            Kind,
            Name, //
        },
    },
};

/// How long a round of random commands may take, in seconds.
const FUZZ_ROUND: u32 = 300;

/// How many CPUs of guests there may be for one of the host's.
const OVERCOMMIT: usize = 2;

/// Traces all functions from the first moment on, until a small buffer is full of them.
const EARLY_TRACE: &str = "ftrace=function trace_options=nooverwrite trace_buf_size=64k";

/// Probes functions whose memory the kernel frees before it runs init.
const INIT_PROBE: &str = "kprobe_event=p,prepare_namespace;p,console_on_rootfs";

/// The KUnit suite that comes with the backend: C has nothing to compare with it.
const OUR_KUNIT_SUITE: &str = "ftrace_rust";

impl Session<'_> {
    /// The kernel's boot self-tests and its KUnit suites, and the suite of the Rust backend.
    pub fn boot_tests(
        &mut self,
        machine: &'static Machine,
        guests: &[(Backend, Guest)],
    ) -> Result<()> {
        let boots = side_by_side(machine, guests, |guest| {
            self.boot(guest, "boot", "", &Limits::default(), |o| &o.console)
        });
        for (backend, (console, mut cases, time)) in boots {
            cases.extend(some(selftest::self_tests(&console), "self-test"));
            self.add_of(machine, backend, Kind::Selftest, time, cases);
            let cases = self.read_ktap(&name(machine, backend, Kind::Kunit), &console)?;
            let (ours, theirs): (Vec<_>, Vec<_>) = cases
                .into_iter()
                .partition(|case| case.name.starts_with(OUR_KUNIT_SUITE));
            let mut add = |kind, cases| {
                self.add_of(machine, backend, kind, Duration::ZERO, some(cases, "KUnit"));
            };
            add(Kind::Kunit, theirs);
            if backend == Backend::Rust {
                add(Kind::KunitBackend, ours);
            }
        }
        Ok(())
    }

    /// Our scripts in guests: those that `mode` stands for, as suite `kind`.
    pub fn guest_tests(
        &mut self,
        machine: &'static Machine,
        (kind, mode): (Kind, &str),
        tests: &[String],
        guests: &[(Backend, Guest)],
    ) -> Result<()> {
        let suite = Name::Machine(machine.name, Backend::Rust, kind);
        // If the filter does not name the whole suite, the guest can leave tests out.
        let part = self
            .filter
            .0
            .filter(|text| !suite.to_string().contains(text));
        let part = part.and_then(|text| text.rsplit('/').next());
        let part = part.filter(|part| tests.iter().any(|t| t.contains(part)));
        let (toggles, part) = (self.toggles, part.unwrap_or_default());
        let (append, limits) = guest::to_run(mode, toggles, part);
        let boots = side_by_side(machine, guests, |guest| {
            self.boot(guest, mode, &append, &limits, |o| &o.results)
        });
        for (backend, (results, mut cases, time)) in boots {
            let name = name(machine, backend, kind);
            cases.extend(some(self.read_ktap(&name, &results)?, "guest test"));
            self.add_of(machine, backend, kind, time, cases);
        }
        Ok(())
    }

    /// Scripts each of which takes a boot: after most of them ftrace has turned itself off.
    pub fn faults(
        &mut self,
        machine: &'static Machine,
        guest: &Guest,
        faults: &[String],
    ) -> Result<()> {
        let suite = Name::Machine(machine.name, Backend::Rust, Kind::Faults);
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
            let limit = SCRIPT.as_secs();
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
        self.add_of(machine, Backend::Rust, Kind::Faults, start.elapsed(), cases);
        Ok(())
    }

    /// Rounds of random commands. Each is a test.
    pub fn fuzz(&mut self, machine: &'static Machine, guests: &[(Backend, Guest)]) -> Result<()> {
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
                    let name = name(machine, backend, Kind::Fuzz);
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
            self.add_of(machine, backend, Kind::Fuzz, time, cases);
        }
        Ok(())
    }

    /// The kernel's selftests of ftrace.
    pub fn selftests(
        &mut self,
        machine: &'static Machine,
        tests: &[script::Test],
        guests: &[(Backend, Guest)],
    ) -> Result<()> {
        const KIND: Kind = Kind::Ftracetest;
        const ALONE: &str = "ftracetest-alone";
        let suite = Name::Machine(machine.name, Backend::Rust, KIND);
        let mut runs = side_by_side(machine, guests, |guest| {
            let start = Instant::now();
            let keeps = |name: &str| self.filter.keeps(&suite, name);
            let run = ftracetest::run(self.ctx, guest, KIND.name(), tests, keeps);
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
                run.update(ftracetest::run(self.ctx, guest, ALONE, tests, keeps)?);
                *time += start.elapsed();
            }
        }
        for (backend, (run, time)) in runs {
            let cases = match run {
                Ok(run) => {
                    for (boot, log) in run.logs.iter().enumerate() {
                        let name = format!("{}-{boot}", name(machine, backend, KIND));
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

    /// Boots, and gives the output asked for and what every boot must show: an orderly end and
    /// a log without faults.
    pub fn boot(
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
}

fn name(machine: &Machine, backend: Backend, kind: Kind) -> String {
    Name::Machine(machine.name, backend, kind).to_string()
}

/// Does the same in guests of a machine, several at a time if the host has the CPUs.
fn side_by_side<T: Send>(
    machine: &Machine,
    guests: &[(Backend, Guest)],
    work: impl Fn(&Guest) -> T + Sync,
) -> Vec<(Backend, T)> {
    let work = &work;
    let host = thread::available_parallelism().map_or(1, usize::from);
    let at_a_time = (host * OVERCOMMIT / machine.cpus).max(1);
    let together = |guests: &[(Backend, Guest)]| -> Vec<(Backend, T)> {
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

pub fn boot_cases(machine: &Machine, output: &Output) -> Vec<Case> {
    let at = format!("whole log: {}", output.log.display());
    let end = output.failure.as_ref().map(|f| format!("{f}\n{at}"));
    // Some of the kernel's tests warn on purpose. Ours do not: a machine without the others shows
    // that.
    let is_meant = |line: &&str| machine.options.contains(&KUNIT) && console::is_of_kunit(line);
    let faults = console::faults(&output.console).filter(|line| !is_meant(line));
    let faults: Vec<_> = faults.take(10).collect();
    let faults = (!faults.is_empty()).then(|| format!("{}\n{at}", faults.join("\n")));
    vec![Case::check("boot", end), Case::check("log", faults)]
}
