// SPDX-License-Identifier: GPL-2.0

//! The tools that building and booting kernels takes of the host.

use std::{
    collections::BTreeSet,
    path::Path,
    process::Command, //
};

use anyhow::{
    bail,
    Result, //
};
use Probe::{
    File,
    Says, //
};

use crate::{
    host::{
        browser,
        packages,
        process::output,
        version::Version,
        Context, //
    },
    kernel::machine::{
        self,
        Machine, //
    },
};

/// How a tool is found.
enum Probe {
    /// By what a program says about its version.
    Says(&'static str, &'static str),
    /// By a file that is there.
    File(&'static str),
}

pub struct Tool {
    pub name: &'static str,
    probe: Probe,
    minimum: Version,
    /// The tool's name in the kernel's scripts/min-tool-version.sh, which may ask for more.
    kernel: Option<&'static str>,
    /// Debian's package; empty for what is no business of apt.
    package: &'static str,
    how: &'static str,
}

const ANY: Version = Version(0, 0, 0);

const fn tool(
    name: &'static str,
    probe: Probe,
    minimum: Version,
    kernel: Option<&'static str>,
    package: &'static str,
) -> Tool {
    Tool {
        name,
        probe,
        minimum,
        kernel,
        package,
        how: "",
    }
}

#[rustfmt::skip]
pub const TOOLS: &[Tool] = &[
    Tool {
        name: "rustc",
        probe: Says("rustc", "--version"),
        minimum: Version(1, 89, 0),
        kernel: Some("rustc"),
        package: "",
        how: "rustup update stable (https://rustup.rs)",
    },
    tool("gcc", Says("gcc", "-dumpfullversion"), Version(8, 1, 0), Some("gcc"), "gcc"),
    tool("libc headers", File("/usr/include/stdio.h"), ANY, None, "libc6-dev"),
    tool("make", Says("make", "--version"), Version(4, 0, 0), None, "make"),
    tool("flex", Says("flex", "--version"), Version(2, 5, 35), None, "flex"),
    tool("bison", Says("bison", "--version"), Version(2, 0, 0), None, "bison"),
    tool("bc", Says("bc", "--version"), ANY, None, "bc"),
    tool("perl", Says("perl", "--version"), Version(5, 0, 0), None, "perl"),
    tool("python3", Says("python3", "--version"), Version(3, 9, 0), None, "python3"),
    tool("git", Says("git", "--version"), Version(2, 35, 0), None, "git"),
    tool("tar", Says("tar", "--version"), ANY, None, "tar"),
    tool("xz", Says("xz", "--version"), ANY, None, "xz-utils"),
    tool("depmod", Says("depmod", "--version"), ANY, None, "kmod"),
    tool("ccache", Says("ccache", "--version"), ANY, None, "ccache"),
    tool("clang", Says("/usr/lib/llvm-19/bin/clang", "--version"), Version(19, 0, 0), Some("llvm"), "clang-19"),
    tool("libclang", File("/usr/lib/llvm-19/lib/libclang.so"), ANY, None, "libclang-19-dev"),
    tool("llvm-mc", Says("/usr/lib/llvm-19/bin/llvm-mc", "--version"), Version(19, 0, 0), None, "llvm-19"),
];

/// What a machine takes on top, by its `CROSS_COMPILE=`, by the kernel's name of its architecture, by
/// an option that it asks for or by an argument of its `make`. Nothing else asks for it.
#[rustfmt::skip]
pub const MACHINE_TOOLS: &[(&str, Tool)] = &[
    ("arm-linux-gnueabihf-", tool("gcc for ARM", Says("arm-linux-gnueabihf-gcc", "-dumpfullversion"), Version(8, 1, 0), Some("gcc"), "gcc-arm-linux-gnueabihf")),
    ("mipsel-linux-gnu-", tool("gcc for MIPS", Says("mipsel-linux-gnu-gcc", "-dumpfullversion"), Version(8, 1, 0), Some("gcc"), "gcc-mipsel-linux-gnu")),
    // 7.2 hangs with -icount on MIPS.
    ("arm", tool("qemu-system-arm", Says("qemu-system-arm", "--version"), Version(10, 0, 0), None, "qemu-system-arm")),
    ("mips", tool("qemu-system-mipsel", Says("qemu-system-mipsel", "--version"), Version(10, 0, 0), None, "qemu-system-mips")),
    ("arm-linux-gnueabihf-", tool("libc for arm", File("/usr/arm-linux-gnueabihf/include/stdio.h"), ANY, None, "libc6-dev-armhf-cross")),
    ("mipsel-linux-gnu-", tool("libc for mips", File("/usr/mipsel-linux-gnu/include/stdio.h"), ANY, None, "libc6-dev-mipsel-cross")),
    ("mips-linux-gnu-", tool("gcc for mips-be", Says("mips-linux-gnu-gcc", "-dumpfullversion"), Version(8, 1, 0), Some("gcc"), "gcc-mips-linux-gnu")),
    ("mips-linux-gnu-", tool("libc for mips-be", File("/usr/mips-linux-gnu/include/stdio.h"), ANY, None, "libc6-dev-mips-cross")),
    ("mips-linux-gnu-", BZIP2),
    ("mipsisa32r6el-linux-gnu-", tool("gcc for mips-r6", Says("mipsisa32r6el-linux-gnu-gcc", "-dumpfullversion"), Version(8, 1, 0), Some("gcc"), "gcc-mipsisa32r6el-linux-gnu")),
    ("mipsisa32r6el-linux-gnu-", tool("libc for mips-r6", File("/usr/mipsisa32r6el-linux-gnu/include/stdio.h"), ANY, None, "libc6-dev-mipsr6el-cross")),
    ("mipsisa32r6el-linux-gnu-", BZIP2),
    (machine::BTF, tool("pahole for arm-btf, mips-btf", Says("pahole", "--version"), Version(1, 24, 0), None, "dwarves")),
    (machine::LLVM, tool("lld for arm-clang", Says("/usr/lib/llvm-19/bin/ld.lld", "--version"), Version(19, 0, 0), Some("llvm"), "lld-19")),
];

/// Source packages are packed with it.
const BZIP2: Tool = tool("bzip2", Says("bzip2", "--help"), ANY, None, "bzip2");

/// What `make check-all` looks at its report with. It is large: nothing else asks for it.
pub const BROWSER: Tool = tool(
    "chromium (check-all)",
    Says(browser::PROGRAM, "--version"),
    ANY,
    None,
    browser::PROGRAM,
);

/// What the host has of a tool.
#[derive(Debug, PartialEq)]
enum Found {
    Missing,
    TooOld(Version),
    Good(Option<Version>),
}

impl Tool {
    fn find(&self, minimum: Version) -> Found {
        match self.probe {
            File(path) if Path::new(path).exists() => Found::Good(None),
            File(_) => Found::Missing,
            Says(program, question) => match output(Command::new(program).arg(question)) {
                Err(_) => Found::Missing,
                Ok(answer) => match Version::find(&answer) {
                    Some(version) if version < minimum => Found::TooOld(version),
                    version => Found::Good(version),
                },
            },
        }
    }

