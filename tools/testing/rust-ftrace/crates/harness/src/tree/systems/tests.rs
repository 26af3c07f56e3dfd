// SPDX-License-Identifier: GPL-2.0

use super::*;

/// Thirteen patches, so that numbers of one and of two digits are to be sorted.
const PATCHES: usize = 13;

fn given() -> Given {
    let options = |list: &[(&str, &str)]| -> Options {
        let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        list.iter().map(own).collect()
    };
    let common = [("FTRACE", "y"), ("FTRACE_RUST", "y"), ("MODVERSIONS", "n")];
    let arm = [&common[..], &[("ARM_UNWIND", "y")]].concat();
    Given {
        version: Version(6, 18, 35),
        patches: (1..=PATCHES)
            .map(|number| Mail {
                // The subjects sort the other way round.
                slug: format!("{}-do", char::from(b'z' - u8::try_from(number).unwrap())),
                text: format!("patch {number}\n").into_bytes(),
            })
            .collect(),
        options: [(Arch::Arm, options(&arm)), (Arch::Mips, options(&common))].into(),
        openwrt: options(&[("FTRACE_C", "n")]),
        page: "How.\n".into(),
        licence: "GPL\n".into(),
    }
}

fn text<'a>(files: &'a Files, path: &str) -> &'a str {
    let content = files.get(Path::new(path));
    let content = content.unwrap_or_else(|| panic!("no {path}: {:?}", files.keys()));
    std::str::from_utf8(content).unwrap()
}

/// The names of the patches in a folder as they sort.
fn patches(files: &Files, folder: &str) -> Vec<String> {
    let all = files
        .keys()
        .filter(|path| path.extension().is_some_and(|e| e == "patch"));
    all.map(|path| {
        path.strip_prefix(folder)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    })
    .collect()
}

/// That each patch is there once, and that their names sort as they are applied.
fn ensure_order(files: &Files, folder: &str) {
    let expected: Vec<_> = (1..=PATCHES).map(|n| format!("patch {n}\n")).collect();
    let found: Vec<_> = patches(files, folder)
        .iter()
        .map(|name| text(files, &format!("{folder}/{name}")).to_owned())
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_system_has_a_name() {
    for system in System::ALL {
        assert_eq!(system.name().parse::<System>().unwrap(), system);
    }
    for wrong in ["debian", "OpenWrt", ""] {
        let error = wrong.parse::<System>().unwrap_err().to_string();
        assert_eq!(
            error,
            format!("FORMAT={wrong} is none of openwrt, buildroot, yocto")
        );
    }
}

#[test]
fn each_has_its_page_and_the_licence() {
    let repo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../..");
    for system in System::ALL {
        let files = system.files(&given());
        assert_eq!(text(&files, "README.md"), "How.\n");
        assert_eq!(text(&files, "COPYING"), "GPL\n");
        let page = fs::read_to_string(repo.join(system.page())).unwrap();
        // What the page tells to use is there.
        let command = format!(" patch FORMAT={} OUT=", system.name());
        assert!(page.contains(&command), "{page}");
    }
}

#[test]
fn openwrt_applies_the_patches_after_its_own() {
    let files = System::Openwrt.files(&given());
    let folder = "target/linux/generic/hack-6.18";
    ensure_order(&files, folder);
    let names = patches(&files, folder);
    assert_eq!(names[0], "980-001-y-do.patch");
    let theirs = "960-pse-pd-add-generic-gpio-PoE-controller.patch";
    assert!(names.iter().all(|name| name.as_str() > theirs));
}

#[test]
fn openwrt_takes_an_option_in_one_place() {
    let files = System::Openwrt.files(&given());
    assert_eq!(text(&files, "mips/config"), "CONFIG_KERNEL_FTRACE=y\n");
    assert_eq!(text(&files, "arm/config"), "CONFIG_KERNEL_FTRACE=y\n");
    assert_eq!(
        text(&files, "mips/config-6.18"),
        "CONFIG_FTRACE_RUST=y\n# CONFIG_MODVERSIONS is not set\n# CONFIG_FTRACE_C is not set\n"
    );
    assert!(text(&files, "arm/config-6.18").starts_with("CONFIG_ARM_UNWIND=y\n"));
}

#[test]
fn buildroot_finds_what_its_configuration_names() {
    let files = System::Buildroot.files(&given());
    ensure_order(&files, "patches/linux");
    assert_eq!(patches(&files, "patches/linux")[0], "0001-y-do.patch");
    assert!(text(&files, "external.desc").starts_with("name: RUST_FTRACE\n"));
    for name in ["Config.in", "external.mk"] {
        assert_eq!(text(&files, name), "");
    }
    for arch in Arch::ALL {
        let config = text(&files, &format!("{}/config", arch.name()));
        let named: Vec<_> = config
            .lines()
            .map(|line| {
                line.split_once("$(BR2_EXTERNAL_RUST_FTRACE_PATH)/")
                    .unwrap()
                    .1
            })
            .map(|rest| rest.strip_suffix('"').unwrap())
            .collect();
        let fragment = format!("{}/linux.config", arch.name());
        assert_eq!(named, ["patches/linux", &fragment]);
        assert!(text(&files, &fragment).contains("# CONFIG_MODVERSIONS is not set\n"));
    }
}

#[test]
fn the_recipe_of_yocto_names_what_is_there() {
    let files = System::Yocto.files(&given());
    let below = "recipes-kernel/linux/linux-yocto";
    let recipe = text(&files, &format!("{below}_6.18.bbappend"));
    let named: Vec<_> = recipe
        .split_whitespace()
        .filter_map(|word| word.trim_start_matches('"').strip_prefix("file://"))
        .filter(|name| name.ends_with(".patch"))
        .collect();
    assert_eq!(named, patches(&files, below));
    ensure_order(&files, below);

    let meta = "rust-ftrace-kmeta";
    assert!(recipe.contains(&format!(
        "\"file://{meta};type=kmeta;name={meta};destsuffix={meta}\""
    )));
    let features: Vec<_> = recipe
        .lines()
        .filter(|line| line.starts_with("KERNEL_FEATURES:append:"))
        .map(|line| line.split_once("\" rust ").unwrap().1.trim_end_matches('"'))
        .collect();
    assert_eq!(features.len(), 4);
    for feature in features {
        let path = Path::new(below).join(meta).join(feature);
        let scc = text(&files, path.to_str().unwrap());
        let fragment = scc.lines().last().unwrap().rsplit(' ').next().unwrap();
        let fragment = path.with_file_name(fragment);
        assert!(text(&files, fragment.to_str().unwrap()).contains("CONFIG_FTRACE_RUST=y\n"));
    }
    assert!(text(&files, "conf/layer.conf").contains("BBFILE_COLLECTIONS += \"rust-ftrace\""));
}

#[test]
fn a_mail_has_the_slug_of_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0012-MIPS-a-b.patch");
    fs::write(&path, "x").unwrap();
    let mail = Mail::read(&path).unwrap();
    assert_eq!((&*mail.slug, &*mail.text), ("MIPS-a-b", &b"x"[..]));
    fs::write(dir.path().join("x"), "").unwrap();
    assert!(Mail::read(&dir.path().join("x")).is_err());
}
