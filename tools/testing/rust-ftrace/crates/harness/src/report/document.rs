// SPDX-License-Identifier: GPL-2.0

//! The results as people read them: one HTML page that needs nothing else, and Markdown.

use std::{
    fs,
    path::Path, //
};

use anyhow::{
    Context as _,
    Result, //
};
use askama::Template;

use crate::{
    report::about::About,
    results::{
        case::{
            Case,
            Counts,
            Outcome,
            Suite,
            Verdict, //
        },
        compare::{
            self,
            Comparison, //
        },
    },
};

/// Lines of a test's output that the page keeps.
const LINES: usize = 40;

/// Why a backend's test is no pass.
struct Reason<'a> {
    who: &'static str,
    reason: &'a str,
    more: String,
}

/// A test's line in a table.
struct Line<'a> {
    name: &'a str,
    /// An outcome a column.
    outcomes: Vec<Outcome>,
    reasons: Vec<Reason<'a>>,
    worse: bool,
}

impl Line<'_> {
    fn passes(&self) -> bool {
        self.outcomes.iter().all(|&o| o == Outcome::Passed)
    }
}

/// A suite, or what became of its tests with both backends.
struct Section<'a> {
    title: String,
    columns: &'static [&'static str],
    counts: Vec<Counts>,
    lines: Vec<Line<'a>>,
}

impl Section<'_> {
    fn id(&self) -> String {
        self.title.replace('/', "-")
    }

    fn passes(&self) -> bool {
        self.lines.iter().all(Line::passes)
    }

    fn worse(&self) -> usize {
        self.lines.iter().filter(|l| l.worse).count()
    }

    fn is_comparison(&self) -> bool {
        self.columns.len() > 1
    }
}

#[derive(Template)]
#[template(path = "report.html")]
pub struct Report<'a> {
    about: &'a About,
    totals: Counts,
    sections: Vec<Section<'a>>,
}

impl<'a> Report<'a> {
    pub fn new(about: &'a About, totals: Counts, suites: &'a [Suite]) -> Self {
        let compared = compare::all(suites);
        let single = suites.iter().filter(|s| {
            s.name.baseline().is_none() && compared.iter().all(|c| c.suite() != s.name)
        });
        let sections = compared
            .iter()
            .map(of_comparison)
            .chain(single.map(of_suite))
            .collect();
        Self {
            about,
            totals,
            sections,
        }
    }

    /// How many tests the page shows.
    pub fn rows(&self) -> usize {
        self.sections.iter().map(|s| s.lines.len()).sum()
    }

    pub fn write(&self, html: &Path, markdown: &Path) -> Result<()> {
        for (path, text) in [(html, self.render()?), (markdown, self.markdown())] {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    fn compared(&self) -> impl Iterator<Item = &Section<'a>> {
        self.sections.iter().filter(|s| s.is_comparison())
    }

    fn worse(&self) -> usize {
        self.compared().map(Section::worse).sum()
    }

    /// The comparison alone: counts, and a line for each test that is no pass.
    fn markdown(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.about.facts {
            text += &format!("- {name}: {}\n", cell(value));
        }
        for kernels in &self.about.kernels {
            let facts: Vec<_> = kernels.facts.iter().map(|(_, v)| cell(v)).collect();
            text += &format!("- {}: {}\n", kernels.name, facts.join("; "));
        }
        text += "\n| suite | C pass/fail/skip | Rust pass/fail/skip | worse in Rust |\n";
        text += "|---|---|---|---|\n";
        for section in self.compared() {
            let [c, rust] = section.counts[..] else {
                continue;
            };
            text += &format!(
                "| {} | {c} | {rust} | {} |\n",
                section.title,
                section.worse()
            );
        }
        text += "\n| test | C | Rust | reason |\n|---|---|---|---|\n";
        for section in self.compared() {
            for line in section.lines.iter().filter(|l| !l.passes()) {
                let words: Vec<_> = line.outcomes.iter().map(|o| o.word()).collect();
                let reasons: Vec<_> = line
                    .reasons
                    .iter()
                    .map(|r| format!("{}: {}", r.who, cell(r.reason)))
                    .collect();
                text += &format!(
                    "| {}/{} | {} | {} |\n",
                    section.title,
                    cell(line.name),
                    words.join(" | "),
                    reasons.join("<br>")
                );
            }
        }
        text
    }
}

/// Text that cannot end a table's cell or start markup.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('<', "&lt;")
        .replace(['\r', '\n'], " ")
}

fn of_comparison<'a>(comparison: &Comparison<'a>) -> Section<'a> {
    let (c, rust) = comparison.counts();
    let lines = comparison.rows.iter().map(|row| {
        let (in_c, in_rust) = row.outcomes();
        let reasons = match (reason("C", row.c), reason("Rust", row.rust)) {
            (Some(c), Some(rust)) if c.reason == rust.reason && c.more == rust.more => {
                vec![Reason { who: "both", ..c }]
            }
            (c, rust) => c.into_iter().chain(rust).collect(),
        };
        Line {
            name: row.name,
            outcomes: vec![in_c, in_rust],
            reasons,
            worse: row.is_worse(),
        }
    });
    Section {
        title: comparison.suite().to_string(),
        columns: &["C", "Rust"],
        counts: vec![c, rust],
        lines: lines.collect(),
    }
}

fn of_suite(suite: &Suite) -> Section<'_> {
    let lines = suite.cases.iter().map(|case| Line {
        name: &case.name,
        outcomes: vec![case.outcome],
        reasons: reason("", Some(case)).into_iter().collect(),
        worse: false,
    });
    Section {
        title: suite.name.to_string(),
        columns: &["Result"],
        counts: vec![suite.counts()],
        lines: lines.collect(),
    }
}