    /// The least version that serves, by our own needs and the kernel's.
    fn minimum(&self, kernel: Option<&Path>) -> Version {
        let asked = self.kernel.zip(kernel).and_then(|(name, tree)| {
            let script = tree.join("scripts/min-tool-version.sh");
            output(Command::new("sh").arg(script).arg(name))
                .ok()?
                .trim()
                .parse()
                .ok()
        });
        asked.map_or(self.minimum, |asked: Version| asked.max(self.minimum))
    }

    fn how(&self) -> String {
        if self.package.is_empty() {
            self.how.to_string()
        } else {
            format!("apt-get install {}", self.package)
        }
    }

    /// The tool's line, and whether it serves.
    pub fn line(&self, kernel: Option<&Path>) -> (String, bool) {
        let minimum = self.minimum(kernel);
        let (yours, verdict, good) = match self.find(minimum) {
            Found::Missing => ("-".to_string(), format!("MISSING: {}", self.how()), false),
            Found::TooOld(version) => {
                let verdict = format!("TOO OLD: {}", self.how());
                (version.to_string(), verdict, false)
            }
            Found::Good(Some(version)) => (version.to_string(), "ok".to_string(), true),
            Found::Good(None) => ("there".to_string(), "ok".to_string(), true),
        };
        let minimum = if minimum == ANY {
            "any".to_string()
        } else {
            minimum.to_string()
        };
        let line = format!("{:<20}{yours:<12}{minimum:<12}{verdict}", self.name);
        (line, good)
    }
}

/// The tools that unpacking the kernel's source and checking its style take.
const FOR_SOURCE: &[&str] = &["rustc", "perl", "python3", "git", "tar", "xz"];

/// The tools that the tests of the host's programs take.
const FOR_HOST: &[&str] = &["rustc", "git", "tar", "xz", "llvm-mc"];

/// What building and booting a machine's kernel takes on top of what every kernel does.
pub fn of_machine(machine: &Machine) -> impl Iterator<Item = &'static Tool> + '_ {
    let is_asked = |key: &&str| {
        machine.cross == *key
            || machine.arch == *key
            || machine.options.contains(key)
            || machine.make.contains(key)
    };
    let tools = MACHINE_TOOLS.iter().filter(move |(key, _)| is_asked(key));
    tools.map(|(_, tool)| tool)
}

/// Installs what is missing on the host for building and booting `machines` with a kernel tree.
pub fn ensure_for_kernels(ctx: &Context, machines: &[&Machine], kernel: &Path) -> Result<()> {
    let of_machines = machines.iter().flat_map(|machine| of_machine(machine));
    ensure(ctx, TOOLS.iter().chain(of_machines).collect(), Some(kernel))
}

/// Installs what is missing on the host for unpacking and checking the kernel's source.
pub fn ensure_for_source(ctx: &Context) -> Result<()> {
    ensure(ctx, named(FOR_SOURCE), None)
}

/// Installs what is missing on the host for the tests of its programs.
pub fn ensure_for_host(ctx: &Context) -> Result<()> {
    ensure(ctx, named(FOR_HOST), None)
}

fn named(names: &[&str]) -> Vec<&'static Tool> {
    TOOLS.iter().filter(|t| names.contains(&t.name)).collect()
}

