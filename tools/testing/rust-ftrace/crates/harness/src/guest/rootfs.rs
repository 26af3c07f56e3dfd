// SPDX-License-Identifier: GPL-2.0

//! The guest's root file system, as an initramfs in parts: busybox with our scripts and the
//! modules, and for a guest that runs others' tests a GNU userland and the tests.

use std::{
    fs::{
        self,
        File, //
    },
    io,
    os::unix::fs::PermissionsExt,
    path::{
        Path,
        PathBuf, //
    },
    process::Command, //
};

use anyhow::{
    ensure,
    Context as _,
    Result, //
};
use walkdir::WalkDir;

use crate::host::progress::Step;

/// A list of files for the kernel's `gen_init_cpio`.
#[derive(Default)]
pub struct List(String);

impl List {
    pub fn dir(&mut self, to: &str) {
        self.0.push_str(&format!("dir {to} 755 0 0\n"));
    }

    /// An executable file.
    pub fn file(&mut self, to: &str, from: &Path) {
        self.0
            .push_str(&format!("file {to} {} 755 0 0\n", from.display()));
    }

    /// A folder with all that is in it, owned by root.
    pub fn tree(&mut self, to: &str, from: &Path) -> Result<()> {
        for entry in WalkDir::new(from).min_depth(1).sort_by_file_name() {
            let entry = entry?;
            let path = entry.path();
            let name = path.strip_prefix(from).context("a file outside its tree")?;
            let name = format!("{to}/{}", name.display());
            let kind = entry.file_type();
            let mode = entry.metadata()?.permissions().mode() & 0o7777;
            let line = if kind.is_dir() {
                format!("dir {name} {mode:o} 0 0")
            } else if kind.is_symlink() {
                let target = fs::read_link(path)?;
                format!("slink {name} {} 777 0 0", target.display())
            } else {
                format!("file {name} {} {mode:o} 0 0", path.display())
            };
            ensure!(
                line.split(' ').count() == if kind.is_dir() { 5 } else { 6 },
                "a blank in the name of {}",
                path.display()
            );
            self.0.push_str(&line);
            self.0.push('\n');
        }
        Ok(())
    }

    /// Modules, where the scripts look for them.
    pub fn modules(&mut self, modules: &[PathBuf]) -> Result<()> {
        for module in modules {
            let name = module.file_name().context("a module without a name")?;
            self.file(&format!("/lib/modules/{}", name.display()), module);
        }
        Ok(())
    }

    /// Packs the files as `<name>.cpio` of the kernel's build folder `out`.
    pub fn pack(&self, step: &Step<'_>, out: &Path, name: &str) -> Result<PathBuf> {
        let spec = out.join(name).with_extension("list");
        fs::write(&spec, &self.0).with_context(|| format!("cannot write {}", spec.display()))?;
        let cpio = spec.with_extension("cpio");
        step.run(
            Command::new(out.join("usr/gen_init_cpio"))
                .args(["-t", "0", "-o"])
                .arg(&cpio)
                .arg(&spec),
        )?;
        Ok(cpio)
    }
}

/// What every guest has: busybox and our scripts.
pub fn base(busybox: &Path, guest: &Path) -> Result<List> {
    let mut list = List::default();
    for dir in ["/bin", "/dev", "/etc", "/guest", "/lib", "/lib/modules"] {
        list.dir(dir);
    }
    // The kernel opens the console before any script can mount devtmpfs.
    list.0.push_str("nod /dev/console 600 0 0 c 5 1\n");
    list.file("/bin/busybox", busybox);
    list.file("/init", &guest.join("init"));
    list.file("/etc/motd", &guest.join("motd"));
    for name in ["lib", "bench", "check", "demo", "ftracetest", "fuzz", "why"] {
        list.file(&format!("/guest/{name}"), &guest.join(name));
    }
    let stress = "../../selftests/ftrace_stress/ftrace_stress.sh";
    list.file("/guest/ftrace_stress.sh", &guest.join(stress));
    for folder in ["tests", "mends", "clients", "faults"] {
        list.dir(&format!("/guest/{folder}"));
        for test in tests(guest, folder)? {
            let path = format!("{folder}/{test}");
            list.file(&format!("/guest/{path}"), &guest.join(path));
        }
    }
    Ok(list)
}

/// One initramfs out of several. The kernel unpacks them one after the other.
pub fn join(parts: &[&Path], to: &Path) -> Result<()> {
    let copy = || -> io::Result<()> {
        let mut whole = File::create(to)?;
        for part in parts {
            io::copy(&mut File::open(part)?, &mut whole)?;
        }
        Ok(())
    };
    copy().with_context(|| format!("cannot write {}", to.display()))
}

/// The names of the guest's tests in a folder, in the order in which they run.
pub fn tests(guest: &Path, folder: &str) -> Result<Vec<String>> {
    WalkDir::new(guest.join(folder))
        .min_depth(1)
        .sort_by_file_name()
        .into_iter()
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}
