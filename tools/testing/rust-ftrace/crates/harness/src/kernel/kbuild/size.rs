// SPDX-License-Identifier: GPL-2.0

//! How large a kernel is.

use std::process::Command;

use anyhow::Result;

use crate::{
    host::process::output,
    kernel::kbuild::Kernel, //
};

impl Kernel<'_> {
    /// Bytes of machine code in vmlinux, boot code included, our KUnit suite left out.
    pub fn text_size(&self) -> Result<u64> {
        let vmlinux = self.vmlinux();
        let mut size = Command::new(format!("{}size", self.machine.cross));
        size.args(["-A", "-d"]).arg(&vmlinux);
        let mut nm = Command::new(format!("{}nm", self.machine.cross));
        nm.args(["-S", "--defined-only", "-t", "d"]).arg(&vmlinux);
        Ok(text_sections(&output(&mut size)?) - suite_size(&output(&mut nm)?))
    }

    /// Bytes of machine code of probes of functions, which the C backends do not offer.
    pub fn fprobe_size(&self) -> Result<u64> {
        let folder = self.out.join("kernel/trace");
        let objects = ["fprobe.o", "trace_fprobe.o"].map(|name| folder.join(name));
        if !objects.iter().all(|object| object.exists()) {
            return Ok(0);
        }
        let mut size = Command::new(format!("{}size", self.machine.cross));
        size.args(["-A", "-d"]).args(objects);
        Ok(sections(&output(&mut size)?, |name| {
            name.starts_with(".text") || [".init.text", ".exit.text"].contains(&name)
        }))
    }

    /// Bytes of variables in vmlinux, set ones and zeroed ones.
    pub fn data_size(&self) -> Result<u64> {
        let mut size = Command::new(format!("{}size", self.machine.cross));
        size.args(["-A", "-d"]).arg(self.vmlinux());
        Ok(sections(&output(&mut size)?, |name| {
            name == ".data" || name == ".bss"
        }))
    }
}

/// Sums the sections whose names end in `.text` in the output of `size -A`.
fn text_sections(output: &str) -> u64 {
    sections(output, |name| name.ends_with(".text"))
}

/// Sums the sections that are wanted in the output of `size -A`.
fn sections(output: &str, wanted: impl Fn(&str) -> bool) -> u64 {
    output
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            words.next().filter(|name| wanted(name))?;
            words.next()?.parse::<u64>().ok()
        })
        .sum()
}

/// Sums the functions of `kernel::ftrace::kunit` in the output of `nm -S -t d`.
fn suite_size(output: &str) -> u64 {
    output
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (size, kind, name) = (words.next()?, words.next()?, words.next()?);
            let counts = kind.eq_ignore_ascii_case("t") && name.contains("6ftrace5kunit");
            size.parse::<u64>().ok().filter(|_| counts)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_all_sections_of_code() {
        let output = "vmlinux  :\nsection  size  addr\n.head.text  8  1\n.text  100  2\n\
                      .rodata  7  3\n.init.text  20  4\nTotal  135\n";
        assert_eq!(text_sections(output), 128);
    }

    #[test]
    fn the_suite_is_told_from_other_functions() {
        let output = "10 00000016 t _RNvNtNtCs1_6kernel6ftrace5kunit4site\n\
                      30 00000008 T _RNvNtCs1_6kernel6ftrace4text\n\
                      40 00000004 d _RNvNtNtCs1_6kernel6ftrace5kunit4TASK\n50 T _stext\n";
        assert_eq!(suite_size(output), 16);
    }
}
