// SPDX-License-Identifier: GPL-2.0

//! Programs for machines that Debian has no packages for, built from Debian's source packages by
//! its cross compilers, each without shared libraries.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;

use crate::apt::output;
use crate::apt::Apt;
use crate::config;
use crate::files;
use crate::kbuild::jobs;
use crate::machine::Machine;
use crate::ui::Step;
use crate::Context;

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
}

const BUSYBOX: Recipe = Recipe {
    package: "busybox",
    // `tc` does not build with headers of Linux 6.8 or newer.
    configure: Configure::Kconfig("CONFIG_STATIC=y\n# CONFIG_TC is not set\n"),
    make: &[&["busybox"]],
};

/// A static busybox for the machine.
pub fn busybox(ctx: &Context, step: &Step<'_>, machine: &Machine) -> Result<PathBuf> {
    Ok(BUSYBOX.build(ctx, step, machine)?.join("busybox"))
}

impl Recipe {
    /// Builds the package and gives the folder that it was built in. It is built again when its
    /// source, the recipe or the compiler are others.
    fn build(&self, ctx: &Context, step: &Step<'_>, machine: &Machine) -> Result<PathBuf> {
        let _lock = ctx.paths.lock()?;
        let package = self.package;
        let cross = machine.cross;
        let tarball = Apt::for_sources(ctx)?.download_source(step, package)?;
        let compiler = output(Command::new(format!("{cross}gcc")).arg("--version"))?;
        let Configure::Kconfig(options) = self.configure;
        let origin = format!(
            "{}\n{compiler}{options}{:?}\n",
            files::sha256(&tarball)?,
            self.make
        );

        let name = format!("{package}-{}", cross.trim_end_matches('-'));
        let dir = ctx.paths.build.join("cross").join(name);
        let stamp = dir.with_extension("origin");
        if fs::read_to_string(&stamp).is_ok_and(|text| text == origin) {
            return Ok(dir);
        }
        if stamp.exists() {
            fs::remove_file(&stamp)?;
        }
        files::remove_dir_all(&dir)?;
        unpack(step, &tarball, &dir)?;

        let make = |args: &[&str]| {
            let mut make = Command::new("make");
            make.arg(format!("CROSS_COMPILE={cross}"))
                .args(args)
                .current_dir(&dir);
            step.run(&mut make)
                .with_context(|| format!("cannot build {package}"))
        };
        step.progress(format!("configuring {package}"));
        make(&["defconfig"])?;
        let path = dir.join(".config");
        let defaults =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        files::write_atomic(&path, config::replace(&defaults, options).as_bytes())?;

        step.progress(format!("building {package}"));
        for args in self.make {
            make(&[&[&*jobs()], *args].concat())?;
        }
        files::write_atomic(&stamp, origin.as_bytes())?;
        Ok(dir)
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
