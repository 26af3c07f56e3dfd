// SPDX-License-Identifier: GPL-2.0

//! `make patch`: the series for `git am`, its sets as they are sent to maintainers, or what a build
//! system takes.

use std::{
    fs,
    io::{
        self,
        Write, //
    },
    os::unix::fs::PermissionsExt,
    path::{
        Path,
        PathBuf, //
    },
    process::Command, //
};

use anyhow::{
    bail,
    ensure,
    Context as _,
    Result, //
};
use clap::Args;

use crate::{
    host::{
        files,
        process::output,
        Context, //
    },
    kernel::config,
    tree::{
        git::without_git_environment,
        install,
        series::{
            mail::Base,
            Originals,
            Person,
            Series, //
        },
        source::{
            self,
            Kernel,
            Source, //
        },
        systems::{
            Arch,
            Given,
            Mail,
            System,
            OPENWRT_FRAGMENT, //
        },
    },
};

#[derive(Args)]
pub struct Asked {
    /// The folder to write the sets to, in place of one mailbox on standard output.
    #[arg(long, env = "OUT")]
    out: Option<PathBuf>,
    /// The one set to write.
    #[arg(long, env = "SET")]
    set: Option<String>,
    /// Who sends them: "Name <address>".
    #[arg(long, env = "SIGNOFF")]
    signoff: Option<Person>,
    /// The build system to write files for: openwrt, buildroot or yocto.
    #[arg(long, env = "FORMAT")]
    format: Option<System>,
    #[command(flatten)]
    source: Source,
}

/// What is written, and where to.
#[derive(Debug, PartialEq)]
enum Wanted<'a> {
    Mailbox,
    Sets(&'a Path),
    Files(System, &'a Path),
}

impl Asked {
    fn wanted(&self) -> Result<Wanted<'_>> {
        let Some(system) = self.format else {
            let out = self.out.as_deref();
            return Ok(out.map_or(Wanted::Mailbox, Wanted::Sets));
        };
        let name = system.name();
        ensure!(
            self.set.is_none(),
            "FORMAT={name} takes the whole series: leave out SET="
        );
        let Some(out) = &self.out else {
            bail!("FORMAT={name} wants a folder to write to: OUT=");
        };
        Ok(Wanted::Files(system, out))
    }
}

pub fn run_patch(ctx: &Context, asked: &Asked) -> Result<()> {
    let wanted = asked.wanted()?;
    if let Wanted::Sets(out) | Wanted::Files(_, out) = wanted {
        ensure_free(out)?;
    }
    let kernel = source::kernel(ctx, &asked.source)?;
    let series = Series::read(&ctx.paths.repo, &kernel.version.series())?;
    let originals = install::originals(&kernel.dir)?;
    let (set, sender) = (asked.set.as_deref(), asked.signoff.as_ref());
    if let Some(name) = set {
        let needed = series.needed(name)?;
        let needed: Vec<_> = needed.iter().map(|set| set.name.as_str()).collect();
        if !needed.is_empty() {
            eprintln!("{name} needs these sets before it: {}", needed.join(", "));
        }
    }
    match wanted {
        Wanted::Mailbox => {
            let folder = tempfile::tempdir()?;
            let mut stdout = io::stdout().lock();
            for patch in series.format(&originals, sender, set, true, folder.path())? {
                stdout.write_all(&fs::read(patch)?)?;
            }
            Ok(())
        }
        Wanted::Sets(out) => write_sets(ctx, asked, &kernel, &series, &originals, out),
        Wanted::Files(system, out) => {
            let title = format!("Write the files for {}", system.name());
            let files = ctx.ui.step(&title, "patch", |_| {
                let folder = tempfile::tempdir()?;
                let mails = series.format(&originals, sender, None, false, folder.path())?;
                let given = given(&ctx.paths.repo, system, &kernel, &mails)?;
                Ok(system.files(&given))
            })?;
            into(out, |folder| {
                for (path, content) in &files {
                    files::write_atomic(&folder.join(path), content)?;
                }
                Ok(())
            })
        }
    }
}

/// What the files for a build system are made of.
fn given(repo: &Path, system: System, kernel: &Kernel, mails: &[PathBuf]) -> Result<Given> {
    let configs = repo.join("tools/testing/rust-ftrace/configs");
    let merge = |fragments: &[&str]| -> Result<_> {
        let text = config::merge(&configs, fragments.iter().copied(), kernel.version)?;
        Ok(config::parse(&text))
    };
    let read = |path: &Path| {
        fs::read_to_string(repo.join(path))
            .with_context(|| format!("cannot read {}", path.display()))
    };
    let options = Arch::ALL.map(|arch| Ok((arch, merge(arch.fragments())?)));
    Ok(Given {
        version: kernel.version,
        patches: mails
            .iter()
            .map(|mail| Mail::read(mail))
            .collect::<Result<_>>()?,
        options: options.into_iter().collect::<Result<_>>()?,
        openwrt: merge(&[OPENWRT_FRAGMENT])?,
        page: read(&system.page())?,
        licence: read(Path::new("COPYING"))?,
    })
}

