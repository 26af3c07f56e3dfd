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
use ftrace_pure::site::Width;
use object::{
    File,
    Object as _,
    ObjectKind, //
};

use crate::image::{
    loader::{
        isa,
        Loader, //
    },
    parts::Section, //
};

#[cfg(test)]
pub mod fake;
mod loader;
mod parts;

pub use parts::{
    Function,
    Isa,
    Table,
    EX_TABLE,
    JUMP_TABLE,
    MCOUNT_LOC,
    PADS, //
};

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

    /// The instruction set of the code at an address, or of the code before it if data is there.
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
    pub fn unit(&self, address: u32, width: Width) -> Option<u32> {
        match width {
            Width::Half => self.halfword(address).map(u32::from),
            Width::Word => self.word(address),
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
