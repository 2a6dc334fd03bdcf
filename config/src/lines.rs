// SPDX-License-Identifier: GPL-3.0-or-later
//! Line rules of `ctdb.conf` and `ctdb.tunables` (upstream's `tini` parser): blanks at both ends
//! and around the first `=` do not count, runs of blanks become one, a backslash at the end
//! continues the line, `#` and `;` start a comment only at the start of a line. There are no
//! quotes and no comments behind a value, except that a `#` reached by an integer ends it.

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// `[name]`, what follows the bracket is ignored.
    Section(String),
    /// `name = value`.
    Option {
        /// Left of the first `=`.
        name: String,
        /// Right of it, `None` if there is no `=`.
        value: Option<String>,
    },
    /// A section without `]`, or a value without a name: the rest of the file is not looked at.
    Broken,
}

/// Takes a file apart: line number (from 1) and content of each line that says something.
pub fn items(text: &[u8]) -> Vec<(usize, Item)> {
    let mut found = Vec::new();
    for (number, line) in logical_lines(text) {
        let item = item(&line);
        let broken = item == Item::Broken;
        found.push((number, item));
        if broken {
            break;
        }
    }
    found
}

fn item(line: &str) -> Item {
    if let Some(rest) = line.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((name, _)) => Item::Section(name.to_owned()),
            None => Item::Broken,
        };
    }
    let (name, value) = match line.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (line, None),
    };
    let name = trim(name);
    if name.is_empty() {
        return Item::Broken;
    }
    Item::Option {
        name: name.to_owned(),
        value: value.map(|v| trim(v).to_owned()),
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

fn is_blank(c: char) -> bool {
    // What C's isspace() takes, in the C locale.
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// Comments and empty lines left out, continuations joined, runs of blanks squeezed; with the
/// number of the line each begins on.
fn logical_lines(text: &[u8]) -> Vec<(usize, String)> {
    let text = String::from_utf8_lossy(text);
    let mut physical = (1..).zip(text.split('\n'));
    let mut lines = Vec::new();
    while let Some((number, first)) = physical.next() {
        let first = first.trim_start_matches(is_blank);
        if first.is_empty() || first.starts_with(['#', ';']) {
            continue;
        }
        let mut line = String::new();
        squeeze_onto(&mut line, first);
        while let Some(shorter) = continued(&line) {
            line.truncate(shorter);
            let Some((_, next)) = physical.next() else {
                break;
            };
            squeeze_onto(&mut line, next);
        }
        if !line.is_empty() {
            lines.push((number, line));
        }
    }
    lines
}

/// Where to cut a line that goes on in the next one: its backslash, and a blank after that.
fn continued(line: &str) -> Option<usize> {
    let end = line.strip_suffix(is_blank).unwrap_or(line);
    end.ends_with('\\').then(|| end.len() - 1)
}

fn squeeze_onto(line: &mut String, more: &str) {
    for c in more.chars() {
        if is_blank(c) && line.ends_with(is_blank) {
            continue;
        }
        line.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str, value: &str) -> Item {
        Item::Option {
            name: name.into(),
            value: Some(value.into()),
        }
    }

    #[test]
    fn blanks_comments_and_continuations() {
        let text =
            b"# c\n; c\n\n [s one] x\n\tkey  \t one = a   b # c  \nlong = 1 \\\n 2\\ \n3\nend=";
        assert_eq!(
            items(text),
            [
                // Leading blanks are skipped, so this is a section.
                (4, Item::Section("s one".into())),
                (5, option("key one", "a b # c")),
                (6, option("long", "1 23")),
                (9, option("end", "")),
            ]
        );
    }

    #[test]
    fn a_broken_line_ends_it() {
        assert_eq!(
            items(b"word\n=1\na=b\n"),
            [
                (
                    1,
                    Item::Option {
                        name: "word".into(),
                        value: None
                    }
                ),
                (2, Item::Broken)
            ]
        );
        assert_eq!(items(b"[never closed\n"), [(1, Item::Broken)]);
    }

    #[test]
    fn nothing_from_outside_panics() {
        assert_eq!(items(b"\\"), []);
        items(b"\xff\xfe = \\\n\\\n\\");
    }
}
