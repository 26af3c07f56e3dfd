// SPDX-License-Identifier: GPL-2.0

//! CPUs.

/// The largest number of CPUs.
pub const CPUS: usize = 2;

/// How a machine brings stored instructions to its CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Name for messages.
    pub name: &'static str,
    /// Number of CPUs.
    pub cpus: u8,
    /// Whether `Machine::flush_icache()` of the backend invalidates all instruction caches, or that
    /// of the CPU that calls it alone.
    pub publishes_to_all: bool,
    /// Whether `Machine::sync_core()` of the backend invalidates the instruction cache of the
    /// CPU that calls it, besides being a barrier.
    pub synchronise_flushes: bool,
}

/// ARMv7 SMP: `flush_icache_range()`, then `isb` everywhere.
pub const ARM: Machine = Machine {
    name: "arm",
    cpus: 2,
    publishes_to_all: true,
    synchronise_flushes: false,
};

/// ARMv7 with one CPU.
pub const ARM_UP: Machine = Machine {
    name: "arm-up",
    cpus: 1,
    ..ARM
};

/// MIPS SMP: `synci` and `jr.hb`, then a flush of the cache and `jr.hb` everywhere.
pub const MIPS: Machine = Machine {
    name: "mips",
    cpus: 2,
    publishes_to_all: false,
    synchronise_flushes: true,
};

/// MIPS without SMP: `synci` and `jr.hb`, then `jr.hb`.
pub const MIPS_UP: Machine = Machine {
    name: "mips-up",
    cpus: 1,
    publishes_to_all: false,
    synchronise_flushes: false,
};
