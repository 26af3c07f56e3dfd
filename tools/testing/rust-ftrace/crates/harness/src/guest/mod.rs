// SPDX-License-Identifier: GPL-2.0

//! Guests: a kernel with its root file system, booted in QEMU.

use std::{
    ffi::OsString,
    path::{
        Path,
        PathBuf, //
    },
    time::Duration, //
};

use anyhow::{
    bail,
    Context as _,
    Result, //
};

use crate::{
    guest::{
        qemu::{
            Boot,
            Limits,
            Output, //
        },
        rootfs::List, //
    },
    host::{
        files,
        progress::Step,
        Context, //
    },
    kernel::{
        backend::Backend,
        kbuild::Kernel,
        machine::Machine,
        toolchain::Toolchain, //
    },
};

pub mod console;
pub mod counter;
mod crossbuild;
pub mod demo;
pub mod qemu;
pub mod rootfs;
mod userland;

/// Keeps a boot short if its tests are not wanted. Any tracer named on the command line turns the
/// boot self-tests off, except that of the ring buffer.
pub const QUIET_BOOT: &str = "ftrace=nop kunit.enable=0 initcall_blacklist=test_ringbuffer";

/// How long a script may take in a guest, and turning all functions on and off once on top of that.
pub const SCRIPT: Duration = Duration::from_secs(15 * 60);
pub const TOGGLE: Duration = Duration::from_secs(3);

/// Traces a function in `.init.text`.
const INIT_TRACE: &str = "ftrace=function ftrace_filter=sched_init";

/// The kernel's command line that makes a guest run the scripts of a folder with `part` in their
/// names, and the time that this may take.
pub fn to_run(folder: &str, toggles: u32, part: &str) -> (String, Limits) {
    let limit = (SCRIPT + TOGGLE * toggles).as_secs();
    let mut append = format!("{QUIET_BOOT} toggles={toggles} filter={part} limit={limit}");
    if folder == "mends" {
        // The last tracer that the command line asks for counts.
        append = format!("{append} {INIT_TRACE}");
    }
    (append, Limits::default().and(TOGGLE * toggles))
}

/// Where the guest has the kernel's ftrace selftests.
const FTRACE_TESTS: &str = "/ftrace";

/// Where the guest has random commands.
const ROUNDS: &str = "/guest/rounds";

/// Where the guest has the kernel's selftests of user events.
const USER_EVENTS: &str = "/user_events";

/// The programs of the selftests of user events.
const USER_EVENTS_PROGRAMS: &[&str] = &["abi_test", "dyn_test", "ftrace_test", "perf_test"];

#[derive(Clone)]
pub struct Guest {
    pub machine: &'static Machine,
    name: String,
    image: PathBuf,
    dtb: Option<PathBuf>,
    /// The kernel's build folder.
    out: PathBuf,
    /// The parts of its initramfs.
    parts: Vec<PathBuf>,
}

impl Guest {
    /// Builds kernel and root file system.
    pub fn build(
        ctx: &Context,
        toolchain: &Toolchain,
        machine: &'static Machine,
        backend: Backend,
    ) -> Result<Self> {
        let kernel = Kernel::new(ctx, toolchain, machine, backend);
        kernel.build(ctx)?;
        let name = format!("{}-{}{}", machine.name, backend.name(), toolchain.suffix);
        let initrd = ctx.ui.step(
            &format!("Pack the {name} root file system"),
            &format!("{name}-rootfs"),
            |step| {
                let busybox = userland::busybox(ctx, step, machine)?;
                let mut list = rootfs::base(&busybox, &scripts(ctx))?;
                list.modules(&kernel.modules()?)?;
                list.pack(step, kernel.out(), "rootfs")
            },
        )?;
        Ok(Self::of(&kernel, name, initrd))
    }

    fn of(kernel: &Kernel<'_>, name: String, initrd: PathBuf) -> Self {
        Self {
            machine: kernel.machine,
            name,
            image: kernel.image(),
            dtb: kernel.dtb(),
            out: kernel.out().to_path_buf(),
            parts: vec![initrd],
        }
    }

    /// Builds the kernel after a patch of the series, and a root file system without modules.
    pub fn build_stage(ctx: &Context, step: &Step<'_>, kernel: &Kernel<'_>) -> Result<Self> {
        kernel.build_stage(ctx, step)?;
        let busybox = userland::busybox(ctx, step, kernel.machine)?;
        let list = rootfs::base(&busybox, &scripts(ctx))?;
        let initrd = list.pack(step, kernel.out(), "rootfs")?;
        Ok(Self::of(kernel, kernel.name().to_owned(), initrd))
    }

