// SPDX-License-Identifier: GPL-2.0

//! Kernel configuration: fragments, merged and held against what Kconfig made of them.
//!
//! An older kernel may not have an option, or have it under another name. Options in
//! `configs/<series>/<name>.config` take the place of what `configs/<name>.config`, or the machine
//! of that name, says about them. They do so for this series and all that are older. One that is
//! not there is one that `is not set`.

use std::{
    collections::BTreeMap,
    fs,
    path::Path, //
};

use anyhow::{
    bail,
    Context as _,
    Result, //
};
use walkdir::WalkDir;

use crate::host::version::Version;

/// Options by name, without `CONFIG_`. The value of one that is not set is `n`.
pub type Options = BTreeMap<String, String>;

/// An option that is not what was asked for.
#[derive(Debug, PartialEq)]
pub struct Mismatch {
    pub option: String,
    pub asked: String,
    /// `None` where the configuration does not know the option.
    pub got: Option<String>,
}

/// Reads a fragment or a `.config`.
pub fn parse(text: &str) -> Options {
    text.lines()
        .filter_map(option)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The option that a line is about, and its value.
fn option(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if let Some(option) = line.strip_prefix("CONFIG_").and_then(|l| l.split_once('=')) {
        return Some(option);
    }
    let name = line
        .strip_prefix("# CONFIG_")?
        .strip_suffix(" is not set")?;
    Some((name, "n"))
}

/// Concatenates fragments, as a version of the kernel has them. Two that ask for different values of
/// an option are an error: which of them wins would be an accident of their order.
pub fn merge<'a>(
    folder: &Path,
    fragments: impl IntoIterator<Item = &'a str>,
    version: Version,
) -> Result<String> {
    let mut text = String::new();
    let mut seen = Options::new();
    for name in fragments {
        let fragment = read(&folder.join(format!("{name}.config")))?;
        let fragment = replace(&fragment, &of_older(folder, name, version)?);
        for (option, value) in parse(&fragment) {
            match seen.insert(option.clone(), value.clone()) {
                Some(other) if other != value => bail!(
                    "{name} asks for CONFIG_{option}={value}, a fragment before it for {other}"
                ),
                _ => {}
            }
        }
        text.push_str(&fragment);
    }
    Ok(text)
}

/// The options that take the place of a fragment's, or a machine's, in a version of the kernel: of
/// the series that are not older than it, the oldest decides.
pub fn of_older(folder: &Path, name: &str, version: Version) -> Result<String> {
    let mut text = String::new();
    for series in older(folder)?.into_iter().rev() {
        let path = folder.join(&series).join(format!("{name}.config"));
        if is_of(&series, version) && path.exists() {
            text = replace(&text, &read(&path)?);
        }
    }
    Ok(text)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration {}", path.display()))
}

/// The series with options of their own, the oldest first.
fn older(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Ok(version) = name.parse::<Version>() {
            found.push((version, name));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, name)| name).collect())
}

/// Whether a version is of a series or older.
fn is_of(series: &str, version: Version) -> bool {
    let series = series.parse::<Version>();
    series.is_ok_and(|series| (version.0, version.1) <= (series.0, series.1))
}

