// SPDX-License-Identifier: GPL-2.0

//! Configures and builds kernels in `build/<kernel>-<backend>/`, for the machines that boot them.

use std::{
    env,
    ffi::OsString,
    fs,
    io,
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
    apt,
    config,
    files,
    machine::{
        Machine,
        LLVM,
        NO_MODULES, //
    },
    source::{
        self,
        Version, //
    },
    ui::Step,
    Context, //
};

/// Where the set-up put what a kernel build needs.
pub struct Toolchain {
    /// The overlaid kernel source.
    pub source: PathBuf,
    /// Rust's library sources.
    pub rust_lib_src: PathBuf,
    /// Folders to look for programs in before `PATH`'s.
    pub bin: Vec<PathBuf>,
    /// Folders of other compilers than `PATH`'s, and the machines that these are for.
    pub gcc: Vec<(&'static str, PathBuf)>,
}

impl Toolchain {
    /// The release of the kernel source.
    pub fn version(&self) -> Result<Version> {
        source::kernel_version(&self.source).context("the kernel source has no version")
    }
}

/// Which ftrace backend a kernel has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    C,
    Rust,
}

impl Backend {
    pub fn name(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Rust => "rust",
        }
    }

    /// The name of the suite of a kind of tests on a machine. The Rust backend's is what it all is
    /// about; the C backend's is what it is compared with.
    pub fn suite(self, machine: &Machine, kind: &str) -> String {
        match self {
            Self::C => format!("{}-c/{kind}", machine.name),
            Self::Rust => format!("{}/{kind}", machine.name),
        }
    }

    /// Fragments besides the machine's own. Both kernels have Rust and KUnit: they differ in the
    /// backend, and in what it makes possible, alone.
    fn fragments(self, machine: &Machine) -> Vec<&'static str> {
        let common = ["base", "ftrace", "rust", "kunit", "kselftest"];
        let own: &[&str] = match (self, machine.arch) {
            (Self::C, "arm") => &["backend-c", "arm-c"],
            (Self::C, _) => &["backend-c", "mips-c"],
            (Self::Rust, "arm") => &["backend-rust", "arm-rust"],
            (Self::Rust, _) => &["backend-rust"],
        };
        common.iter().chain(own).copied().collect()
    }
}

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

/// A kernel to build for a machine.
pub struct Kernel<'a> {
    pub machine: &'static Machine,
    pub backend: Backend,
    pub toolchain: &'a Toolchain,
    out: PathBuf,
}

