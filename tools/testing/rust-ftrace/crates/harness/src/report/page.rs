// SPDX-License-Identifier: GPL-2.0

//! Whether the report's page can be read: opened in a browser, as its readers do.

use std::{
    fs::File,
    path::Path, //
};

use anyhow::{
    Context as _,
    Result, //
};
use serde::Deserialize;

use crate::{
    host::browser::{
        Browser,
        View, //
    },
    results::case::Case, //
};

const SCRIPT: &str = include_str!("page.js");

/// The least contrast of text with its background that WCAG 2.2 asks for at level AA.
const CONTRAST: f64 = 4.5;

/// How light a dark page may be, as a relative luminance.
const DARK: f64 = 0.1;

/// What `page.js` saw.
#[derive(Deserialize)]
struct Seen {
    rows: usize,
    tables: usize,
    /// Tables without a caption and their headings without a scope.
    unnamed: usize,
    width: f64,
    scroll_width: f64,
    /// What sticks out to the right.
    wide: Vec<String>,
    background: f64,
    contrast: f64,
    faintest: String,
}

impl Seen {
    fn problems(&self, view: View, rows: usize) -> Vec<String> {
        let mut problems = Vec::new();
        let mut unless = |good: bool, problem: String| {
            if !good {
                problems.push(problem);
            }
        };
        unless(self.tables > 0, "no table".to_owned());
        unless(
            self.rows == rows,
            format!("{} tests in the tables, {rows} run", self.rows),
        );
        unless(
            self.unnamed == 0,
            format!("{} tables or headings without a name", self.unnamed),
        );
        unless(
            self.width == f64::from(view.width) && self.scroll_width <= self.width,
            format!(
                "{} pixels wide in a window of {}: {}",
                self.scroll_width,
                self.width,
                self.wide.join(", ")
            ),
        );
        unless(
            view.dark == (self.background < DARK),
            format!("the background's luminance is {:.2}", self.background),
        );
        unless(
            self.contrast >= CONTRAST,
            format!("contrast {:.1} of {}", self.contrast, self.faintest),
        );
        problems
    }
}

/// Looks at a page with `rows` tests on it, and says what is wrong.
fn look(browser: &mut Browser, page: &Path, view: View, rows: usize) -> Result<Vec<String>> {
    let (seen, mut problems) = browser.look(page, view, SCRIPT)?;
    let seen: Seen = serde_json::from_value(seen)?;
    problems.extend(seen.problems(view, rows));
    Ok(problems)
}

/// The ways in which readers look, by the names of their cases.
const VIEWS: [(&str, View); 4] = [
    ("360 light", PHONE),
    ("360 dark", view(360, true)),
    ("1280 light", view(1280, false)),
    ("1280 dark", NIGHT),
];
const PHONE: View = view(360, false);
const NIGHT: View = view(1280, true);

const fn view(width: u32, dark: bool) -> View {
    View { width, dark }
}

pub fn cases() -> [String; 4] {
    VIEWS.map(|(name, _)| name.to_owned())
}

/// Looks at a page in every way that readers do. `log` is the browser's.
pub fn check(page: &Path, rows: usize, log: &Path) -> Result<Vec<Case>> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut browser = Browser::start(file)?;
    VIEWS
        .into_iter()
        .map(|(name, view)| {
            let problems = look(&mut browser, page, view, rows)?;
            let problem = (!problems.is_empty()).then(|| problems.join("\n"));
            Ok(Case::check(name, problem))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use askama::Template;

    use super::*;
    use crate::{
        report::document::{
            self,
            Report, //
        },
        results::case::{
            Counts,
            Outcome, //
        },
    };

    /// What to replace in a good page, by what, and the problem that then is to be seen.
    const SPOILT: &[(View, &str, &str, &str)] = &[
        (
            PHONE,
            "<tr data-test",
            "<tr",
            "6 tests in the tables, 7 run",
        ),
        // The page's policy forbids scripts and what comes from elsewhere.
        (
            PHONE,
            "</main>",
            "<script>gone()</script>",
            "Content Security Policy",
        ),
        (
            PHONE,
            "</main>",
            "<img src=https://example.invalid/x.png>",
            "Content Security Policy",
        ),
        (
            PHONE,
            "<meta http-equiv=",
            "<script>gone()</script><meta name=",
            "gone is not defined",
        ),
        (
            PHONE,
            "</main>",
            "<p style='width: 500px'>broad",
            "in a window of 360: <p> broad",
        ),
        (
            PHONE,
            "--quiet: #55595f",
            "--quiet: #999",
            "contrast 2.6 of",
        ),
        (
            PHONE,
            "<th scope=\"col\">",
            "<th>",
            "1 tables or headings without a name",
        ),
        (
            NIGHT,
            "(prefers-color-scheme: dark)",
            "print",
            "luminance is 1.00",
        ),
    ];

    /// One test: a browser takes long to start.
    #[test]
    #[ignore = "takes a browser: a part of make check-all"]
    fn the_report_is_readable_and_what_spoils_it_is_seen() {
        let (about, suites) = (document::tests::about(), document::tests::suites());
        let report = Report::new(&about, Counts::default(), &suites);
        let good = report.render().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (page, log) = (dir.path().join("report.html"), dir.path().join("log"));
        fs::write(&page, &good).unwrap();
        let cases = check(&page, report.rows(), &log).unwrap();
        assert_eq!(cases.len(), 4);
        assert!(
            cases.iter().all(|c| c.outcome == Outcome::Passed),
            "{cases:?}"
        );

        let mut browser = Browser::start(File::create(&log).unwrap()).unwrap();
        for (view, old, new, expected) in SPOILT {
            assert!(good.contains(old), "{old}");
            fs::write(&page, good.replacen(old, new, 1)).unwrap();
            let problems = look(&mut browser, &page, *view, report.rows()).unwrap();
            assert_eq!(problems.len(), 1, "{new}: {problems:?}");
            assert!(problems[0].contains(expected), "{new}: {problems:?}");
        }
    }
}
