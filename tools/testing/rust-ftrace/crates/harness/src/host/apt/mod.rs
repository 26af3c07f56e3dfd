// SPDX-License-Identifier: GPL-2.0

//! Debian packages: unpacked into our own folders from suites that the host does not use.
//!
//! The host's apt configuration is read (mirror, proxy) and never written. `apt-get` verifies
//! what it downloads by the archive's signature; we then keep the package with its SHA-256, so
//! that a later use needs no network and trusts no half file.
//!
//! By hand: mmdebstrap would unpack a userland, but nothing else of this: packages by their version
//! or of a release that the host does not have, sources, and downloads that are kept.

use std::{
    fs,
    path::{
        Path,
        PathBuf, //
    },
    process::Command,
    time::Duration, //
};

use anyhow::{
    ensure,
    Context as _,
    Result, //
};

use crate::host::{
    apt::package::{
        installed,
        Package, //
    },
    files,
    process::output,
    progress::Step,
    Context, //
};

mod package;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const PUBLIC_MIRROR: &str = "http://deb.debian.org/debian";

/// How long the archive's lists count as current.
const LISTS_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The suites that packages to unpack come from, with the architectures beside the host's.
const FETCH_SUITES: [(&str, &[&str]); 3] = [
    (USERLAND_SUITE, &["armhf", "mipsel"]),
    ("bookworm-backports", &[]),
    ("trixie-backports", &[]),
];

/// The suite that userlands come from, as packages or as sources to build them from.
pub const USERLAND_SUITE: &str = "bookworm";

/// What a configuration is for.
#[derive(Clone, Copy)]
enum Kind {
    Packages,
    Sources,
}

/// A private apt configuration.
pub struct Apt {
    /// The configuration file, for apt's `-c`.
    conf: PathBuf,
    /// Lists and packages.
    cache: PathBuf,
    lists: PathBuf,
    sources: String,
    host_arch: String,
}

impl Apt {
    /// The configuration for packages to unpack.
    pub fn for_fetching(ctx: &Context) -> Result<Self> {
        Self::new(ctx, "fetch", Kind::Packages, &FETCH_SUITES)
    }

    /// The configuration for packages of one suite to unpack.
    pub fn for_suite(ctx: &Context, suite: &str) -> Result<Self> {
        Self::new(ctx, suite, Kind::Packages, &[(suite, &[])])
    }

    /// The configuration for host packages out of the backports of the host's own `suite`.
    pub fn for_backports(ctx: &Context, suite: &str) -> Result<Self> {
        let backports = format!("{suite}-backports");
        let suites = [(suite, [].as_slice()), (&backports, &[])];
        Self::new(ctx, "backports", Kind::Packages, &suites)
    }

    /// The configuration for source packages.
    pub fn for_sources(ctx: &Context) -> Result<Self> {
        Self::new(ctx, "sources", Kind::Sources, &[(USERLAND_SUITE, &[])])
    }

    fn new(ctx: &Context, name: &str, kind: Kind, suites: &[(&str, &[&str])]) -> Result<Self> {
        ensure!(
            Path::new(KEYRING).is_file(),
            "{KEYRING} is missing: apt-get install debian-archive-keyring"
        );
        let host_arch = output(Command::new("dpkg").arg("--print-architecture"))?
            .trim()
            .to_string();
        let mirror = mirror();
        let mut sources = String::new();
        let mut arches = vec![host_arch.as_str()];
        for (suite, others) in suites {
            let mut here = vec![host_arch.as_str()];
            here.extend(others.iter().filter(|&&arch| arch != host_arch));
            let what = match kind {
                Kind::Packages => format!("deb [arch={} target=Packages", here.join(",")),
                Kind::Sources => "deb-src [target=Sources".to_owned(),
            };
            sources += &format!("{what} signed-by={KEYRING}] {mirror} {suite} main\n");
            arches.extend(here);
        }
        arches.sort_unstable();
        arches.dedup();

        let dir = ctx.paths.build.join("apt").join(name);
        let cache = ctx.paths.cache()?.join("apt");
        let lists = cache.join("lists").join(name);
        fs::create_dir_all(lists.join("partial"))?;
        fs::create_dir_all(cache.join("archives/partial"))?;
        let list = dir.join("sources.list");
        files::write_atomic(&list, sources.as_bytes())?;
        let conf = dir.join("apt.conf");
        // Hooks of the host are for the host's own lists. With the lists in the user's cache
        // folder, apt's download user may not be able to read them.
        let text = format!(
            "Dir::Etc::SourceList \"{}\";\n\
             Dir::Etc::SourceParts \"/dev/null\";\n\
             Dir::Etc::Preferences \"/dev/null\";\n\
             Dir::Etc::PreferencesParts \"/dev/null\";\n\
             Dir::State::Lists \"{}\";\n\
             Dir::Cache::Archives \"{}\";\n\
             Dir::Cache::PkgCache \"\";\n\
             Dir::Cache::SrcPkgCache \"\";\n\
             APT::Sandbox::User \"root\";\n\
             #clear APT::Architectures;\n\
             APT::Architectures {{ {} }};\n\
             #clear APT::Update;\n\
             APT::Update::Error-Mode \"any\";\n\
             Acquire::Retries \"3\";\n",
            list.display(),
            lists.display(),
            cache.join("archives").display(),
            arches
                .iter()
                .map(|arch| format!("\"{arch}\";"))
                .collect::<Vec<_>>()
                .join(" "),
        );
        files::write_atomic(&conf, text.as_bytes())?;
        Ok(Self {
            conf,
            cache,
            lists,
            sources,
            host_arch,
        })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(&self.conf).env("LC_ALL", "C.UTF-8");
        command
    }

