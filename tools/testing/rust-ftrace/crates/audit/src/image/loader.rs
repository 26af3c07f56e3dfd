// SPDX-License-Identifier: GPL-2.0

//! Lays out a file as it will be in memory.

use std::collections::{
    BTreeMap,
    HashMap, //
};

use anyhow::{
    bail,
    Result, //
};
use object::{
    elf,
    Architecture,
    File,
    FileFlags,
    Object as _,
    ObjectSection as _,
    ObjectSymbol as _,
    RelocationFlags,
    RelocationTarget,
    SectionFlags,
    SectionIndex,
    SymbolKind, //
};

use crate::image::parts::{
    Function,
    Isa,
    Section, //
};

/// Where a module is laid out for the audit, and what it does not define: all within reach of one
/// another by `bl` and by `jal`.
const MODULE_BASE: u32 = 0xbf00_0000;
const EXTERN_BASE: u32 = 0xbf80_0000;

// Relocations of MIPS release 6 that `object` does not name.
const R_MIPS_PC21_S2: u32 = 60;
const R_MIPS_PC26_S2: u32 = 61;

pub fn isa(file: &File<'_>) -> Result<Isa> {
    let FileFlags::Elf { e_flags, .. } = file.flags() else {
        bail!("not ELF");
    };
    Ok(match file.architecture() {
        Architecture::Arm => Isa::A32,
        Architecture::Mips => match e_flags & elf::EF_MIPS_ARCH {
            elf::EF_MIPS_ARCH_32R6 => Isa::Mips32R6,
            _ => Isa::Mips32,
        },
        other => bail!("{other:?} is none of our architectures"),
    })
}

#[derive(Default)]
pub struct Loader {
    pub sections: Vec<Section>,
    /// Which of `sections` is which of the file's.
    pub index: HashMap<SectionIndex, usize>,
    pub functions: Vec<Function>,
    pub symbols: HashMap<String, u32>,
    pub names: HashMap<u32, String>,
    /// What pointers to the file's symbols hold.
    pub pointers: HashMap<usize, u32>,
    pub runs: BTreeMap<u32, Option<Isa>>,
}

