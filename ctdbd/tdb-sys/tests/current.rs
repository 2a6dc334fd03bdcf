//! Whether the committed bindings still agree with the installed `tdb.h`. `regenerate --check`
//! says it exactly but needs bindgen; this needs nothing but the header.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test program has no readers of its interface, and stops at what fails"
)]

use std::collections::{BTreeMap, BTreeSet};

const BINDINGS: &str = include_str!("../src/bindings.rs");
const WRAPPER: &str = include_str!("../wrapper.h");
/// Functions that are not bound on purpose: their types cannot be written in Rust, or they are
/// deprecated.
const LEFT_OUT: [&str; 4] = [
    "tdb_logging_function",
    "tdb_log_fn",
    "tdb_set_logging_function",
    "tdb_setalarm_sigptr",
];

fn header() -> String {
    let text = std::fs::read_to_string("/usr/include/tdb.h").expect("package libtdb-dev");
    without_comments(&text) + WRAPPER
}

fn without_comments(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, comment)) = rest.split_once("/*") {
        kept.push_str(before);
        kept.push(' ');
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    kept + rest
}

/// Words that start with `tdb_` and are followed by an opening parenthesis.
fn functions(text: &str) -> BTreeSet<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices("tdb_")
        .filter(|(at, _)| !text[..*at].ends_with(is_word))
        .filter_map(|(at, _)| {
            let word = &text[at..];
            let end = word.find(|c| !is_word(c))?;
            word[end..].starts_with('(').then(|| &word[..end])
        })
        .collect()
}

fn constants<'a>(text: &'a str, before: &str, between: &str) -> BTreeMap<&'a str, u32> {
    text.lines()
        .filter_map(|line| {
            let rest = line.trim().strip_prefix(before)?.trim_start();
            let (name, value) = rest.split_once(between)?;
            let value = value.trim().trim_end_matches(';');
            Some((name.trim(), value.parse().ok()?))
        })
        .filter(|(name, _)| name.starts_with("TDB_"))
        .collect()
}

#[test]
fn every_function_is_bound() {
    let header = header();
    let mut declared = functions(&header);
    for name in LEFT_OUT {
        assert!(declared.remove(name), "{name} is gone from the header");
    }
    assert!(declared.len() > 60, "{declared:?}");
    assert_eq!(functions(BINDINGS), declared);
}

#[test]
fn every_constant_has_its_number() {
    let header = header();
    let defined = constants(&header, "#define", " ");
    let bound = constants(BINDINGS, "pub const", ": u32 =");
    let bound: BTreeMap<&str, u32> = bound
        .into_iter()
        .filter(|(name, _)| !name.starts_with("TDB_ERROR_"))
        .collect();
    assert!(bound.len() > 12, "{bound:?}");
    assert_eq!(bound, defined);
}
