// SPDX-License-Identifier: GPL-2.0

//! Programs of the kernel's tree, for the machine.

use std::{
    fs,
    path::{
        Path,
        PathBuf, //
    },
    process::Command, //
};

use anyhow::{
    Context as _,
    Result, //
};

use crate::{
    host::progress::Step,
    kernel::kbuild::{
        jobs,
        Kernel, //
    },
};

/// The parts of perf that are left out, for want of libraries or as nothing needs them here.
pub const PERF_WITHOUT: &[&str] = &[
    "JEVENTS",
    "LIBBPF",
    "LIBCAP",
    "LIBCRYPTO",
    "LIBDW",
    "LIBELF",
    "LIBNUMA",
    "LIBPERL",
    "LIBPYTHON",
    "LIBTRACEEVENT",
    "LIBUNWIND",
    "LIBZSTD",
    "RUST",
    "SDT",
    "SLANG",
];

impl Kernel<'_> {
    /// Makes the kernel's headers for programs, in its build folder.
    pub fn make_headers(&self, step: &Step<'_>) -> Result<()> {
        step.run(&mut self.make(&["headers"])?)
    }

    /// Builds a program of the kernel's selftests for the machine, with the kernel's own C library
    /// and its [headers](Self::make_headers).
    pub fn build_selftest(&self, step: &Step<'_>, source: &Path) -> Result<PathBuf> {
        let program = self
            .out
            .join(source.file_stem().context("a source file without a name")?);
        let mut compile = Command::new(format!("{}gcc", self.machine.cross));
        compile
            .args(["-Os", "-Wall", "-static", "-nostdlib", "-I"])
            .arg(self.toolchain.source.join("tools/include/nolibc"))
            .arg("-I")
            .arg(self.out.join("usr/include"))
            .arg("-o")
            .args([&program, source])
            .arg("-lgcc");
        step.run(&mut compile)?;
        Ok(program)
    }

    /// Builds the kernel's selftests of user events, and returns their folder. They take the
    /// machine's C library and the kernel's [headers](Self::make_headers).
    pub fn build_user_events(&self, step: &Step<'_>) -> Result<PathBuf> {
        let programs = self.out.join("user_events");
        let mut make = self.make_tool("testing/selftests/user_events");
        make.arg(format!("OUTPUT={}", programs.display()))
            .arg(format!(
                "KHDR_INCLUDES=-isystem {}",
                self.out.join("usr/include").display()
            ))
            .arg("USERLDFLAGS=-static");
        fs::create_dir_all(&programs)
            .with_context(|| format!("cannot create {}", programs.display()))?;
        step.run(&mut make)?;
        Ok(programs)
    }

    /// Builds perf in the folder `out`, of its parts those that take no library but the C library.
    pub fn build_perf(&self, step: &Step<'_>, out: &Path) -> Result<PathBuf> {
        let program = out.join("perf");
        let mut make = self.make_tool("perf");
        make.arg(jobs())
            .arg(format!("O={}", out.display()))
            .arg(format!("ARCH={}", self.machine.arch))
            .arg("LDFLAGS=-static -s")
            .args(PERF_WITHOUT.iter().map(|part| format!("NO_{part}=1")))
            .arg("BUILD_BPF_SKEL=0")
            .arg(&program);
        fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
        step.run(&mut make)?;
        Ok(program)
    }

    /// `make` in a folder of the kernel's tools, for programs of the machine.
    fn make_tool(&self, folder: &str) -> Command {
        let mut make = Command::new("make");
        make.arg("-C")
            .arg(self.toolchain.source.join("tools").join(folder))
            .arg(format!("CROSS_COMPILE={}", self.machine.cross));
        make
    }
}
