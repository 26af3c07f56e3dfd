// SPDX-License-Identifier: GPL-2.0

//! `make bench`: what the C backend and the Rust backend cost, side by side.
//!
//! Both are built from one tree and configuration, and booted with QEMU's instruction counter as
//! the guest's clock. So a nanosecond is an instruction, and every run is the same.
//!
//! Turning sites on and off is counted from outside, see [`counter`](crate::guest::counter). Calls
//! are measured by the guest.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{
        self,
        File, //
    },
    io::BufReader,
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    thread, //
};

use anyhow::{
    bail,
    Context as _,
    Result, //
};

use crate::{
    commands::bench::figures::{
        calls_rst,
        figures_csv,
        figures_rst,
        functions_csv,
        read_figures,
        rows,
        sites_csv,
        table,
        Change,
        Toggle, //
    },
    guest::{
        counter::{
            Counter,
            Function,
            Registers,
            Sockets,
            Span, //
        },
        qemu::Limits,
        Guest,
        QUIET_BOOT, //
    },
    host::{
        process::output,
        Context, //
    },
    kernel::{
        backend::Backend,
        kbuild::Kernel,
        machine::{
            self,
            Machine, //
        },
        toolchain, //
    },
    report::about,
    tree::source::Source, //
};

mod calls;
mod figures;
mod plot;
mod profile;

/// The guest's clock counts instructions and skips idle time. Only one CPU can be counted.
const CLOCK: &[&str] = &["-smp", "1", "-rtc", "clock=vm", "-icount"];
const SKIPPING: &str = "shift=0,sleep=off";

/// The clock where the host looks at single calls. A guest that is stopped counts as idle, and
/// skipping that would take the clock to the next timer, or far beyond the last one.
const SLEEPING: &str = "shift=0,sleep=on";

/// How many sites are turned on and off, before all of them are.
const TOGGLED: &[u32] = &[1, 100, 300, 1_000, 3_000, 10_000];

/// Sites of `ftrace_sites.ko`.
const MODULE_SITES: f64 = 1_000.0;

/// The functions whose calls are counted.
const INIT: &str = "ftrace_init";
const MODULE: [&str; 2] = ["ftrace_module_init", "ftrace_module_enable"];
const REGISTER: &str = "register_ftrace_function";
const UNREGISTER: &str = "unregister_ftrace_function";
const UPDATE: &str = "arch_ftrace_update_code";
const STOP: &str = "multi_cpu_stop";

/// What the guest measures, by its names for it.
#[rustfmt::skip]
const CALLS: &[(&str, &str)] = &[
    ("sample_untraced", "ftrace-ops sample: not traced"),
    ("sample_1_ops", "ftrace-ops sample: 1 ops"),
    ("sample_2_ops", "ftrace-ops sample: 2 ops"),
    ("sample_1_ops_10_others", "ftrace-ops sample: 1 ops, 10 on another function"),
    ("sample_regs", "ftrace-ops sample: 1 ops with registers"),
    ("untraced_core", "call in the kernel: not traced"),
    ("1_ops_core", "call in the kernel: 1 ops"),
    ("2_ops_core", "call in the kernel: 2 ops"),
    ("1_ops_10_others_core", "call in the kernel: 1 ops, 10 on another function"),
    ("regs_core", "call in the kernel: 1 ops with registers"),
    ("kprobe_core", "call in the kernel: kprobe at the entry"),
    ("fprobe_core", "call in the kernel: fprobe, entry and return"),
    ("function_core", "call in the kernel: function tracer"),
    ("function_graph_core", "call in the kernel: function_graph tracer"),
    ("untraced_module", "call in a module: not traced"),
    ("1_ops_module", "call in a module: 1 ops"),
    ("2_ops_module", "call in a module: 2 ops"),
    ("1_ops_10_others_module", "call in a module: 1 ops, 10 on another function"),
    ("regs_module", "call in a module: 1 ops with registers"),
    ("fprobe_module", "call in a module: fprobe, entry and return"),
    ("function_module", "call in a module: function tracer"),
    ("function_graph_module", "call in a module: function_graph tracer"),
];

/// What memory things take, by the guest's names for them.
const MEMORY: &[(&str, &str)] = &[
    ("record_bytes", "memory: bytes for a site"),
    ("ops_bytes", "memory: bytes for an ops on one function"),
];

/// What a backend costs: figures by their titles, in instructions unless the title says bytes.
struct Costs {
    figures: Vec<(String, f64)>,
    toggles: Vec<Toggle>,
}

