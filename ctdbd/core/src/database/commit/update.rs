//! UPDATE_RECORD: a batch of records is stored in one transaction, all or none.
//!
//! The decision is here; the transaction runs where it may block, in a helper process of the daemon
//! or at once in the simulator. Answers to upstream's `ctdb_update_record.c`.

use ctdb_protocol::types::Records;

use crate::database::record::local::{read, split, write};
use crate::store::Table;

/// What kind of database the records are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Persistent or replicated: every record is stored.
    Store,
    /// Volatile: only records that exist are replaced (the read-only copies of a revoke).
    Replace,
}

/// Stores the records of a marshalled buffer in `table`, inside of an open transaction.
///
/// # Errors
/// A record is older than the stored one, or the file or the buffer is broken: roll back.
pub fn apply(table: &mut dyn Table, rule: Rule, buffer: &[u8]) -> Result<(), String> {
    let (_, mut records) =
        Records::of_payload(buffer).map_err(|error| format!("broken record buffer: {error}"))?;
    for record in &mut records {
        let Some((header, data)) = split(record.data) else {
            return Err("a record without a header".to_owned());
        };
        let old = read(table, record.key).map_err(|error| error.to_string())?;
        if rule == Rule::Replace && old.is_none() {
            continue;
        }
        let old = old.unwrap_or_else(|| crate::database::record::local::Record {
            header: ctdb_protocol::types::LtdbHeader::default(),
            data: bytes::Bytes::new(),
        });
        if old.header.rsn >= header.rsn && old.data != data {
            return Err(format!(
                "rsn {} is stored, rsn {} with other data came",
                old.header.rsn, header.rsn
            ));
        }
        write(table, record.key, &header, data).map_err(|error| error.to_string())?;
    }
    if records.left() > 0 {
        return Err("fewer records than announced".to_owned());
    }
    Ok(())
}
