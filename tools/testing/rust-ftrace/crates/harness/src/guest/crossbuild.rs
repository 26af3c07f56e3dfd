// SPDX-License-Identifier: GPL-2.0

//! Programs for machines that Debian has no packages for, built from Debian's source packages by
//! its cross compilers, each without shared libraries.

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
    host::{
        apt::{
            self,
            Apt, //
        },
        files,
        process::output,
        progress::Step,
        Context, //
    },
    kernel::{
        config,
        kbuild::jobs,
        machine::Machine, //
    },
};

/// A source package of Debian's and how to build it.
struct Recipe {
    package: &'static str,
    configure: Configure,
    /// The arguments of each run of `make`.
    make: &'static [&'static [&'static str]],
}

enum Configure {
    /// By `make defconfig`, and these options in place of the default ones.
    Kconfig(&'static str),
    /// By `./configure` with these arguments. The last runs of `make` install, below
    /// [`INSTALLED`].
    Autotools(&'static [&'static str]),
}

const BUSYBOX: Recipe = Recipe {
    package: "busybox",
    // `tc` does not build with headers of Linux 6.8 or newer.
    configure: Configure::Kconfig("CONFIG_STATIC=y\n# CONFIG_TC is not set\n"),
    make: &[&["busybox"]],
};

/// The GNU programs that the scripts of the kernel's selftests/ftrace call: no libraries but the C
/// library's, no translations, no documentation, no tests of their own.
const USERLAND: &[Recipe] = &[
    Recipe {
        package: "coreutils",
        configure: Configure::Autotools(&[
            "--enable-single-binary=symlinks",
            "--without-selinux",
            "--without-gmp",
        ]),
        make: WITHOUT_SUBDIRS,
    },
    Recipe {
        package: "grep",
        configure: Configure::Autotools(&["--disable-perl-regexp"]),
        make: LIB_AND_SRC,
    },
    Recipe {
        package: "sed",
        configure: Configure::Autotools(&[]),
        make: WITHOUT_SUBDIRS,
    },
    Recipe {
        package: "gawk",
        configure: Configure::Autotools(&["--disable-mpfr", "--disable-extensions"]),
        make: &[&["-C", "support"], &["gawk"], &["install-binPROGRAMS"]],
    },
    Recipe {
        package: "diffutils",
        configure: Configure::Autotools(&[]),
        make: LIB_AND_SRC,
    },
    Recipe {
        package: "findutils",
        configure: Configure::Autotools(&[]),
        make: &[
            &["-C", "gl"],
            &["-C", "lib"],
            &["-C", "find", "install-exec"],
            &["-C", "xargs", "install-exec"],
        ],
    },
    Recipe {
        package: "util-linux",
        configure: Configure::Autotools(&[
            "--disable-all-programs",
            "--enable-schedutils",
            "--enable-libsmartcols",
            "--enable-lscpu",
        ]),
        make: &[
            // libtool takes "-static" for its own libraries' alone.
            &["LDFLAGS=-all-static -s", "chrt", "taskset", "lscpu"],
            &["LDFLAGS=-all-static -s", "install-usrbin_execPROGRAMS"],
        ],
    },
];

/// For a package that builds its programs in its top folder.
const WITHOUT_SUBDIRS: &[&[&str]] = &[&["SUBDIRS=."], &["SUBDIRS=.", "install-exec"]];

/// For one that builds them in `src`, of which `lib` is a part.
const LIB_AND_SRC: &[&[&str]] = &[
    &["-C", "lib"],
    &["-C", "src"],
    &["-C", "src", "install-exec"],
];

/// The arguments of every `./configure`.
const AUTOTOOLS: &[&str] = &[
    "--prefix=",
    "--disable-nls",
    "CFLAGS=-O1",
    "LDFLAGS=-static -s",
    // What the host's pkg-config knows is for the host.
    "PKG_CONFIG=false",
    // gnulib cannot run its test and takes mktime() for broken. Its own has a function's name in
    // common with that of a static C library.
    "gl_cv_func_working_mktime=yes",
];

/// Where a package's programs are installed, below the folder that it was built in.
const INSTALLED: &str = "installed";

/// Programs of the userland that busybox gives, each by a link to it. It is the shell too: dash's
/// build asks the host for the names of signals, and MIPS has others and more.
const OF_BUSYBOX: &[&str] = &[
    "insmod", "lsmod", "modprobe", "mount", "ping", "reboot", "rmmod", "sh", "umount", "which",
];

/// A static busybox for the machine.
pub fn busybox(ctx: &Context, step: &Step<'_>, machine: &Machine) -> Result<PathBuf> {
    let busybox = BUSYBOX.prepare(ctx, step, machine)?;
    busybox.build(ctx, step)?;
    Ok(busybox.dir.join("busybox"))
}

/// The folder with the GNU userland for the machine.
pub fn userland(ctx: &Context, step: &Step<'_>, machine: &Machine) -> Result<PathBuf> {
    let prepare = |recipe: &'static Recipe| recipe.prepare(ctx, step, machine);
    let parts = USERLAND.iter().map(prepare).collect::<Result<Vec<_>>>()?;
    let origins: Vec<_> = parts.iter().map(|part| part.origin.as_str()).collect();
    let origin = format!("{}{OF_BUSYBOX:?}\n", origins.concat());

    let dir = cross(ctx, "userland", machine);
    let fill = || fill_userland(ctx, step, &parts, &dir);
    files::make_dir(&dir, &dir.with_extension("origin"), &origin, fill)?;
    Ok(dir)
}

fn fill_userland(ctx: &Context, step: &Step<'_>, parts: &[Build<'_>], dir: &Path) -> Result<()> {
    let bin = dir.join("bin");
    fs::create_dir_all(&bin).with_context(|| format!("cannot create {}", bin.display()))?;
    for (n, part) in parts.iter().enumerate() {
        step.fold(format!("{} of {} packages", n + 1, parts.len()));
        part.build(ctx, step)?;
        let mut copy = Command::new("cp");
        copy.arg("-a")
            .arg(part.dir.join(INSTALLED).join("bin/."))
            .arg(&bin);
        step.run(&mut copy)?;
    }
    files::link("gawk", &bin.join("awk"))?;
    for name in OF_BUSYBOX {
        files::link("busybox", &bin.join(name))?;
    }
    let package = Apt::for_fetching(ctx)?.download(step, "base-passwd", None, "")?;
    let names = ctx.paths.build.join("cross/base-passwd");
    apt::extract(step, &package, &names)?;
    fs::create_dir_all(dir.join("etc"))?;
    for name in ["group", "passwd"] {
        let master = names.join(format!("usr/share/base-passwd/{name}.master"));
        fs::copy(&master, dir.join("etc").join(name))
            .with_context(|| format!("cannot copy {}", master.display()))?;
    }
    Ok(())
}

