// SPDX-License-Identifier: GPL-2.0

//! Who wrote a patch, when, and what its message says.

use std::{
    fmt,
    fs,
    str::FromStr, //
};

use anyhow::{
    ensure,
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

/// A person, or who is named in place of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    pub name: String,
    /// Empty if nobody is there to be written to.
    pub email: String,
}

impl Person {
    /// Whom patches are from if nobody sends them: there is no address to answer to.
    pub fn nobody() -> Self {
        Self {
            name: "rust-ftrace".to_owned(),
            email: String::new(),
        }
    }

    /// Whether mail can come there. No domain ends in `.example` or `.invalid` (RFC 2606).
    fn exists(&self) -> bool {
        let reserved = [".example", ".invalid"].iter();
        self.email.contains('@') && !reserved.clone().any(|end| self.email.ends_with(end))
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

impl FromStr for Person {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text
            .trim()
            .strip_suffix('>')
            .and_then(|t| t.split_once('<'));
        let (name, email) = parts.unwrap_or_default();
        let person = Self {
            name: name.trim().to_owned(),
            email: email.trim().to_owned(),
        };
        ensure!(
            !person.name.is_empty() && person.exists(),
            "{text:?} is no sender: say \"Name <address>\""
        );
        Ok(person)
    }
}

/// A commit of a patch. The committer is the author, so that the same input gives the same output.
pub struct Commit {
    pub author: Person,
    pub date: String,
    pub message: String,
}

impl Commit {
    /// The kernel's source in a scratch repository.
    pub fn base() -> Self {
        Self {
            author: Person::nobody(),
            date: "1970-01-01T00:00:00Z".into(),
            message: "Linux\n".into(),
        }
    }

    /// The commit of a patch that `sender` sends. A file without an author is of whoever sends it.
    pub fn of(patch: &Patch, sender: Option<&Person>) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let text = fs::File::open(&patch.message)?;
        let head = output(
            git(dir.path())
                .args(["mailinfo", "message", "diff"])
                .stdin(text),
        )?;
        let field = |name: &str| {
            let mut lines = head.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let needed = |name: &str| {
            field(name)
                .map(str::to_owned)
                .with_context(|| format!("{} has no {name} in its head", patch.message.display()))
        };
        let author = Person {
            name: field("Author").unwrap_or_default().to_owned(),
            email: field("Email").unwrap_or_default().to_owned(),
        };
        let author = match (author.exists(), sender) {
            (true, _) => author,
            (false, Some(sender)) => sender.clone(),
            (false, None) => Person::nobody(),
        };
        let mut body = fs::read_to_string(dir.path().join("message"))?;
        if let Some(note) = &patch.note {
            body = with_note(&body, note);
        }
        Ok(Self {
            author,
            date: needed("Date")?,
            message: format!("{}\n\n{}", needed("Subject")?, signed(&body, sender)),
        })
    }
}

/// The line by which people sign off.
const SIGN_OFF: &str = "Signed-off-by: ";

/// Takes the sign-offs of people who do not exist out of a message, and adds the sender's.
fn signed(body: &str, sender: Option<&Person>) -> String {
    let (text, trailers) = split(body);
    let exists = |line: &str| match line.strip_prefix(SIGN_OFF) {
        Some(person) => person.parse::<Person>().is_ok(),
        None => true,
    };
    let own = sender.map(|sender| format!("{SIGN_OFF}{sender}"));
    let trailers = trailers.lines().filter(|line| exists(line));
    let mut trailers: Vec<_> = trailers
        .filter(|line| own.as_deref() != Some(*line))
        .collect();
    trailers.extend(own.as_deref());
    joined(&[text, &trailers.join("\n")])
}

/// Puts paragraphs together, those that are empty left out.
fn joined(parts: &[&str]) -> String {
    let parts = parts.iter().map(|part| part.trim_matches('\n'));
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("\n\n") + "\n"
}

/// Says in a message why the diff is not that of a newer version: as stable kernels do, in brackets
/// and before the trailers.
fn with_note(body: &str, note: &Note) -> String {
    let (text, trailers) = split(body);
    let note = format!("[ {}: {} ]", note.version, note.why.trim());
    joined(&[text, &wrapped(&note), trailers])
}

/// Takes a message and its trailers apart.
fn split(body: &str) -> (&str, &str) {
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
    fn a_sender_is_a_name_and_an_address() {
        let person: Person = "A B <a@b.org>".parse().unwrap();
        assert_eq!((&*person.name, &*person.email), ("A B", "a@b.org"));
        for text in ["a@b.org", "<a@b.org>", "A <a>", "A", "", "A <a@b.example>"] {
            assert!(text.parse::<Person>().is_err(), "{text}");
        }
    }

    #[test]
    fn nobody_signs_off_but_people() {
        let text = "Why.\n\nFixes: 0123 (\"a\")\nSigned-off-by: N <n@nowhere.example>\n";
        assert_eq!(signed(text, None), "Why.\n\nFixes: 0123 (\"a\")\n");
        let sender = "A B <a@b.org>".parse().unwrap();
        let own = "Why.\n\nFixes: 0123 (\"a\")\nSigned-off-by: A B <a@b.org>\n";
        assert_eq!(signed(text, Some(&sender)), own);
        assert_eq!(signed(own, Some(&sender)), own);
        assert_eq!(signed(own, None), own);
        assert_eq!(
            signed("Why: so.\nIt is.\n", Some(&sender)),
            "Why: so.\nIt is.\n\nSigned-off-by: A B <a@b.org>\n"
        );
    }

    #[test]
    fn the_author_is_who_wrote_it_or_else_who_sends_it() {
        let dir = tempfile::tempdir().unwrap();
        let sender: Person = "A B <a@b.org>".parse().unwrap();
        let of = |from: &str, sender| {
            let file = dir.path().join("patch");
            let text = format!("{from}Date: Sun, 22 Nov 2026 12:00:00 +0000\nSubject: [PATCH 01/20] x: y\n\nWhy.\n---\n");
            fs::write(&file, text).unwrap();
            let patch = Patch {
                name: "set/patch".into(),
                message: file.clone(),
                diff: file,
                note: None,
                brings: Vec::new(),
                dropped: false,
            };
            let commit = Commit::of(&patch, sender).unwrap();
            assert!(commit.message.starts_with("x: y\n\nWhy.\n"));
            commit.author.to_string()
        };
        for nobody in ["", "From: N <n@nowhere.example>\n"] {
            assert_eq!(of(nobody, None), "rust-ftrace <>");
            assert_eq!(of(nobody, Some(&sender)), "A B <a@b.org>");
        }
        let other = "From: C D <c@d.org>\n";
        assert_eq!(of(other, None), "C D <c@d.org>");
        assert_eq!(of(other, Some(&sender)), "C D <c@d.org>");
    }

    #[test]
    fn a_long_note_is_wrapped() {
        let text = with_note("", &note(&"word ".repeat(40)));
        assert!(text.lines().count() > 2, "{text}");
        assert!(text.lines().all(|line| line.len() <= COLUMNS), "{text}");
        assert!(text.lines().all(|line| !line.is_empty()), "{text}");
    }
}