    /// The same kernel with a GNU userland, with modules for modprobe, and with the kernel's
    /// selftests of ftrace.
    pub fn with_userland(&self, ctx: &Context, kernel: &Kernel<'_>) -> Result<Self> {
        let name = &self.name;
        let userland = ctx.ui.step(
            &format!("Pack the {name} userland"),
            &format!("{name}-userland"),
            |step| {
                let tests = kernel.ftrace_selftests();
                let mut list = List::default();
                list.tree("", &userland::root(ctx, step, self.machine)?)?;
                list.tree("", &kernel.install_modules(ctx, step)?)?;
                list.dir(FTRACE_TESTS);
                list.tree(FTRACE_TESTS, &tests)?;
                kernel.make_headers(step)?;
                let poll = kernel.build_selftest(step, &tests.join("poll.c"))?;
                list.file(&format!("{FTRACE_TESTS}/poll"), &poll);
                if self.machine.debian.is_some() {
                    list.file("/usr/bin/perf", &userland::perf(ctx, step, kernel)?);
                    let programs = kernel.build_user_events(step)?;
                    list.dir(USER_EVENTS);
                    for name in USER_EVENTS_PROGRAMS {
                        list.file(&format!("{USER_EVENTS}/{name}"), &programs.join(name));
                    }
                }
                list.pack(step, &self.out, "userland")
            },
        )?;
        Ok(Self {
            name: name.clone(),
            image: self.image.clone(),
            dtb: self.dtb.clone(),
            out: self.out.clone(),
            parts: self.parts.iter().cloned().chain([userland]).collect(),
            ..*self
        })
    }

    /// What QEMU boots.
    pub fn image(&self) -> &Path {
        &self.image
    }

    /// The initramfs, with a part more if there is one.
    pub fn initrd(&self, more: Option<&Path>) -> Result<PathBuf> {
        let parts: Vec<&Path> = self
            .parts
            .iter()
            .map(PathBuf::as_path)
            .chain(more)
            .collect();
        if let [whole] = parts[..] {
            return Ok(whole.to_path_buf());
        }
        let whole = self.out.join("initrd.cpio");
        rootfs::join(&parts, &whole)?;
        Ok(whole)
    }

    pub fn boot<'a>(
        &'a self,
        initrd: &'a Path,
        append: String,
        options: Vec<OsString>,
    ) -> Boot<'a> {
        Boot {
            machine: self.machine,
            image: &self.image,
            dtb: self.dtb.as_deref(),
            initrd,
            append,
            options,
        }
    }

    /// Boots to do `mode`, which is also part of the logs' names. A guest that failed has
    /// output all the same.
    pub fn run(&self, ctx: &Context, mode: &str, append: &str, limits: &Limits) -> Result<Output> {
        self.boot_with(ctx, mode, append, limits, None, Vec::new())
    }

    /// The same with further arguments of QEMU's.
    pub fn run_with(
        &self,
        ctx: &Context,
        mode: &str,
        append: &str,
        limits: &Limits,
        options: Vec<OsString>,
    ) -> Result<Output> {
        self.boot_with(ctx, mode, append, limits, None, options)
    }

    /// The same for the kernel's ftrace selftests, with the list of those to run.
    pub fn run_list(
        &self,
        ctx: &Context,
        mode: &str,
        append: &str,
        list: &str,
        limits: &Limits,
    ) -> Result<Output> {
        let path = self.out.join("tests");
        files::write_atomic(&path, list.as_bytes())?;
        let mut more = List::default();
        more.file("/guest/list", &path);
        self.boot_with(ctx, mode, append, limits, Some(&more), Vec::new())
    }

    /// The same for rounds of random commands, with their folders.
    pub fn run_rounds(
        &self,
        ctx: &Context,
        append: &str,
        rounds: &[PathBuf],
        limits: &Limits,
    ) -> Result<Output> {
        let mut more = List::default();
        more.dir(ROUNDS);
        for round in rounds {
            let name = round.file_name().context("a folder without a name")?;
            let to = format!("{ROUNDS}/{}", name.display());
            more.dir(&to);
            more.tree(&to, round)?;
        }
        self.boot_with(ctx, "fuzz", append, limits, Some(&more), Vec::new())
    }

    fn boot_with(
        &self,
        ctx: &Context,
        mode: &str,
        append: &str,
        limits: &Limits,
        more: Option<&List>,
        options: Vec<OsString>,
    ) -> Result<Output> {
        let name = format!("{}-{mode}", self.name);
        let mut kept = None;
        let step = ctx.ui.step(&format!("Boot {name} in QEMU"), &name, |step| {
            let more = more.map(|list| list.pack(step, &self.out, "more"));
            let initrd = self.initrd(more.transpose()?.as_deref())?;
            let output = self
                .boot(&initrd, format!("mode={mode} {append}"), options)
                .run(step.log(), limits)?;
            match &kept.insert(output).failure {
                Some(failure) => bail!("{failure}"),
                None => Ok(()),
            }
        });
        match kept {
            Some(output) => Ok(output),
            None => Err(step.err().context("a boot without output or error")?),
        }
    }
}

/// The folder of the guest's scripts.
pub fn scripts(ctx: &Context) -> PathBuf {
    ctx.paths.repo.join("tools/testing/rust-ftrace/guest")
}