fn write_sets(
    ctx: &Context,
    asked: &Asked,
    kernel: &Kernel,
    series: &Series,
    originals: &Originals<'_>,
    out: &Path,
) -> Result<()> {
    let (set, sender) = (asked.set.as_deref(), asked.signoff.as_ref());
    let base = Base {
        version: kernel.version,
        commit: asked.source.kernel_src.as_deref().and_then(head),
    };
    into(out, |folder| {
        let addressed = ctx.ui.step("Write the sets", "patch", |_| {
            series.format_sets(originals, sender, set, &base, folder)
        })?;
        if !addressed {
            eprintln!(
                "{} lacks MAINTAINERS or scripts/get_maintainer.pl: the mails do not say whom they go to",
                kernel.dir.display()
            );
        }
        Ok(())
    })
}

/// Refuses a folder that has something in it.
fn ensure_free(out: &Path) -> Result<()> {
    let is_free = match fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    ensure!(is_free, "OUT={} must be new or empty", out.display());
    Ok(())
}

/// Fills a folder. It comes to its name when it is complete; an empty one may have it already.
fn into(out: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let to = std::path::absolute(out)?;
    let beside = to.parent().context("OUT= names no folder")?;
    fs::create_dir_all(beside)?;
    let folder = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir_in(beside)
        .with_context(|| format!("cannot write into {}", beside.display()))?;
    fill(folder.path())?;
    ensure_free(&to)?;
    fs::rename(folder.path(), &to).with_context(|| format!("cannot write {}", to.display()))
}

/// The commit of a git tree.
fn head(tree: &Path) -> Option<String> {
    tree.join(".git").exists().then_some(())?;
    let mut git = Command::new("git");
    without_git_environment(&mut git);
    git.arg("-C").arg(tree).args(["-c", "safe.directory=*"]);
    let commit = output(git.args(["rev-parse", "HEAD"])).ok()?;
    Some(commit.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(format: Option<System>, out: Option<&str>, set: Option<&str>) -> Asked {
        Asked {
            out: out.map(PathBuf::from),
            set: set.map(str::to_owned),
            signoff: None,
            format,
            source: Source::default(),
        }
    }

    #[test]
    fn a_build_system_takes_the_whole_series_in_a_folder() {
        let out = Path::new("out");
        let yocto = Some(System::Yocto);
        for (asked, wanted) in [
            (asked(None, None, Some("x")), Wanted::Mailbox),
            (asked(None, Some("out"), None), Wanted::Sets(out)),
            (
                asked(yocto, Some("out"), None),
                Wanted::Files(System::Yocto, out),
            ),
        ] {
            assert_eq!(asked.wanted().unwrap(), wanted);
        }
        let error = |asked: Asked| asked.wanted().unwrap_err().to_string();
        assert_eq!(
            error(asked(yocto, None, None)),
            "FORMAT=yocto wants a folder to write to: OUT="
        );
        assert!(error(asked(yocto, Some("out"), Some("x"))).contains("leave out SET="));
    }

    #[test]
    fn a_folder_is_new_or_empty_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("a/out");
        let fill = |folder: &Path| Ok(fs::write(folder.join("file"), "x")?);
        into(&out, |_| bail!("no")).unwrap_err();
        assert!(!out.exists());
        fs::create_dir(&out).unwrap();
        into(&out, fill).unwrap();
        assert!(out.join("file").is_file());
        let error = into(&out, fill).unwrap_err().to_string();
        assert!(error.ends_with("out must be new or empty"), "{error}");
        assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 1);
    }

    /// Options are read as `make patch` does: fragments agree, and one option has one place.
    #[test]
    fn the_options_of_users_can_be_merged() {
        let repo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../..");
        for series in source::supported(&repo).unwrap() {
            let kernel = Kernel {
                dir: PathBuf::new(),
                version: series.parse().unwrap(),
            };
            let given = given(&repo, System::Openwrt, &kernel, &[]).unwrap();
            for options in given.options.values() {
                assert_eq!(options["FTRACE_RUST"], "y");
                let twice = options
                    .keys()
                    .find(|name| given.openwrt.contains_key(*name));
                assert_eq!(twice, None);
            }
            assert!(!given.options[&Arch::Mips].contains_key("ARM_UNWIND"));
        }
    }
}
