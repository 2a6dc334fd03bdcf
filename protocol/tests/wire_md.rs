//! The list of controls in WIRE.md is that of the table.

use std::fmt::Write;
use std::path::PathBuf;

use ctdb_protocol::control::{Life, TABLE};

/// Where the list begins in the page.
const HEAD: &str = "| opcode | name | service | request | reply |\n|---|---|---|---|---|\n";

fn list() -> String {
    let mut rows: Vec<_> = TABLE.iter().collect();
    rows.sort_by_key(|row| row.code);
    let mut list = HEAD.to_owned();
    for row in rows {
        let what = match row.life {
            Life::Live => {
                let named = |name: &str| name.replace("types :: ", "").replace("types::", "");
                format!("`{}` | `{}`", named(row.request), named(row.reply))
            }
            Life::Obsolete {
                instead: Some(other),
            } => format!("obsolete: {other} | "),
            Life::Obsolete { instead: None } => "obsolete | ".to_owned(),
        };
        let service = row
            .service
            .map(|service| format!("{service:?}").to_lowercase());
        let service = service.unwrap_or_default();
        writeln!(list, "| {} | {} | {service} | {what} |", row.code, row.name)
            .expect("strings grow");
    }
    list
}

#[test]
fn controls_are_listed() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("WIRE.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let (before, found) = match page.find(HEAD) {
        Some(at) => page.split_at(at),
        None => (page.as_str(), ""),
    };
    if std::env::var_os("WIRE_MD").is_some_and(|value| value == "write") {
        std::fs::write(&path, format!("{before}{}", list())).expect("the page is writable");
        return;
    }
    assert_eq!(
        found,
        list(),
        "WIRE_MD=write cargo test -p ctdb-protocol --test wire_md"
    );
}
