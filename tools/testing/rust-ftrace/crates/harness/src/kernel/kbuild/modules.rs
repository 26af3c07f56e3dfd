// SPDX-License-Identifier: GPL-2.0

//! The modules of a kernel: its own and the repository's.

use std::{
    fs,
    io,
    path::PathBuf,
    process::Command, //
};

use anyhow::{
    Context as _,
    Result, //
};

use crate::{
    host::{
        files,
        progress::Step,
        Context, //
    },
    kernel::{
        config,
        kbuild::{
            jobs,
            Kernel, //
        },
    },
};

impl Kernel<'_> {
    /// Builds the repository's own modules, in the build folder.
    pub(super) fn make_own_modules(&self, ctx: &Context) -> Result<Command> {
        let folder = self.own_modules();
        let made_for = self.made_for()?;
        files::make_dir(&folder, &folder.with_extension("for"), &made_for, || {
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))
        })?;
        let mut command = self.make(&[&jobs(), "modules"])?;
        self.external(ctx, &mut command);
        Ok(command)
    }

    /// What our modules depend on besides their sources. `make` does not notice that it changes:
    /// the configuration and, with BTF in modules, the kernel's types.
    fn made_for(&self) -> Result<String> {
        let path = self.out.join(".config");
        let mut made_for =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let config = config::parse(&made_for);
        if config
            .get("DEBUG_INFO_BTF_MODULES")
            .is_some_and(|value| value == "y")
        {
            made_for.push_str(&files::sha256(&self.vmlinux())?);
        }
        Ok(made_for)
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
