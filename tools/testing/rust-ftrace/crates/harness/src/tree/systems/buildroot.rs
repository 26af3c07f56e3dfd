// SPDX-License-Identifier: GPL-2.0

//! Files for Buildroot: a tree for `BR2_EXTERNAL`, so that its configuration finds them by name.

use crate::tree::systems::{
    fragment,
    numbered,
    put_patches,
    Files,
    Given, //
};

/// The name of the tree.
const NAME: &str = "RUST_FTRACE";

/// Patches of a package, for `BR2_LINUX_KERNEL_PATCH`. The folder above is as
/// `BR2_GLOBAL_PATCH_DIR` takes it.
const PATCHES: &str = "patches/linux";

pub fn files(given: &Given) -> Files {
    let mut files = Files::new();
    put_patches(&mut files, given, PATCHES, numbered);
    let description = format!("name: {NAME}\ndesc: The ftrace backend in Rust\n");
    files.insert("external.desc".into(), description.into());
    // Buildroot wants them.
    for name in ["Config.in", "external.mk"] {
        files.insert(name.into(), Vec::new());
    }
    for (arch, options) in &given.options {
        let kernel = format!("{}/linux.config", arch.name());
        let own = format!(
            "BR2_LINUX_KERNEL_PATCH=\"$(BR2_EXTERNAL_{NAME}_PATH)/{PATCHES}\"\n\
             BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES=\"$(BR2_EXTERNAL_{NAME}_PATH)/{kernel}\"\n"
        );
        files.insert(kernel.into(), fragment("", options).into());
        files.insert(format!("{}/config", arch.name()).into(), own.into());
    }
    files
}
