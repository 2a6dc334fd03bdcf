//! `docs/promises.md` names a test for each promise: here is seen to it that they exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The tests that a row names: what stands between backquotes in its last column.
fn tests_of(row: &str) -> Vec<&str> {
    let column = row.trim_end_matches('|').rsplit(" | ").next();
    let mut parts = column.unwrap_or_default().split('`');
    let mut tests = Vec::new();
    while let (Some(_), Some(quoted)) = (parts.next(), parts.next()) {
        tests.push(quoted);
    }
    tests
}

fn rows(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| promise"))
        .filter(|line| !line.starts_with("| | promise"))
}

/// Why a test cannot be the one that is meant.
fn fault(top: &Path, test: &str) -> Option<String> {
    let (file, name) = test.split_once("::").unwrap_or((test, ""));
    let Ok(text) = fs::read_to_string(top.join(file)) else {
        return Some(format!("there is no file {file}"));
    };
    let name = match file.ends_with(".rs") && !name.is_empty() {
        true => format!("fn {name}("),
        false => name.to_owned(),
    };
    (!text.contains(&name)).then(|| format!("{file} has no {name}"))
}

#[test]
fn every_promise_names_tests_that_exist() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate is in the tree");
    let text = fs::read_to_string(top.join("ctdbd/docs/promises.md")).expect("it is there");
    let mut faults = Vec::new();
    let mut numbers = BTreeSet::new();
    for row in rows(&text) {
        let tests = tests_of(row);
        if tests.is_empty() {
            faults.push(format!("no test: {row}"));
        }
        faults.extend(tests.into_iter().filter_map(|test| fault(top, test)));
        numbers.extend(row.strip_prefix("| R").and_then(|rest| {
            let (number, _) = rest.split_once(' ')?;
            number.parse::<u32>().ok()
        }));
    }
    assert_eq!(faults, Vec::<String>::new());
    assert!(numbers.into_iter().eq(1..=51), "a scenario is missing");
}

#[test]
fn what_is_gone_is_noticed() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(
        fault(top, "tests/promises.rs::what_is_gone_is_noticed"),
        None
    );
    assert!(fault(top, "tests/promises.rs::what_never_was").is_some());
    assert!(fault(top, "tests/nobody.rs").is_some());
    assert_eq!(tests_of("| a | `b`, `c::d` (e) |"), ["b", "c::d"]);
}
