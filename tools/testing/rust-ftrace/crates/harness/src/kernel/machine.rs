// SPDX-License-Identifier: GPL-2.0

//! The machines that we build for and boot, as data.

use anyhow::{
    Context as _,
    Result, //
};

use crate::{
    host::compilers::Compiler,
    kernel::backend::Backend, //
};

/// A QEMU machine with its kernel and userland.
pub struct Machine {
    /// The user's name for it (`ARCH=`).
    pub name: &'static str,
    /// The kernel's `ARCH=`.
    pub arch: &'static str,
    /// The kernel's `CROSS_COMPILE=`.
    pub cross: &'static str,
    /// The compiler that its kernel is built with, if it is not the host's.
    pub compiler: Option<Compiler>,
    /// The kernel that it boots if other machines boot the same one: the name of that build.
    pub kernel: Option<&'static str>,
    /// Arguments of the kernel's `make`, such as the choice of a compiler.
    pub make: &'static [&'static str],
    /// The kernel's own configuration that ours is put on top of, from `arch/*/configs`. If there
    /// is none, all options that ours does not name are off.
    pub defconfig: Option<&'static str>,
    /// The kernel's configuration fragments that are the machine's own.
    pub configs: &'static [&'static str],
    /// Options of the kernel that take the place of what the fragments say.
    pub options: &'static [&'static str],
    /// Which command tests it.
    pub tested_by: TestedBy,
    /// Whether the kernels of both backends are built and held against each other.
    pub is_compared: bool,
    /// The backends that run what needs a userland and takes long: the kernel's own tests of
    /// ftrace, and programs that use it.
    pub selftests: &'static [Backend],
    /// Debian's name of the architecture that the userland is for, or `None` where Debian has
    /// none and the userland is built from its source packages.
    pub debian: Option<&'static str>,
    /// The make target of the bootable image.
    pub target: &'static str,
    /// Where that target leaves the image, below the build folder.
    pub image: &'static str,
    /// The device tree that QEMU is given, below `arch/*/boot/dts`, if it does not make its own.
    pub dtb: Option<&'static str>,
    /// The console's device in the guest.
    pub console: &'static str,
    /// The device that carries the results, in the guest: [`KERNEL_LOG`] if the board has no
    /// second serial line.
    pub channel: &'static str,
    /// The length of the longest command line that reaches the kernel whole.
    pub command_line: usize,
    /// QEMU's program.
    pub qemu: &'static str,
    /// The number of its CPUs.
    pub cpus: usize,
    /// QEMU's other arguments for the machine.
    pub machine: &'static [&'static str],
    /// QEMU's arguments that give the guest [`Self::channel`], from a character device `results`.
    pub results: &'static [&'static str],
}

/// The command that runs a machine's tests. A filter that names the machine does so too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TestedBy {
    Check,
    CheckAll,
}

/// The channel of a board that has its console alone: each line of the results is a message of the
/// kernel, which puts no other message into the middle of it.
pub const KERNEL_LOG: &str = "kmsg";

const BOTH: &[Backend] = &[Backend::Rust, Backend::C];

