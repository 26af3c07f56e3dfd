// SPDX-License-Identifier: GPL-2.0

//! Images made by hand.

use ftrace_pure::insn::t32;

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