impl<'a> Kernel<'a> {
    pub fn new(
        ctx: &Context,
        toolchain: &'a Toolchain,
        machine: &'static Machine,
        backend: Backend,
    ) -> Self {
        let kernel = Self {
            machine,
            backend,
            toolchain,
            out: PathBuf::new(),
        };
        let out = ctx.paths.build.join(kernel.name());
        Self { out, ..kernel }
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
    pub fn name(&self) -> String {
        format!("{}-{}", self.machine.kernel_name(), self.backend.name())
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
        fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot create {}", self.out.display()))?;
        let name = self.name();
        ctx.ui.step(
            &format!("Configure the {name} kernel"),
            &format!("{name}-config"),
            |step| {
                step.run(&mut self.make(&["rustavailable"])?)?;
                self.configure(ctx, |command| step.run(command))
            },
        )?;
        ctx.ui.step(
            &format!("Build the {name} kernel"),
            &format!("{name}-build"),
            |step| {
                let mut built = 0;
                let has_modules = self.has_modules()?;
                let mut make = self.make(&[&jobs(), self.machine.target])?;
                make.args(has_modules.then_some("modules"))
                    .args(self.machine.dtb);
                step.run_watched(&mut make, None, |line| {
                    if is_object(line) {
                        built += 1;
                        step.progress(format!("{built} objects"));
                    }
                })?;
                step.fold(format!("{built} objects built"));
                match has_modules {
                    true => step.run(&mut self.make_own_modules(ctx)?),
                    false => Ok(()),
                }
            },
        )
    }

    /// Builds the repository's own modules, in the build folder.
    fn make_own_modules(&self, ctx: &Context) -> Result<Command> {
        // From scratch: an external module does not notice that the configuration has changed.
        let folder = self.own_modules();
        files::remove_dir_all(&folder)?;
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let mut command = self.make(&["modules"])?;
        self.external(ctx, &mut command);
        Ok(command)
    }

    /// Makes a `make` of the kernel one of the repository's own modules.
    fn external<'c>(&self, ctx: &Context, command: &'c mut Command) -> &'c mut Command {
        command
            .arg(format!("M={}", ctx.paths.repo.display()))
            .arg(format!("MO={}", self.own_modules().display()))
    }

    fn own_modules(&self) -> PathBuf {
        self.out.join("own-modules")
    }

    /// Installs the modules, the kernel's and ours, and the lists that modprobe reads, below a
    /// folder that then is the root of a guest.
    pub fn install_modules(&self, ctx: &Context, step: &Step<'_>) -> Result<PathBuf> {
        let root = self.out.join("modules");
        files::remove_dir_all(&root)?;
        let install = || -> Result<Command> {
            let mut command = self.make(&["modules_install", "INSTALL_MOD_STRIP=1"])?;
            command.arg(format!("INSTALL_MOD_PATH={}", root.display()));
            Ok(command)
        };
        step.run(&mut install()?)?;
        step.run(self.external(ctx, &mut install()?))?;
        // Whoever has the folder has no use for the way to the build.
        for link in ["build", "source"] {
            for folder in fs::read_dir(root.join("lib/modules"))? {
                let path = folder?.path().join(link);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(error)
                            .with_context(|| format!("cannot remove {}", path.display()))
                    }
                    _ => {}
                }
            }
        }
        Ok(root)
    }

    /// The folder of the kernel's selftests of ftrace.
    pub fn ftrace_selftests(&self) -> PathBuf {
        self.toolchain.source.join("tools/testing/selftests/ftrace")
    }

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

    /// Kconfig leaves `.config` alone when it comes out as it was, so this costs no rebuild.
    fn configure(
        &self,
        ctx: &Context,
        mut run: impl FnMut(&mut Command) -> Result<()>,
    ) -> Result<()> {
        let folder = ctx.paths.repo.join("tools/testing/rust-ftrace/configs");
        let fragments: Vec<PathBuf> = self
            .backend
            .fragments(self.machine)
            .into_iter()
            .chain(self.machine.configs.iter().copied())
            .map(|name| folder.join(format!("{name}.config")))
            .collect();
        let own = self.machine.options.concat();
        let asked = config::replace(&config::merge(&fragments)?, &own);
        let theirs = self.ftrace_selftests().join("config");
        let undecided = config::undecided(&config::parse(&asked), &theirs)?;
        if !undecided.is_empty() {
            bail!(
                "{} asks for what no fragment in {} decides on: {}",
                theirs.display(),
                folder.display(),
                undecided.join(" ")
            );
        }
        let asked = match self.machine.options.contains(&NO_MODULES) {
            true => config::without_modules(&asked),
            false => asked,
        };
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
        fs::write(&merged, config::replace(&base, &asked))
            .with_context(|| format!("cannot write {}", merged.display()))?;
        run(self.make(&[others])?.env("KCONFIG_ALLCONFIG", &merged))?;

        let mismatches = config::mismatches(&config::parse(&asked), &self.config()?);
        if !mismatches.is_empty() {
            let (source, arch) = (&self.toolchain.source, self.machine.arch);
            bail!(config::explain(&mismatches, source, arch));
        }
        Ok(())
    }

    /// `PATH` with the folders of the tools first.
    fn path(&self) -> Result<OsString> {
        let path = env::var_os("PATH").unwrap_or_default();
        let gcc = self.toolchain.gcc.iter();
        let gcc = gcc.filter(|(machine, _)| *machine == self.machine.name);
        let dirs = gcc.map(|(_, dir)| dir).chain(&self.toolchain.bin).cloned();
        env::join_paths(dirs.chain(env::split_paths(&path)))
            .context("a folder of the tools cannot be in PATH")
    }

    /// The objects that our Rust files are compiled into.
    pub fn rust_objects(&self) -> [String; 2] {
        let hooks = format!("arch/{}/kernel/ftrace_rust.o", self.machine.arch);
        ["rust/kernel.o".to_owned(), hooks]
    }

    /// The command that compiled a Rust object, with clippy in the compiler's place and no
    /// object made: `make CLIPPY=1` takes minutes, because it compiles everything again.
    pub fn clippy(&self, object: &str) -> Result<Command> {
        let object = Path::new(object);
        let name = object.file_name().context("an object without a name")?;
        let saved = self
            .out
            .join(object)
            .with_file_name(format!(".{}.cmd", name.to_string_lossy()));
        let text = fs::read_to_string(&saved)
            .with_context(|| format!("cannot read {}", saved.display()))?;
        let command = clippy_command(&text)
            .with_context(|| format!("{} has no command of rustc", saved.display()))?;
        let metadata = self.out.join("clippy.rmeta");
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(format!("{command} --emit=metadata={}", metadata.display()))
            .current_dir(&self.out)
            .env("PATH", self.path()?)
            .env("CLIPPY_CONF_DIR", &self.toolchain.source)
            .env("RUSTC_BOOTSTRAP", "1");
        Ok(shell)
    }

    /// The kernel's `make` for this build.
    pub fn make(&self, args: &[&str]) -> Result<Command> {
        let cross = self.machine.cross;
        let compiler = match self.machine.make.contains(&LLVM) {
            true => "clang".to_owned(),
            false => format!("{cross}gcc"),
        };
        let path = self.path()?;
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
            .env("RUST_LIB_SRC", &self.toolchain.rust_lib_src)
            // Two builds of the same source are the same, whoever builds them and when.
            .env("KBUILD_BUILD_TIMESTAMP", "Thu, 01 Jan 1970 00:00:00 +0000")
            .env("KBUILD_BUILD_VERSION", "1")
            .env("KBUILD_BUILD_USER", "rust-ftrace")
            .env("KBUILD_BUILD_HOST", "localhost");
        Ok(command)
    }

    /// Bytes of machine code in vmlinux, boot code included, our KUnit suite left out.
    pub fn text_size(&self) -> Result<u64> {
        let vmlinux = self.vmlinux();
        let mut size = Command::new(format!("{}size", self.machine.cross));
        size.args(["-A", "-d"]).arg(&vmlinux);
        let mut nm = Command::new(format!("{}nm", self.machine.cross));
        nm.args(["-S", "--defined-only", "-t", "d"]).arg(&vmlinux);
        Ok(text_sections(&apt::output(&mut size)?) - suite_size(&apt::output(&mut nm)?))
    }

    /// Bytes of machine code of probes of functions, which the C backends do not offer.
    pub fn fprobe_size(&self) -> Result<u64> {
        let folder = self.out.join("kernel/trace");
        let objects = ["fprobe.o", "trace_fprobe.o"].map(|name| folder.join(name));
        if !objects.iter().all(|object| object.exists()) {
            return Ok(0);
        }
        let mut size = Command::new(format!("{}size", self.machine.cross));
        size.args(["-A", "-d"]).args(objects);
        Ok(sections(&apt::output(&mut size)?, |name| {
            name.starts_with(".text") || [".init.text", ".exit.text"].contains(&name)
        }))
    }

    /// Bytes of variables in vmlinux, set ones and zeroed ones.
    pub fn data_size(&self) -> Result<u64> {
        let mut size = Command::new(format!("{}size", self.machine.cross));
        size.args(["-A", "-d"]).arg(self.vmlinux());
        Ok(sections(&apt::output(&mut size)?, |name| {
            name == ".data" || name == ".bss"
        }))
    }

    /// The modules that the build made, the kernel's and ours.
    pub fn modules(&self) -> Result<Vec<PathBuf>> {
        let mut modules = Vec::new();
        if !self.has_modules()? {
            return Ok(modules);
        }
        for folder in [self.out.clone(), self.own_modules()] {
            let path = folder.join("modules.order");
            let order = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            modules.extend(
                order
                    .lines()
                    .map(|line| folder.join(line).with_extension("ko")),
            );
        }
        Ok(modules)
    }
}