/// A folder of what is built for a machine.
fn cross(ctx: &Context, name: &str, machine: &Machine) -> PathBuf {
    let name = format!("{name}-{}", machine.cross.trim_end_matches('-'));
    ctx.paths.build.join("cross").join(name)
}

impl Recipe {
    /// Brings the source and tells what it is to be built from.
    fn prepare(&self, ctx: &Context, step: &Step<'_>, machine: &Machine) -> Result<Build<'_>> {
        let cross_gcc = format!("{}gcc", machine.cross);
        let tarball = Apt::for_sources(ctx)?.download_source(step, self.package)?;
        let compiler = output(Command::new(cross_gcc).arg("--version"))?;
        let configure = match self.configure {
            Configure::Kconfig(options) => options.to_owned(),
            Configure::Autotools(args) => format!("{AUTOTOOLS:?} {args:?}\n"),
        };
        Ok(Build {
            recipe: self,
            cross: machine.cross,
            dir: cross(ctx, self.package, machine),
            origin: format!(
                "{}\n{compiler}{configure}{:?}\n",
                files::sha256(&tarball)?,
                self.make
            ),
            tarball,
        })
    }
}

/// A package to build for a machine.
struct Build<'a> {
    recipe: &'a Recipe,
    cross: &'static str,
    tarball: PathBuf,
    /// The folder that it is built in.
    dir: PathBuf,
    /// What it is built from: source, recipe and compiler.
    origin: String,
}

impl Build<'_> {
    /// Builds the package, unless it was built from the same before.
    fn build(&self, ctx: &Context, step: &Step<'_>) -> Result<()> {
        let _lock = ctx.paths.lock()?;
        let stamp = self.dir.with_extension("origin");
        files::make_dir(&self.dir, &stamp, &self.origin, || self.fill(step))
    }

    fn fill(&self, step: &Step<'_>) -> Result<()> {
        let package = self.recipe.package;
        unpack(step, &self.tarball, &self.dir)?;

        step.progress(format!("configuring {package}"));
        match self.recipe.configure {
            Configure::Kconfig(options) => self.kconfig(step, options)?,
            Configure::Autotools(args) => {
                let mut configure = Command::new("./configure");
                configure
                    .arg(format!("--host={}", self.cross.trim_end_matches('-')))
                    .args(AUTOTOOLS)
                    .args(args)
                    .current_dir(&self.dir);
                step.run(&mut configure)
                    .with_context(|| format!("cannot configure {package}"))?;
            }
        }
        step.progress(format!("building {package}"));
        for args in self.recipe.make {
            self.make(step, &[&[&*jobs()], *args].concat())?;
        }
        Ok(())
    }

    fn kconfig(&self, step: &Step<'_>, options: &str) -> Result<()> {
        self.make(step, &["defconfig"])?;
        let path = self.dir.join(".config");
        let defaults =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        files::write_atomic(&path, config::replace(&defaults, options).as_bytes())
    }

    fn make(&self, step: &Step<'_>, args: &[&str]) -> Result<()> {
        let mut make = Command::new("make");
        match self.recipe.configure {
            Configure::Kconfig(_) => make.arg(format!("CROSS_COMPILE={}", self.cross)),
            Configure::Autotools(_) => {
                make.arg(format!("DESTDIR={}", self.dir.join(INSTALLED).display()))
            }
        };
        make.args(args).current_dir(&self.dir);
        step.run(&mut make)
            .with_context(|| format!("cannot build {}", self.recipe.package))
    }
}

/// The files keep their times: by these, `make` tells what need not be generated again.
fn unpack(step: &Step<'_>, tarball: &Path, to: &Path) -> Result<()> {
    step.progress("unpacking");
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    let mut tar = Command::new("tar");
    tar.args(["--strip-components=1", "--no-same-owner", "-xf"])
        .arg(tarball)
        .arg("-C")
        .arg(to);
    step.run(&mut tar)
        .with_context(|| format!("cannot unpack {}", tarball.display()))
}
