// SPDX-License-Identifier: GPL-2.0

//! The tables of `Documentation/trace/ftrace-rust.rst` are those of the code.

use std::path::Path;

use ftrace_pure::site::{
    Layout,
    Pattern,
    Width,
    A32_FUNC_CALL,
    A32_MCOUNT,
    A32_OPS,
    A32_OPS_CALL,
    A32_PADS,
    MIPS_CORE,
    MIPS_FUNC_CALL,
    MIPS_MODULE,
    MIPS_OPS,
    MIPS_OPS_CALL,
    T32_FUNC_CALL,
    T32_MCOUNT,
    T32_PADS, //
};

use super::{
    rows,
    site::{
        LAYOUTS,
        OPS, //
    },
};

fn pattern(texts: &[(u32, &str)], pattern: Pattern, target: &str) -> String {
    let text = |insn: u32| {
        let known = texts.iter().find(|(word, _)| *word == insn);
        known
            .unwrap_or_else(|| panic!("rows.rs has no text for {insn:#x}"))
            .1
    };
    match pattern {
        Pattern::Insn(insn) => format!("``{}``", text(insn)),
        // Spelt alike.
        Pattern::OneOf([insn, ..]) | Pattern::Kept([insn, ..]) => format!("``{}``", text(*insn)),
        Pattern::Any => "any".to_owned(),
        Pattern::OneOf([]) | Pattern::Kept([]) => panic!("no instruction at all"),
        Pattern::A32Bl => format!("``bl {target}``"),
        Pattern::T32Bl => format!("``bl {target}``, 1st half"),
        Pattern::T32BlSecond => format!("``bl {target}``, 2nd half"),
        Pattern::T32Call => format!("``bl {target}``"),
        Pattern::MipsJal => format!("``jal {target}``"),
        Pattern::MipsLuiV1 => format!("``lui $v1, %hi({target})``"),
        Pattern::MipsAddiuV1 => format!("``addiu $v1, $v1, %lo({target})``"),
        Pattern::A32MovwR2 => format!("``movw r2, #:lower16:{target}``"),
        Pattern::A32MovtR2 => format!("``movt r2, #:upper16:{target}``"),
        Pattern::MipsLuiA2 => format!("``lui $a2, %hi({target})``"),
        Pattern::MipsAddiuA2 => format!("``addiu $a2, $a2, %lo({target})``"),
    }
}

/// Returns `layout` as a simple table of reStructuredText.
///
/// `compiled` and `target` are the names of what the site calls as compiled and later.
fn table((layout, compiled, target): (&Layout, &str, &str)) -> String {
    let texts = match (layout.name.split('-').next(), layout.width) {
        (Some("a32"), _) => rows::A32,
        (Some("t32"), Width::Half) => rows::T32,
        (Some("t32"), Width::Word) => rows::T32_WORDS,
        _ => rows::MIPS,
    };
    let width = match layout.width {
        Width::Half => "Halfword",
        Width::Word => "Word",
    };
    let mut rows = vec![[width, "Compiled", "Off", "On"].map(str::to_owned)];
    for word in layout.words {
        rows.push([
            match word.offset {
                0 => "**ip**".to_owned(),
                offset => format!("ip{offset:+}"),
            },
            pattern(texts, word.compiled, compiled),
            pattern(texts, word.off, target),
            pattern(texts, word.on, target),
        ]);
    }

    let widths = [0, 1, 2, 3].map(|i| rows.iter().map(|row| row[i].len()).max().unwrap_or(0));
    let line = |cells: [&str; 4]| {
        let cells = [0, 1, 2, 3].map(|i| format!("{:width$}", cells[i], width = widths[i]));
        format!("{}\n", cells.join("  ").trim_end())
    };
    let rule = widths.map(|width| "=".repeat(width));
    let rule = line(rule.each_ref().map(String::as_str));
    let mut rows = rows
        .iter()
        .map(|row| line(row.each_ref().map(String::as_str)));
    let head = rows.next().unwrap_or_default();
    format!("{rule}{head}{rule}{}{rule}", rows.collect::<String>())
}

#[test]
fn tables_are_those_of_the_code() {
    let page = "../../../../../Documentation/trace/ftrace-rust.rst";
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let page = std::fs::read_to_string(&page)
        .unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    let tables = [
        (&A32_MCOUNT, "__gnu_mcount_nc", "entry"),
        (&A32_PADS, "", "entry"),
        (&A32_FUNC_CALL, "ftrace_stub", "tracer"),
        (&A32_OPS_CALL, "", "ftrace_ops_assist_func"),
        (&T32_MCOUNT, "__gnu_mcount_nc", "entry"),
        (&T32_PADS, "", "entry"),
        (&T32_FUNC_CALL, "ftrace_stub", "tracer"),
        (&MIPS_CORE, "_mcount", "entry"),
        (&MIPS_MODULE, "_mcount", "entry"),
        (&MIPS_FUNC_CALL, "ftrace_stub", "tracer"),
        (&MIPS_OPS_CALL, "", "ftrace_ops_assist_func"),
        (&A32_OPS, "", "ops"),
        (&MIPS_OPS, "", "ops"),
    ];
    let layouts: Vec<_> = LAYOUTS.into_iter().chain(OPS).map(|l| l.name).collect();
    assert_eq!(
        tables.map(|(layout, ..)| layout.name),
        *layouts,
        "the tables that this test expects in the page are not those of site.rs"
    );
    let names = tables.map(|(layout, ..)| format!("``{}``", layout.name));
    let tables = tables.map(table);

    let missing: Vec<_> = names
        .iter()
        .zip(&tables)
        .filter(|(name, table)| !page.contains(*name) || !page.contains(*table))
        .map(|(name, table)| format!("{name}\n\n{table}"))
        .collect();
    assert!(
        missing.is_empty(),
        "not, or no longer, in the page:\n\n{}",
        missing.join("\n"),
    );

    // A table stands where its layout is named, so both come in the same order.
    let mut order: Vec<_> = (0..tables.len()).collect();
    order.sort_by_key(|&i| page.find(&names[i]));
    let mut placed = order.clone();
    placed.sort_by_key(|&i| page.find(&tables[i]));
    assert_eq!(placed, order, "a table stands under another layout's name");
}
