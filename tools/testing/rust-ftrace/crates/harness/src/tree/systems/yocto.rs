// SPDX-License-Identifier: GPL-2.0

//! A layer for Yocto's `linux-yocto`.
//!
//! The patches are in `SRC_URI`, the options in a feature of the kernel's metadata, one for each
//! architecture. The feature `rust` is OE-core's: it brings rustc, bindgen and libclang along.

use crate::tree::systems::{
    fragment,
    numbered,
    put_patches,
    Arch,
    Files,
    Given, //
};

/// The recipe, and the folder beside it with what it fetches.
const RECIPE: &str = "linux-yocto";
const FOLDER: &str = "recipes-kernel/linux";

/// The folder with the kernel's metadata, below the recipe's.
const META: &str = "rust-ftrace-kmeta";
const FEATURE: &str = "features/rust-ftrace/rust-ftrace";

/// The releases of OE-core that have the version of `linux-yocto`.
const RELEASES: &str = "wrynose blacksail";

/// What OE-core calls the CPUs of an architecture that the backend is for.
fn overrides(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::Arm => &["arm"],
        Arch::Mips => &["mips", "mipsel", "mipsisa32r6el"],
    }
}

pub fn files(given: &Given) -> Files {
    let mut files = Files::new();
    let below = format!("{FOLDER}/{RECIPE}");
    let patches = put_patches(&mut files, given, &below, numbered);
    for (arch, options) in &given.options {
        let arch = arch.name();
        let name = format!("{below}/{META}/{FEATURE}-{arch}");
        let feature = format!(
            "# SPDX-License-Identifier: GPL-2.0\n\
             define KFEATURE_DESCRIPTION \"The ftrace backend in Rust\"\n\
             define KFEATURE_COMPATIBILITY arch\n\n\
             kconf non-hardware rust-ftrace-{arch}.cfg\n"
        );
        files.insert(format!("{name}.scc").into(), feature.into());
        files.insert(format!("{name}.cfg").into(), fragment("", options).into());
    }
    let append = format!("{FOLDER}/{RECIPE}_{}.bbappend", given.version.series());
    files.insert(append.into(), recipe(given, &patches).into());
    let layer = format!(
        "# SPDX-License-Identifier: GPL-2.0\n\
         BBPATH .= \":${{LAYERDIR}}\"\n\
         BBFILES += \"${{LAYERDIR}}/recipes-*/*/*.bbappend\"\n\n\
         BBFILE_COLLECTIONS += \"rust-ftrace\"\n\
         BBFILE_PATTERN_rust-ftrace = \"^${{LAYERDIR}}/\"\n\
         BBFILE_PRIORITY_rust-ftrace = \"6\"\n\n\
         LAYERDEPENDS_rust-ftrace = \"core\"\n\
         LAYERSERIES_COMPAT_rust-ftrace = \"{RELEASES}\"\n"
    );
    files.insert("conf/layer.conf".into(), layer.into());
    files
}

/// What is added to the recipe.
fn recipe(given: &Given, patches: &[String]) -> String {
    let mut text = format!(
        "# SPDX-License-Identifier: GPL-2.0\n\
         FILESEXTRAPATHS:prepend := \"${{THISDIR}}/{RECIPE}:\"\n\n\
         SRC_URI += \"file://{META};type=kmeta;name={META};destsuffix={META}\"\n\n\
         SRC_URI += \" \\\n"
    );
    for patch in patches {
        text += &format!("    file://{patch} \\\n");
    }
    text += "\"\n\n";
    for arch in given.options.keys() {
        for cpu in overrides(*arch) {
            text += &format!(
                "KERNEL_FEATURES:append:{cpu} = \" rust {FEATURE}-{}.scc\"\n",
                arch.name()
            );
        }
    }
    text
}
