//! Transactions on persistent and replicated databases: changes are gathered here, and the daemon
//! commits them on all nodes at once. A lock of the whole cluster keeps other transactions out.

use std::collections::BTreeMap;
use std::time::Duration;

use ctdb_protocol::ReqId;
use ctdb_protocol::control::Trans3Commit;
use ctdb_protocol::types::{GLockKind, LtdbHeader, MarshallBuffer, ServerId};
use ctdb_protocol::wire::all;
use tokio::time::sleep;

use super::{Database, DatabaseError, GLocks};

/// Counts the transactions of a database; the NUL belongs to the key.
const SEQUENCE_KEY: &[u8] = b"__db_sequence_number__\0";
/// How long a recovery that got in the way is left alone before the commit is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// A transaction. It has to be committed or cancelled: dropping it leaves the lock held until
/// this process ends.
#[derive(Debug)]
#[must_use = "a transaction that is dropped stays locked"]
pub struct Transaction<'a> {
    db: &'a Database,
    locks: &'a GLocks,
    name: String,
    holder: ServerId,
    readonly: bool,
    /// What was changed, with the headers to be.
    changed: BTreeMap<Vec<u8>, (LtdbHeader, Vec<u8>)>,
}

impl Database {
    /// Begins a transaction; waits for others.
    ///
    /// # Errors
    /// When the database is volatile, or the lock cannot be had.
    pub async fn transaction<'a>(
        &'a self,
        locks: &'a GLocks,
        readonly: bool,
    ) -> Result<Transaction<'a>, DatabaseError> {
        if self.is_volatile() {
            return Err(self.kind("volatile databases have no transactions"));
        }
        let name = format!("transaction_db_{}", self.id);
        let holder = locks.holder(self.id.0);
        let kind = if readonly {
            GLockKind::READ
        } else {
            GLockKind::WRITE
        };
        locks.lock(&name, holder, kind).await?;
        Ok(Transaction {
            db: self,
            locks,
            name,
            holder,
            readonly,
            changed: BTreeMap::new(),
        })
    }
}

impl Transaction<'_> {
    /// A record's data, as changed so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn fetch(&self, key: &[u8]) -> Result<Vec<u8>, DatabaseError> {
        Ok(self.record(key)?.1)
    }

    /// Changes a record. The same data again is no change.
    ///
    /// # Errors
    /// When the transaction only reads, or the file cannot be read.
    pub fn store(&mut self, key: &[u8], data: &[u8]) -> Result<(), DatabaseError> {
        if self.readonly {
            return Err(self.db.kind("the transaction is read-only"));
        }
        let (mut header, old) = self.record(key)?;
        if old == data {
            return Ok(());
        }
        header.dmaster = self.db.pnn;
        // A second change goes out with the first: the record's version goes up by one.
        if !self.changed.contains_key(key) {
            header.rsn += 1;
        }
        self.changed.insert(key.to_vec(), (header, data.to_vec()));
        Ok(())
    }

    /// Deletes a record: its data become empty.
    ///
    /// # Errors
    /// As [`Transaction::store`].
    pub fn delete(&mut self, key: &[u8]) -> Result<(), DatabaseError> {
        self.store(key, &[])
    }

    /// Commits the changes on all nodes, tries again after recoveries, and lets the lock go.
    ///
    /// # Errors
    /// When the commit fails for good. The lock is let go in any case.
    pub async fn commit(mut self) -> Result<(), DatabaseError> {
        let committed = match self.readonly || self.changed.is_empty() {
            true => Ok(()),
            false => self.commit_changes().await,
        };
        let unlocked = self.locks.unlock(&self.name, &self.holder).await;
        committed.and(unlocked)
    }

    /// Drops the changes and lets the lock go.
    ///
    /// # Errors
    /// When the lock cannot be let go.
    pub async fn cancel(self) -> Result<(), DatabaseError> {
        self.locks.unlock(&self.name, &self.holder).await
    }

    async fn commit_changes(&mut self) -> Result<(), DatabaseError> {
        let before = self.sequence()?;
        self.store(SEQUENCE_KEY, &(before + 1).to_ne_bytes())?;
        let mut records = MarshallBuffer::new(self.db.id);
        for (key, (header, data)) in &self.changed {
            records.push_with_header(ReqId(0), header, key, data);
        }
        loop {
            let (status, _) = self
                .db
                .client
                .control_status::<Trans3Commit>(self.db.pnn, &records)
                .await
                .map_err(|source| self.db.control_error(source))?;
            if status == 0 {
                return Ok(());
            }
            // A recovery came in between, and either carried the commit through or dropped it.
            match self.sequence_on_disk()? {
                now if now == before => sleep(RETRY).await,
                // Who lost the lock with a node may have been overtaken by another commit.
                now if now == before + 1 && self.on_disk()? => return Ok(()),
                _ => return Err(self.db.kind("somebody else committed in between")),
            }
        }
    }

    /// Does the file hold what was to be committed?
    fn on_disk(&self) -> Result<bool, DatabaseError> {
        for (key, (_, data)) in &self.changed {
            if self.db.fetch_local(key)?.1 != *data {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn record(&self, key: &[u8]) -> Result<(LtdbHeader, Vec<u8>), DatabaseError> {
        match self.changed.get(key) {
            Some(record) => Ok(record.clone()),
            None => self.db.fetch_local(key),
        }
    }

    fn sequence(&self) -> Result<u64, DatabaseError> {
        self.number(&self.record(SEQUENCE_KEY)?.1)
    }

    fn sequence_on_disk(&self) -> Result<u64, DatabaseError> {
        self.number(&self.db.fetch_local(SEQUENCE_KEY)?.1)
    }

    fn number(&self, data: &[u8]) -> Result<u64, DatabaseError> {
        if data.is_empty() {
            return Ok(0);
        }
        all(data).map_err(|source| self.db.malformed("sequence number", source))
    }
}
