// SPDX-License-Identifier: GPL-2.0

//! Compilers that the host does not have: packages of Debian's suites, unpacked with all that they
//! need down to the C library.

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
    Context, //
};

/// A compiler, and the suite that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// This release of gcc, with the suite's binutils.
    Gcc { release: u32, suite: &'static str },
    /// This release of clang, with LLVM's other tools.
    Clang { release: u32, suite: &'static str },
    /// The suite's only rustc.
    Rustc { suite: &'static str },
}

/// Where a compiler is.
#[derive(Clone)]
pub struct Unpacked {
    /// Its programs.
    pub bin: PathBuf,
    /// Rust's library sources, of a rustc.
    pub rust_lib_src: Option<PathBuf>,
}

/// What a compiler takes.
struct Recipe {
    /// The name of its folder.
    name: String,
    suite: &'static str,
    packages: Vec<String>,
    /// Packages that it does without.
    provided: &'static [&'static str],
    /// Programs that are found in `PATH`, and which ones of the packages they are.
    programs: Vec<(String, String)>,
    /// Programs that the compiler runs by their path.
    inner: &'static [&'static str],
}

impl Recipe {
    fn new(compiler: Compiler, cross: &str) -> Self {
        match compiler {
            Compiler::Gcc { release, suite } => {
                let target = cross.trim_end_matches('-');
                let tools = BINUTILS.iter().map(|tool| format!("{cross}{tool}"));
                let mut programs: Vec<_> = tools.map(|tool| (tool.clone(), tool)).collect();
                let gcc = format!("{cross}gcc");
                programs.push((gcc.clone(), format!("{gcc}-{release}")));
                Self {
                    name: format!("gcc-{release}-{target}"),
                    suite,
                    packages: vec![
                        format!("gcc-{release}-{target}"),
                        format!("binutils-{target}"),
                    ],
                    provided: &[],
                    programs,
                    inner: &["cc1", "collect2"],
                }
            }
            Compiler::Clang { release, suite } => Self {
                name: format!("clang-{release}"),
                suite,
                packages: ["clang", "lld", "llvm"]
                    .map(|package| format!("{package}-{release}"))
                    .into(),
                provided: &["binutils", "libc6-dev"],
                programs: LLVM.iter().map(|&s| (s.to_owned(), s.to_owned())).collect(),
                inner: &[],
            },
            Compiler::Rustc { suite } => Self {
                name: format!("rustc-{suite}"),
                suite,
                packages: ["rustc", "rust-src", "rust-clippy"]
                    .map(str::to_owned)
                    .into(),
                // For the programs that it makes for the host, it takes the host's.
                provided: &["binutils", "gcc", "libc-dev"],
                programs: ["rustc", "clippy-driver"]
                    .map(|program| (program.to_owned(), program.to_owned()))
                    .into(),
                inner: &[],
            },
        }
    }

    /// What the folder is made from.
    fn origin(&self) -> String {
        format!("{} of {}", self.packages.join(", "), self.suite)
    }
}

/// What the kernel's `make` takes of binutils.
const BINUTILS: &[&str] = &[
    "ar", "as", "ld", "nm", "objcopy", "objdump", "readelf", "strip",
];

/// What it takes of LLVM.
const LLVM: &[&str] = &[
    "clang",
    "ld.lld",
    "llvm-ar",
    "llvm-nm",
    "llvm-objcopy",
    "llvm-objdump",
    "llvm-readelf",
    "llvm-strip",
];

/// The compiler for a `CROSS_COMPILE=`, [`None`] if it is the host's.
pub fn unpacked(ctx: &Context, compiler: Compiler, cross: &str) -> Result<Option<Unpacked>> {
    if let Compiler::Gcc { release, .. } = compiler {
        let host = output(Command::new(format!("{cross}gcc")).arg("-dumpversion"))?;
        let major = host.split('.').next().unwrap_or_default().trim();
        if major == release.to_string() {
            return Ok(None);
        }
    }
    let recipe = Recipe::new(compiler, cross);
    let name = &recipe.name;
    let dir = ctx.paths.build.join("tools").join(name);
    let stamp = dir.with_extension("origin");
    let bin = dir.join("bin");
    let _lock = ctx.paths.lock()?;
    ctx.ui.step(&format!("Unpack {name}"), name, |step| {
        files::make_dir(&dir, &stamp, &recipe.origin(), || {
            let packages: Vec<_> = recipe.packages.iter().map(String::as_str).collect();
            let (suite, provided) = (recipe.suite, recipe.provided);
            let apt = Apt::for_suite(ctx, suite)?;
            apt.unpack(step, suite, None, &packages, provided, &dir)?;
            wrap(&dir, &recipe)
        })
    })?;
    Ok(Some(Unpacked {
        bin,
        rust_lib_src: match compiler {
            Compiler::Rustc { .. } => Some(rust_library(&dir)?),
            _ => None,
        },
    }))
}

/// Has the programs of unpacked packages run with the packages' own C library.
fn wrap(dir: &Path, recipe: &Recipe) -> Result<()> {
    // That of the machine's C library is elsewhere.
    let loader = find(&dir.join("usr/lib"), |path| {
        name(path).starts_with("ld-linux") && is_file(path)
    })?;
    for &inner in recipe.inner {
        run_by(
            &loader,
            &find(dir, |path| name(path) == inner && is_file(path))?,
        )?;
    }
    let bin = dir.join("bin");
    fs::create_dir_all(&bin).with_context(|| format!("cannot create {}", bin.display()))?;
    for (as_found, program) in &recipe.programs {
        // Some are a symbolic link to a program that does several things, by the name that it is
        // called with.
        let program = find(&dir.join("usr"), |path| {
            let folder = path.parent().map(name);
            folder == Some("bin") && name(path) == program && path.exists()
        })?;
        let program = fs::canonicalize(&program)
            .with_context(|| format!("cannot resolve {}", program.display()))?;
        run_by(&loader, &program)?;
        files::link(&program.display().to_string(), &bin.join(as_found))?;
    }
    Ok(())
}