pub fn bench(ctx: &Context, arch: &str, source: &Source) -> Result<()> {
    let machine = machine::find(arch)?;
    registers(machine)?;
    let toolchain = toolchain::prepare(ctx, source, &[machine])?;
    let build = |backend| {
        let guest = Guest::build(ctx, &toolchain, machine, backend)?;
        anyhow::Ok((guest, Kernel::new(ctx, &toolchain, machine, backend)))
    };
    let folder = ctx.paths.build.join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let (guest, kernel) = build(Backend::C)?;
    let c = measure(ctx, &guest, &kernel)?;
    let c_calls = calls::count(ctx, &guest, &kernel)?;
    let (guest, kernel) = build(Backend::Rust)?;
    let rust = measure(ctx, &guest, &kernel)?;
    let rust_calls = calls::count(ctx, &guest, &kernel)?;
    let rows = rows(&c.figures, &rust.figures);
    let calls = calls::tables(&c_calls, &rust_calls);

    let file = |what: &str| folder.join(format!("{}{}-{what}", machine.name, toolchain.suffix));
    let log = file("disable-all.log");
    let disabled = profile(ctx, &guest, &kernel, &log);
    // Hundreds of megabytes.
    let _ = fs::remove_file(&log);
    let (sites, functions) = disabled?;
    let write = |what, text: String| {
        let path = file(what);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write("figures.csv", figures_csv(&rows))?;
    write("figures.inc", figures_rst(machine.name, &rows))?;
    write("sites.csv", sites_csv(&c.toggles, &rust.toggles))?;
    write("disable-all.csv", functions_csv(sites, &functions))?;
    let tables = calls.iter().map(|(title, rows)| (*title, rows.as_slice()));
    write("calls.inc", calls_rst(machine.name, tables))?;
    write("figures.svg", plot::figures(machine.name, &rows)?)?;
    let toggles = [("C", &*c.toggles), ("Rust", &*rust.toggles)];
    write("sites.svg", plot::sites(machine.name, &toggles)?)?;

    for (name, value) in about::about_kernels(ctx, machine, &toolchain.suffix) {
        println!("{name}: {value}");
    }
    let last = format!(
        "Documentation/trace/ftrace-rust-{}-figures.inc",
        machine.name
    );
    // They are of the newest series.
    let last = match toolchain.suffix.is_empty() {
        true => fs::read_to_string(ctx.paths.repo.join(last)).unwrap_or_default(),
        false => String::new(),
    };
    println!("\n{}", table(&rows, &read_figures(&last)));
    for (title, rows) in &calls {
        println!("One {title}, by function:\n\n{}", table(rows, &[]));
    }
    println!("Disable all, Rust, per site:\n");
    for (name, count) in &functions {
        let per_site = *count as f64 / sites;
        if per_site >= 1.0 {
            println!("{per_site:>8.1}  {name}");
        }
    }
    println!();
    println!(
        "Instructions, if nothing else is said. Tables and plots: {}",
        folder.display()
    );
    Ok(())
}

fn measure(ctx: &Context, guest: &Guest, kernel: &Kernel<'_>) -> Result<Costs> {
    let (known, spans) = count(ctx, guest, kernel)?;
    let toggles = toggles(&spans, known)?;
    let mut figures = Vec::new();
    let mut figure = |title: &str, value: f64| figures.push((title.to_owned(), value));

    let of = |name| spans.iter().find(|s| s.name == name);
    let instructions = |name| {
        let span = of(name).with_context(|| format!("{name}() was not called"))?;
        anyhow::Ok(span.instructions() as f64)
    };
    figure("boot: all sites initialised", instructions(INIT)?);
    let [init, enable] = MODULE.map(instructions);
    let loaded = init? + enable?;
    figure("module load: 1,000 sites initialised", loaded);
    figure("module load: per site", loaded / MODULE_SITES);

    let (one, all) = (toggles.first(), toggles.last());
    for (which, toggle) in [("one", one), ("all", all)] {
        let toggle = toggle.context("no site was turned on")?;
        for (verb, change) in [("enable", toggle.on), ("disable", toggle.off)] {
            figure(&format!("{verb} {which}: total"), change.total);
            figure(&format!("{verb} {which}: backend"), change.backend);
            if let Some(stopped) = change.stopped {
                figure(&format!("{verb} {which}: CPUs stopped"), stopped);
            }
            if which == "all" {
                let per_site = change.total / toggle.sites;
                figure(&format!("{verb} {which}: total per site"), per_site);
                let per_site = change.backend / toggle.sites;
                figure(&format!("{verb} {which}: backend per site"), per_site);
            }
        }
    }

    let calls = run(ctx, guest, "calls", "")?;
    for (name, title) in CALLS {
        if let Some(hundredths) = calls.get(*name) {
            figure(title, hundredths / 100.0);
        }
    }
    let worst = calls
        .get("irqs_off_us")
        .context("no time with interrupts off")?;
    figure("toggling all: interrupts off at most", worst * 1000.0);

    for (name, title) in MEMORY {
        let bytes = calls.get(*name).context("the guest measured no memory")?;
        figure(title, *bytes);
    }
    figure("vmlinux: bytes of text", kernel.text_size()? as f64);
    figure("vmlinux: bytes of data", kernel.data_size()? as f64);
    Ok(Costs { figures, toggles })
}

/// GDB's numbers of the registers of a machine whose instructions can be counted.
fn registers(machine: &Machine) -> Result<Registers> {
    match machine.name {
        "arm" => Ok(Registers { pc: 15, link: 14 }),
        "mips" => Ok(Registers { pc: 37, link: 31 }),
        other => bail!("ARCH={other} cannot be measured: choose arm or mips"),
    }
}

/// Boots to turn sites on and off. Returns how many sites there are, and the calls counted.
fn count(ctx: &Context, guest: &Guest, kernel: &Kernel<'_>) -> Result<(f64, Vec<Span>)> {
    let symbols = symbols(kernel)?;
    let names = [
        INIT, MODULE[0], MODULE[1], REGISTER, UNREGISTER, UPDATE, STOP,
    ];
    let functions: Vec<_> = names
        .iter()
        .map(|name| function(&symbols, name))
        .collect::<Result<_>>()?;
    let registers = registers(kernel.machine)?;

    let toggled: Vec<_> = TOGGLED.iter().map(u32::to_string).collect();
    toggle(ctx, guest, &toggled.join(","), Vec::new(), |counter| {
        counter.run(&functions, &registers)
    })
}

/// Boots to turn numbers of sites on and off, and then all. Returns how many sites there are, and
/// what `observe` sees meanwhile.
fn toggle<T: Send>(
    ctx: &Context,
    guest: &Guest,
    toggled: &str,
    mut options: Vec<OsString>,
    observe: impl FnOnce(Counter<UnixStream>) -> Result<T> + Send,
) -> Result<(f64, T)> {
    let folder = tempfile::tempdir()?;
    let sockets = Sockets::within(folder.path());
    options.extend(sockets.options());
    let append = format!("toggled={toggled}");
    thread::scope(|scope| {
        let observing = scope.spawn(|| observe(sockets.connect()?));
        let said = run_with(ctx, guest, ("toggles", SKIPPING), &append, options);
        // Without an observer the guest waits for ever.
        let seen = observing.join().expect("the observer does not panic")?;
        let known = *said?.get("sites").context("the guest counted no sites")?;
        Ok((known, seen))
    })
}

/// Boots to turn all sites off. Returns how many there are, and how many instructions that takes
/// in each function of the kernel. QEMU writes to `log`, which becomes large.
fn profile(
    ctx: &Context,
    guest: &Guest,
    kernel: &Kernel<'_>,
    log: &Path,
) -> Result<(f64, Vec<(String, u64)>)> {
    let symbols = symbols(kernel)?;
    let function = function(&symbols, UNREGISTER)?;
    let registers = registers(kernel.machine)?;
    let symbols = profile::Symbols::read(&symbols)?;

    let options = vec!["-D".into(), log.into()];
    let (sites, span) = toggle(ctx, guest, "", options, |counter| {
        counter.log_call(function, &registers)
    })?;
    let opened = File::open(log).with_context(|| format!("cannot read {}", log.display()))?;
    let functions = profile::profile(BufReader::new(opened), &symbols)?;
    let logged: u64 = functions.iter().map(|(_, count)| count).sum();
    if logged != span.instructions() {
        bail!(
            "QEMU logged {logged} of {} instructions: is the disk of {} full?",
            span.instructions(),
            log.display()
        );
    }
    Ok((sites, functions))
}

/// What `nm` says of vmlinux.
fn symbols(kernel: &Kernel<'_>) -> Result<String> {
    let mut nm = Command::new(format!("{}nm", kernel.machine.cross));
    nm.arg("--demangle").arg(kernel.vmlinux());
    output(&mut nm)
}

/// Boots to measure `figures` and returns what the guest says: numbers by their names.
fn run(ctx: &Context, guest: &Guest, figures: &str, append: &str) -> Result<BTreeMap<String, f64>> {
    run_with(ctx, guest, (figures, SKIPPING), append, Vec::new())
}

fn run_with(
    ctx: &Context,
    guest: &Guest,
    (figures, clock): (&str, &str),
    append: &str,
    mut options: Vec<OsString>,
) -> Result<BTreeMap<String, f64>> {
    options.extend(CLOCK.iter().chain([&clock]).map(Into::into));
    let append = format!("{QUIET_BOOT} figures={figures} {append}");
    let run = guest.run_with(ctx, "bench", &append, &Limits::default(), options)?;
    let log = run.log.display();
    if let Some(failure) = run.failure {
        bail!("{failure}\nwhole log: {log}");
    }
    numbers(&run.results).with_context(|| format!("whole log: {log}"))
}

/// Reads lines of a name and a number.
fn numbers(results: &str) -> Result<BTreeMap<String, f64>> {
    results
        .lines()
        .map(str::trim)
        .take_while(|line| *line != "guest: done")
        .map(|line| {
            let (name, number) = line.rsplit_once(' ').unwrap_or_default();
            let number = number.parse().ok().filter(|_| !name.is_empty());
            let number = number.with_context(|| format!("the guest says: {line}"))?;
            Ok((name.to_owned(), number))
        })
        .collect()
}

/// The functions in the output of `nm`: their addresses and names.
fn code(symbols: &str) -> impl Iterator<Item = (&str, &str)> {
    symbols.lines().filter_map(|line| {
        let (address, symbol) = line.split_once(' ')?;
        Some((address, symbol.strip_prefix(['t', 'T', 'W'])?.trim()))
    })
}

/// Finds a function in the output of `nm`.
fn function(symbols: &str, name: &'static str) -> Result<Function> {
    let found = code(symbols).find(|(_, symbol)| *symbol == name);
    let (address, _) = found.with_context(|| format!("vmlinux has no function {name}"))?;
    let address = self::address(address)?;
    Ok(Function { name, address })
}

/// Reads an address. Tools for 64 bits extend its sign.
fn address(text: &str) -> Result<u32> {
    let low = text.get(text.len().saturating_sub(8)..).unwrap_or(text);
    Ok(u32::from_str_radix(low, 16)?)
}

/// Makes one of the counted calls for each number of sites; all of them are `known`.
fn toggles(spans: &[Span], known: f64) -> Result<Vec<Toggle>> {
    let sites = TOGGLED.iter().map(|n| f64::from(*n)).chain([known]);
    let of = |name| spans.iter().filter(move |s| s.name == name);
    let (on, off) = (of(REGISTER), of(UNREGISTER));
    let expected = TOGGLED.len() + 1;
    let counts = (on.clone().count(), off.clone().count());
    if counts != (expected, expected) {
        bail!("sites were turned on and off {counts:?} times, not {expected}");
    }
    let change = |whole: &Span| {
        let part = |name| {
            of(name)
                .filter(|s| whole.contains(s))
                .map(Span::instructions)
        };
        Change {
            total: whole.instructions() as f64,
            backend: part(UPDATE).sum::<u64>() as f64,
            stopped: part(STOP).reduce(|a, b| a + b).map(|sum| sum as f64),
        }
    };
    let toggles = sites.zip(on.zip(off)).map(|(sites, (on, off))| Toggle {
        sites,
        on: change(on),
        off: change(off),
    });
    Ok(toggles.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(name: &'static str, start: u64, end: u64) -> Span {
        Span { name, start, end }
    }

    #[test]
    fn counted_calls_become_figures() {
        let mut spans = Vec::new();
        for i in 0..=TOGGLED.len() as u64 {
            let at = i * 1000;
            spans.push(span(STOP, at + 20, at + 30));
            spans.push(span(UPDATE, at + 10, at + 50));
            spans.push(span(REGISTER, at, at + 100 + i));
            spans.push(span(UPDATE, at + 510, at + 520));
            spans.push(span(UNREGISTER, at + 500, at + 600));
        }
        let toggles = toggles(&spans, 18_000.0).unwrap();
        let change = |total, backend, stopped| Change {
            total,
            backend,
            stopped,
        };
        assert_eq!(
            toggles[1],
            Toggle {
                sites: 100.0,
                on: change(101.0, 40.0, Some(10.0)),
                off: change(100.0, 10.0, None)
            }
        );
        assert_eq!(toggles.last().unwrap().sites, 18_000.0);
        assert!(super::toggles(&spans[3..], 1.0).is_err());
    }

    #[test]
    fn what_the_guest_says_is_numbers_or_an_error() {
        let said = numbers("sites 17000\r\na 12\r\nguest: done\r\n").unwrap();
        assert_eq!((said["sites"], said["a"]), (17_000.0, 12.0));
        let error = numbers("1_ops_core: the function cannot be called\nguest: done\n");
        assert!(error.unwrap_err().to_string().contains("cannot be called"));
    }

    #[test]
    fn functions_are_found_by_their_whole_names() {
        let symbols = "80102000 t ftrace_init_nop\nffffffff80101000 T ftrace_init\n\
                       80103000 d multi_cpu_stop\n";
        let found = function(symbols, INIT).unwrap();
        assert_eq!(found.address, 0x8010_1000);
        assert!(function(symbols, STOP).is_err());
    }
}
