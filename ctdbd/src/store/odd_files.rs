// SPDX-License-Identifier: GPL-3.0-or-later
//! Files in the persistent folder that are no databases of this node: named once, with what to do about them.

use std::path::Path;

use crate::log;

/// More than so many are only counted.
const NAMED: usize = 20;

/// Says what is odd about each of these names.
pub(super) fn name_them(directory: &Path, own: u32, names: &[String]) {
    let odd: Vec<String> = names.iter().filter_map(|name| advice(name, own)).collect();
    for text in odd.iter().take(NAMED) {
        log::warning!("{}: {text}", directory.display());
    }
    if odd.len() > NAMED {
        let more = odd.len() - NAMED;
        log::warning!(
            "{}: {more} more files that are not used",
            directory.display()
        );
    }
}

/// What to do about a file that is not used; none for what belongs there.
fn advice(name: &str, own: u32) -> Option<String> {
    if name.contains(".corrupted.") {
        return Some(format!(
            "{name:?} was moved aside because it was damaged; remove it when it is not needed any more"
        ));
    }
    if name.ends_with(".new") {
        return Some(format!(
            "{name:?} was not completed and is not used; it can be removed"
        ));
    }
    if name.ends_with(".tdb") {
        return Some(format!(
            "{name:?} has no node number and is not used: if it is a database of Samba without cluster, convert it \
             with \"ltdbtool convert -s0 {name} {name}.{own}\""
        ));
    }
    match name.rsplit_once('.') {
        Some((stem, number)) if stem.ends_with(".tdb") => match number.parse::<u32>() {
            Ok(number) if number == own => None,
            Ok(number) => Some(format!(
                "{name:?} is a database of node {number}, this is node {own}, so it is not used: if the nodes got \
                 new numbers rename it, or remove it"
            )),
            Err(_) => Some(format!(
                "{name:?} is not used; a database here is called NAME.tdb.{own}"
            )),
        },
        _ => Some(format!(
            "{name:?} is not used; a database here is called NAME.tdb.{own}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_odd_is_named() {
        assert_eq!(advice("secrets.tdb.3", 3), None);
        let text = |name| advice(name, 3).expect("odd");
        assert!(text("secrets.tdb.1").contains("of node 1"));
        assert!(text("secrets.tdb").contains("ltdbtool convert -s0 secrets.tdb secrets.tdb.3"));
        assert!(text("secrets.tdb.3.bak").contains("is not used"));
        assert!(text("a\nb").contains(r#""a\nb""#));
        assert!(text("secrets.tdb.3.corrupted.20260101000000.0Z.x").contains("moved aside"));
    }
}
