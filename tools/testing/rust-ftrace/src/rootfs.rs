// SPDX-License-Identifier: GPL-2.0

//! The guest's root file system: busybox, our scripts and the kernel's modules, as an initramfs.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use walkdir::WalkDir;

use crate::kbuild::Kernel;
use crate::ui::Step;

/// Packs the initramfs of `kernel` with the kernel's own `gen_init_cpio`.
pub fn pack(step: &Step<'_>, kernel: &Kernel<'_>, busybox: &Path, guest: &Path) -> Result<PathBuf> {
    let mut list = String::new();
    for dir in [
        "bin",
        "dev",
        "etc",
        "guest",
        "guest/tests",
        "lib",
        "lib/modules",
    ] {
        list.push_str(&format!("dir /{dir} 755 0 0\n"));
    }
    // The kernel opens the console before any script can mount devtmpfs.
    list.push_str("nod /dev/console 600 0 0 c 5 1\n");
    let mut file = |to: &str, from: &Path| {
        list.push_str(&format!("file {to} {} 755 0 0\n", from.display()));
    };
    file("/bin/busybox", busybox);
    file("/init", &guest.join("init"));
    file("/etc/motd", &guest.join("motd"));
    for name in ["lib", "demo", "check"] {
        file(&format!("/guest/{name}"), &guest.join(name));
    }
    for test in tests(guest)? {
        file(
            &format!("/guest/tests/{test}"),
            &guest.join("tests").join(&test),
        );
    }
    for module in kernel.modules()? {
        let name = module.file_name().context("a module without a name")?;
        file(&format!("/lib/modules/{}", name.display()), &module);
    }

    let spec = kernel.out().join("rootfs.list");
    fs::write(&spec, list).with_context(|| format!("cannot write {}", spec.display()))?;
    let initrd = kernel.out().join("rootfs.cpio");
    step.run(
        Command::new(kernel.out().join("usr/gen_init_cpio"))
            .args(["-t", "0", "-o"])
            .arg(&initrd)
            .arg(&spec),
    )?;
    Ok(initrd)
}

/// The names of the guest's tests, in the order in which they run.
pub fn tests(guest: &Path) -> Result<Vec<String>> {
    WalkDir::new(guest.join("tests"))
        .min_depth(1)
        .sort_by_file_name()
        .into_iter()
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}