/// Puts a script in a program's place, which runs it with the loader and the libraries beside the
/// loader. Does nothing if it is one already.
fn run_by(loader: &Path, program: &Path) -> Result<()> {
    let mut own = program.as_os_str().to_owned();
    own.push(".own");
    let own = PathBuf::from(own);
    if own.exists() {
        return Ok(());
    }
    fs::rename(program, &own).with_context(|| format!("cannot rename {}", program.display()))?;
    let libraries = loader.parent().context("a loader without a folder")?;
    let text = format!(
        "#!/bin/sh\nexec {} --library-path {} --argv0 \"$0\" {} \"$@\"\n",
        loader.display(),
        libraries.display(),
        own.display()
    );
    files::write_atomic(program, text.as_bytes())?;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", program.display()))
}

/// Rust's library sources in unpacked packages.
fn rust_library(dir: &Path) -> Result<PathBuf> {
    find(&dir.join("usr/src"), |path| {
        let folder = path.parent().map(name).unwrap_or_default();
        name(path) == "library" && folder.starts_with("rustc-")
    })
}

fn name(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str());
    name.unwrap_or_default()
}

fn is_file(path: &Path) -> bool {
    path.is_file() && !path.is_symlink()
}

/// Finds the path that is wanted.
fn find(dir: &Path, is_wanted: impl Fn(&Path) -> bool) -> Result<PathBuf> {
    let paths = WalkDir::new(dir).into_iter().filter_map(Result::ok);
    let found = paths
        .map(walkdir::DirEntry::into_path)
        .find(|path| is_wanted(path));
    found.with_context(|| format!("{} is not complete", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder as if packages had been unpacked into it: the loader prints what it is told to run.
    fn root(programs: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let lib = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
        let text = "#!/bin/sh\necho \"$3 $4 $5\"\n";
        for (path, text) in programs.iter().map(|&p| (p, "")).chain([(lib, text)]) {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        dir
    }

    #[test]
    fn gcc_and_its_programs_run_with_their_own_loader() {
        let cross = "arm-linux-gnueabihf-";
        let compiler = Compiler::Gcc {
            release: 16,
            suite: "sid",
        };
        let recipe = Recipe::new(compiler, cross);
        let tools = BINUTILS.iter().map(|tool| format!("usr/bin/{cross}{tool}"));
        let mut programs: Vec<_> = tools.collect();
        programs.push(format!("usr/bin/{cross}gcc-16"));
        programs.push("usr/libexec/gcc-cross/arm-linux-gnueabihf/16/cc1".to_owned());
        programs.push("usr/libexec/gcc-cross/arm-linux-gnueabihf/16/collect2".to_owned());
        programs.push("usr/arm-linux-gnueabihf/lib/ld-linux-armhf.so.3".to_owned());
        let dir = root(&programs.iter().map(String::as_str).collect::<Vec<_>>());
        wrap(dir.path(), &recipe).unwrap();

        let root = fs::canonicalize(dir.path()).unwrap();
        for (run, own) in [
            (
                "bin/arm-linux-gnueabihf-gcc",
                "usr/bin/arm-linux-gnueabihf-gcc-16.own",
            ),
            (
                "bin/arm-linux-gnueabihf-ld",
                "usr/bin/arm-linux-gnueabihf-ld.own",
            ),
            (
                &programs[9],
                "usr/libexec/gcc-cross/arm-linux-gnueabihf/16/cc1.own",
            ),
        ] {
            let run = dir.path().join(run);
            let said = output(&mut Command::new(&run)).unwrap();
            let wanted = format!("--argv0 {} {}", run.display(), root.join(own).display());
            assert_eq!(said.trim(), wanted);
        }
    }

    #[test]
    fn rusts_library_is_that_of_the_compiler() {
        let dir = root(&[
            "usr/src/rustc-1.97.1/compiler/x/library/lib.rs",
            "usr/src/rustc-1.97.1/library/core/src/lib.rs",
        ]);
        let library = rust_library(dir.path()).unwrap();
        assert_eq!(library, dir.path().join("usr/src/rustc-1.97.1/library"));
    }

    #[test]
    fn a_program_keeps_the_name_that_it_is_called_by() {
        let dir = root(&["usr/lib/llvm-23/bin/llvm-objcopy"]);
        let bin = dir.path().join("usr/lib/llvm-23/bin");
        files::link("llvm-objcopy", &bin.join("llvm-strip")).unwrap();
        let recipe = Recipe {
            programs: ["llvm-objcopy", "llvm-strip"]
                .map(|s| (s.into(), s.into()))
                .into(),
            ..Recipe::new(
                Compiler::Clang {
                    release: 23,
                    suite: "sid",
                },
                "",
            )
        };
        wrap(dir.path(), &recipe).unwrap();
        let strip = dir.path().join("bin/llvm-strip");
        let said = output(&mut Command::new(&strip)).unwrap();
        assert!(
            said.starts_with(&format!("--argv0 {} ", strip.display())),
            "{said}"
        );
        assert!(said.trim().ends_with("llvm-objcopy.own"), "{said}");
    }
}
