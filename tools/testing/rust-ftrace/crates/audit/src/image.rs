// SPDX-License-Identifier: GPL-2.0

//! A linked kernel or a module as it will be in memory: relocated words, functions, tables.

use std::{
    collections::{
        BTreeMap,
        HashMap, //
    },
    fs,
    ops::Range,
    path::Path, //
};

use anyhow::{
    bail,
    Context as _,
    Result, //
};
use ftrace_pure::{
    insn::t32,
    site::Unit, //
};
use object::{
    elf,
    Architecture,
    File,
    FileFlags,
    Object as _,
    ObjectKind,
    ObjectSection as _,
    ObjectSymbol as _,
    RelocationFlags,
    RelocationTarget,
    SectionFlags,
    SectionIndex,
    SymbolKind, //
};

/// Where a module is laid out for the audit, and what it does not define: all within reach of one
/// another by `bl` and by `jal`.
const MODULE_BASE: u32 = 0xbf00_0000;
const EXTERN_BASE: u32 = 0xbf80_0000;

// Relocations of MIPS release 6 that `object` does not name.
const R_MIPS_PC21_S2: u32 = 60;
const R_MIPS_PC26_S2: u32 = 61;

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    A32,
    T32,
    Mips32,
    Mips32R6,
}

impl Isa {
    /// The address of what a pointer to code points to.
    fn code_address(self, pointer: u32) -> u32 {
        match self {
            Isa::A32 | Isa::T32 => pointer & !1,
            Isa::Mips32 | Isa::Mips32R6 => pointer,
        }
    }
}

/// A section that is there at run time.
struct Section {
    name: String,
    start: u32,
    code: bool,
    /// The words in the order of their addresses, each as the processor loads it.
    words: Vec<u32>,
}

impl Section {
    fn range(&self) -> Range<u32> {
        self.start..self.start + 4 * self.words.len() as u32
    }

    fn halfword(&mut self, address: u32) -> Option<(&mut u32, u32)> {
        let offset = address.checked_sub(self.start)?;
        let word = self.words.get_mut((offset / 4) as usize)?;
        Some((word, 8 * (offset & 2)))
    }

    /// Makes the `bl` or `b.w` at an address one to `target`, plus what it is relative to itself.
    fn relocate_t32(&mut self, place: u32, target: u32) -> Result<()> {
        let mut hw = [0; 2];
        for (hw, address) in hw.iter_mut().zip([place, place + 2]) {
            let (word, shift) = self.halfword(address).context("outside of its section")?;
            *hw = (*word >> shift) as u16;
        }
        let to = |old: u32| target.wrapping_add(old.wrapping_sub(place));
        let relocated = match t32::bl_target(place, hw) {
            Some(old) => t32::bl(place, to(old)),
            None => t32::b_w_target(place, hw).and_then(|old| t32::b_w(place, to(old))),
        };
        let relocated = relocated.with_context(|| format!("{hw:04x?} is not a branch"))?;
        for (hw, address) in relocated.into_iter().zip([place, place + 2]) {
            let (word, shift) = self.halfword(address).context("outside of its section")?;
            *word = *word & !(0xffff << shift) | u32::from(hw) << shift;
        }
        Ok(())
    }
}

/// A table that the kernel gathers from all its parts.
pub struct Table {
    /// Its section in a module.
    pub section: &'static str,
    /// The symbols around it in the kernel.
    pub start: &'static str,
    pub stop: &'static str,
}

/// The recorded call sites.
pub const MCOUNT_LOC: Table = Table {
    section: "__mcount_loc",
    start: "__start_mcount_loc",
    stop: "__stop_mcount_loc",
};

/// The functions with room for a call ahead of their own instructions. The kernel has them in one
/// table with the others.
pub const PADS: Table = Table {
    section: "__patchable_function_entries",
    ..MCOUNT_LOC
};

/// Pairs of an instruction that may fault and where to go on.
pub const EX_TABLE: Table = Table {
    section: "__ex_table",
    start: "__start___ex_table",
    stop: "__stop___ex_table",
};

/// Branches that come and go at run time: address, target, key.
pub const JUMP_TABLE: Table = Table {
    section: "__jump_table",
    start: "__start___jump_table",
    stop: "__stop___jump_table",
};

/// A function, or a part that the compiler split off one.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    pub start: u32,
    pub end: u32,
}

impl Function {
    pub fn contains(&self, address: u32) -> bool {
        (self.start..self.end).contains(&address)
    }

    /// Whether this is a part that is only jumped to from within its function, with whatever that
    /// has in its registers.
    pub fn is_split_off(&self) -> bool {
        self.name.ends_with(".cold")
    }
}

