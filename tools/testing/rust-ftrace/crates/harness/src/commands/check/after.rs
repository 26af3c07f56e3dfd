// SPDX-License-Identifier: GPL-2.0

//! What is left to do when all tests have run.

use std::{
    path::Path,
    time::{
        Duration,
        Instant, //
    },
};

use anyhow::{
    bail,
    Result, //
};
use walkdir::WalkDir;

use crate::{
    commands::check::{
        plan::Plan,
        session::{
            log_name,
            some,
            Session, //
        },
    },
    report::{
        about::About,
        document::Report,
        page, //
    },
    results::{
        case::{
            Case,
            Counts,
            Outcome, //
        },
        compare,
        ktap,
        suite::Name, //
    },
};

/// A log with a subtest that has no results in it, which kunit.py takes for passed and we do not.
const KUNIT_TAKES_IT: &str = "test_is_test_passed-no_tests_no_plan.log";

impl Session<'_> {
    /// Adds what comparing the backends says.
    pub fn compare(&mut self) {
        for suite in compare::suites(self.results.suites()) {
            self.results.add(suite);
        }
    }

    /// The entries of `known-failures` for tests that are not there any more, after a run of all
    /// tests.
    pub fn known(&mut self) {
        let unseen: Vec<_> = self.known.unseen().collect();
        let problem = format!("no such tests: {}", unseen.join(", "));
        let case = Case::check("known-failures", (!unseen.is_empty()).then_some(problem));
        self.add(Name::Known, Duration::ZERO, vec![case]);
    }

    /// Compares our reading of KTAP with that of the kernel's `kunit.py`, for the logs by which the
    /// kernel tests it and for the logs of this run.
    pub fn ktap(&mut self, tree: &Path) -> Result<()> {
        let start = Instant::now();
        let of_the_kernel = WalkDir::new(tree.join("tools/testing/kunit/test_data"));
        let mut logs = Vec::new();
        for entry in of_the_kernel.sort_by_file_name() {
            let path = entry?.into_path();
            if path.extension().is_some_and(|e| e == "log") && !path.ends_with(KUNIT_TAKES_IT) {
                logs.push(path);
            }
        }
        let logs = logs.iter().chain(&self.ktap_logs);
        let cases = logs.map(|log| {
            let name = log.file_stem().unwrap_or_default().to_string_lossy();
            let problem = ktap::disagreement(tree, log).map_err(|e| format!("{e:#}"));
            Case::check(name, problem.unwrap_or_else(Some))
        });
        let cases = some(cases.collect(), "KTAP");
        self.add(Name::Ktap, start.elapsed(), cases);
        Ok(())
    }

    /// Writes the page and the Markdown, and looks at the page in a browser if that is planned.
    /// What the browser shows is not on the page.
    pub fn report(&mut self, plan: &Plan) -> Result<()> {
        let build = &self.ctx.paths.build;
        let html = build.join("report.html");
        let about = About::find(
            self.ctx,
            &plan.machines(),
            self.filter.0,
            self.results.kernel,
            &self.suffix,
        );
        let report = Report::new(&about, self.results.totals(), self.results.suites());
        report.write(&html, &build.join("report.md"))?;
        if !plan.page {
            return Ok(());
        }
        let (rows, start) = (report.rows(), Instant::now());
        let mut seen = Vec::new();
        let log = log_name(&Name::Page.to_string(), "browser");
        let looked = self
            .ctx
            .ui
            .step("Open the report in Chromium", &log, |step| {
                seen = page::check(&html, rows, step.log())?;
                Ok(())
            });
        if let Err(error) = looked {
            seen.push(Case::new("browser", Outcome::Failed, format!("{error:#}")));
        }
        self.add(Name::Page, start.elapsed(), seen);
        Ok(())
    }

    /// Shows all results. A failure ends the program.
    pub fn end(self) -> Result<()> {
        let results = self.results;
        results.write_junit(&self.ctx.paths.build.join("junit.xml"))?;
        println!("{}", results.summary());
        match (self.filter.0, results.totals()) {
            (Some(test), counts) if counts == Counts::default() => {
                bail!("no test has {test:?} in its name")
            }
            (
                None,
                Counts {
                    pass: 0, fail: 0, ..
                },
            ) => bail!("no test ran"),
            (_, Counts { fail: 0, .. }) => Ok(()),
            // The table has said all.
            _ => std::process::exit(1),
        }
    }
}
