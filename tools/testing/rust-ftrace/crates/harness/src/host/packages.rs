// SPDX-License-Identifier: GPL-2.0

//! Debian packages that are installed on the host.

use std::{
    fs,
    process::Command, //
};

use anyhow::{
    ensure,
    Context as _,
    Result, //
};

use crate::host::{
    apt::Apt,
    Context, //
};

/// Installs packages on the host.
pub fn install(ctx: &Context, packages: &[&str]) -> Result<()> {
    let suite = host_suite().with_context(|| {
        format!(
            "this host is no Debian: packages of these names or their like are missing: {}",
            packages.join(" ")
        )
    })?;
    // Debian 12's own QEMU is too old.
    let (backports, own): (Vec<&str>, Vec<&str>) = packages
        .iter()
        .partition(|package| suite == "bookworm" && package.starts_with("qemu-"));
    if !own.is_empty() {
        let commands = install_commands(&own)?;
        let title = format!("Install packages: {}", own.join(" "));
        ctx.ui.step(&title, "apt-install", |step| {
            commands
                .into_iter()
                .try_for_each(|mut command| step.run(&mut command))
        })?;
    }
    if !backports.is_empty() {
        let apt = Apt::for_backports(ctx, &suite)?;
        let mut command = install_from_backports(&apt, &suite, &backports)?;
        let title = format!(
            "Install packages of {suite}-backports: {}",
            backports.join(" ")
        );
        ctx.ui.step(&title, "apt-backports", |step| {
            apt.update(step)?;
            step.run(&mut command)
        })?;
    }
    Ok(())
}

const INSTALL: [&str; 4] = ["install", "-y", "-q", "--no-install-recommends"];

/// A command run as root, by sudo when we are not.
fn privileged(program: &str) -> Result<Command> {
    let mut command = if nix::unistd::geteuid().is_root() {
        Command::new("env")
    } else {
        // sudo asks for a password here. The step that follows has no terminal to ask on.
        let asked = Command::new("sudo").arg("-v").status();
        ensure!(
            asked.is_ok_and(|status| status.success()),
            "installing packages needs root: run this as root, or set up sudo"
        );
        let mut command = Command::new("sudo");
        command.args(["-n", "env"]);
        command
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", program]);
    Ok(command)
}

/// Commands that bring `packages` onto the host out of its own suites.
fn install_commands(packages: &[&str]) -> Result<[Command; 2]> {
    let mut update = privileged("apt-get")?;
    update.args(["update", "-q"]);
    let mut install = privileged("apt-get")?;
    install.args(INSTALL).args(packages);
    Ok([update, install])
}

/// The command that installs `packages` out of the backports of `suite`.
fn install_from_backports(apt: &Apt, suite: &str, packages: &[&str]) -> Result<Command> {
    let mut command = privileged("apt-get")?;
    command
        .arg("-c")
        .arg(apt.conf())
        .args(INSTALL)
        .args(["-t", &format!("{suite}-backports")])
        .args(packages);
    Ok(command)
}

/// The code name of the host's Debian, for example `bookworm`.
fn host_suite() -> Option<String> {
    let release = fs::read_to_string("/etc/os-release").ok()?;
    let field = |name: &str| {
        release
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(|value| value.trim_matches('"').to_string())
    };
    (field("ID")? == "debian")
        .then(|| field("VERSION_CODENAME"))
        .flatten()
}