/// See the module's documentation.
pub struct Image {
    pub isa: Isa,
    /// Whether this is a module, and not the kernel.
    pub module: bool,
    sections: Vec<Section>,
    functions: Vec<Function>,
    symbols: HashMap<String, u32>,
    names: HashMap<u32, String>,
    /// Where runs of instructions of a set start within code, or of data.
    runs: BTreeMap<u32, Option<Isa>>,
}

impl Image {
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes).with_context(|| format!("cannot make sense of {}", path.display()))
    }

    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let file = File::parse(bytes)?;
        let isa = isa(&file)?;
        let module = file.kind() == ObjectKind::Relocatable;
        let mut loader = Loader::default();
        loader.lay_out(&file, isa, module)?;
        loader.place_symbols(&file, isa, module)?;
        if module {
            loader.relocate(&file, isa)?;
        }
        let mut functions = loader.functions;
        functions.sort_by_key(|f| (f.start, f.end));
        functions.dedup_by_key(|f| f.start);
        loader.sections.sort_by_key(|s| s.start);
        Ok(Self {
            isa,
            module,
            sections: loader.sections,
            functions,
            symbols: loader.symbols,
            names: loader.names,
            runs: loader.runs,
        })
    }

    fn section(&self, address: u32) -> Option<&Section> {
        let at = self.sections.partition_point(|s| s.start <= address);
        let section = &self.sections[at.checked_sub(1)?];
        section.range().contains(&address).then_some(section)
    }

    /// The instruction set of the code at an address, or of that ahead of data.
    pub fn isa_at(&self, address: u32) -> Isa {
        let mut runs = self.runs.range(..=address).rev();
        runs.find_map(|(_, isa)| *isa).unwrap_or(self.isa)
    }

    /// The address of what a pointer to code points to.
    pub fn code_address(&self, pointer: u32) -> u32 {
        self.isa.code_address(pointer)
    }

    /// The code around an address that one instruction set and one function have.
    pub fn run(&self, address: u32) -> Range<u32> {
        let Some(section) = self.section(address) else {
            return address..address;
        };
        let (mut start, mut end) = (section.range().start, section.range().end);
        if let Some((run, _)) = self.runs.range(..=address).next_back() {
            start = start.max(*run);
        }
        if let Some((run, _)) = self.runs.range(address + 1..).next() {
            end = end.min(*run);
        }
        if let Some(function) = self.function(address) {
            start = start.max(function.start);
            end = end.min(function.end);
        }
        start..end
    }

    /// The unit of an instruction at an address.
    pub fn unit(&self, address: u32, unit: Unit) -> Option<u32> {
        match unit {
            Unit::Half => self.halfword(address).map(u32::from),
            Unit::Word => self.word(address),
        }
    }

    /// The halfword at an address.
    pub fn halfword(&self, address: u32) -> Option<u16> {
        if !address.is_multiple_of(2) {
            return None;
        }
        let word = self.word(address & !3)?;
        Some((word >> (8 * (address & 2))) as u16)
    }

    /// The word at an address.
    pub fn word(&self, address: u32) -> Option<u32> {
        let section = self.section(address)?;
        if !address.is_multiple_of(4) {
            return None;
        }
        Some(section.words[((address - section.start) / 4) as usize])
    }

    /// Whether instructions are at an address.
    pub fn is_code(&self, address: u32) -> bool {
        let run = self.runs.range(..=address).next_back();
        let is_data = run.is_some_and(|(_, isa)| isa.is_none());
        self.section(address).is_some_and(|s| s.code) && !is_data
    }

    /// The function that an address lies in.
    pub fn function(&self, address: u32) -> Option<&Function> {
        let at = self.functions.partition_point(|f| f.start <= address);
        let function = &self.functions[at.checked_sub(1)?];
        function.contains(address).then_some(function)
    }

    /// All functions, by their addresses.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The address of a symbol.
    pub fn symbol(&self, name: &str) -> Option<u32> {
        self.symbols.get(name).copied()
    }

    /// `name+offset` of an address.
    pub fn name(&self, address: u32) -> String {
        if let Some(name) = self.names.get(&address) {
            return name.clone();
        }
        match self.function(address) {
            Some(f) => format!("{}+{:#x}", f.name, address - f.start),
            None => format!("{address:#x}"),
        }
    }

    /// Where a table lies that the linker script delimits by symbols in the kernel; in a module it
    /// is a section. Empty if there is none.
    fn place(&self, table: &Table) -> Result<Range<u32>> {
        if self.module {
            let section = self.sections.iter().find(|s| s.name == table.section);
            return Ok(section.map_or(0..0, Section::range));
        }
        match [table.start, table.stop].map(|name| self.symbol(name)) {
            [Some(start), Some(stop)] => Ok(start..stop),
            [None, None] => Ok(0..0),
            _ => bail!("{} has one end", table.section),
        }
    }

    /// The words of a table.
    pub fn table(&self, table: &Table) -> Result<Vec<u32>> {
        let place = self.place(table)?;
        let words = place.step_by(4).map(|address| self.word(address));
        words
            .collect::<Option<_>>()
            .with_context(|| format!("{} lies nowhere", table.section))
    }

    /// The addresses in code that are stored somewhere in data but in `tables`, sorted.
    pub fn code_addresses(&self, tables: &[&Table]) -> Result<Vec<u32>> {
        let places: Vec<_> = tables
            .iter()
            .map(|table| self.place(table))
            .collect::<Result<_>>()?;
        let mut found = Vec::new();
        for section in &self.sections {
            for (word, address) in section.words.iter().zip(section.range().step_by(4)) {
                let left_out = places.iter().any(|place| place.contains(&address));
                let to = self.code_address(*word);
                let is_pointer = match self.isa_at(to) {
                    Isa::T32 => to != *word,
                    _ => word.is_multiple_of(4),
                };
                if is_pointer && self.is_code(to) && !left_out && !self.is_code(address) {
                    found.push(to);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

fn isa(file: &File<'_>) -> Result<Isa> {
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
struct Loader {
    sections: Vec<Section>,
    /// Which of `sections` is which of the file's.
    index: HashMap<SectionIndex, usize>,
    functions: Vec<Function>,
    symbols: HashMap<String, u32>,
    names: HashMap<u32, String>,
    /// What pointers to the file's symbols hold.
    pointers: HashMap<usize, u32>,
    runs: BTreeMap<u32, Option<Isa>>,
}

impl Loader {
    fn lay_out(&mut self, file: &File<'_>, isa: Isa, module: bool) -> Result<()> {
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

    fn place_symbols(&mut self, file: &File<'_>, isa: Isa, module: bool) -> Result<()> {
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
    fn relocate(&mut self, file: &File<'_>, isa: Isa) -> Result<()> {
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
                        // The addend holds the 8 that the processor adds to the pc.
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

/// Images made by hand.
#[cfg(test)]
pub mod fake {
    use super::*;

    const START: u32 = 0x8010_0000;
    const TABLE: u32 = 0x8020_0000;

    pub struct Kernel {
        isa: Isa,
        words: Vec<u32>,
        functions: Vec<Function>,
        sites: Vec<u32>,
        runs: BTreeMap<u32, Option<Isa>>,
    }

    impl Kernel {
        pub fn new(isa: Isa) -> Self {
            Self {
                isa,
                words: Vec::new(),
                functions: Vec::new(),
                sites: Vec::new(),
                runs: BTreeMap::new(),
            }
        }

        /// The address of the next word.
        pub fn here(&self) -> u32 {
            START + 4 * self.words.len() as u32
        }

        /// Adds a function, and gives its address.
        pub fn function(&mut self, name: &str, words: &[u32]) -> u32 {
            let start = self.here();
            self.words.extend(words);
            self.functions.push(Function {
                name: name.to_owned(),
                start,
                end: self.here(),
            });
            start
        }

        /// The same of T32 code, up to the end of a word.
        pub fn t32_function(&mut self, name: &str, halfwords: &[u16]) -> u32 {
            const NOP: u16 = 0xbf00;
            let words = halfwords
                .chunks(2)
                .map(|hw| t32::word([hw[0], hw.get(1).copied().unwrap_or(NOP)]));
            let start = self.function(name, &words.collect::<Vec<_>>());
            self.runs.insert(start, Some(Isa::T32));
            self.runs.entry(self.here()).or_insert(Some(self.isa));
            start
        }

        pub fn site(&mut self, ip: u32) {
            self.sites.push(ip);
        }

        /// Makes what is from `start` to `end` data, and what follows code of `isa`.
        pub fn data(&mut self, start: u32, end: u32, isa: Isa) {
            self.runs.extend([(start, None), (end, Some(isa))]);
        }

        pub fn image(self) -> Image {
            let symbols = self.functions.iter().map(|f| (f.name.clone(), f.start));
            let mut symbols: HashMap<String, u32> = symbols.collect();
            symbols.insert(MCOUNT_LOC.start.to_owned(), TABLE);
            let end = TABLE + 4 * self.sites.len() as u32;
            symbols.insert(MCOUNT_LOC.stop.to_owned(), end);
            let names = self.functions.iter().map(|f| (f.start, f.name.clone()));
            let section = |name: &str, start, code, words| Section {
                name: name.to_owned(),
                start,
                code,
                words,
            };
            Image {
                isa: self.isa,
                module: false,
                names: names.collect(),
                sections: vec![
                    section(".text", START, true, self.words),
                    section(".init.data", TABLE, false, self.sites),
                ],
                functions: self.functions,
                symbols,
                runs: self.runs,
            }
        }
    }
}
