//! The file that remembers why a persistent database must not be used: key is its name, value the
//! reason, no key means healthy.

use std::path::Path;

use ctdb_core::store::{StoreError, StoreResult};
use tdb::{OpenMode, StoreMode, Tdb, TdbFlags};

use super::failed;
use crate::log;

/// Opens the file, and makes a new one in place of one that is damaged.
pub(super) fn open(directory: &Path, own: u32) -> StoreResult<Tdb> {
    let path = format!("{}/persistent_health.tdb.{own}", directory.display());
    // Nobody but this daemon has anything to do with it.
    super::opening::nobody_has(&path, 0, 0).map_err(|error| StoreError(error.to_string()))?;
    let open = |flags| {
        let file = Tdb::open(&path, 0, flags, OpenMode::Create)?;
        file.check(|_, _| true)?;
        Ok(file)
    };
    open(TdbFlags::DISALLOW_NESTING).or_else(|e: tdb::Error| {
        log::warning!("{e}; starting a new one");
        open(TdbFlags::DISALLOW_NESTING | TdbFlags::CLEAR_IF_FIRST).map_err(failed)
    })
}

pub(super) fn read(file: &Tdb, name: &str) -> StoreResult<Option<String>> {
    let reason = file.fetch(name.as_bytes()).map_err(failed)?;
    Ok(reason.map(|reason| String::from_utf8_lossy(&reason).into_owned()))
}

pub(super) fn write(file: &Tdb, name: &str, reason: Option<&str>) -> StoreResult<()> {
    let key = name.as_bytes();
    match reason {
        Some(reason) => file
            .store(key, reason.as_bytes(), StoreMode::Replace)
            .map_err(failed),
        None => file.delete(key).map(drop).map_err(failed),
    }
}