/// Lets the options of `own` take the place of what `text` says about them.
pub fn replace(text: &str, own: &str) -> String {
    let replaced = parse(own);
    text.lines()
        .filter(|line| option(line).is_none_or(|(name, _)| !replaced.contains_key(name)))
        .chain(own.lines())
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// Turns off what is asked for as a module.
pub fn without_modules(text: &str) -> String {
    text.lines()
        .map(|line| match option(line) {
            Some((name, "m")) => format!("# CONFIG_{name} is not set\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

/// The options of the kernel's fragment `theirs` that `ours` does not mention.
pub fn undecided(ours: &Options, theirs: &Path) -> Result<Vec<String>> {
    let text =
        fs::read_to_string(theirs).with_context(|| format!("cannot read {}", theirs.display()))?;
    let options = parse(&text).into_keys();
    Ok(options.filter(|o| !ours.contains_key(o)).collect())
}

/// Every option of `asked` that `got` has with another value.
pub fn mismatches(asked: &Options, got: &Options) -> Vec<Mismatch> {
    asked
        .iter()
        .filter(|&(option, value)| got.get(option).map_or("n", String::as_str) != value)
        .map(|(option, value)| Mismatch {
            option: option.clone(),
            asked: value.clone(),
            got: got.get(option).cloned(),
        })
        .collect()
}

/// Describes mismatches for a user, with what Kconfig says about each option on an architecture.
pub fn explain(mismatches: &[Mismatch], source: &Path, arch: &str) -> String {
    let mut text = String::from("the kernel's configuration is not what was asked for:\n");
    for m in mismatches {
        let got = m.got.as_deref().unwrap_or("not set");
        let hint = match declaration(&m.option, source, arch) {
            Some((file, depends)) if depends.is_empty() => format!("declared in {file}"),
            Some((file, depends)) => format!("{file}: depends on {}", depends.join(" && ")),
            None => "no Kconfig file declares it".to_owned(),
        };
        text.push_str(&format!(
            "  CONFIG_{}: asked {}, got {got} ({hint})\n",
            m.option, m.asked
        ));
    }
    text.push_str("hint: add the options that it depends on to the configuration fragments");
    text
}

/// The file that declares an option, and the `depends on` lines of the declaration.
fn declaration(option: &str, source: &Path, arch: &str) -> Option<(String, Vec<String>)> {
    let is_read = |path: &Path| {
        let mut folders = path.strip_prefix(source).unwrap_or(path).iter();
        let first = folders.next().unwrap_or_default();
        let hidden = first.to_string_lossy().starts_with('.');
        !hidden && (first != "arch" || folders.next().is_none_or(|folder| folder == arch))
    };
    WalkDir::new(source)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|e| !e.file_type().is_dir() || is_read(e.path()))
        .filter_map(Result::ok)
        .filter(|e| e.file_type().is_file())
        .filter(|e| e.file_name().to_string_lossy().starts_with("Kconfig"))
        .find_map(|entry| {
            let text = fs::read_to_string(entry.path()).ok()?;
            let mut lines = text.lines().skip_while(|line| {
                let mut words = line.split_whitespace();
                !matches!(words.next(), Some("config" | "menuconfig"))
                    || words.next() != Some(option)
            });
            lines.next()?;
            let depends = lines
                .take_while(|l| l.is_empty() || l.starts_with(char::is_whitespace))
                .filter_map(|l| l.trim().strip_prefix("depends on "))
                .map(|d| match d.contains("||") {
                    true => format!("({d})"),
                    false => d.to_owned(),
                })
                .collect();
            let file = entry.path().strip_prefix(source).unwrap_or(entry.path());
            Some((file.display().to_string(), depends))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernel::machine::MACHINES,
        tree::source, //
    };

    #[test]
    fn values_and_unset_options() {
        let options = parse("# comment\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x=y\"\n");
        assert_eq!(options["A"], "y");
        assert_eq!(options["B"], "n");
        assert_eq!(options["C"], "\"x=y\"");
    }

    #[test]
    fn each_option_asked_for_must_be_there_with_its_value() {
        let asked = parse(
            "CONFIG_A=y\nCONFIG_M=m\nCONFIG_D=y\n# CONFIG_N is not set\n# CONFIG_Y is not set\n",
        );
        let got = parse("CONFIG_A=y\nCONFIG_M=y\nCONFIG_Y=y\n");
        let names: Vec<_> = mismatches(&asked, &got)
            .into_iter()
            .map(|m| (m.option, m.got))
            .collect();
        assert_eq!(
            names,
            [
                ("D".into(), None),
                ("M".into(), Some("y".into())),
                ("Y".into(), Some("y".into()))
            ]
        );
    }

    #[test]
    fn fragments_must_agree() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.config"), "CONFIG_X=y\n").unwrap();
        fs::write(dir.path().join("b.config"), "CONFIG_X=m\n").unwrap();
        let merge = |names| merge(dir.path(), names, Version(7, 3, 4));
        assert!(merge(["a", "a"]).is_ok());
        assert!(merge(["a", "b"]).is_err());
    }

    #[test]
    fn an_older_kernel_has_options_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("a.config", "CONFIG_NEW=y\nCONFIG_BOTH=y\n");
        put("7.2/a.config", "# CONFIG_NEW is not set\nCONFIG_OLD=y\n");
        put("6.18/a.config", "# why\nCONFIG_OLD=m\n");
        put("6.18/machine.config", "# CONFIG_M is not set\n");
        let asked = |version| parse(&merge(dir.path(), ["a"], version).unwrap());
        assert_eq!(
            asked(Version(7, 3, 0)),
            parse("CONFIG_NEW=y\nCONFIG_BOTH=y\n")
        );
        let next = "# CONFIG_NEW is not set\nCONFIG_BOTH=y\nCONFIG_OLD=";
        assert_eq!(asked(Version(7, 2, 9)), parse(&format!("{next}y\n")));
        for version in [Version(6, 18, 35), Version(6, 17, 1)] {
            assert_eq!(asked(version), parse(&format!("{next}m\n")));
        }
        let of_machine = |version| of_older(dir.path(), "machine", version).unwrap();
        assert_eq!(of_machine(Version(7, 2, 0)), "");
        assert_eq!(of_machine(Version(6, 18, 0)), "# CONFIG_M is not set\n");
        // What an older kernel does not have is not missed.
        assert_eq!(
            mismatches(&parse("# CONFIG_NEW is not set\n"), &parse("")),
            []
        );
    }

    #[test]
    fn options_of_older_kernels_are_of_a_fragment_or_a_machine() {
        let repo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../..");
        let folder = repo.join("tools/testing/rust-ftrace/configs");
        let supported = source::supported(&repo).unwrap();
        for series in older(&folder).unwrap() {
            assert!(supported.contains(&series), "configs/{series}");
            for entry in fs::read_dir(folder.join(&series)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let machine = name.trim_end_matches(".config");
                let is_machine = MACHINES.iter().any(|m| m.kernel_name() == machine);
                let is_known = is_machine || folder.join(&name).is_file();
                assert!(is_known, "configs/{series}/{name}");
            }
        }
    }

    #[test]
    fn an_option_is_replaced_whatever_it_was() {
        let text = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_AB=y\n";
        assert_eq!(
            replace(text, "# CONFIG_A is not set\nCONFIG_B=m\n"),
            "CONFIG_AB=y\n# CONFIG_A is not set\nCONFIG_B=m\n"
        );
        assert_eq!(replace(text, ""), text);
    }

    #[test]
    fn a_module_is_no_part_of_a_kernel_without_modules() {
        assert_eq!(
            without_modules("CONFIG_A=y\nCONFIG_M=m\nCONFIG_S=\"m\"\n"),
            "CONFIG_A=y\n# CONFIG_M is not set\nCONFIG_S=\"m\"\n"
        );
    }

    #[test]
    fn what_others_ask_for_is_decided_on() {
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("config");
        fs::write(&theirs, "CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=y\n").unwrap();
        let ours = parse("CONFIG_A=y\n# CONFIG_B is not set\n");
        assert_eq!(undecided(&ours, &theirs).unwrap(), ["C"]);
    }

    #[test]
    fn the_hint_names_file_and_dependencies() {
        let dir = tempfile::tempdir().unwrap();
        for folder in [".rust-ftrace", "arch/arm", "arch/mips", "lib"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for folder in [".rust-ftrace", "arch/arm"] {
            let other = "config X\n\tbool\n\tdepends on NO\nconfig ARMS\n";
            fs::write(dir.path().join(folder).join("Kconfig"), other).unwrap();
        }
        fs::write(
            dir.path().join("lib/Kconfig"),
            "config XY\n\tbool\n\tdepends on OTHER\n\nconfig X\n\tbool \"x\"\n\tdepends on RUST\n\n\tdepends on MMU\nconfig Z\n\tdepends on NO\n",
        )
        .unwrap();
        let mismatch = |option: &str| Mismatch {
            option: option.into(),
            asked: "y".into(),
            got: None,
        };
        let asked = ["X", "ARMS"].map(mismatch);
        let text = explain(&asked, dir.path(), "mips");
        assert!(
            text.contains("CONFIG_X: asked y, got not set (lib/Kconfig: depends on RUST && MMU)")
        );
        assert!(text.contains("CONFIG_ARMS: asked y, got not set (no Kconfig file declares it)"));
    }
}
