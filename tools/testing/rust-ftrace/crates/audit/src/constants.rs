// SPDX-License-Identifier: GPL-2.0

//! The targets of calls through registers on MIPS, which is how LLVM calls.
//!
//! Follows addresses from where `lui` and `addiu` form them to where `jalr` or `jr` uses them.

use std::collections::HashMap;

use anyhow::Result;

use crate::{
    insn::Flow,
    mips,
    program::{
        Edge,
        Program, //
    },
};

/// What general registers hold, as far as that is known.
type Values = [Option<u32>; 32];

/// The known targets of indirect calls and jumps in the function that starts at `start`.
pub fn targets(program: &Program<'_>, start: u32) -> Result<HashMap<u32, u32>> {
    let mut states: HashMap<u32, Values> = HashMap::from([(start, [None; 32])]);
    let mut work = vec![start];
    while let Some(address) = work.pop() {
        let Some(insn) = program.insn(address)? else {
            continue;
        };
        let before = states[&address];
        for edge in program.edges(address, &insn)? {
            let (to, slot) = match edge {
                Edge::Instead(to) => (to, None),
                Edge::NotTaken { to, slot } | Edge::Taken { to, slot } => (to, slot),
            };
            let mut values = before;
            for executed in [Some(address), slot].into_iter().flatten() {
                if let Some(word) = program.image.word(executed) {
                    mips::execute(word, &mut values);
                }
            }
            if matches!(insn.flow, Flow::Call(_) | Flow::CallIndirect { .. }) {
                mips::forget_after_call(&mut values);
            }
            let known = states.get(&to).copied();
            let joined = known.map_or(values, |known| {
                let mut joined = known;
                for (old, new) in joined.iter_mut().zip(values) {
                    *old = old.filter(|old| Some(*old) == new);
                }
                joined
            });
            if known != Some(joined) {
                states.insert(to, joined);
                work.push(to);
            }
        }
    }

    let mut targets = HashMap::new();
    for (address, values) in states {
        let register = program.image.word(address).and_then(mips::jump_register);
        if let Some(target) = register.and_then(|register| values[register]) {
            targets.insert(address, target);
        }
    }
    Ok(targets)
}