/// Makes the command in a `.cmd` file of the kernel's build one of clippy, without output.
fn clippy_command(saved: &str) -> Option<String> {
    let (_, command) = saved.lines().next()?.split_once(" := ")?;
    let (before, after) = command.split_once(" rustc ")?;
    let after: Vec<_> = after
        .split(' ')
        .filter(|word| !word.starts_with("--emit="))
        .collect();
    Some(format!("{before} clippy-driver {}", after.join(" ")))
}

/// Sums the sections whose names end in `.text` in the output of `size -A`.
fn text_sections(output: &str) -> u64 {
    sections(output, |name| name.ends_with(".text"))
}

/// Sums the sections that are wanted in the output of `size -A`.
fn sections(output: &str, wanted: impl Fn(&str) -> bool) -> u64 {
    output
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            words.next().filter(|name| wanted(name))?;
            words.next()?.parse::<u64>().ok()
        })
        .sum()
}

/// Sums the functions of `kernel::ftrace::kunit` in the output of `nm -S -t d`.
fn suite_size(output: &str) -> u64 {
    output
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (size, kind, name) = (words.next()?, words.next()?, words.next()?);
            let counts = kind.eq_ignore_ascii_case("t") && name.contains("6ftrace5kunit");
            size.parse::<u64>().ok().filter(|_| counts)
        })
        .sum()
}

