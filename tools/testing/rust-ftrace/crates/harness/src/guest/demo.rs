// SPDX-License-Identifier: GPL-2.0

//! What `guest/demo` shows: the tracers at work.

/// Splits the demo's output at its `== title` lines.
pub fn sections(results: &str) -> impl Iterator<Item = (&str, &str)> {
    results
        .split("== ")
        .skip(1)
        .filter_map(|section| section.split_once('\n'))
        .map(|(title, lines)| {
            let lines = lines.split("guest: done").next().unwrap_or_default();
            (title.trim(), lines)
        })
}

/// A tracer that the demo has and that recorded nothing, if there is one.
pub fn silent(results: &str) -> Option<&str> {
    if sections(results).next().is_none() {
        return Some("first");
    }
    sections(results)
        .find(|(_, lines)| lines.trim().is_empty())
        .map(|(title, _)| title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_the_demo() {
        let text = "== functions\r\n18924\r\n== function\r\n a <-b\r\n c <-d\r\nguest: done\r\n";
        let got: Vec<_> = sections(text).collect();
        assert_eq!(
            got,
            [
                ("functions", "18924\r\n"),
                ("function", " a <-b\r\n c <-d\r\n")
            ]
        );
        assert_eq!(silent(text), None);
    }

    #[test]
    fn a_tracer_without_a_word_is_named() {
        let text = "== functions\r\n18924\r\n== function_graph\r\nguest: done\r\n";
        assert_eq!(silent(text), Some("function_graph"));
        assert_eq!(silent("guest: done\r\n"), Some("first"));
    }
}
