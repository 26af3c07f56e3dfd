// SPDX-License-Identifier: GPL-2.0

//! A gcc for kernels that the host's is too old for: Debian's packages of a later release,
//! unpacked, with the libraries that it needs. The assembler and the linker are the host's.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
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
use walkdir::WalkDir;

use crate::host::{
    apt::Apt,
    files,
    process::output,
    progress::Step,
    Context, //
};

/// The suite that it comes from.
const SUITE: &str = "trixie";

/// What the compiler's driver runs of it.
const PROGRAMS: &[&str] = &["cc1", "collect2"];

/// The folder of a compiler of this or a later release, by its `CROSS_COMPILE=`, [`None`] if the
/// host's will do.
pub fn folder(ctx: &Context, cross: &str, release: u32) -> Result<Option<PathBuf>> {
    let host = output(Command::new(format!("{cross}gcc")).arg("-dumpversion"))?;
    let major = host.split('.').next().unwrap_or_default().trim();
    if major.parse::<u32>().is_ok_and(|major| major >= release) {
        return Ok(None);
    }
    let cross = cross.trim_end_matches('-');
    let name = format!("gcc-{release}-{cross}");
    let driver = format!("usr/bin/{cross}-gcc-{release}");
    let dir = ctx.paths.build.join("tools").join(&name);
    let stamp = dir.with_extension("suite");
    let bin = dir.join("bin");
    let _lock = ctx.paths.lock()?;
    ctx.ui.step(&format!("Unpack {name}"), &name, |step| {
        files::make_dir(&dir, &stamp, SUITE, || {
            unpack(ctx, step, cross, &name, &dir)?;
            let loader = find(&dir.join("usr/lib"), |name| name.starts_with("ld-linux"))?;
            for program in PROGRAMS {
                let program = find(&dir, |name| name == *program)?;
                let own = program.with_extension("own");
                fs::rename(&program, &own)
                    .with_context(|| format!("cannot rename {}", program.display()))?;
                run_by(&loader, &own, &program)?;
            }
            run_by(
                &loader,
                &dir.join(driver),
                &bin.join(format!("{cross}-gcc")),
            )
        })
    })?;
    Ok(Some(bin))
}

/// Unpacks a compiler, and has it find the host's assembler and linker.
fn unpack(ctx: &Context, step: &Step<'_>, cross: &str, name: &str, dir: &Path) -> Result<()> {
    let apt = Apt::for_fetching(ctx)?;
    let binutils = format!("binutils-{cross}");
    apt.unpack(step, SUITE, None, &[name], &[&binutils], dir)?;
    let tools = dir.join("usr").join(cross).join("bin");
    fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;
    for tool in ["as", "ld"] {
        files::link(&format!("/usr/bin/{cross}-{tool}"), &tools.join(tool))?;
    }
    Ok(())
}

/// Finds the file whose name is wanted.
fn find(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let mut files = WalkDir::new(dir).into_iter().filter_map(Result::ok);
    let found = files
        .find(|entry| entry.file_type().is_file() && wanted(&entry.file_name().to_string_lossy()));
    let found = found.with_context(|| format!("{} is not complete", dir.display()))?;
    Ok(found.into_path())
}

/// Makes a script that runs `program` with the loader and the libraries beside the loader.
fn run_by(loader: &Path, program: &Path, script: &Path) -> Result<()> {
    let libraries = loader.parent().context("a loader without a folder")?;
    let text = format!(
        "#!/bin/sh\nexec {} --library-path {} {} \"$@\"\n",
        loader.display(),
        libraries.display(),
        program.display()
    );
    files::write_atomic(script, text.as_bytes())?;
    fs::set_permissions(script, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", script.display()))
}