fn ensure(ctx: &Context, tools: Vec<&Tool>, kernel: Option<&Path>) -> Result<()> {
    let wanting = || {
        let is_wanting = |tool: &&&Tool| !matches!(tool.find(tool.minimum(kernel)), Found::Good(_));
        tools.iter().filter(is_wanting).collect::<Vec<_>>()
    };
    let packages: BTreeSet<&str> = wanting()
        .iter()
        .map(|tool| tool.package)
        .filter(|package| !package.is_empty())
        .collect();
    if !packages.is_empty() {
        packages::install(ctx, &packages.into_iter().collect::<Vec<_>>())?;
    }
    let lines: Vec<String> = wanting().iter().map(|tool| tool.line(kernel).0).collect();
    if lines.is_empty() {
        return Ok(());
    }
    bail!(
        "tools are missing or too old (tool, yours, minimum):\n{}",
        lines.join("\n")
    )
}

/// Installs the browser if it is missing.
pub fn ensure_browser(ctx: &Context) -> Result<()> {
    match BROWSER.find(ANY) {
        Found::Good(_) => Ok(()),
        _ => packages::install(ctx, &[BROWSER.package]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_missing_too_old_or_good() {
        let says = |program| tool("x", Says(program, "--version"), ANY, None, "x");
        assert_eq!(says("no-such-program").find(ANY), Found::Missing);
        let sh = Tool {
            probe: Says("echo", "echo 9.3"),
            ..says("")
        };
        assert_eq!(sh.find(Version(10, 0, 0)), Found::TooOld(Version(9, 3, 0)));
        assert_eq!(
            sh.find(Version(9, 3, 0)),
            Found::Good(Some(Version(9, 3, 0)))
        );
    }

    #[test]
    fn the_kernel_may_ask_for_more() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("scripts")).unwrap();
        let script = tree.path().join("scripts/min-tool-version.sh");
        std::fs::write(script, "echo 20.1.0").unwrap();
        let gcc = tool("gcc", File("/"), Version(8, 1, 0), Some("gcc"), "gcc");
        assert_eq!(gcc.minimum(None), Version(8, 1, 0));
        assert_eq!(gcc.minimum(Some(tree.path())), Version(20, 1, 0));
        let other = tool("bc", File("/"), ANY, None, "bc");
        assert_eq!(other.minimum(Some(tree.path())), ANY);
    }

    #[test]
    fn a_machine_takes_its_own_compiler_and_emulator_alone() {
        let names = |machine| -> Vec<&str> {
            let machine = machine::find(machine).unwrap();
            of_machine(machine).map(|tool| tool.name).collect()
        };
        assert_eq!(
            names("arm"),
            ["gcc for ARM", "qemu-system-arm", "libc for arm"]
        );
        assert_eq!(
            names("mips-be"),
            [
                "qemu-system-mipsel",
                "gcc for mips-be",
                "libc for mips-be",
                "bzip2"
            ]
        );
        let clang = names("arm-clang");
        assert!(clang.contains(&"lld for arm-clang"), "{clang:?}");
    }

    #[test]
    fn what_is_named_is_there() {
        for names in [FOR_SOURCE, FOR_HOST] {
            assert_eq!(named(names).len(), names.len());
        }
    }
}