/// The argument by which `make` uses all processors.
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
    fn text_is_all_sections_of_code() {
        let output = "vmlinux  :\nsection  size  addr\n.head.text  8  1\n.text  100  2\n\
                      .rodata  7  3\n.init.text  20  4\nTotal  135\n";
        assert_eq!(text_sections(output), 128);
    }

    #[test]
    fn the_suite_is_told_from_other_functions() {
        let output = "10 00000016 t _RNvNtNtCs1_6kernel6ftrace5kunit4site\n\
                      30 00000008 T _RNvNtCs1_6kernel6ftrace4text\n\
                      40 00000004 d _RNvNtNtCs1_6kernel6ftrace5kunit4TASK\n50 T _stext\n";
        assert_eq!(suite_size(output), 16);
    }

    #[test]
    fn clippy_takes_the_compilers_place() {
        let saved = "savedcmd_rust/kernel.o :=  OBJTREE=/o rustc -Wx --emit=obj=rust/kernel.o \
                     --emit=metadata=m --crate-name kernel\n\nsource_rust/kernel.o := rustc \n";
        assert_eq!(
            clippy_command(saved).unwrap(),
            " OBJTREE=/o clippy-driver -Wx --crate-name kernel"
        );
        assert!(clippy_command("savedcmd_a.o := gcc -c a.c\n").is_none());
    }

    #[test]
    fn objects_are_counted_and_other_lines_are_not() {
        assert!(is_object("  CC      kernel/fork.o"));
        assert!(is_object("  RUSTC L rust/kernel.o"));
        assert!(is_object("  CC [M]  samples/ftrace/ftrace-ops.o"));
        assert!(!is_object("make[1]: Entering directory"));
        assert!(!is_object("  GEN     Makefile"));
    }
}