fn reason<'a>(who: &'static str, case: Option<&'a Case>) -> Option<Reason<'a>> {
    let Some(case) = case else {
        return Some(Reason {
            who,
            reason: "no result",
            more: String::new(),
        });
    };
    if case.outcome == Outcome::Passed {
        return None;
    }
    let (reason, more) = case.reason();
    let reason = match reason {
        "" => "no reason given",
        reason => reason,
    };
    let lines: Vec<_> = more.lines().collect();
    let more = match lines.len().checked_sub(LINES) {
        None | Some(0) => more.to_owned(),
        Some(left_out) => format!(
            "({left_out} lines left out)\n{}",
            lines[left_out..].join("\n")
        ),
    };
    Some(Reason { who, reason, more })
}

/// The class that gives an outcome its colour.
pub fn class(outcome: &Outcome) -> &'static str {
    match outcome.verdict() {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Skip => "skip",
    }
}

#[cfg(test)]
pub mod tests {
    use std::time::Duration;

    use super::{
        Outcome::*,
        *, //
    };
    use crate::{
        kernel::backend::Backend,
        report::about::Kernels,
        results::suite::{
            Kind,
            Name, //
        },
    };

    fn suite(name: Name, cases: &[(&str, Outcome, &str)]) -> Suite {
        Suite {
            name,
            cases: cases
                .iter()
                .map(|&(name, outcome, detail)| Case::new(name, outcome, detail))
                .collect(),
            time: Duration::from_secs(1),
        }
    }

    /// Results of every kind, seven tests.
    pub fn suites() -> Vec<Suite> {
        let long = format!("/{}\n+ {}", "path".repeat(60), "word ".repeat(90));
        vec![
            suite(
                Name::Host("pure".to_owned()),
                &[("emit", Passed, ""), ("slow", Skipped, "ignored")],
            ),
            suite(
                Name::Machine("arm", Backend::C, Kind::Ftracetest),
                &[
                    ("ftrace/<a>.tc", Passed, ""),
                    ("ftrace/b|c.tc", Failed, "no | <ping>\nlog"),
                    ("kprobe/d.tc", Crashed, &long),
                ],
            ),
            suite(
                Name::Machine("arm", Backend::Rust, Kind::Ftracetest),
                &[
                    ("ftrace/<a>.tc", Unresolved, ""),
                    ("ftrace/b|c.tc", Failed, "no | <ping>\nlog"),
                    ("kprobe/d.tc", Xfailed, "known"),
                    ("new.tc", Passed, ""),
                ],
            ),
            suite(Name::Host("unbroken".repeat(9)), &[("x", Failed, &long)]),
        ]
    }

    pub fn about() -> About {
        About {
            facts: vec![
                ("Date", "2026-11-22".into()),
                ("Only tests with", "<b>".into()),
            ],
            kernels: vec![Kernels {
                name: "arm",
                facts: vec![("Kernel", "Linux/arm 7.3.4".into())],
                asked: "CONFIG_FTRACE=y\n".repeat(3),
                differences: vec!["FTRACE_RUST: C n, Rust y".into()],
            }],
        }
    }

    fn report(read: impl FnOnce(&Report<'_>)) {
        let (about, suites) = (about(), suites());
        read(&Report::new(&about, Counts::default(), &suites));
    }

    #[test]
    fn every_test_has_a_row_and_comparisons_come_first() {
        report(|report| {
            assert_eq!(report.rows(), 7);
            assert_eq!(report.sections[0].title, "arm/ftracetest");
            let html = report.render().unwrap();
            assert_eq!(html.matches("<tr data-test").count(), 7);
        });
    }

    #[test]
    fn text_cannot_be_markup() {
        report(|report| {
            let html = report.render().unwrap();
            assert!(!html.contains("<a>.tc") && !html.contains("<ping>"));
            assert!(html.contains("ftrace/&#60;a&#62;.tc"), "{html}");
        });
    }

    #[test]
    fn one_reason_for_both_is_told_once() {
        report(|report| {
            let line = |i: usize| {
                let reasons = report.sections[0].lines[i].reasons.iter();
                reasons.map(|r| (r.who, r.reason)).collect::<Vec<_>>()
            };
            assert_eq!(line(0), [("Rust", "no reason given")]);
            assert_eq!(line(1), [("both", "no | <ping>")]);
            assert_eq!(line(2)[1], ("Rust", "known"));
            assert_eq!(line(3), [("C", "no result")]);
        });
    }

    #[test]
    fn markdown_has_what_is_no_pass() {
        report(|report| {
            let text = report.markdown();
            assert!(
                text.contains("\n| arm/ftracetest | 1/2/1 | 1/1/2 | 1 |\n"),
                "{text}"
            );
            let row =
                r"| arm/ftracetest/ftrace/b\|c.tc | failed | failed | both: no \| &lt;ping> |";
            assert!(text.contains(row), "{text}");
            assert!(!text.contains("host/pure"));
        });
    }

    #[test]
    fn long_output_is_cut_at_its_start() {
        let output: Vec<_> = (0..LINES + 3).map(|i| i.to_string()).collect();
        let case = Case::new("a", Failed, format!("why\n{}", output.join("\n")));
        let more = reason("C", Some(&case)).unwrap().more;
        assert!(more.starts_with("(3 lines left out)\n3\n"), "{more}");
        assert_eq!(more.lines().count(), LINES + 1);
    }
}
