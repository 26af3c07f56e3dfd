// SPDX-License-Identifier: GPL-2.0

//! Configures and builds kernels in `build/<kernel>-<backend>/`, for the machines that boot them.
//! The kernels of an older series have its name at the end: `build/arm-rust-6.18/`.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{
        Path,
        PathBuf, //
    },
    process::Command,
    thread, //
};

use anyhow::{
    bail,
    Context as _,
    Result, //
};

use crate::{
    host::{
        progress::Step,
        Context, //
    },
    kernel::{
        backend::Backend,
        config,
        machine::{
            Machine,
            LLVM,
            NO_MODULES, //
        },
        toolchain::Toolchain, //
    },
};

mod clippy;
mod modules;
pub mod programs;
mod size;
pub mod stage;

/// A kernel to build for a machine.
pub struct Kernel<'a> {
    pub machine: &'static Machine,
    pub backend: Backend,
    pub toolchain: &'a Toolchain,
    name: String,
    out: PathBuf,
}

impl<'a> Kernel<'a> {
    pub fn new(
        ctx: &Context,
        toolchain: &'a Toolchain,
        machine: &'static Machine,
        backend: Backend,
    ) -> Self {
        let name = name(machine, backend, &toolchain.suffix);
        Self::named(ctx, toolchain, machine, backend, name)
    }

    fn named(
        ctx: &Context,
        toolchain: &'a Toolchain,
        machine: &'static Machine,
        backend: Backend,
        name: String,
    ) -> Self {
        Self {
            machine,
            backend,
            toolchain,
            out: ctx.paths.build.join(&name),
            name,
        }
    }

    /// The build folder.
    pub fn out(&self) -> &Path {
        &self.out
    }

    pub fn image(&self) -> PathBuf {
        self.out.join(self.machine.image)
    }

    /// The linked kernel, with its symbols.
    pub fn vmlinux(&self) -> PathBuf {
        self.out.join("vmlinux")
    }

    /// The device tree that QEMU is given with it.
    pub fn dtb(&self) -> Option<PathBuf> {
        let folder = format!("arch/{}/boot/dts", self.machine.arch);
        self.machine.dtb.map(|dtb| self.out.join(folder).join(dtb))
    }

    /// A name for logs and messages, and of the build folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it can load modules.
    fn has_modules(&self) -> Result<bool> {
        let config = self.config()?;
        Ok(config.get("MODULES").is_some_and(|value| value == "y"))
    }

    /// What Kconfig made of what was asked for.
    fn config(&self) -> Result<config::Options> {
        let path = self.out.join(".config");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(config::parse(&text))
    }

    /// Configures and builds the image and the modules.
    pub fn build(&self, ctx: &Context) -> Result<()> {
        let name = self.name();
        ctx.ui.step(
            &format!("Configure the {name} kernel"),
            &format!("{name}-config"),
            |step| {
                self.create_out()?;
                step.run(&mut self.make(&["rustavailable"])?)?;
                self.configure(ctx, |command| step.run(command))
            },
        )?;
        ctx.ui.step(
            &format!("Build the {name} kernel"),
            &format!("{name}-build"),
            |step| {
                self.make_image(step)?;
                match self.has_modules()? {
                    true => step.run(&mut self.make_own_modules(ctx)?),
                    false => Ok(()),
                }
            },
        )
    }

    fn create_out(&self) -> Result<()> {
        fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot create {}", self.out.display()))
    }

    /// Builds the image and the kernel's own modules.
    fn make_image(&self, step: &Step<'_>) -> Result<()> {
        let mut built = 0;
        let mut make = self.make(&[&jobs(), self.machine.target])?;
        make.args(self.has_modules()?.then_some("modules"))
            .args(self.machine.dtb);
        step.run_watched(&mut make, None, |line| {
            if is_object(line) {
                built += 1;
                step.progress(format!("{built} objects"));
            }
        })?;
        step.fold(format!("{built} objects built"));
        Ok(())
    }

    /// The folder of the kernel's selftests of ftrace.
    pub fn ftrace_selftests(&self) -> PathBuf {
        ftrace_selftests(&self.toolchain.source)
    }

    /// Configures the kernel with all that is asked for.
    fn configure(&self, ctx: &Context, run: impl FnMut(&mut Command) -> Result<()>) -> Result<()> {
        let folder = configs(ctx);
        let asked = config::parse(&self.asked(ctx)?);
        let theirs = self.ftrace_selftests().join("config");
        let undecided = config::undecided(&asked, &theirs)?;
        if !undecided.is_empty() {
            bail!(
                "{} asks for what no fragment in {} decides on: {}",
                theirs.display(),
                folder.display(),
                undecided.join(" ")
            );
        }
        self.configure_what_there_is(ctx, run)?;
        let mismatches = config::mismatches(&asked, &self.config()?);
        if !mismatches.is_empty() {
            let (source, arch) = (&self.toolchain.source, self.machine.arch);
            bail!(config::explain(&mismatches, source, arch));
        }
        Ok(())
    }

