// SPDX-License-Identifier: GPL-2.0

//! The call sites that an image records.

use std::collections::HashSet;

use anyhow::Result;
use ftrace_pure::{
    insn::mips,
    site::{
        Layout,
        State,
        A32_MCOUNT,
        A32_PADS,
        MAX_WORDS,
        MIPS_CORE,
        MIPS_MODULE,
        T32_MCOUNT,
        T32_PADS, //
    },
};

use crate::image::{
    Image,
    Isa,
    MCOUNT_LOC,
    PADS, //
};

/// Bytes of `move at, ra` and of what sets `$12`, before [`MIPS_CORE`].
const MIPS_CORE_BEFORE: u32 = 8;

/// A call site.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    pub ip: u32,
    pub layout: &'static Layout,
}

impl Site {
    /// The address of the first instruction that the compiler emits for the site.
    pub fn start(&self) -> u32 {
        let first = self.layout.words.first();
        let first = first.map_or(self.ip, |word| word.address(self.ip));
        match self.layout.name == MIPS_CORE.name {
            true => first.wrapping_sub(MIPS_CORE_BEFORE),
            false => first,
        }
    }

    /// Whether the site calls one target for ever.
    pub fn keeps_target(&self) -> bool {
        self.layout.keeps_target(self.ip)
    }

    /// The address after the site.
    pub fn end(&self) -> u32 {
        let last = self.layout.words.last();
        last.map_or(self.ip, |word| {
            word.address(self.ip).wrapping_add(self.layout.width.size())
        })
    }
}

/// What `__mcount_loc` records.
#[derive(Debug, Default)]
pub struct Sites {
    pub good: Vec<Site>,
    /// What is wrong with the others.
    pub bad: Vec<String>,
    /// Entries that the build emptied: functions left out of the kernel.
    pub emptied: usize,
}

/// Where the functions start that have a site.
pub fn functions(image: &Image, sites: &[Site]) -> HashSet<u32> {
    let functions = sites.iter().filter_map(|site| image.function(site.ip));
    functions.map(|function| function.start).collect()
}

/// The layout that the backend asks for, as `Arch::layout()` does: one for a kind of image.
fn layout(image: &Image, has_pads: bool, ip: u32) -> &'static Layout {
    match (image.isa_at(ip), image.module) {
        (Isa::A32, _) if has_pads => &A32_PADS,
        (Isa::T32, _) if has_pads => &T32_PADS,
        (Isa::A32, _) => &A32_MCOUNT,
        (Isa::T32, _) => &T32_MCOUNT,
        (Isa::Mips32 | Isa::Mips32R6, false) => &MIPS_CORE,
        (Isa::Mips32 | Isa::Mips32R6, true) => &MIPS_MODULE,
    }
}

/// What is recorded, and whether those are functions with room for a call before their own
/// instructions. In the kernel the first one tells: a call does not begin a function.
fn recorded(image: &Image) -> Result<(Vec<u32>, bool)> {
    let pads = image.table(&PADS)?;
    let first = pads.iter().find(|ip| **ip != 0);
    let starts = |ip: u32| image.function(ip).is_some_and(|f| f.start == ip);
    if first.is_some_and(|ip| starts(image.code_address(*ip))) {
        return Ok((pads, true));
    }
    Ok((image.table(&MCOUNT_LOC)?, false))
}

/// Decodes all sites.
pub fn sites(image: &Image) -> Result<Sites> {
    let mut sites = Sites::default();
    let (recorded, has_pads) = recorded(image)?;
    for ip in recorded {
        if ip == 0 {
            sites.emptied += 1;
            continue;
        }
        // As `ftrace_call_adjust()` does.
        let ip = image.code_address(ip);
        let ip = if has_pads { ip.wrapping_add(4) } else { ip };
        let layout = layout(image, has_pads, ip);
        match check(image, layout, ip) {
            Ok(()) => sites.good.push(Site { ip, layout }),
            Err(problem) => {
                let name = image.name(ip);
                sites.bad.push(format!("{ip:#x} {name}: {problem}"));
            }
        }
    }
    Ok(sites)
}

fn check(image: &Image, layout: &Layout, ip: u32) -> Result<(), String> {
    let mut words = [0; MAX_WORDS];
    for (insn, word) in words.iter_mut().zip(layout.words) {
        let address = word.address(ip);
        let code = image.unit(address, layout.width);
        let code = code.filter(|_| image.is_code(address));
        *insn = code.ok_or("is not in code")?;
    }
    let Some(target) = layout.decode(ip, &words, State::Compiled) else {
        let words = &words[..layout.words.len()];
        return Err(format!("{words:x?} is not a compiled {} site", layout.name));
    };
    if layout.name == MIPS_CORE.name {
        let before = image.word(ip.wrapping_sub(MIPS_CORE_BEFORE)).unwrap_or(0);
        if !mips::MOVE_AT_RA.contains(&before) {
            return Err(format!("{before:08x} before it is not `move at, ra`"));
        }
    }
    if [A32_PADS.name, T32_PADS.name].contains(&layout.name) {
        return Ok(());
    }
    let mcount = match image.isa {
        Isa::A32 | Isa::T32 => "__gnu_mcount_nc",
        Isa::Mips32 | Isa::Mips32R6 => "_mcount",
    };
    // The linker puts a veneer between where the branch does not reach.
    let veneer = format!("__{mcount}_veneer");
    if ![mcount, &veneer]
        .iter()
        .any(|n| image.symbol(n) == Some(image.code_address(target)))
    {
        return Err(format!("calls {} and not {mcount}", image.name(target)));
    }
    Ok(())
}
