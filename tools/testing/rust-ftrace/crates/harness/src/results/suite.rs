// SPDX-License-Identifier: GPL-2.0

//! Which suites there are.

use std::fmt;

use crate::kernel::backend::Backend;

/// A kind of tests of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Of the kernels that are built.
    Build,
    /// The kernel's boot self-tests.
    Selftest,
    /// The kernel's KUnit suites.
    Kunit,
    /// The KUnit suite of the Rust backend.
    KunitBackend,
    /// Our scripts in a guest.
    Guest,
    /// Our scripts in a guest for what the series mends in the kernel.
    Mends,
    /// Our scripts that take a boot each.
    Faults,
    /// Rounds of random commands.
    Fuzz,
    /// Programs that use ftrace.
    Clients,
    /// The kernel's own tests of ftrace.
    Ftracetest,
    /// The kernel after each patch of the series.
    Series,
}

impl Kind {
    pub const ALL: [Self; 11] = [
        Self::Build,
        Self::Selftest,
        Self::Kunit,
        Self::KunitBackend,
        Self::Guest,
        Self::Mends,
        Self::Faults,
        Self::Fuzz,
        Self::Clients,
        Self::Ftracetest,
        Self::Series,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Selftest => "selftest",
            Self::Kunit => "kunit",
            Self::KunitBackend => "kunit-backend",
            Self::Guest => "guest",
            Self::Mends => "mends",
            Self::Faults => "faults",
            Self::Fuzz => "fuzz",
            Self::Clients => "clients",
            Self::Ftracetest => "ftracetest",
            Self::Series => "series",
        }
    }
}

/// The name of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// Tests of a machine with a backend. The results of the C backend are the baseline that those
    /// of the Rust backend are compared with. They are no tests of ours.
    Machine(&'static str, Backend, Kind),
    /// The comparison of a machine's backends.
    Compare(&'static str),
    /// Tests of a crate that runs on the host.
    Host(String),
    /// The kernel's checks of style.
    Lint,
    /// `known-failures`, held against all results.
    Known,
    /// Our reading of KTAP.
    Ktap,
    /// The page with the results.
    Page,
}

impl Name {
    /// The first words of the names that no machine has.
    pub const ROOMS: [&str; 3] = ["host", "lint", "results"];

    /// The machine and the kind of tests, where this is the C backend's suite.
    pub fn baseline(&self) -> Option<(&'static str, Kind)> {
        match *self {
            Self::Machine(machine, Backend::C, kind) => Some((machine, kind)),
            _ => None,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(machine, Backend::C, kind) => write!(f, "{machine}-c/{}", kind.name()),
            Self::Machine(machine, Backend::Rust, kind) => write!(f, "{machine}/{}", kind.name()),
            Self::Compare(machine) => write!(f, "compare/{machine}"),
            Self::Host(of) => write!(f, "host/{of}"),
            Self::Lint => f.write_str("lint"),
            Self::Known => f.write_str("results/known"),
            Self::Ktap => f.write_str("results/ktap"),
            Self::Page => f.write_str("results/page"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_reports_have_them() {
        let name = |backend| Name::Machine("arm", backend, Kind::KunitBackend).to_string();
        assert_eq!(name(Backend::Rust), "arm/kunit-backend");
        assert_eq!(name(Backend::C), "arm-c/kunit-backend");
        assert_eq!(Name::Host("pure".to_owned()).to_string(), "host/pure");
        assert_eq!(Name::Compare("mips").to_string(), "compare/mips");
    }
}