    /// What the kernel's configuration is asked for.
    fn asked(&self, ctx: &Context) -> Result<String> {
        let folder = configs(ctx);
        let fragments = self.backend.fragments(self.machine.arch);
        let fragments = fragments.iter().chain(self.machine.configs).copied();
        let own = self.machine.options.concat();
        let version = self.toolchain.version;
        let asked = config::merge(&folder, fragments, version)?;
        let asked = config::replace(&asked, &own);
        let of_machine = config::of_older(&folder, self.machine.kernel_name(), version)?;
        let asked = config::replace(&asked, &of_machine);
        Ok(match self.machine.options.contains(&NO_MODULES) {
            true => config::without_modules(&asked),
            false => asked,
        })
    }

    /// Configures the kernel with what it has of what is asked for. Kconfig leaves `.config` alone
    /// when it comes out as it was, so this costs no rebuild.
    fn configure_what_there_is(
        &self,
        ctx: &Context,
        mut run: impl FnMut(&mut Command) -> Result<()>,
    ) -> Result<()> {
        // What a configuration of the kernel's own has as modules takes long, and nothing here
        // loads it. Of what it asks for, some depends on what is replaced.
        let (base, others) = match self.machine.defconfig {
            Some(name) => {
                let folder = format!("arch/{}/configs", self.machine.arch);
                let path = self.toolchain.source.join(folder).join(name);
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                (config::without_modules(&text), "alldefconfig")
            }
            None => (String::new(), "allnoconfig"),
        };
        let merged = self.out.join("asked.config");
        fs::write(&merged, config::replace(&base, &self.asked(ctx)?))
            .with_context(|| format!("cannot write {}", merged.display()))?;
        run(self.make(&[others])?.env("KCONFIG_ALLCONFIG", &merged))
    }

    /// `PATH` with the folders of the tools first.
    fn path(&self) -> Result<OsString> {
        let path = env::var_os("PATH").unwrap_or_default();
        let compiler = self.toolchain.compiler(self.machine);
        let own = compiler.map(|compiler| &compiler.bin);
        let dirs = own.into_iter().chain(&self.toolchain.bin).cloned();
        env::join_paths(dirs.chain(env::split_paths(&path)))
            .context("a folder of the tools cannot be in PATH")
    }

    /// The kernel's `make` for this build.
    pub fn make(&self, args: &[&str]) -> Result<Command> {
        let cross = self.machine.cross;
        let compiler = match self.machine.make.contains(&LLVM) {
            true => "clang".to_owned(),
            false => format!("{cross}gcc"),
        };
        let path = self.path()?;
        let own = self.toolchain.compiler(self.machine);
        let rust_lib_src = own.and_then(|own| own.rust_lib_src.as_ref());
        let mut out = OsString::from("O=");
        out.push(&self.out);
        let mut command = Command::new("make");
        command
            .arg("-C")
            .arg(&self.toolchain.source)
            .arg(out)
            .arg(format!("ARCH={}", self.machine.arch))
            .arg(format!("CROSS_COMPILE={cross}"))
            .arg(match has_program("ccache", &path) {
                true => format!("CC=ccache {compiler}"),
                false => format!("CC={compiler}"),
            })
            .args(self.machine.make)
            .args(args)
            .env("PATH", path)
            .env(
                "RUST_LIB_SRC",
                rust_lib_src.unwrap_or(&self.toolchain.rust_lib_src),
            )
            // Two builds of the same source are the same, whoever builds them and when.
            .env("KBUILD_BUILD_TIMESTAMP", "Thu, 01 Jan 1970 00:00:00 +0000")
            .env("KBUILD_BUILD_VERSION", "1")
            .env("KBUILD_BUILD_USER", "rust-ftrace")
            .env("KBUILD_BUILD_HOST", "localhost");
        Ok(command)
    }
}

/// The build folder of a machine's kernel.
pub fn out(ctx: &Context, machine: &Machine, backend: Backend, suffix: &str) -> PathBuf {
    ctx.paths.build.join(name(machine, backend, suffix))
}

fn name(machine: &Machine, backend: Backend, suffix: &str) -> String {
    format!("{}-{}{suffix}", machine.kernel_name(), backend.name())
}

/// The folder of what configurations are made of.
fn configs(ctx: &Context) -> PathBuf {
    ctx.paths.repo.join("tools/testing/rust-ftrace/configs")
}

/// The folder of the kernel's selftests of ftrace in its source.
pub fn ftrace_selftests(source: &Path) -> PathBuf {
    source.join("tools/testing/selftests/ftrace")
}

/// The argument by which `make` uses all CPUs.
pub fn jobs() -> String {
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    format!("-j{jobs}")
}

/// Whether a line of the kernel's `make` reports a built file: `  CC [M]  path`.
fn is_object(line: &str) -> bool {
    line.strip_prefix("  ").is_some_and(|rest| {
        let word = rest.split_whitespace().next().unwrap_or_default();
        ["CC", "AS", "AR", "LD", "RUSTC", "HOSTCC", "BINDGEN"].contains(&word)
    })
}

fn has_program(name: &str, path: &OsString) -> bool {
    env::split_paths(path).any(|dir| dir.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_counted_and_other_lines_are_not() {
        assert!(is_object("  CC      kernel/fork.o"));
        assert!(is_object("  RUSTC L rust/kernel.o"));
        assert!(is_object("  CC [M]  samples/ftrace/ftrace-ops.o"));
        assert!(!is_object("make[1]: Entering directory"));
        assert!(!is_object("  GEN     Makefile"));
    }
}
