// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::host::{
    paths::Paths,
    process::tests::shell,
    progress::Ui, //
};

/// A repository with patches for 7.3, and beside it a small kernel tree and a tarball of it.
fn set_up(version: &str) -> (tempfile::TempDir, Context) {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "cd {} && mkdir -p repo/patches/7.3 linux/scripts linux/kernel/trace && cd linux &&
         printf 'VERSION = %s\\nPATCHLEVEL = %s\\nSUBLEVEL = 4\\n' {} > Makefile &&
         touch Kbuild Kconfig scripts/Kbuild.include kernel/trace/Makefile &&
         ln -s Kbuild link && cd .. && tar -cJf linux.tar.xz linux",
        dir.path().display(),
        version.replace('.', " ")
    );
    assert!(shell(&script).status().unwrap().success());
    let paths = Paths::at(&dir.path().join("repo"));
    let ui = Ui::new(paths.build.join("log"), false);
    (dir, Context { paths, ui })
}

fn from(path: PathBuf) -> Source {
    Source {
        kernel_src: Some(path),
        kernel: None,
    }
}

#[test]
fn a_tarball_is_unpacked_once() {
    let (dir, ctx) = set_up("7.3");
    let source = from(dir.path().join("linux.tar.xz"));
    let first = kernel(&ctx, &source).unwrap();
    assert_eq!(first.version, Version(7, 3, 4));
    assert!(first.dir.ends_with("build/src/linux-7.3.4"));
    let mark = first.dir.join("mark");
    fs::write(&mark, "").unwrap();
    kernel(&ctx, &source).unwrap();
    assert!(mark.exists());
}

#[test]
fn two_runs_at_once_take_turns() {
    let (dir, ctx) = set_up("7.3");
    let source = from(dir.path().join("linux.tar.xz"));
    let lock = ctx.paths.lock().unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let paths = Paths::at(&ctx.paths.repo);
            let ui = Ui::new(paths.build.join("log"), false);
            kernel(&Context { paths, ui }, &source).unwrap()
        });
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(!ctx.paths.build.join("src").exists());
        drop(lock);
        other.join().unwrap();
    });
}

#[test]
fn half_a_tarball_is_refused_and_not_trusted_later() {
    let (dir, ctx) = set_up("7.3");
    let tarball = dir.path().join("linux.tar.xz");
    let whole = fs::read(&tarball).unwrap();
    fs::write(&tarball, &whole[..whole.len() / 2]).unwrap();
    let error = kernel(&ctx, &from(tarball.clone())).unwrap_err();
    assert!(format!("{error:#}").contains("is it whole?"), "{error:#}");
    assert!(!ctx.paths.build.join("src/linux-7.3.4").exists());
    fs::write(&tarball, whole).unwrap();
    kernel(&ctx, &from(tarball)).unwrap();
}

#[test]
fn an_unsupported_version_is_refused() {
    let (dir, ctx) = set_up("6.1");
    let error = kernel(&ctx, &from(dir.path().join("linux.tar.xz"))).unwrap_err();
    assert!(format!("{error:#}").contains("Linux 6.1.4; supported: 7.3"));
    let wanted = Source {
        kernel: Some("6.1".into()),
        ..from(dir.path().into())
    };
    assert!(kernel(&ctx, &wanted).is_err());
}

#[test]
fn a_source_of_the_users_decides_the_series_and_nothing_is_the_newest() {
    let (dir, ctx) = set_up("6.18");
    for older in ["6.18", "7.2"] {
        fs::create_dir(ctx.paths.repo.join("patches").join(older)).unwrap();
    }
    let tarball = dir.path().join("linux.tar.xz");
    let version = kernel(&ctx, &from(tarball.clone())).unwrap().version;
    assert_eq!(version, Version(6, 18, 4));
    let suffix = |version| suffix(&ctx.paths.repo, version).unwrap();
    assert_eq!(
        (&*suffix(version), &*suffix(Version(7, 3, 9))),
        ("-6.18", "")
    );
    let source = |kernel: Option<&str>| Source {
        kernel: kernel.map(str::to_owned),
        kernel_src: None,
    };
    let wanted = |kernel| wanted(&ctx.paths.repo, &source(kernel)).unwrap();
    assert_eq!(wanted(None), ["7.3"]);
    assert_eq!(wanted(Some("7.2")), ["7.2"]);
    // What is at hand is of that series.
    assert!(at_hand(&ctx, &source(None)).is_none());
    let stored = at_hand(&ctx, &source(Some("6.18"))).unwrap();
    assert!(stored.ends_with("build/src/linux-6.18.4"));
    let other = Source {
        kernel: Some("7.3".into()),
        ..from(tarball)
    };
    let error = format!("{:#}", kernel(&ctx, &other).unwrap_err());
    assert!(error.contains("is Linux 6.18.4; supported: 7.3"), "{error}");
}

#[test]
fn what_debian_does_not_have_must_be_given() {
    let (_dir, ctx) = set_up("7.3");
    let folder = ctx.paths.repo.join("patches/6.18");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("series.toml"), "base = '7.3'\ndebian = false\n").unwrap();
    let source = Source {
        kernel: Some("6.18".into()),
        kernel_src: None,
    };
    let error = format!("{:#}", kernel(&ctx, &source).unwrap_err());
    assert!(
        error.contains("linux-6.18.N.tar.xz") && error.contains("KERNEL_SRC="),
        "{error}"
    );
}

#[test]
fn a_tree_is_copied_again_when_it_changes() {
    let (dir, ctx) = set_up("7.3");
    let source = from(dir.path().join("linux"));
    let copy = kernel(&ctx, &source).unwrap().dir;
    assert!(copy.join("link").is_symlink());
    fs::write(dir.path().join("linux/Kbuild"), "changed").unwrap();
    kernel(&ctx, &source).unwrap();
    assert_eq!(fs::read_to_string(copy.join("Kbuild")).unwrap(), "changed");
}