const ARM: Machine = Machine {
    name: "arm",
    arch: "arm",
    cross: "arm-linux-gnueabihf-",
    compiler: None,
    kernel: None,
    make: &[],
    defconfig: None,
    configs: &["arm"],
    options: &[],
    tested_by: TestedBy::Check,
    is_compared: true,
    selftests: BOTH,
    debian: Some("armhf"),
    target: "zImage",
    image: "arch/arm/boot/zImage",
    dtb: None,
    console: "ttyAMA0",
    channel: "vport0p1",
    // COMMAND_LINE_SIZE without its NUL.
    command_line: 1023,
    qemu: "qemu-system-arm",
    cpus: 2,
    machine: &[
        "-M",
        "virt",
        "-cpu",
        "cortex-a15",
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
};

const MIPS: Machine = Machine {
    name: "mips",
    arch: "mips",
    cross: "mipsel-linux-gnu-",
    compiler: None,
    kernel: None,
    make: &[],
    defconfig: None,
    configs: &["malta", "mips"],
    options: &[],
    tested_by: TestedBy::Check,
    is_compared: true,
    selftests: BOTH,
    debian: Some("mipsel"),
    target: "vmlinux",
    image: "vmlinux",
    dtb: None,
    console: "ttyS0",
    channel: "ttyS1",
    // QEMU puts `rd_start=0xffffffff8fe00000 rd_size=1234567890 ` before it, and cuts off what does
    // not fit into 256 bytes with the NUL.
    command_line: 255 - 47,
    qemu: "qemu-system-mipsel",
    cpus: 1,
    machine: &[
        "-M", "malta", "-cpu", "24Kf", "-m", "256", "-nic", "none", "-vga", "none",
    ],
    results: &["-serial", "chardev:results"],
};

/// Another configuration of a machine's kernel. Some of the tests are enough to see what differs.
const ARM_VARIANT: Machine = Machine {
    tested_by: TestedBy::CheckAll,
    is_compared: false,
    selftests: &[],
    ..ARM
};

const MIPS_VARIANT: Machine = Machine {
    tested_by: TestedBy::CheckAll,
    is_compared: false,
    selftests: &[],
    ..MIPS
};

/// One of QEMU's boards. All of them boot one kernel, and none has a second serial line that the
/// kernel's device tree turns on.
const ARM_BOARD: Machine = Machine {
    kernel: Some("multi-v7"),
    defconfig: Some("multi_v7_defconfig"),
    options: &[NO_DEVICES],
    channel: KERNEL_LOG,
    results: &[],
    ..ARM_VARIANT
};

/// Drivers of devices that none of these boards has in QEMU. They take most of the time that it
/// takes to build a kernel for all boards. No debugging information, which takes the rest.
const NO_DEVICES: &str = "\
# CONFIG_BT is not set
# CONFIG_CAN is not set
# CONFIG_DRM is not set
# CONFIG_FB is not set
# CONFIG_IIO is not set
# CONFIG_MEDIA_SUPPORT is not set
# CONFIG_NFC is not set
# CONFIG_SOUND is not set
# CONFIG_STAGING is not set
# CONFIG_WLAN is not set
# CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT is not set
CONFIG_DEBUG_INFO_NONE=y
";

const fn gcc(release: u32, suite: &'static str) -> Compiler {
    Compiler::Gcc { release, suite }
}

/// The argument of the kernel's `make` for clang and the other tools of LLVM's.
pub const LLVM: &str = "LLVM=1";

/// A kernel without modules. What other options ask for as a module is left out.
pub const NO_MODULES: &str = "\
# CONFIG_MODULES is not set
# CONFIG_MODULE_UNLOAD is not set
# CONFIG_ARM_MODULE_PLTS is not set
# CONFIG_STRICT_MODULE_RWX is not set
";

/// A kernel without kprobes and what needs them.
const NO_KPROBES: &str = "\
# CONFIG_KPROBES is not set
# CONFIG_KPROBE_EVENTS is not set
# CONFIG_KPROBES_SANITY_TEST is not set
# CONFIG_SAMPLE_KPROBES is not set
# CONFIG_SAMPLE_KRETPROBES is not set
";

/// A kernel that checks addresses, and can make functions fail, on top of [`CHECKED`].
const DEBUG: &str = "\
CONFIG_DEBUG_VIRTUAL=y
CONFIG_FUNCTION_ERROR_INJECTION=y
CONFIG_FAIL_FUNCTION=y
";

/// ARM with call sites after prologues.
const NO_PADS: &str = "# CONFIG_ARM_FTRACE_PADS is not set\n";

/// ARM without direct calls.
const NO_DIRECT: &str = "\
# CONFIG_SAMPLE_FTRACE_DIRECT is not set
# CONFIG_SAMPLE_FTRACE_DIRECT_MULTI is not set
";

/// A kernel without the function graph tracer and what needs it.
const NO_GRAPH: &str = "\
# CONFIG_FUNCTION_GRAPH_TRACER is not set
# CONFIG_FUNCTION_GRAPH_RETVAL is not set
# CONFIG_FPROBE is not set
# CONFIG_FPROBE_EVENTS is not set
# CONFIG_SAMPLE_FPROBE is not set
";

/// A kernel that checks locking and preemption, and can refuse memory.
const CHECKED: &str = "\
CONFIG_PROVE_LOCKING=y
CONFIG_DEBUG_ATOMIC_SLEEP=y
CONFIG_DEBUG_PREEMPT=y
CONFIG_FAULT_INJECTION=y
CONFIG_FAULT_INJECTION_DEBUG_FS=y
CONFIG_FAULT_INJECTION_STACKTRACE_FILTER=y
CONFIG_FAILSLAB=y
CONFIG_FAIL_PAGE_ALLOC=y
";

/// MIPS, with a function in the release of each spinlock while its event is on.
const CONTENDED_RELEASE: &str = "CONFIG_QUEUED_SPINLOCKS_TRACE_CONTENDED_RELEASE=y\n";

/// A kernel that knows the names of its functions' arguments.
pub const BTF: &str = "\
CONFIG_DEBUG_INFO_DWARF4=y
CONFIG_DEBUG_INFO_BTF=y
CONFIG_PROBE_EVENTS_BTF_ARGS=y
CONFIG_FUNCTION_TRACE_ARGS=y
";

/// All of the kernel's KUnit suites that can be built into such a kernel.
pub const KUNIT: &str = "CONFIG_KUNIT_ALL_TESTS=y\n";

pub const MACHINES: &[Machine] = &[
    ARM,
    MIPS,
    Machine {
        name: "mips-be",
        cross: "mips-linux-gnu-",
        configs: &["malta", "mips-be"],
        debian: None,
        qemu: "qemu-system-mips",
        ..MIPS_VARIANT
    },
    // No other 32-bit MIPS CPU of QEMU's comes up with more than one core.
    Machine {
        name: "mips-r6",
        cross: "mipsisa32r6el-linux-gnu-",
        configs: &["malta", "mips-r6"],
        is_compared: true,
        selftests: BOTH,
        debian: None,
        // The CPU has 64 bits: a 32-bit kernel's entry must be sign-extended for it.
        target: "vmlinux.64",
        image: "vmlinux.64",
        qemu: "qemu-system-mips64el",
        cpus: 4,
        // By default QEMU runs all of its CPUs in one thread. One that waits for others, as
        // when all are stopped, then keeps them from running for up to a tenth of a second.
        machine: &[
            "-M",
            "malta",
            "-cpu",
            "I6400",
            "-accel",
            "tcg,thread=multi",
            "-m",
            "256",
            "-nic",
            "none",
            "-vga",
            "none",
        ],
        ..MIPS_VARIANT
    },
    Machine {
        name: "arm-mcount",
        options: &[NO_PADS, NO_DIRECT],
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-thumb2",
        options: &["CONFIG_THUMB2_KERNEL=y\n", NO_PADS, NO_DIRECT],
        is_compared: true,
        selftests: BOTH,
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-thumb2-pads",
        compiler: Some(gcc(14, "trixie")),
        options: &["CONFIG_THUMB2_KERNEL=y\n", NO_DIRECT],
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-no-plts",
        options: &["# CONFIG_ARM_MODULE_PLTS is not set\n"],
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-no-rwx",
        options: &[
            "# CONFIG_STRICT_KERNEL_RWX is not set\n# CONFIG_STRICT_MODULE_RWX is not set\n",
        ],
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-no-graph",
        options: &[NO_GRAPH],
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-up",
        options: &["# CONFIG_SMP is not set\n# CONFIG_HOTPLUG_CPU is not set\n"],
        cpus: 1,
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-frame-pointer",
        options: &["CONFIG_UNWINDER_FRAME_POINTER=y\n", NO_PADS, NO_DIRECT],
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-checked",
        options: &[CHECKED],
        // What the C backend does wrong here is no news.
        selftests: &[Backend::Rust],
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-kunit",
        options: &[KUNIT],
        is_compared: true,
        ..ARM_VARIANT
    },
    Machine {
        name: "mips-kunit",
        options: &[KUNIT],
        is_compared: true,
        ..MIPS_VARIANT
    },
    Machine {
        name: "arm-btf",
        options: &[BTF],
        ..ARM_VARIANT
    },
    Machine {
        name: "mips-btf",
        options: &[BTF],
        ..MIPS_VARIANT
    },
    Machine {
        name: "mips-no-graph",
        options: &[NO_GRAPH],
        ..MIPS_VARIANT
    },
    Machine {
        name: "mips-checked",
        options: &[CHECKED, CONTENDED_RELEASE],
        ..MIPS_VARIANT
    },
    Machine {
        name: "arm-debug",
        options: &[CHECKED, DEBUG],
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-rt",
        options: &["CONFIG_PREEMPT_RT=y\n"],
        ..ARM_VARIANT
    },
    // It has no option for pads.
    Machine {
        name: "arm-clang",
        make: &[LLVM],
        options: &[NO_PADS, NO_DIRECT],
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-thumb2-clang",
        make: &[LLVM],
        options: &["CONFIG_THUMB2_KERNEL=y\n", NO_PADS, NO_DIRECT],
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-gcc13",
        compiler: Some(gcc(13, "trixie")),
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-gcc14",
        compiler: Some(gcc(14, "trixie")),
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-gcc15",
        compiler: Some(gcc(15, "sid")),
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-gcc16",
        compiler: Some(gcc(16, "sid")),
        ..ARM_VARIANT
    },
    Machine {
        name: "mips-gcc14",
        compiler: Some(gcc(14, "trixie")),
        ..MIPS_VARIANT
    },
    Machine {
        name: "mips-gcc16",
        compiler: Some(gcc(16, "sid")),
        ..MIPS_VARIANT
    },
    Machine {
        name: "arm-clang23",
        compiler: Some(Compiler::Clang {
            release: 23,
            suite: "sid",
        }),
        make: &[LLVM],
        options: &[NO_PADS, NO_DIRECT],
        ..ARM_VARIANT
    },
    // The oldest rustc that the kernel takes, and the newest.
    Machine {
        name: "arm-rustc-old",
        compiler: Some(Compiler::Rustc { suite: "trixie" }),
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-rustc-new",
        compiler: Some(Compiler::Rustc { suite: "sid" }),
        ..ARM_VARIANT
    },
    Machine {
        name: "mips-rustc-old",
        compiler: Some(Compiler::Rustc { suite: "trixie" }),
        ..MIPS_VARIANT
    },
    Machine {
        name: "mips-rustc-new",
        compiler: Some(Compiler::Rustc { suite: "sid" }),
        ..MIPS_VARIANT
    },
    Machine {
        name: "arm-no-modules",
        options: &[NO_MODULES],
        ..ARM_VARIANT
    },
    Machine {
        name: "mips-no-modules",
        options: &[NO_MODULES],
        ..MIPS_VARIANT
    },
    Machine {
        name: "arm-no-kprobes",
        options: &[NO_KPROBES],
        ..ARM_VARIANT
    },
    Machine {
        name: "mips-no-kprobes",
        options: &[NO_KPROBES],
        ..MIPS_VARIANT
    },
    Machine {
        name: "mips-malta",
        defconfig: Some("malta_defconfig"),
        // Rust and these exclude each other.
        options: &["# CONFIG_MODVERSIONS is not set\n"],
        ..MIPS_VARIANT
    },
    Machine {
        name: "raspi2b",
        dtb: Some("broadcom/bcm2836-rpi-2-b.dtb"),
        cpus: 4,
        machine: &["-M", "raspi2b"],
        ..ARM_BOARD
    },
    Machine {
        name: "orangepi-pc",
        dtb: Some("allwinner/sun8i-h3-orangepi-pc.dtb"),
        console: "ttyS0",
        cpus: 4,
        machine: &["-M", "orangepi-pc", "-nic", "none"],
        ..ARM_BOARD
    },
    Machine {
        name: "sabrelite",
        dtb: Some("nxp/imx/imx6q-sabrelite.dtb"),
        // The second serial line.
        console: "ttymxc1",
        cpus: 4,
        machine: &[
            "-M",
            "sabrelite",
            "-m",
            "512",
            "-nic",
            "none",
            "-serial",
            "null",
        ],
        ..ARM_BOARD
    },
    Machine {
        name: "vexpress-a15",
        dtb: Some("arm/vexpress-v2p-ca15-tc1.dtb"),
        machine: &["-M", "vexpress-a15", "-m", "512", "-nic", "none"],
        ..ARM_BOARD
    },
    Machine {
        name: "vexpress-a9",
        dtb: Some("arm/vexpress-v2p-ca9.dtb"),
        cpus: 4,
        machine: &["-M", "vexpress-a9", "-m", "512", "-nic", "none"],
        ..ARM_BOARD
    },
    // One CPU under a kernel for several.
    Machine {
        name: "cubieboard",
        dtb: Some("allwinner/sun4i-a10-cubieboard.dtb"),
        console: "ttyS0",
        cpus: 1,
        machine: &["-M", "cubieboard", "-m", "512", "-nic", "none"],
        ..ARM_BOARD
    },
    Machine {
        name: "bpim2u",
        dtb: Some("allwinner/sun8i-r40-bananapi-m2-ultra.dtb"),
        console: "ttyS0",
        cpus: 4,
        machine: &["-M", "bpim2u", "-nic", "none"],
        ..ARM_BOARD
    },
    Machine {
        name: "mcimx7d-sabre",
        dtb: Some("nxp/imx/imx7d-sdb.dtb"),
        console: "ttymxc0",
        machine: &["-M", "mcimx7d-sabre", "-m", "512", "-nic", "none"],
        ..ARM_BOARD
    },
];

impl Machine {
    /// The name of the kernel's build.
    pub fn kernel_name(&self) -> &'static str {
        self.kernel.unwrap_or(self.name)
    }

    /// Whether no machine before it boots the same kernel.
    pub fn is_first_of_kernel(&self) -> bool {
        let first = MACHINES
            .iter()
            .find(|m| m.kernel_name() == self.kernel_name());
        first.is_some_and(|m| m.name == self.name)
    }

    /// QEMU's arguments for the machine.
    pub fn arguments(&self) -> Vec<String> {
        let given = self.machine.iter().map(|&argument| argument.to_owned());
        given
            .chain(["-smp".to_owned(), self.cpus.to_string()])
            .collect()
    }
}