    /// Fetches the archive's lists unless they are there already and current.
    pub fn update(&self, step: &Step<'_>) -> Result<()> {
        let stamp = self.lists.with_extension("updated");
        let current = fs::read_to_string(&stamp).is_ok_and(|text| text == self.sources)
            && fs::metadata(&stamp)?
                .modified()?
                .elapsed()
                .is_ok_and(|age| age < LISTS_AGE);
        if !current {
            step.progress("package lists");
            step.run(self.command("apt-get").arg("update"))
                .context("cannot fetch Debian's package lists (is there a network?)")?;
            files::write_atomic(&stamp, self.sources.as_bytes())?;
        }
        Ok(())
    }

    /// The versions that the archive has of a package, the newest first.
    pub fn versions(&self, package: &str) -> Result<Vec<String>> {
        let table = output(self.command("apt-cache").args(["madison", package]))?;
        Ok(table
            .lines()
            .filter_map(|line| line.split('|').nth(1))
            .map(|version| version.trim().to_string())
            .collect())
    }

    /// The path of a package that was downloaded before, if it is still what it was then.
    /// `version` is the beginning of its version.
    pub fn cached(&self, name: &str, arch: Option<&str>, version: &str) -> Option<PathBuf> {
        let arch = arch.unwrap_or(&self.host_arch);
        let mut found: Vec<_> = fs::read_dir(self.packages())
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let parts: Option<Vec<_>> = path
                    .file_name()
                    .and_then(|file| file.to_str()?.strip_suffix(".deb"))
                    .map(|stem| stem.split('_').collect());
                parts.is_some_and(|parts| {
                    parts.len() == 3
                        && parts[0] == name
                        && parts[1].starts_with(version)
                        && (parts[2] == arch || parts[2] == "all")
                })
            })
            .collect();
        found.sort_by_key(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok());
        found.into_iter().rev().find(|path| is_intact(path))
    }

    fn packages(&self) -> PathBuf {
        self.cache.join("packages")
    }

    /// The packages that `names` need on a machine of an architecture, themselves included. Those
    /// that are `provided` are left out: apt is told that the machine has them.
    pub fn closure(
        &self,
        step: &Step<'_>,
        suite: &str,
        arch: &str,
        names: &[&str],
        provided: &[&str],
    ) -> Result<Vec<Package>> {
        self.update(step)?;
        step.progress("dependencies");
        let status: String = provided.iter().map(|name| installed(name)).collect();
        let path = self.conf.with_file_name(format!("{suite}-{arch}.status"));
        files::write_atomic(&path, status.as_bytes())?;
        // apt is told of no other packages on the machine.
        let mut simulate = self.command("apt-get");
        simulate
            .args(["-s", "-q", "--no-install-recommends"])
            .args(["-o", &format!("APT::Default-Release={suite}")])
            .args(["-o", &format!("APT::Architecture={arch}")])
            .args(["-o", &format!("APT::Architectures::={arch}")])
            .args(["-o", &format!("Dir::State::status={}", path.display())])
            .arg("install")
            .args(names);
        let plan = output(&mut simulate).context("cannot tell what the packages need")?;
        Ok(plan.lines().filter_map(Package::of_plan).collect())
    }

    /// Unpacks `names` and what they need, as [`closure`](Self::closure) has it, into a folder.
    /// Returns the number of packages. No `arch` is the host's.
    pub fn unpack(
        &self,
        step: &Step<'_>,
        suite: &str,
        arch: Option<&str>,
        names: &[&str],
        provided: &[&str],
        to: &Path,
    ) -> Result<usize> {
        let arch = arch.unwrap_or(&self.host_arch);
        let packages = self.closure(step, suite, arch, names, provided)?;
        for deb in self.download_all(step, &packages)? {
            extract(step, &deb, to)?;
        }
        Ok(packages.len())
    }

    /// Downloads a package, or finds it in the cache folder. `version` is exact or, when it is
    /// empty, left to apt.
    pub fn download(
        &self,
        step: &Step<'_>,
        name: &str,
        arch: Option<&str>,
        version: &str,
    ) -> Result<PathBuf> {
        let package = Package {
            name: name.to_string(),
            arch: arch.map(str::to_string),
            version: version.to_string(),
        };
        let mut debs = self.download_all(step, std::slice::from_ref(&package))?;
        debs.pop().context("a download without a package")
    }

    /// Downloads the packages that the cache folder has not, and gives where they all are.
    pub fn download_all(&self, step: &Step<'_>, packages: &[Package]) -> Result<Vec<PathBuf>> {
        let cached = |package: &Package| {
            let arch = package.arch.as_deref();
            // A colon in a version is escaped in the file's name.
            self.cached(&package.name, arch, &package.version.replace(':', "%3a"))
        };
        let missing: Vec<_> = packages.iter().filter(|p| cached(p).is_none()).collect();
        if !missing.is_empty() {
            self.update(step)?;
            let wanted: Vec<_> = missing.iter().map(|p| p.spec()).collect();
            let args: Vec<_> = ["download"]
                .into_iter()
                .chain(wanted.iter().map(String::as_str))
                .collect();
            self.fetch(step, &args, |file| file.ends_with(".deb"))?;
        }
        packages
            .iter()
            .map(|p| cached(p).with_context(|| format!("apt-get left no {}", p.spec())))
            .collect()
    }

    /// Downloads the upstream tarball of a source package, or finds it in the cache folder.
    pub fn download_source(&self, step: &Step<'_>, name: &str) -> Result<PathBuf> {
        if let Some(path) = self.cached_source(name) {
            return Ok(path);
        }
        self.update(step)?;
        self.fetch(step, &["source", "--download-only", name], |file| {
            is_upstream(file, name)
        })?;
        self.cached_source(name)
            .with_context(|| format!("apt-get left no source of {name}"))
    }

    fn cached_source(&self, name: &str) -> Option<PathBuf> {
        fs::read_dir(self.packages())
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let file = path.file_name().and_then(|file| file.to_str());
                file.is_some_and(|file| is_upstream(file, name))
            })
            .find(|path| is_intact(path))
    }

    /// Runs `apt-get` in a folder of its own, and keeps the files that it left with a name that
    /// `is_wanted`.
    fn fetch(
        &self,
        step: &Step<'_>,
        args: &[&str],
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let what = args.join(" ");
        step.progress(format!("apt-get {what}"));
        let partial = self.cache.join("partial");
        fs::create_dir_all(&partial)
            .and_then(|()| fs::create_dir_all(self.packages()))
            .with_context(|| format!("cannot create {}", partial.display()))?;
        let partial = tempfile::tempdir_in(&partial)?;
        step.run(self.command("apt-get").args(args).current_dir(&partial))
            .with_context(|| format!("cannot download by apt-get {what}"))?;
        for entry in fs::read_dir(&partial)? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(&is_wanted) {
                continue;
            }
            let (from, kept) = (entry.path(), self.packages().join(entry.file_name()));
            let hash = files::sha256(&from)?;
            fs::rename(&from, &kept).with_context(|| format!("cannot write {}", kept.display()))?;
            files::write_atomic(&hash_file(&kept), hash.as_bytes())?;
        }
        Ok(())
    }

    /// The configuration file, for apt's `-c`.
    pub fn conf(&self) -> &Path {
        &self.conf
    }
}

