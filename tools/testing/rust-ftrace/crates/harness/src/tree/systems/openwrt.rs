// SPDX-License-Identifier: GPL-2.0

//! Files for an OpenWrt tree.
//!
//! OpenWrt applies `target/linux/generic/{backport,pending,hack}-<version>` and then the target's
//! own patches, each folder in the order of the names. Kernel options are those of `generic`, of
//! the target and of its subtarget, then what OpenWrt's own configuration says as `KERNEL_`.

use crate::tree::systems::{
    fragment,
    put_patches,
    Files,
    Given, //
};

/// The number of the patches: above all of `generic/hack-6.18`.
const NUMBER: u32 = 980;

/// Kernel options that are OpenWrt's own too, in its `config/Config-kernel.in`. What the
/// configuration of a target says about these is of no effect.
const OWN: [&str; 8] = [
    "DEBUG_FS",
    "DYNAMIC_FTRACE",
    "FTRACE",
    "FUNCTION_GRAPH_TRACER",
    "FUNCTION_TRACER",
    "KALLSYMS",
    "KPROBES",
    "KPROBE_EVENTS",
];

pub fn files(given: &Given) -> Files {
    let mut files = Files::new();
    let series = given.version.series();
    let folder = format!("target/linux/generic/hack-{series}");
    put_patches(&mut files, given, &folder, |number, slug| {
        format!("{NUMBER}-{number:03}-{slug}.patch")
    });
    for (arch, options) in &given.options {
        let (own, others): (Vec<_>, Vec<_>) = options
            .iter()
            .partition(|(name, _)| OWN.contains(&name.as_str()));
        let target = fragment("", others.into_iter().chain(&given.openwrt));
        let arch = arch.name();
        files.insert(format!("{arch}/config-{series}").into(), target.into());
        files.insert(
            format!("{arch}/config").into(),
            fragment("KERNEL_", own).into(),
        );
    }
    files
}
