// SPDX-License-Identifier: GPL-2.0

//! The machines that we build for and boot, as data.

use anyhow::Context as _;
use anyhow::Result;

/// A QEMU machine with its kernel and userland.
pub struct Machine {
    /// The user's name for it (`ARCH=`), also that of its configuration fragment.
    pub name: &'static str,
    /// The kernel's `ARCH=`.
    pub arch: &'static str,
    /// The kernel's `CROSS_COMPILE=`.
    pub cross: &'static str,
    /// Debian's name of the architecture that the userland is for.
    pub debian: &'static str,
    /// The make target of the bootable image.
    pub target: &'static str,
    /// Where that target leaves the image, below the build folder.
    pub image: &'static str,
    /// The console's device in the guest.
    pub console: &'static str,
    /// The device that carries the results, in the guest.
    pub channel: &'static str,
    /// QEMU's program.
    pub qemu: &'static str,
    /// QEMU's arguments for the machine.
    pub machine: &'static [&'static str],
    /// QEMU's arguments that give the guest [`Self::channel`], from a character device `results`.
    pub results: &'static [&'static str],
}

pub const MACHINES: &[Machine] = &[
    Machine {
        name: "arm",
        arch: "arm",
        cross: "arm-linux-gnueabihf-",
        debian: "armhf",
        target: "zImage",
        image: "arch/arm/boot/zImage",
        console: "ttyAMA0",
        channel: "vport0p1",
        qemu: "qemu-system-arm",
        machine: &[
            "-M",
            "virt",
            "-cpu",
            "cortex-a15",
            "-smp",
            "2",
            "-m",
            "256",
            "-nic",
            "none",
        ],
        results: &[
            "-device",
            "virtio-serial-device",
            "-device",
            "virtserialport,chardev=results",
        ],
    },
    Machine {
        name: "mips",
        arch: "mips",
        cross: "mipsel-linux-gnu-",
        debian: "mipsel",
        target: "vmlinux",
        image: "vmlinux",
        console: "ttyS0",
        channel: "ttyS1",
        qemu: "qemu-system-mipsel",
        machine: &[
            "-M", "malta", "-cpu", "24Kf", "-m", "256", "-nic", "none", "-vga", "none",
        ],
        results: &["-serial", "chardev:results"],
    },
];

/// The machine that `ARCH=` names.
pub fn find(name: &str) -> Result<&'static Machine> {
    MACHINES.iter().find(|m| m.name == name).with_context(|| {
        let names: Vec<_> = MACHINES.iter().map(|m| m.name).collect();
        format!("ARCH={name} is not known; it can be {}", names.join(" or "))
    })
}
