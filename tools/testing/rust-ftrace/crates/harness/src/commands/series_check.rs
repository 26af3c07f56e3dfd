// SPDX-License-Identifier: GPL-2.0

//! `make series-check`: what becomes of each patch in a kernel tree of any version.

use anyhow::{
    ensure,
    Context as _,
    Result, //
};

use crate::{
    commands::install::{
        named,
        Kdir, //
    },
    host::{
        files,
        version::Version,
        Context, //
    },
    tree::{
        install,
        series::{
            trial::{
                Tried,
                Verdict, //
            },
            Series, //
        },
        source, //
    },
};

/// Tries the series that is nearest to the tree's version. Nothing is written to the tree.
pub fn run(ctx: &Context, kdir: &Kdir) -> Result<()> {
    let dir = named(kdir)?;
    let version = source::kernel_version(&dir)
        .with_context(|| format!("{} is no kernel source tree", dir.display()))?;
    let repo = &ctx.paths.repo;
    let series = nearest(source::supported(repo)?, version).context("there are no patches")?;
    println!("Linux {version} and the patches for {series}:");
    let tried = Series::read(repo, &series)?.try_on(&install::originals(&dir)?)?;

    let rejects = ctx.paths.build.join("series-check");
    files::remove_dir_all(&rejects)?;
    let mut last = "";
    for one in &tried {
        let (set, file) = one.name.split_once('/').unwrap_or_default();
        if set != last {
            println!("{set}");
            last = set;
        }
        println!("  {:<58}  {}", stem(file), said(one));
        if !one.rejects.is_empty() {
            let file = rejects.join(&one.name).with_extension("rej");
            files::write_atomic(&file, one.rejects.as_bytes())?;
            let shown = file.strip_prefix(repo).unwrap_or(&file);
            println!("    what does not apply: {}", shown.display());
        }
    }
    println!();
    for verdict in Verdict::ALL {
        let count = tried.iter().filter(|one| one.verdict == verdict).count();
        if count > 0 {
            println!("{count:>5}  {}", verdict.words());
        }
    }
    let bad = tried.iter().filter(|one| one.verdict != Verdict::Applies);
    let bad = bad.count();
    ensure!(
        bad == 0,
        "{bad} of {} patches need work: see \"A new kernel version\" in CONTRIBUTING.md",
        tried.len()
    );
    Ok(())
}

/// The newest series that is not newer than a version, or the oldest. `series` has the newest first.
fn nearest(series: Vec<String>, version: Version) -> Option<String> {
    let last = series.last().cloned();
    let is_older = |name: &String| {
        let series = name.parse::<Version>();
        series.is_ok_and(|series| (series.0, series.1) <= (version.0, version.1))
    };
    series.into_iter().find(is_older).or(last)
}

/// What there is to say of a patch in a line.
fn said(tried: &Tried) -> String {
    let mut line = tried.verdict.words().to_owned();
    let files: Vec<_> = tried
        .files
        .iter()
        .map(|f| f.display().to_string())
        .collect();
    if !files.is_empty() {
        line += &format!(": {}", files.join(" "));
    }
    if !tried.after.is_empty() {
        let stems = tried.after.iter().map(|name| stem(name));
        line += &format!(
            " (may follow from {})",
            stems.collect::<Vec<_>>().join(", ")
        );
    }
    line
}

fn stem(name: &str) -> &str {
    name.trim_end_matches(".patch")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_any_version_has_a_nearest_series() {
        let nearest = |version| {
            let series = ["7.3", "7.2", "6.18"].map(str::to_owned).to_vec();
            nearest(series, version).unwrap()
        };
        assert_eq!(nearest(Version(7, 4, 0)), "7.3");
        assert_eq!(nearest(Version(7, 3, 9)), "7.3");
        assert_eq!(nearest(Version(7, 2, 0)), "7.2");
        assert_eq!(nearest(Version(7, 0, 1)), "6.18");
        assert_eq!(nearest(Version(6, 12, 1)), "6.18");
    }

    #[test]
    fn a_line_says_what_and_where() {
        let tried = Tried {
            name: "set/0002-b.patch".into(),
            verdict: Verdict::Rebase,
            files: vec!["a.c".into(), "b.c".into()],
            rejects: String::new(),
            after: vec!["set/0001-a.patch".into()],
        };
        assert_eq!(said(&tried), "rebase: a.c b.c (may follow from set/0001-a)");
    }
}
