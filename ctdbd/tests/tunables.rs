//! Every tunable that is not obsolete either is read by some code, or its manual says that it has no effect.

use std::path::{Path, PathBuf};

use ctdb_config::tunables::TABLE;

const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn text(path: impl AsRef<Path>) -> String {
    let path = Path::new(TOP).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All code that may read a tunable, without the tests in files of their own.
fn code() -> String {
    let mut folders: Vec<PathBuf> = [
        "ctdbd/core/src",
        "ctdbd/src",
        "protocol/client/src",
        "ctdb-tool/src",
    ]
    .iter()
    .map(|folder| Path::new(TOP).join(folder))
    .collect();
    let mut all = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of this tree") {
            let path = entry.expect("an entry of it").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && name != "testing" && name != "tests" {
                folders.push(path);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                all.push_str(&text(&path));
            }
        }
    }
    all
}

/// The functions that give a tunable's value: by its name in the table, and by its place in the list that
/// procedures get from a daemon.
fn accessors(name: &str, place: usize) -> Vec<String> {
    let table = text("config/src/tunables.rs");
    let places = text("protocol/client/src/procedure/tunables.rs");
    let of_table = table.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("live") && words.next() == Some(name))
            .then(|| words.next())
            .flatten()
    });
    let of_places = places.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.len() == 3 && words[1] == place.to_string()).then(|| words[0])
    });
    of_table.chain(of_places).map(str::to_owned).collect()
}

/// The paragraph of the manual that begins with the tunable's name and its default.
fn manual(name: &str, default: u32) -> Option<String> {
    let manual = text("ctdbd/docs/man/ctdb-tunables.7.md");
    let entry = format!("`{name}` ({default})");
    let paragraph = manual.split("\n\n").find(|p| {
        p.lines()
            .next()
            .is_some_and(|heading| heading.contains(&entry))
    });
    paragraph.map(str::to_owned)
}

#[test]
fn each_tunable_is_read_or_said_to_have_no_effect() {
    let code = code();
    let mut wrong = Vec::new();
    for row in TABLE.iter().filter(|row| !row.obsolete) {
        let accessors = accessors(row.name, row.place);
        assert!(!accessors.is_empty(), "{} has no accessor", row.name);
        let read = accessors
            .iter()
            .any(|name| code.contains(&format!(".{name}()")));
        let Some(manual) = manual(row.name, row.default) else {
            wrong.push(format!("{}: not in the manual with its default", row.name));
            continue;
        };
        if read == manual.contains("No effect here") {
            wrong.push(format!("{}: read: {read}, manual: {manual}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
