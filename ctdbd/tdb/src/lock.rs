// SPDX-License-Identifier: GPL-3.0-or-later
//! Chain and allrecord locks, real ones and marks.
//!
//! A guard that is dropped unlocks. [`ChainLock::keep`] and [`AllLock::keep`] leave the lock
//! in place for callers that span more than one scope; they then owe the matching unlock.

use crate::error::{Error, Kind, Result};
use crate::file::Tdb;
use crate::record::datum;

/// The write lock of one chain.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct ChainLock<'a> {
    tdb: &'a Tdb,
    key: Vec<u8>,
}

impl ChainLock<'_> {
    /// Leaves the lock held; [`Tdb::chain_unlock`] ends it.
    pub fn keep(self) {
        // The key's memory is freed as usual, only the unlock is skipped.
        let mut this = std::mem::ManuallyDrop::new(self);
        drop(std::mem::take(&mut this.key));
    }
}

impl Drop for ChainLock<'_> {
    fn drop(&mut self) {
        // Unlocking fails only if the lock is not held, which this guard rules out.
        let _ = self.tdb.chain_unlock(&self.key);
    }
}

/// The lock over all records.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct AllLock<'a> {
    tdb: &'a Tdb,
}

impl AllLock<'_> {
    /// Leaves the lock held; [`Tdb::unlock_all`] ends it.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for AllLock<'_> {
    fn drop(&mut self) {
        // As for `ChainLock`.
        let _ = self.tdb.unlock_all();
    }
}

/// The chain of a key.
impl Tdb {
    /// Waits for the write lock of the chain of `key`.
    pub fn chain_lock(&self, key: &[u8]) -> Result<ChainLock<'_>> {
        // SAFETY: the handle is open, the key outlives the call.
        self.call("chainlock", |raw| unsafe {
            tdb_sys::tdb_chainlock(raw, datum(key))
        })?;
        Ok(ChainLock {
            tdb: self,
            key: key.to_vec(),
        })
    }

    /// The write lock of the chain of `key` if nobody else holds it.
    pub fn try_chain_lock(&self, key: &[u8]) -> Result<Option<ChainLock<'_>>> {
        // SAFETY: as for `chain_lock`.
        let result = self.call("chainlock_nonblock", |raw| unsafe {
            tdb_sys::tdb_chainlock_nonblock(raw, datum(key))
        });
        Ok(contended(result)?.then(|| ChainLock {
            tdb: self,
            key: key.to_vec(),
        }))
    }

    /// Releases a lock that [`ChainLock::keep`] left.
    pub fn chain_unlock(&self, key: &[u8]) -> Result<()> {
        // SAFETY: as for `chain_lock`.
        self.call("chainunlock", |raw| unsafe {
            tdb_sys::tdb_chainunlock(raw, datum(key))
        })
    }

    /// Notes that a helper process holds the chain of `key` for us.
    pub fn chain_lock_mark(&self, key: &[u8]) -> Result<()> {
        // SAFETY: as for `chain_lock`.
        self.call("chainlock_mark", |raw| unsafe {
            tdb_sys::tdb_chainlock_mark(raw, datum(key))
        })
    }

    /// Takes the note of [`Tdb::chain_lock_mark`] back.
    pub fn chain_lock_unmark(&self, key: &[u8]) -> Result<()> {
        // SAFETY: as for `chain_lock`.
        self.call("chainlock_unmark", |raw| unsafe {
            tdb_sys::tdb_chainlock_unmark(raw, datum(key))
        })
    }
}

/// All records.
impl Tdb {
    /// Waits for the write lock over everything.
    pub fn lock_all(&self) -> Result<AllLock<'_>> {
        // SAFETY: the handle is open.
        self.call("lockall", |raw| unsafe { tdb_sys::tdb_lockall(raw) })?;
        Ok(AllLock { tdb: self })
    }

    /// The write lock over everything if nobody holds any lock.
    pub fn try_lock_all(&self) -> Result<Option<AllLock<'_>>> {
        // SAFETY: the handle is open.
        let result = self.call("lockall_nonblock", |raw| unsafe {
            tdb_sys::tdb_lockall_nonblock(raw)
        });
        Ok(contended(result)?.then_some(AllLock { tdb: self }))
    }

    /// Releases what [`AllLock::keep`] left.
    pub fn unlock_all(&self) -> Result<()> {
        // SAFETY: the handle is open.
        self.call("unlockall", |raw| unsafe { tdb_sys::tdb_unlockall(raw) })
    }

    /// Notes that a helper process holds the lock over everything for us. Refused while the
    /// file awaits the recovery of a broken transaction.
    pub fn lock_all_mark(&self) -> Result<()> {
        // SAFETY: the handle is open.
        self.call("lockall_mark", |raw| unsafe {
            tdb_sys::tdb_lockall_mark(raw)
        })
    }

    /// Takes the note of [`Tdb::lock_all_mark`] back.
    pub fn lock_all_unmark(&self) -> Result<()> {
        // SAFETY: the handle is open.
        self.call("lockall_unmark", |raw| unsafe {
            tdb_sys::tdb_lockall_unmark(raw)
        })
    }

    /// Notes that a helper process keeps other writers' transactions away for us. Inside an
    /// open transaction it nests with [`Tdb::lock_all_mark`]; without one, libtdb refuses to
    /// combine the two.
    pub fn transaction_write_lock_mark(&self) -> Result<()> {
        // SAFETY: the handle is open; the function counts the lock in memory only.
        self.call("transaction_write_lock_mark", |raw| unsafe {
            tdb_sys::tdb_transaction_write_lock_mark(raw)
        })
    }

    /// Takes the note of [`Tdb::transaction_write_lock_mark`] back.
    pub fn transaction_write_lock_unmark(&self) -> Result<()> {
        // SAFETY: as above.
        self.call("transaction_write_lock_unmark", |raw| unsafe {
            tdb_sys::tdb_transaction_write_lock_unmark(raw)
        })
    }
}

/// Turns "somebody else has it" into `false`.
fn contended(result: Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(e) if is_contention(&e) => Ok(false),
        Err(e) => Err(e),
    }
}

fn is_contention(e: &Error) -> bool {
    e.kind() == Kind::Lock && matches!(e.os(), Some(libc::EAGAIN | libc::EACCES | libc::EBUSY))
}