/// Whether a file is the upstream tarball of a source package: `name_1.35.0.orig.tar.bz2`.
fn is_upstream(file: &str, name: &str) -> bool {
    let Some((stem, compression)) = file.split_once(".orig.tar.") else {
        return false;
    };
    let package = stem.split_once('_').map(|(package, _)| package);
    package == Some(name) && !compression.contains('.')
}

/// Unpacks a package into a folder.
pub fn extract(step: &Step<'_>, deb: &Path, to: &Path) -> Result<()> {
    step.progress("unpacking");
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    step.run(Command::new("dpkg").arg("-x").arg(deb).arg(to))
        .with_context(|| format!("cannot unpack {}", deb.display()))
}

fn hash_file(package: &Path) -> PathBuf {
    let mut name = package.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

fn is_intact(deb: &Path) -> bool {
    let known = fs::read_to_string(hash_file(deb));
    known.is_ok_and(|known| files::sha256(deb).is_ok_and(|hash| hash == known))
}

/// The Debian mirror of the host's own apt, or the public one.
fn mirror() -> String {
    let targets = output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(ORIGIN)|$(LABEL)|$(REPO_URI)",
        "Created-By: Packages",
    ]));
    targets
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("Debian|Debian|"))
        .map_or(PUBLIC_MIRROR, |uri| uri.trim_end_matches('/'))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache folder with the packages of these names, and an `Apt` that knows no network.
    fn apt(packages: &[&str]) -> (tempfile::TempDir, Apt) {
        let dir = tempfile::tempdir().unwrap();
        let apt = Apt {
            conf: PathBuf::new(),
            cache: dir.path().to_path_buf(),
            lists: PathBuf::new(),
            sources: String::new(),
            host_arch: "amd64".into(),
        };
        for name in packages {
            let deb = apt.packages().join(name);
            files::write_atomic(&deb, name.as_bytes()).unwrap();
            let hash = files::sha256(&deb).unwrap();
            files::write_atomic(&hash_file(&deb), hash.as_bytes()).unwrap();
        }
        (dir, apt)
    }

    #[test]
    fn a_cached_package_is_found_by_name_architecture_and_version() {
        let (_dir, apt) = apt(&[
            "busybox-static_1%3a1.35_mipsel.deb",
            "busybox-static_1%3a1.35_amd64.deb",
            "rust-src_1.95.0+dfsg1-2_all.deb",
        ]);
        let name = |path: Option<PathBuf>| Some(path?.file_name()?.to_str()?.to_string());
        assert_eq!(
            name(apt.cached("busybox-static", Some("mipsel"), "")).unwrap(),
            "busybox-static_1%3a1.35_mipsel.deb"
        );
        assert_eq!(
            name(apt.cached("busybox-static", None, "")).unwrap(),
            "busybox-static_1%3a1.35_amd64.deb"
        );
        assert!(apt.cached("rust-src", None, "1.95.0+").is_some());
        assert!(apt.cached("rust-src", None, "1.96.0+").is_none());
        assert!(apt.cached("rust", None, "").is_none());
    }

    #[test]
    fn the_upstream_tarball_of_a_source_is_found() {
        let (_dir, apt) = apt(&[
            "busybox_1.35.0-4.debian.tar.xz",
            "busybox_1.35.0.orig.tar.bz2",
            "busybox-static_1%3a1.35_mipsel.deb",
            "kmod_30.orig.tar.xz",
        ]);
        let name = |path: Option<PathBuf>| Some(path?.file_name()?.to_str()?.to_string());
        assert_eq!(
            name(apt.cached_source("busybox")).unwrap(),
            "busybox_1.35.0.orig.tar.bz2"
        );
        assert!(apt.cached_source("busy").is_none());
        assert!(!is_upstream("kmod_30.orig.tar.xz.asc", "kmod"));
        fs::write(apt.packages().join("kmod_30.orig.tar.xz"), "half").unwrap();
        assert!(apt.cached_source("kmod").is_none());
    }

    #[test]
    fn a_damaged_package_is_not_trusted() {
        let name = "rust-src_1.95.0_all.deb";
        let (_dir, apt) = apt(&[name]);
        assert!(apt.cached("rust-src", None, "").is_some());
        fs::write(apt.packages().join(name), "rust-s").unwrap();
        assert!(apt.cached("rust-src", None, "").is_none());
    }

    #[test]
    fn a_package_without_its_hash_is_not_trusted() {
        let name = "rust-src_1.95.0_all.deb";
        let (_dir, apt) = apt(&[name]);
        fs::remove_file(hash_file(&apt.packages().join(name))).unwrap();
        assert!(apt.cached("rust-src", None, "").is_none());
    }
}
