//! The file of read-only delegations.

use ctdb_core::store::{StoreResult, Tracking};
use tdb::{StoreMode, Tdb};

use super::failed;

/// Bitmaps of nodes by record key.
#[derive(Debug)]
pub(super) struct TdbTracking {
    file: Tdb,
}

impl TdbTracking {
    pub(super) fn new(file: Tdb) -> Self {
        Self { file }
    }
}

impl Tracking for TdbTracking {
    fn fetch(&self, key: &[u8]) -> StoreResult<Vec<u8>> {
        self.file
            .fetch(key)
            .map(Option::unwrap_or_default)
            .map_err(failed)
    }

    fn store(&mut self, key: &[u8], bitmap: &[u8]) -> StoreResult<()> {
        self.file
            .store(key, bitmap, StoreMode::Replace)
            .map_err(failed)
    }

    fn delete(&mut self, key: &[u8]) -> StoreResult<()> {
        self.file.delete(key).map(drop).map_err(failed)
    }

    fn wipe(&mut self) -> StoreResult<()> {
        self.file.wipe_all().map_err(failed)
    }
}
