// SPDX-License-Identifier: GPL-2.0

//! What building Rust in the kernel takes besides the compiler: its library's source, and bindgen.

use std::{
    fs,
    path::PathBuf,
    process::Command, //
};

use anyhow::{
    bail,
    ensure,
    Context as _,
    Result, //
};

use crate::host::{
    apt::{
        self,
        Apt, //
    },
    files,
    process::output,
    version::Version,
    Context, //
};

const BINDGEN_VERSION: &str = "0.72.1";

/// The standard library's source in the version of `rustc`, for `RUST_LIB_SRC`.
pub fn library(ctx: &Context) -> Result<PathBuf> {
    let _lock = ctx.paths.lock()?;
    let rustc = |args: &[&str]| output(Command::new("rustc").args(args));
    let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
    let own = sysroot.join("lib/rustlib/src/rust/library");
    if own.is_dir() {
        return Ok(own);
    }
    let version = Version::find(&rustc(&["--version"])?).context("rustc names no version")?;
    let dir = ctx.paths.build.join(format!("tools/rust-src-{version}"));
    let library = dir.join(format!("usr/src/rustc-{version}/library"));
    if library.is_dir() {
        return Ok(library);
    }
    ctx.ui
        .step("Fetch Rust's library source", "rust-src", |step| {
            let apt = Apt::for_fetching(ctx)?;
            let deb = match apt.cached("rust-src", None, &format!("{version}+")) {
                Some(deb) => deb,
                None => {
                    apt.update(step)?;
                    let versions = apt.versions("rust-src")?;
                    let exact = versions
                        .iter()
                        .find(|known| known.starts_with(&format!("{version}+")));
                    let Some(exact) = exact else {
                        bail!(
                            "rustc is {version} and comes without its library's source; Debian's \
                             rust-src is there in {}. Either `rustup component add rust-src`, or \
                             `rustup default` with one of these versions",
                            versions.join(", ")
                        );
                    };
                    apt.download(step, "rust-src", None, exact)?
                }
            };
            let new = ctx.paths.build.join("tools/rust-src-new");
            files::remove_dir_all(&new)?;
            apt::extract(step, &deb, &new)?;
            files::remove_dir_all(&dir)?;
            fs::rename(&new, &dir)?;
            ensure!(
                library.is_dir(),
                "{} has no usr/src/rustc-{version}/library",
                deb.display()
            );
            step.fold(version.to_string());
            Ok(())
        })?;
    Ok(library)
}

/// Installs bindgen below `build/tools/`.
pub fn bindgen(ctx: &Context) -> Result<PathBuf> {
    let _lock = ctx.paths.lock()?;
    let program = ctx.paths.tools_bin().join("bindgen");
    let current = output(Command::new(&program).arg("--version"))
        .is_ok_and(|text| text.trim() == format!("bindgen {BINDGEN_VERSION}"));
    if !current {
        let title = format!("Install bindgen {BINDGEN_VERSION}");
        ctx.ui.step(&title, "bindgen", |step| {
            step.run(
                Command::new("cargo")
                    .args(["install", "bindgen-cli", "--locked", "--force"])
                    .args(["--version", BINDGEN_VERSION])
                    .arg("--root")
                    .arg(ctx.paths.build.join("tools")),
            )
        })?;
    }
    Ok(program)
}
