// SPDX-License-Identifier: GPL-2.0

//! Figures of both backends side by side, as tables for people and for programs.

use std::fmt::Write as _;

/// What turning sites on, or off, takes, in instructions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// All that the guest executes until ftrace returns.
    pub total: f64,
    /// The backend's part of it.
    pub backend: f64,
    /// The part of that during which the CPUs are stopped, if they are.
    pub stopped: Option<f64>,
}

/// What turning a number of sites on and off takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Toggle {
    pub sites: f64,
    pub on: Change,
    pub off: Change,
}

/// A figure of both backends; one of them may lack it.
#[derive(Debug, PartialEq)]
pub struct Row {
    pub title: String,
    pub c: Option<f64>,
    pub rust: Option<f64>,
}

/// Pairs figures by their titles, in the order of the Rust backend's.
pub fn rows(c: &[(String, f64)], rust: &[(String, f64)]) -> Vec<Row> {
    let value = |of: &[(String, f64)], title: &str| {
        of.iter().find(|(t, _)| t == title).map(|(_, value)| *value)
    };
    let only_c = c.iter().filter(|(title, _)| value(rust, title).is_none());
    rust.iter()
        .chain(only_c)
        .map(|(title, _)| Row {
            title: title.clone(),
            c: value(c, title),
            rust: value(rust, title),
        })
        .collect()
}

/// A number as people read it: 1,234,567, and with a decimal where that tells something.
pub fn readable(number: f64) -> String {
    if number.fract() != 0.0 && number < 10_000.0 {
        return format!("{number:.1}");
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The figures side by side, and the Rust backend's of `last` beside them. A mark asks for a
/// reason: the figure is above C's, or above the last one by more than 1%.
pub fn table(rows: &[Row], last: &[Row]) -> String {
    let cell = |value: Option<f64>| value.map_or("-".to_owned(), readable);
    let width = rows.iter().map(|r| r.title.len()).max().unwrap_or_default();
    let mut text = format!(
        "{:width$}  {:>13}  {:>13}  {:>8}  {:>13}\n",
        "", "C", "Rust", "C/Rust", "Rust, last"
    );
    for row in rows {
        let ratio = row
            .c
            .zip(row.rust)
            .filter(|(_, rust)| *rust != 0.0)
            .map(|(c, rust)| format!("{:.2}", c / rust));
        let before = last.iter().find(|r| r.title == row.title);
        let before = before.and_then(|r| r.rust);
        let is_above = |limit: Option<f64>| row.rust.zip(limit).is_some_and(|(r, l)| r > l);
        let marks = [
            (is_above(row.c), "  above C"),
            (is_above(before.map(|b| b * 1.01)), "  above the last"),
        ];
        let marks: String = marks.iter().filter(|m| m.0).map(|m| m.1).collect();
        let _ = writeln!(
            text,
            "{:width$}  {:>13}  {:>13}  {:>8}  {:>13}{marks}",
            row.title,
            cell(row.c),
            cell(row.rust),
            ratio.unwrap_or("-".to_owned()),
            cell(before)
        );
    }
    text
}

pub fn figures_csv(rows: &[Row]) -> String {
    let cell = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v}"));
    let mut text = "figure,c,rust\n".to_owned();
    for row in rows {
        let _ = writeln!(text, "\"{}\",{},{}", row.title, cell(row.c), cell(row.rust));
    }
    text
}

/// The same as a table of the kernel's documentation.
pub fn figures_rst(machine: &str, rows: &[Row]) -> String {
    let cell = |value: Option<f64>| value.map_or("none".to_owned(), readable);
    let mut text = format!(
        ".. SPDX-License-Identifier: GPL-2.0\n\n\
         .. csv-table:: {}\n   :header-rows: 1\n\n   Figure, C, Rust\n",
        machine.to_uppercase()
    );
    for row in rows {
        let (c, rust) = (cell(row.c), cell(row.rust));
        let _ = writeln!(text, "   \"{}\", \"{c}\", \"{rust}\"", row.title);
    }
    text
}

/// The functions that the instructions of single calls are in, as tables of the kernel's
/// documentation.
pub fn calls_rst<'a>(machine: &str, tables: impl Iterator<Item = (&'a str, &'a [Row])>) -> String {
    let cell = |value: Option<f64>| value.map_or("-".to_owned(), readable);
    let mut text = ".. SPDX-License-Identifier: GPL-2.0\n".to_owned();
    for (title, rows) in tables {
        let sum = |of: fn(&Row) -> Option<f64>| -> f64 { rows.iter().filter_map(of).sum() };
        let _ = write!(
            text,
            "\n.. csv-table:: {}, {title}\n   :header-rows: 1\n\n   Function, C, Rust\n",
            machine.to_uppercase()
        );
        for row in rows {
            let (c, rust) = (cell(row.c), cell(row.rust));
            let _ = writeln!(text, "   \"{}\", \"{c}\", \"{rust}\"", row.title);
        }
        let (c, rust) = (readable(sum(|r| r.c)), readable(sum(|r| r.rust)));
        let _ = writeln!(text, "   \"all\", \"{c}\", \"{rust}\"");
    }
    text
}

