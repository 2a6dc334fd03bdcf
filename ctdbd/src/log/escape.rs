//! Texts of others in our log: names, messages and what scripts write. They must not look like lines of ours, move
//! a terminal's cursor, or fill a disk.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Longer texts are cut here.
const BYTES: usize = 32 << 10;

/// The text as it is written. Lines behind the first are indented, so that none begins like one of ours; other control
/// characters but tabs are shown as numbers; and what is too long is cut.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| !c.is_control() || c == '\t';
    if text.len() <= BYTES && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut end = text.len().min(BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut escaped = String::with_capacity(end + 64);
    for c in text[..end].chars() {
        if c == '\n' {
            escaped.push_str("\n\t");
        } else if is_plain(c) {
            escaped.push(c);
        } else {
            escaped.extend(c.escape_default());
        }
    }
    if end < text.len() {
        let _ = write!(escaped, " [{} bytes cut]", text.len() - end);
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_is_not_touched() {
        let text = "Attached to database 'ä.tdb'\twith flags 0x1";
        assert!(matches!(escape(text), Cow::Borrowed(same) if same == text));
    }

    #[test]
    fn no_line_can_be_forged_and_no_terminal_driven() {
        let forged = "cannot attach nl\n2026-01-01T00:00:00 host ctdbd[1]: all is well\u{1b}[2J\r";
        assert_eq!(
            escape(forged),
            "cannot attach nl\n\t2026-01-01T00:00:00 host ctdbd[1]: all is well\\u{1b}[2J\\r"
        );
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let long = "ä".repeat(2_000_000);
        let escaped = escape(&long);
        assert!(escaped.len() < BYTES + 100);
        assert!(escaped.ends_with(&format!(" [{} bytes cut]", 4_000_000 - BYTES)));
    }
}
