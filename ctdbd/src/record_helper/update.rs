//! Stores a batch of records in one transaction.

use std::rc::Rc;

use ctdb_core::database::update::{self, Rule};
use tdb::Tdb;

use crate::store::TdbTable;

/// Applies `buffer` to the file, all or nothing; waits for locks where it must.
pub(super) fn run(file: Tdb, path: &str, rule: Rule, buffer: &[u8]) -> Result<(), String> {
    let mut table = TdbTable::new(file, path.to_owned(), Rc::default());
    table
        .file()
        .transaction_start()
        .map_err(|e| e.to_string())?;
    match update::apply(&mut table, rule, buffer) {
        Ok(()) => table.file().transaction_commit().map_err(|e| e.to_string()),
        Err(reason) => {
            // The first reason is the one to tell.
            let _ = table.file().transaction_cancel();
            Err(reason)
        }
    }
}
