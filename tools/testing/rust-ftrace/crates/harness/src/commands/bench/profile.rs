// SPDX-License-Identifier: GPL-2.0

//! Which functions the instructions of a call are in.

use std::{
    collections::BTreeMap,
    io::BufRead, //
};

use anyhow::Result;

/// Where the functions of vmlinux end that stay after boot.
const END: &str = "_etext";

/// The name for instructions in none of them, such as those of modules.
const ELSEWHERE: &str = "(elsewhere)";

/// The functions of vmlinux that stay after boot.
pub struct Symbols {
    /// All functions by their addresses, also those that do not stay.
    functions: BTreeMap<u32, String>,
    end: u32,
}

impl Symbols {
    /// Reads the output of `nm`.
    pub fn read(nm: &str) -> Result<Self> {
        let function = |(address, name): (_, &str)| Ok((super::address(address)?, name.to_owned()));
        Ok(Self {
            functions: super::code(nm).map(function).collect::<Result<_>>()?,
            end: super::function(nm, END)?.address,
        })
    }

    fn name(&self, pc: u32) -> &str {
        let found = self.functions.range(..=pc).next_back();
        found
            .filter(|_| pc < self.end)
            .map_or(ELSEWHERE, |(_, name)| name)
    }
}

/// Counts the instructions of each function in QEMU's log of executed instructions, most first.
pub fn profile(log: impl BufRead, symbols: &Symbols) -> Result<Vec<(String, u64)>> {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for line in log.lines() {
        let line = line?;
        // MIPS's changes of its status are logged too.
        let Some((pc, executed)) = entry(&line) else {
            continue;
        };
        let count = counts.entry(pc).or_default();
        *count = match executed {
            true => *count + 1,
            // It was logged before.
            false => count.saturating_sub(1),
        };
    }
    let mut functions: BTreeMap<&str, u64> = BTreeMap::new();
    for (pc, count) in counts {
        *functions.entry(symbols.name(pc)).or_default() += count;
    }
    let mut functions: Vec<_> = functions
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect();
    functions.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(functions)
}

/// The program counter in a line of the log, and whether the instruction was executed.
///
/// `Trace 0: 0x7f0123 [00400000/c0108000/00000001/ff000001]` says that it was.
/// `Stopped execution of TB chain before 0x7f0123 [c0108000]` says that it was not after all,
/// because of an interrupt.
fn entry(line: &str) -> Option<(u32, bool)> {
    let (what, fields) = line.split_once('[')?;
    let (fields, _) = fields.split_once(']')?;
    let (pc, executed) = match fields.split_once('/') {
        Some((_, rest)) if what.starts_with("Trace ") => (rest.split('/').next()?, true),
        None if what.starts_with("Stopped ") => (fields, false),
        _ => return None,
    };
    Some((super::address(pc).ok()?, executed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NM: &str = "\
ffffffff80100000 T first
ffffffff80100010 t kernel::ftrace::second::<mips::Arch>
ffffffff80100020 T _etext
ffffffff80200000 D data
ffffffff80300000 t exit
";

    #[test]
    fn instructions_are_those_of_the_function_before_them() {
        let log = "\
Trace 0: 0x7f8c4c0 [00000000/80100000/00000004/ff000001] first
Trace 0: 0x7f8c4c1 [00000000/80100014/00000004/ff000001]
Trace 0: 0x7f8c4c1 [00000000/80100018/00000004/ff000001]
Trace 0: 0x7f8c4c1 [00000000/80100018/00000004/ff000001]
Stopped execution of TB chain before 0x7f8c4c1 [ffffffff80100018] second
Status 1000a403 (00008000) => 1000a400 (00008000) Cause 50808000
Trace 0: 0x7f8c4c1 [00000000/80100018/00000004/ff000001]
Trace 0: 0x7f8c4c1 [00000000/c0008000/00000004/ff000001]
";
        let symbols = Symbols::read(NM).unwrap();
        let expected = [
            ("kernel::ftrace::second::<mips::Arch>", 3),
            (ELSEWHERE, 1),
            ("first", 1),
        ];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(profile(log.as_bytes(), &symbols).unwrap(), expected);
    }
}