impl Loader {
    pub fn lay_out(&mut self, file: &File<'_>, isa: Isa, module: bool) -> Result<()> {
        let code_is_little = file.is_little_endian() || is_be8(file);
        let mut next = MODULE_BASE;
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags } = section.flags() else {
                continue;
            };
            let flags = u32::try_from(sh_flags)?;
            if flags & elf::SHF_ALLOC == 0 || section.size() == 0 {
                continue;
            }
            let code = flags & elf::SHF_EXECINSTR != 0;
            let start = match module {
                true => next.next_multiple_of(u32::try_from(section.align().max(4))?),
                false => u32::try_from(section.address())?,
            };
            let little = match isa {
                Isa::A32 | Isa::T32 if code => code_is_little,
                _ => file.is_little_endian(),
            };
            let words: Vec<u32> = section
                .data()?
                .chunks(4)
                .map(|bytes| {
                    let mut word = [0; 4];
                    word[..bytes.len()].copy_from_slice(bytes);
                    match little {
                        true => u32::from_le_bytes(word),
                        false => u32::from_be_bytes(word),
                    }
                })
                .collect();
            next = start + 4 * u32::try_from(words.len())?;
            self.index.insert(section.index(), self.sections.len());
            self.sections.push(Section {
                name: section.name()?.to_owned(),
                start,
                code,
                words,
            });
        }
        if module && next > EXTERN_BASE {
            bail!("the module is too large");
        }
        Ok(())
    }

    pub fn place_symbols(&mut self, file: &File<'_>, isa: Isa, module: bool) -> Result<()> {
        let mut external = EXTERN_BASE;
        for symbol in file.symbols() {
            let name = symbol.name().unwrap_or_default();
            let section = symbol.section_index().and_then(|s| self.index.get(&s));
            let base = match (module, section) {
                (false, _) => 0,
                (true, Some(section)) => self.sections[*section].start,
                (true, None) if symbol.is_undefined() && !name.is_empty() => {
                    external += 16;
                    external
                }
                (true, None) => continue,
            };
            let pointer = base.wrapping_add(symbol.address() as u32);
            self.pointers.insert(symbol.index().0, pointer);
            // A function of T32 has bit 0 set. `object` does not tell mapping symbols of the ARM
            // ELF specification from data.
            let address = match symbol.kind() {
                SymbolKind::Text => isa.code_address(pointer),
                _ => pointer,
            };
            let run = match name.split('.').next() {
                Some("$a") => Some(Some(Isa::A32)),
                Some("$t") => Some(Some(Isa::T32)),
                Some("$d") => Some(None),
                _ => None,
            };
            if let Some(run) = run {
                self.runs.insert(pointer, run);
                continue;
            }
            if symbol.kind() == SymbolKind::Text && symbol.size() > 0 {
                self.functions.push(Function {
                    name: name.to_owned(),
                    start: address,
                    end: address.wrapping_add(u32::try_from(symbol.size())?),
                });
            }
            if !name.is_empty() && !name.starts_with('$') {
                self.symbols.insert(name.to_owned(), address);
                if symbol.kind() == SymbolKind::Text || symbol.is_undefined() {
                    self.names.insert(address, name.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Does what the module loader will do.
    pub fn relocate(&mut self, file: &File<'_>, isa: Isa) -> Result<()> {
        for section in file.sections() {
            let Some(&index) = self.index.get(&section.index()) else {
                continue;
            };
            // The halves of MIPS addresses wait here for the lower one, which the sum needs.
            let mut upper: Vec<(usize, u32)> = Vec::new();
            for (offset, relocation) in section.relocations() {
                let RelocationTarget::Symbol(symbol) = relocation.target() else {
                    continue;
                };
                let Some(&pointer) = self.pointers.get(&symbol.0) else {
                    continue;
                };
                let RelocationFlags::Elf { r_type } = relocation.flags() else {
                    bail!("not ELF");
                };
                let into = &mut self.sections[index];
                let at = usize::try_from(offset / 4)?;
                let place = into.start.wrapping_add(u32::try_from(offset)?);
                let target = isa.code_address(pointer);
                if matches!(r_type, elf::R_ARM_THM_PC22 | elf::R_ARM_THM_JUMP24) && isa == Isa::A32
                {
                    into.relocate_t32(place, target)?;
                    continue;
                }
                let word = into.words[at];
                into.words[at] = match (isa, r_type) {
                    (Isa::A32, elf::R_ARM_ABS32 | elf::R_ARM_TARGET1) => word.wrapping_add(pointer),
                    (Isa::A32, elf::R_ARM_CALL | elf::R_ARM_JUMP24 | elf::R_ARM_PC24) => {
                        // The addend holds the 8 that the CPU adds to the pc.
                        let addend = ((word << 8) as i32 >> 6) as u32;
                        let distance = target.wrapping_add(addend).wrapping_sub(place);
                        (word & 0xff00_0000) | ((distance >> 2) & 0x00ff_ffff)
                    }
                    (Isa::Mips32 | Isa::Mips32R6, elf::R_MIPS_32) => word.wrapping_add(target),
                    (Isa::Mips32 | Isa::Mips32R6, elf::R_MIPS_26) => {
                        let index = (word & 0x03ff_ffff).wrapping_add(target >> 2);
                        (word & 0xfc00_0000) | (index & 0x03ff_ffff)
                    }
                    (Isa::Mips32 | Isa::Mips32R6, elf::R_MIPS_PC16) => {
                        let distance = target.wrapping_sub(place) >> 2;
                        (word & 0xffff_0000) | (word.wrapping_add(distance) & 0xffff)
                    }
                    (Isa::Mips32R6, R_MIPS_PC21_S2) => {
                        let distance = target.wrapping_sub(place) >> 2;
                        (word & 0xffe0_0000) | (word.wrapping_add(distance) & 0x001f_ffff)
                    }
                    (Isa::Mips32R6, R_MIPS_PC26_S2) => {
                        let distance = target.wrapping_sub(place) >> 2;
                        (word & 0xfc00_0000) | (word.wrapping_add(distance) & 0x03ff_ffff)
                    }
                    (Isa::Mips32 | Isa::Mips32R6, elf::R_MIPS_HI16) => {
                        upper.push((at, target));
                        word
                    }
                    (Isa::Mips32 | Isa::Mips32R6, elf::R_MIPS_LO16) => {
                        let low = (word as u16 as i16) as u32;
                        for (at, target) in upper.drain(..) {
                            let word = &mut into.words[at];
                            let sum = (*word << 16).wrapping_add(low).wrapping_add(target);
                            *word = (*word & 0xffff_0000) | (sum.wrapping_add(0x8000) >> 16);
                        }
                        (word & 0xffff_0000) | (word.wrapping_add(target) & 0xffff)
                    }
                    // These change no register's number, no kind of instruction, and no address
                    // that the audit reads.
                    (
                        Isa::A32,
                        elf::R_ARM_NONE
                        | elf::R_ARM_V4BX
                        | elf::R_ARM_PREL31
                        | elf::R_ARM_REL32
                        | elf::R_ARM_MOVW_ABS_NC
                        | elf::R_ARM_MOVT_ABS
                        | elf::R_ARM_THM_MOVW_ABS_NC
                        | elf::R_ARM_THM_MOVT_ABS,
                    ) => word,
                    _ => bail!(
                        "relocation {r_type} at {} is unknown",
                        section.name().unwrap_or("?")
                    ),
                };
            }
        }
        Ok(())
    }
}

fn is_be8(file: &File<'_>) -> bool {
    matches!(file.flags(), FileFlags::Elf { e_flags, .. }
        if file.architecture() == Architecture::Arm && e_flags & elf::EF_ARM_BE8 != 0)
}
