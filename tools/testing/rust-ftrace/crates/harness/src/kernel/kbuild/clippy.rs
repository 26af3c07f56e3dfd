// SPDX-License-Identifier: GPL-2.0

//! Clippy, in place of the compiler that built a kernel.

use std::{
    fs,
    path::Path,
    process::Command, //
};

use anyhow::{
    Context as _,
    Result, //
};

use crate::kernel::kbuild::Kernel;

impl Kernel<'_> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
