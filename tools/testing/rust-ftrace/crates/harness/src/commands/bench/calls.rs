// SPDX-License-Identifier: GPL-2.0

//! Which functions the instructions of a traced call are in.

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    thread, //
};

use anyhow::{
    bail,
    Context as _,
    Result, //
};

use crate::{
    commands::bench::{
        figures::{
            rows,
            Row, //
        },
        function,
        profile,
        registers,
        run_with,
        symbols,
        CALLS,
        SLEEPING, //
    },
    guest::{
        counter::Sockets,
        Guest, //
    },
    host::Context,
    kernel::kbuild::Kernel, //
};

/// The calls that are looked at one by one, in the order in which the guest makes them, and the
/// names of their figures.
const PROFILED: &[(&str, &str)] = &[
    ("2_ops", "2_ops_core"),
    ("fprobe", "fprobe_core"),
    ("function", "function_core"),
    ("function_graph", "function_graph_core"),
    ("regs", "regs_core"),
];

/// What is called for them, and how often: the last call is looked at.
const CALLED: &str = "always_delete_dentry";
const FEW: usize = 10;

/// What the instructions of a call are spent in: numbers by functions, by the call's name.
pub type Profiles = BTreeMap<&'static str, Vec<(String, f64)>>;

/// Boots to look at single calls.
pub fn count(ctx: &Context, guest: &Guest, kernel: &Kernel<'_>) -> Result<Profiles> {
    let nm = symbols(kernel)?;
    let function = function(&nm, CALLED)?;
    let registers = registers(kernel.machine)?;
    let symbols = profile::Symbols::read(&nm)?;
    let logs = tempfile::tempdir()?;
    let log = |n: usize| logs.path().join(n.to_string());

    let sockets = Sockets::within(logs.path());
    let append = format!("few={FEW}");
    let (said, spans) = thread::scope(|scope| {
        let observing =
            scope.spawn(|| sockets.connect()?.log_calls(function, FEW, &registers, log));
        let said = run_with(
            ctx,
            guest,
            ("profile", SLEEPING),
            &append,
            sockets.options(),
        );
        let spans = observing.join().expect("the observer does not panic")?;
        anyhow::Ok((said?, spans))
    })?;
    let made: Vec<_> = PROFILED
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| said.contains_key(*name))
        .collect();
    if made.len() != spans.len() {
        bail!(
            "{CALLED}() was called {} times {FEW}, not {}",
            spans.len(),
            made.len()
        );
    }
    let mut profiles = Profiles::new();
    for (n, (name, span)) in made.into_iter().zip(&spans).enumerate() {
        let log = log(n);
        let opened = File::open(&log).with_context(|| format!("cannot read {}", log.display()))?;
        let functions = profile::profile(BufReader::new(opened), &symbols)?;
        let logged: u64 = functions.iter().map(|(_, count)| count).sum();
        if logged != span.instructions() {
            bail!(
                "QEMU logged {logged} of {} instructions of {name}",
                span.instructions()
            );
        }
        let functions = functions.into_iter().filter(|(_, count)| *count > 0);
        let functions = functions.map(|(name, count)| (name, count as f64));
        profiles.insert(name, functions.collect());
    }
    Ok(profiles)
}

/// The profiles of both backends side by side, by the titles of their figures.
pub fn tables(c: &Profiles, rust: &Profiles) -> Vec<(&'static str, Vec<Row>)> {
    let none = Vec::new();
    let of = |profiles: &Profiles, name| profiles.get(name).unwrap_or(&none).clone();
    let table = |&(name, figure): &(&'static str, &str)| {
        let title = CALLS.iter().find(|(name, _)| *name == figure)?.1;
        let rows = rows(&of(c, name), &of(rust, name));
        (!rows.is_empty()).then_some((title, rows))
    };
    PROFILED.iter().filter_map(table).collect()
}
