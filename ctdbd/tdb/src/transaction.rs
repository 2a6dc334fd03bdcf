// SPDX-License-Identifier: GPL-3.0-or-later
//! Transactions: all changes or none, on disk before the commit returns unless `NOSYNC`.

use crate::error::Result;
use crate::file::Tdb;

/// An open transaction; dropping it takes everything back.
#[derive(Debug)]
#[must_use = "a transaction that is dropped is cancelled"]
pub struct Transaction<'a> {
    tdb: &'a Tdb,
}

impl Transaction<'_> {
    /// Makes the changes permanent.
    pub fn commit(self) -> Result<()> {
        let tdb = self.tdb;
        // A failed commit has cancelled already: nothing is left for drop.
        std::mem::forget(self);
        tdb.transaction_commit()
    }

    /// Takes the changes back.
    pub fn cancel(self) -> Result<()> {
        let tdb = self.tdb;
        std::mem::forget(self);
        tdb.transaction_cancel()
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // Cancelling fails only if no transaction is open: then there is nothing to take back.
        let _ = self.tdb.transaction_cancel();
    }
}

impl Tdb {
    /// Waits until no other transaction is open and begins one.
    pub fn transaction(&self) -> Result<Transaction<'_>> {
        self.transaction_start()?;
        Ok(Transaction { tdb: self })
    }

    /// As [`Tdb::transaction`], for callers whose transaction outlives a scope. They owe a
    /// [`Tdb::transaction_commit`] or [`Tdb::transaction_cancel`].
    pub fn transaction_start(&self) -> Result<()> {
        // SAFETY: the handle is open and nobody looks at the map (`call` checks).
        self.call("transaction_start", |raw| unsafe {
            tdb_sys::tdb_transaction_start(raw)
        })
    }

    /// Writes the open transaction to the file.
    pub fn transaction_commit(&self) -> Result<()> {
        // SAFETY: as for `transaction_start`.
        self.call("transaction_commit", |raw| unsafe {
            tdb_sys::tdb_transaction_commit(raw)
        })
    }

    /// Writes everything but the last step, so that a later commit can hardly fail.
    pub fn transaction_prepare_commit(&self) -> Result<()> {
        // SAFETY: as for `transaction_start`.
        self.call("transaction_prepare_commit", |raw| unsafe {
            tdb_sys::tdb_transaction_prepare_commit(raw)
        })
    }

    /// Drops the open transaction.
    pub fn transaction_cancel(&self) -> Result<()> {
        // SAFETY: as for `transaction_start`.
        self.call("transaction_cancel", |raw| unsafe {
            tdb_sys::tdb_transaction_cancel(raw)
        })
    }

    /// Whether a transaction is open on this handle.
    pub fn transaction_active(&self) -> bool {
        // SAFETY: the handle is open; this reads one field.
        unsafe { tdb_sys::tdb_transaction_active(self.raw()) }
    }
}
