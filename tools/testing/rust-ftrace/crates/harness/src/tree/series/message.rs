// SPDX-License-Identifier: GPL-2.0

//! Who wrote a patch, when, and what its message says.

use std::fs;

use anyhow::{
    Context as _,
    Result, //
};

use crate::{
    host::process::output,
    tree::{
        git::git,
        series::sets::{
            Note,
            Patch, //
        },
    },
};

/// The columns of a message.
const COLUMNS: usize = 75;

/// Who wrote a patch and when. The committer is the same, so that the same input gives the same
/// output.
pub struct Author {
    pub name: String,
    pub email: String,
    pub date: String,
}

impl Author {
    /// The author of the kernel's source in a scratch repository.
    pub fn base() -> Self {
        Self {
            name: "rust-ftrace".into(),
            email: "rust-ftrace".into(),
            date: "1970-01-01T00:00:00Z".into(),
        }
    }
}

/// The author and the commit message of a patch.
pub fn of(patch: &Patch) -> Result<(Author, String)> {
    let dir = tempfile::tempdir()?;
    let text = fs::File::open(&patch.message)?;
    let head = output(
        git(dir.path())
            .args(["mailinfo", "message", "diff"])
            .stdin(text),
    )?;
    let field = |name: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .map(str::to_string)
            .with_context(|| format!("{} has no {name} in its head", patch.message.display()))
    };
    let mut body = fs::read_to_string(dir.path().join("message"))?;
    if let Some(note) = &patch.note {
        body = with_note(&body, note);
    }
    let author = Author {
        name: field("Author")?,
        email: field("Email")?,
        date: field("Date")?,
    };
    Ok((author, format!("{}\n\n{body}", field("Subject")?)))
}

/// Says in a message why the diff is not that of a newer version: as stable kernels do, in brackets
/// and before the trailers.
fn with_note(body: &str, note: &Note) -> String {
    let (text, trailers) = split(body);
    let note = format!("[ {}: {} ]", note.version, note.why.trim());
    let paragraphs = [text, &wrapped(&note), trailers];
    let paragraphs = paragraphs.iter().map(|part| part.trim_matches('\n'));
    let paragraphs: Vec<_> = paragraphs.filter(|part| !part.is_empty()).collect();
    paragraphs.join("\n\n") + "\n"
}

/// Takes a message and its trailers apart.
pub fn split(body: &str) -> (&str, &str) {
    let body = body.trim_end();
    let start = body.rfind("\n\n").map_or(0, |end| end + 2);
    let last = &body[start..];
    match !last.is_empty() && last.lines().all(is_trailer) {
        true => (&body[..start], last),
        false => (body, ""),
    }
}

/// Whether a line is like `Fixes: ...`.
fn is_trailer(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(name, _)| {
        name.starts_with(char::is_uppercase)
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    })
}

/// Breaks a paragraph into lines.
fn wrapped(text: &str) -> String {
    let mut wrapped = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        if column > 0 {
            let fits = column + 1 + word.len() <= COLUMNS;
            wrapped.push(if fits { ' ' } else { '\n' });
            column = if fits { column + 1 } else { 0 };
        }
        wrapped.push_str(word);
        column += word.len();
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(why: &str) -> Note {
        Note {
            version: "6.18".into(),
            why: why.into(),
        }
    }

    #[test]
    fn a_note_is_the_last_paragraph_before_the_trailers() {
        let moved = note("The function is in another file.");
        let text = "It is wrong.\n\nMend: mend it.\nSo.\n\nFixes: 0123 (\"a\")\nCc: b <b@c>\n";
        assert_eq!(
            with_note(text, &moved),
            "It is wrong.\n\nMend: mend it.\nSo.\n\n[ 6.18: The function is in another file. ]\n\n\
             Fixes: 0123 (\"a\")\nCc: b <b@c>\n"
        );
        assert_eq!(
            with_note("Why.\n", &moved),
            "Why.\n\n[ 6.18: The function is in another file. ]\n"
        );
        assert_eq!(
            with_note("Cc: b <b@c>\n", &moved),
            "[ 6.18: The function is in another file. ]\n\nCc: b <b@c>\n"
        );
    }

    #[test]
    fn a_long_note_is_wrapped() {
        let text = with_note("", &note(&"word ".repeat(40)));
        assert!(text.lines().count() > 2, "{text}");
        assert!(text.lines().all(|line| line.len() <= COLUMNS), "{text}");
        assert!(text.lines().all(|line| !line.is_empty()), "{text}");
    }
}