/// Reads what [`figures_rst`] writes. What it does not understand is left out.
pub fn read_figures(rst: &str) -> Vec<Row> {
    let number = |cell: &str| cell.replace(',', "").parse().ok();
    let row = |line: &str| {
        let line = line.trim().strip_prefix('"')?.strip_suffix('"')?;
        let mut cells = line.split("\", \"");
        Some(Row {
            title: cells.next()?.to_owned(),
            c: number(cells.next()?),
            rust: number(cells.next()?),
        })
    };
    rst.lines().filter_map(row).collect()
}

pub fn sites_csv(c: &[Toggle], rust: &[Toggle]) -> String {
    let mut text = "backend,sites,change,total,backend_part,stopped\n".to_owned();
    for (backend, toggles) in [("c", c), ("rust", rust)] {
        for toggle in toggles {
            for (verb, change) in [("enable", toggle.on), ("disable", toggle.off)] {
                let stopped = change.stopped.map_or(String::new(), |s| s.to_string());
                let _ = writeln!(
                    text,
                    "{backend},{},{verb},{},{},{stopped}",
                    toggle.sites, change.total, change.backend
                );
            }
        }
    }
    text
}

pub fn functions_csv(sites: f64, functions: &[(String, u64)]) -> String {
    let mut text = "function,instructions,per_site\n".to_owned();
    for (name, count) in functions {
        let _ = writeln!(text, "\"{name}\",{count},{}", *count as f64 / sites);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_paired_by_title() {
        let list = |pairs: &[(&str, f64)]| -> Vec<_> {
            pairs.iter().map(|(t, v)| (t.to_string(), *v)).collect()
        };
        let rows = rows(
            &list(&[("a", 800.0), ("c", 1.0)]),
            &list(&[("b", 2.5), ("a", 100.0)]),
        );
        let titles: Vec<_> = rows.iter().map(|r| r.title.as_str()).collect();
        assert_eq!(titles, ["b", "a", "c"]);
        let csv = figures_csv(&rows);
        assert_eq!(read_figures(&figures_rst("arm", &rows)), rows);
        let last = read_figures("   Figure, C, Rust\n   \"b\", \"none\", \"2\"\n");
        let text = table(&rows, &last);
        let words =
            |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
        let lines: Vec<_> = text.lines().map(words).collect();
        assert_eq!(
            lines[1],
            ["b", "-", "2.5", "-", "2", "above", "the", "last"]
        );
        assert_eq!(lines[2], ["a", "800", "100", "8.00", "-"]);
        assert_eq!(csv, "figure,c,rust\n\"b\",,2.5\n\"a\",800,100\n\"c\",1,\n");
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(readable(1_234_567.0), "1,234,567");
        assert_eq!(readable(123.0), "123");
        assert_eq!(readable(38.25), "38.2");
    }
}
