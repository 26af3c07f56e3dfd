// SPDX-License-Identifier: GPL-2.0

//! A guest's GNU programs: Debian's packages, unpacked, or built from source where Debian has none
//! for the machine. Nothing of them is installed, no maintainer script runs.

use std::path::{
    Path,
    PathBuf, //
};

use anyhow::Result;
use walkdir::WalkDir;

use crate::{
    guest::crossbuild,
    host::{
        apt::{
            self,
            Apt,
            USERLAND_SUITE, //
        },
        files,
        progress::Step,
        Context, //
    },
    kernel::{
        kbuild::{
            programs::PERF_WITHOUT,
            Kernel, //
        },
        machine::Machine, //
    },
};

/// What the scripts of the kernel's selftests/ftrace call, and trace-cmd.
const PACKAGES: &[&str] = &[
    "base-passwd",
    "bc",
    "binutils",
    "coreutils",
    "dash",
    "diffutils",
    "findutils",
    "gawk",
    "grep",
    "iputils-ping",
    "kmod",
    "mount",
    "procps",
    "sed",
    "trace-cmd",
    "util-linux",
];

/// Packages that others need for their maintainer scripts alone.
const PROVIDED: &[&str] = &["debconf", "dpkg", "init-system-helpers"];

/// What maintainer scripts would have made: a path and what it is a link to.
const LINKS: &[(&str, &str)] = &[
    ("etc/group", "/usr/share/base-passwd/group.master"),
    ("etc/passwd", "/usr/share/base-passwd/passwd.master"),
    ("usr/bin/awk", "gawk"),
    ("usr/bin/which", "which.debianutils"),
];

/// Folders that fill the guest's memory and that nothing there reads.
const LEFT_OUT: &[&str] = &["doc", "gconv", "info", "locale", "man"];

/// The folder with the machine's userland. It is made once, from the packages of that day.
pub fn root(ctx: &Context, step: &Step<'_>, machine: &Machine) -> Result<PathBuf> {
    let Some(debian) = machine.debian else {
        return crossbuild::userland(ctx, step, machine);
    };
    let dir = ctx.paths.build.join(format!("userland-{debian}"));
    let stamp = dir.with_extension("packages");
    let recipe = format!("{USERLAND_SUITE} {PACKAGES:?} {PROVIDED:?} {LINKS:?} {LEFT_OUT:?}");
    let fill = || fill(ctx, step, debian, &dir);
    files::make_dir(&dir, &stamp, &recipe, fill)?;
    Ok(dir)
}

/// The program perf, which is built once for a machine's C library. It does not depend on the
/// kernel's configuration.
pub fn perf(ctx: &Context, step: &Step<'_>, kernel: &Kernel<'_>) -> Result<PathBuf> {
    let cross = kernel.machine.cross.trim_end_matches('-');
    let dir = ctx
        .paths
        .build
        .join(format!("perf-{cross}{}", kernel.toolchain.suffix));
    let recipe = format!("{:?} {PERF_WITHOUT:?}", kernel.toolchain.version);
    let make = || kernel.build_perf(step, &dir).map(drop);
    files::make_dir(&dir, &dir.with_extension("recipe"), &recipe, make)?;
    Ok(dir.join("perf"))
}

fn fill(ctx: &Context, step: &Step<'_>, debian: &str, dir: &Path) -> Result<()> {
    let apt = Apt::for_fetching(ctx)?;
    let arch = Some(debian);
    let packages = apt.unpack(step, USERLAND_SUITE, arch, PACKAGES, PROVIDED, dir)?;
    let mut walk = WalkDir::new(dir).into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        if entry.file_type().is_dir() && LEFT_OUT.contains(&&*name) {
            walk.skip_current_dir();
            files::remove_dir_all(entry.path())?;
        }
    }
    for (path, target) in LINKS {
        files::link(target, &dir.join(path))?;
    }
    step.fold(format!("{packages} packages"));
    Ok(())
}

/// A static busybox for the machine's userland, from Debian's package or built from its source.
pub fn busybox(ctx: &Context, step: &Step<'_>, machine: &Machine) -> Result<PathBuf> {
    let Some(arch) = machine.debian else {
        return crossbuild::busybox(ctx, step, machine);
    };
    let dir = ctx.paths.build.join(format!("busybox-{arch}"));
    let package = Apt::for_fetching(ctx)?.download(step, "busybox-static", Some(arch), "")?;
    apt::extract(step, &package, &dir)?;
    Ok(dir.join("bin/busybox"))
}
