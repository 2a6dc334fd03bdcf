//! One open database file.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;

use ctdb_core::store::{StoreError, StoreResult, Table, Tracking, TryLock};
use tdb::{OpenMode, StoreMode, Tdb, TdbFlags};

use super::failed;
use super::readonly_tracking::TdbTracking;

/// A table over libtdb.
#[derive(Debug)]
pub struct TdbTable {
    file: Tdb,
    path: String,
    closed: Rc<RefCell<Vec<String>>>,
    /// Whether the transaction lock was marked together with all records.
    transaction_marked: bool,
}

impl TdbTable {
    /// Takes over an open file; its path goes to `closed` when it is closed.
    #[must_use]
    pub fn new(file: Tdb, path: String, closed: Rc<RefCell<Vec<String>>>) -> Self {
        Self {
            file,
            path,
            closed,
            transaction_marked: false,
        }
    }

    /// The file itself.
    #[must_use]
    pub fn file(&self) -> &Tdb {
        &self.file
    }

    /// Runs a step of a transaction in a file whose locks a helper holds: without taking locks.
    fn unlocked(&self, step: impl FnOnce(&Tdb) -> tdb::Result<()>) -> StoreResult<()> {
        self.file.add_flags(TdbFlags::NOLOCK);
        let result = step(&self.file);
        self.file.remove_flags(TdbFlags::NOLOCK);
        result.map_err(failed)
    }
}

impl Drop for TdbTable {
    fn drop(&mut self) {
        self.closed
            .borrow_mut()
            .push(std::mem::take(&mut self.path));
    }
}

impl Table for TdbTable {
    fn path(&self) -> &str {
        &self.path
    }

    fn open_flags(&self) -> i32 {
        (self.file.flags() - TdbFlags::NOLOCK).bits().cast_signed()
    }

    fn chains(&self) -> u32 {
        self.file.hash_size()
    }

    fn chain_of(&self, key: &[u8]) -> u32 {
        self.file.chain(key)
    }

    fn read(&self, key: &[u8], reader: &mut dyn FnMut(&[u8])) -> StoreResult<bool> {
        self.file
            .parse(key, reader)
            .map(|found| found.is_some())
            .map_err(failed)
    }

    fn store(&mut self, key: &[u8], parts: &[&[u8]]) -> StoreResult<()> {
        self.file
            .store_parts(key, parts, StoreMode::Replace)
            .map_err(failed)
    }

    fn delete(&mut self, key: &[u8]) -> StoreResult<()> {
        self.file.delete(key).map(drop).map_err(failed)
    }

    fn try_lock(&mut self, key: &[u8]) -> StoreResult<TryLock> {
        match self.file.try_chain_lock(key).map_err(failed)? {
            Some(lock) => {
                lock.keep();
                Ok(TryLock::Held)
            }
            None => Ok(TryLock::Busy),
        }
    }

    fn unlock(&mut self, key: &[u8]) {
        note(self.file.chain_unlock(key));
    }

    fn mark(&mut self, key: &[u8]) {
        note(self.file.chain_lock_mark(key));
    }

    fn unmark(&mut self, key: &[u8]) {
        note(self.file.chain_lock_unmark(key));
    }

    fn mark_all(&mut self) -> StoreResult<()> {
        // Only inside a transaction does libtdb let the two marks nest; outside, the second says enough.
        self.transaction_marked = self.file.transaction_active();
        if self.transaction_marked {
            self.file.transaction_write_lock_mark().map_err(failed)?;
        }
        if let Err(e) = self.file.lock_all_mark() {
            if self.transaction_marked {
                note(self.file.transaction_write_lock_unmark());
            }
            return Err(failed(e));
        }
        Ok(())
    }

    fn unmark_all(&mut self) {
        if std::mem::take(&mut self.transaction_marked) {
            note(self.file.transaction_write_lock_unmark());
        }
        note(self.file.lock_all_unmark());
    }

    fn transaction_start(&mut self) -> StoreResult<()> {
        self.unlocked(Tdb::transaction_start)
    }

    fn transaction_commit(&mut self) -> StoreResult<()> {
        self.unlocked(Tdb::transaction_commit)
    }

    fn transaction_cancel(&mut self) {
        if let Err(e) = self.unlocked(Tdb::transaction_cancel) {
            crate::log::error!("{e}");
        }
    }

    fn wipe(&mut self) -> StoreResult<()> {
        self.file.wipe_all().map_err(failed)
    }

    fn read_chain(&self, chain: u32, reader: &mut dyn FnMut(&[u8], &[u8])) -> StoreResult<()> {
        let visit = |key: &[u8], value: &[u8]| {
            reader(key, value);
            ControlFlow::Continue(())
        };
        self.file
            .traverse_chain(chain, visit)
            .map(drop)
            .map_err(failed)
    }

    fn sequence_number(&self) -> i32 {
        self.file.seqnum().cast_signed()
    }

    fn enable_sequence_number(&mut self) {
        self.file.enable_seqnum();
    }

    fn increment_sequence_number(&mut self) {
        self.file.increment_seqnum();
    }

    fn sync(&mut self) -> StoreResult<()> {
        let Some(fd) = self.file.fd() else {
            return Ok(());
        };
        nix::unistd::fsync(fd).map_err(|e| StoreError(format!("fsync of {}: {e}", self.path)))
    }

    fn open_tracking(&mut self) -> StoreResult<Box<dyn Tracking>> {
        let flags = TdbFlags::NOLOCK | TdbFlags::CLEAR_IF_FIRST | TdbFlags::NOSYNC;
        let path = format!("{}.RO", self.path);
        super::opening::nobody_has(&path, 0, 0).map_err(|error| StoreError(error.to_string()))?;
        let file = Tdb::open(&path, 0, flags, OpenMode::Create).map_err(failed)?;
        Ok(Box::new(TdbTracking::new(file)))
    }
}

/// Lock bookkeeping in memory fails only when the core unlocks what it did not lock.
fn note(result: tdb::Result<()>) {
    if let Err(e) = result {
        crate::log::error!("{e}");
    }
}