/// The machines that a command tests whose filter is `test`.
pub fn tested(by: TestedBy, test: Option<&str>) -> Vec<&'static Machine> {
    let named = |m: &Machine| test.is_some_and(|text| text.contains(m.name));
    MACHINES
        .iter()
        .filter(|m| by == TestedBy::CheckAll || m.tested_by == by || named(m))
        .collect()
}

/// The machine that `ARCH=` names.
pub fn find(name: &str) -> Result<&'static Machine> {
    MACHINES.iter().find(|m| m.name == name).with_context(|| {
        let names: Vec<_> = MACHINES.iter().map(|m| m.name).collect();
        format!("ARCH={name} is not known; it can be {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (i, machine) in MACHINES.iter().enumerate() {
            assert!(MACHINES[..i].iter().all(|m| m.name != machine.name));
        }
    }

    #[test]
    fn machines_that_share_a_kernel_build_the_same_one() {
        let build = |m: &Machine| {
            (
                (m.arch, m.cross, m.compiler, m.make, m.target),
                (m.defconfig, m.configs, m.options),
            )
        };
        for machine in MACHINES {
            let sharing = MACHINES
                .iter()
                .filter(|m| m.kernel_name() == machine.kernel_name());
            assert_eq!(
                sharing.clone().filter(|m| m.is_first_of_kernel()).count(),
                1
            );
            for other in sharing {
                assert_eq!(build(machine), build(other), "{}", other.name);
            }
        }
    }

    #[test]
    fn a_variant_is_tested_by_check_all_or_by_name() {
        let names = |by, test| tested(by, test).iter().map(|m| m.name).collect::<Vec<_>>();
        assert_eq!(names(TestedBy::Check, None), ["arm", "mips"]);
        assert_eq!(names(TestedBy::Check, Some("mips")), ["arm", "mips"]);
        assert_eq!(
            names(TestedBy::Check, Some("mips-r6/guest")),
            ["arm", "mips", "mips-r6"]
        );
        assert_eq!(
            names(TestedBy::CheckAll, Some("guest")).len(),
            MACHINES.len()
        );
    }
}
