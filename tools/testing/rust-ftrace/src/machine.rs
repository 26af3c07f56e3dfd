// SPDX-License-Identifier: GPL-2.0

//! The machines that we build for and boot, as data.

use anyhow::Context as _;
use anyhow::Result;

use crate::kbuild::Backend;

/// A QEMU machine with its kernel and userland.
pub struct Machine {
    /// The user's name for it (`ARCH=`).
    pub name: &'static str,
    /// The kernel's `ARCH=`.
    pub arch: &'static str,
    /// The kernel's `CROSS_COMPILE=`.
    pub cross: &'static str,
    /// The oldest release of gcc that its kernel can be compiled with, where not all will do.
    pub gcc: Option<u32>,
    /// The kernel's configuration fragments that are the machine's own.
    pub configs: &'static [&'static str],
    /// Options of the kernel that take the place of what the fragments say.
    pub options: &'static [&'static str],
    /// Which command tests it.
    pub tested_by: TestedBy,
    /// Whether the kernels of both backends are built and held against each other.
    pub is_compared: bool,
    /// The backends that run what takes a userland and long: the kernel's own tests of ftrace, and
    /// programs that use it.
    pub selftests: &'static [Backend],
    /// Debian's name of the architecture that the userland is for, or `None` where Debian has
    /// none and the userland is built from its source packages.
    pub debian: Option<&'static str>,
    /// The make target of the bootable image.
    pub target: &'static str,
    /// Where that target leaves the image, below the build folder.
    pub image: &'static str,
    /// The console's device in the guest.
    pub console: &'static str,
    /// The device that carries the results, in the guest.
    pub channel: &'static str,
    /// The length of the longest command line that reaches the kernel whole.
    pub command_line: usize,
    /// QEMU's program.
    pub qemu: &'static str,
    /// The number of its processors.
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

const BOTH: &[Backend] = &[Backend::Rust, Backend::C];

const ARM: Machine = Machine {
    name: "arm",
    arch: "arm",
    cross: "arm-linux-gnueabihf-",
    gcc: None,
    configs: &["arm"],
    options: &[],
    tested_by: TestedBy::Check,
    is_compared: true,
    selftests: BOTH,
    debian: Some("armhf"),
    target: "zImage",
    image: "arch/arm/boot/zImage",
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
    gcc: None,
    configs: &["malta", "mips"],
    options: &[],
    tested_by: TestedBy::Check,
    is_compared: true,
    selftests: BOTH,
    debian: Some("mipsel"),
    target: "vmlinux",
    image: "vmlinux",
    console: "ttyS0",
    channel: "ttyS1",
    // QEMU cuts off what does not fit into 256 bytes with its NUL behind
    // `rd_start=0xffffffff8fe00000 rd_size=1234567890 `.
    command_line: 255 - 47,
    qemu: "qemu-system-mipsel",
    cpus: 1,
    machine: &[
        "-M", "malta", "-cpu", "24Kf", "-m", "256", "-nic", "none", "-vga", "none",
    ],
    results: &["-serial", "chardev:results"],
};

/// Another configuration of a machine's kernel: what differs with it shows in less than all tests.
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

/// ARM with call sites behind prologues.
const NO_PADS: &str = "# CONFIG_ARM_FTRACE_PADS is not set\n";

/// ARM without direct calls.
const NO_DIRECT: &str = "\
# CONFIG_SAMPLE_FTRACE_DIRECT is not set
# CONFIG_SAMPLE_FTRACE_DIRECT_MULTI is not set
";

/// A kernel without the function graph tracer, and what takes it.
const NO_GRAPH: &str = "\
# CONFIG_FUNCTION_GRAPH_TRACER is not set
# CONFIG_FUNCTION_GRAPH_RETVAL is not set
# CONFIG_FPROBE is not set
# CONFIG_FPROBE_EVENTS is not set
# CONFIG_SAMPLE_FPROBE is not set
";

/// What a kernel is asked for on top that checks locking and preemption, and can refuse memory.
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
    // No other 32-bit MIPS processor of QEMU's comes up with more than one core.
    Machine {
        name: "mips-r6",
        cross: "mipsisa32r6el-linux-gnu-",
        configs: &["malta", "mips-r6"],
        is_compared: true,
        selftests: BOTH,
        debian: None,
        // The processor has 64 bits: a 32-bit kernel's entry must be sign-extended for it.
        target: "vmlinux.64",
        image: "vmlinux.64",
        qemu: "qemu-system-mips64el",
        cpus: 4,
        // By default QEMU runs all of its processors in one thread. One that waits for others, as
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
        // With C it panics in the boot self-test of the function graph tracer.
        selftests: &[Backend::Rust],
        ..ARM_VARIANT
    },
    Machine {
        name: "arm-thumb2-pads",
        gcc: Some(14),
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
];

impl Machine {
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
        format!("ARCH={name} is not known; it can be {}", names.join(" or "))
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
