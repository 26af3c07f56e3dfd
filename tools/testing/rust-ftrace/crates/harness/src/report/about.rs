// SPDX-License-Identifier: GPL-2.0

//! What was tested, and with what.

use std::{
    fs,
    process::Command,
    time::SystemTime, //
};

use chrono::{
    DateTime,
    Utc, //
};

use crate::{
    host::{
        files,
        process::output,
        version::Version,
        Context, //
    },
    kernel::{
        backend::Backend,
        config, kbuild,
        machine::{
            Machine,
            MACHINES, //
        },
    },
};

/// A machine's kernels.
#[derive(Default)]
pub struct Kernels {
    pub name: &'static str,
    pub facts: Vec<(&'static str, String)>,
    /// The options that we asked for.
    pub asked: String,
    /// The options in which the C backend's kernel is another.
    pub differences: Vec<String>,
}

/// What was tested, and with what.
#[derive(Default)]
pub struct About {
    pub facts: Vec<(&'static str, String)>,
    pub kernels: Vec<Kernels>,
}

impl About {
    /// Looks at what the run has built. `filter` is the part of the tests' names it was asked for.
    /// `kernel` is the version that it tested, and `suffix` the end of the builds' names.
    pub fn find(
        ctx: &Context,
        machines: &[&'static Machine],
        filter: Option<&str>,
        kernel: Option<Version>,
        suffix: &str,
    ) -> Self {
        let now: DateTime<Utc> = SystemTime::now().into();
        let mut facts = vec![
            ("Date", now.format("%Y-%m-%d %H:%M UTC").to_string()),
            ("rust-ftrace", commit(ctx)),
        ];
        if let Some(version) = kernel {
            facts.push(("Kernel", format!("Linux {version}")));
        }
        if let Some(text) = filter {
            facts.push(("Only tests with", text.to_owned()));
        }
        if !machines.is_empty() && machines.len() < MACHINES.len() {
            let names: Vec<_> = machines.iter().map(|m| m.name).collect();
            facts.push(("Machines", names.join(", ")));
        }
        let kernels = machines
            .iter()
            .filter_map(|machine| kernels(ctx, machine, suffix))
            .collect();
        Self { facts, kernels }
    }
}

/// Our own version.
fn commit(ctx: &Context) -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--abbrev=12", "--dirty"])
        .current_dir(&ctx.paths.repo);
    output(&mut git).map_or("not known".to_owned(), |c| c.trim().to_owned())
}

/// What a benchmark says about the kernels that it compares.
pub fn about_kernels(
    ctx: &Context,
    machine: &'static Machine,
    suffix: &str,
) -> Vec<(&'static str, String)> {
    let mut facts = vec![("rust-ftrace", commit(ctx))];
    if let Some(kernels) = kernels(ctx, machine, suffix) {
        facts.extend(kernels.facts);
        facts.push(("Configuration", files::sha256_of(kernels.asked.as_bytes())));
        facts.extend(kernels.differences.into_iter().map(|d| ("Differs in", d)));
    }
    facts
}

/// What there is to say about a machine's kernels, if the Rust backend's has been configured.
fn kernels(ctx: &Context, machine: &'static Machine, suffix: &str) -> Option<Kernels> {
    let out = |backend| kbuild::out(ctx, machine, backend, suffix);
    let read = |backend, file| fs::read_to_string(out(backend).join(file)).ok();
    let text = read(Backend::Rust, ".config")?;
    let rust = config::parse(&text);
    let of_config = |name: &str| rust.get(name).map(|v| v.trim_matches('"').to_owned());
    let qemu = output(Command::new(machine.qemu).arg("--version")).ok();
    let facts = [
        ("Kernel", kernel_of_config(&text).map(str::to_owned)),
        ("C compiler", of_config("CC_VERSION_TEXT")),
        ("Rust compiler", of_config("RUSTC_VERSION_TEXT")),
        (
            "QEMU",
            qemu.and_then(|q| Some(q.lines().next()?.to_owned())),
        ),
        (
            "Machine",
            Some(format!(
                "{} {}",
                machine.qemu,
                machine.arguments().join(" ")
            )),
        ),
    ];
    let differences = read(Backend::C, ".config").map_or(Vec::new(), |text| {
        let c = config::parse(&text);
        differences(&c, &rust)
    });
    Some(Kernels {
        name: machine.name,
        facts: facts
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
        asked: read(Backend::Rust, "asked.config").unwrap_or_default(),
        differences,
    })
}

/// `Linux/arm 7.3.4` out of the heading of a `.config`.
fn kernel_of_config(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let line = line.strip_prefix("# ")?;
        line.strip_suffix(" Kernel Configuration")
    })
}

fn differences(c: &config::Options, rust: &config::Options) -> Vec<String> {
    let mut names: Vec<_> = c.keys().chain(rust.keys()).collect();
    names.sort();
    names.dedup();
    let value = |options: &config::Options, name| {
        let value = options.get(name);
        value.map_or("n", String::as_str).to_owned()
    };
    names
        .into_iter()
        .map(|name| (name, value(c, name), value(rust, name)))
        .filter(|(_, c, rust)| c != rust)
        .map(|(name, c, rust)| format!("{name}: C {c}, Rust {rust}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_differ_where_their_options_do() {
        let [c, rust] = [
            "CONFIG_A=y\nCONFIG_B=y\n",
            "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\n",
        ]
        .map(config::parse);
        assert_eq!(differences(&c, &rust), ["B: C y, Rust n", "C: C n, Rust m"]);
    }
}
