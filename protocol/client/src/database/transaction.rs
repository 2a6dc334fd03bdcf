//! Transactions on persistent and replicated databases: changes are gathered here, and the daemon
//! commits them on all nodes at once. A lock of the whole cluster keeps other transactions out.

use std::collections::BTreeMap;
use std::time::Duration;

use ctdb_protocol::ReqId;
use ctdb_protocol::control::Trans3Commit;
use ctdb_protocol::types::{GLockKind, LtdbHeader, MarshallBuffer, ServerId};
use ctdb_protocol::wire::all;
use tokio::time::sleep;

use super::{Database, DatabaseError, GLocks, Part, TransactionStep};

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
    /// What was changed, in that order: the files of all nodes get the records in it.
    changed: Vec<Change>,
    by_key: BTreeMap<Vec<u8>, usize>,
}

/// A record that was changed.
#[derive(Debug)]
struct Change {
    key: Vec<u8>,
    /// The header to be.
    header: LtdbHeader,
    data: Vec<u8>,
    /// Was it in the file before?
    existed: bool,
}

impl Change {
    /// Is there something to commit? A record that came and went inside the transaction must not
    /// be deleted from the files.
    fn lasts(&self) -> bool {
        self.existed || !self.data.is_empty()
    }
}

impl Database {
    /// Begins a transaction; waits for others. Answers to `ctdb_transaction_start`.
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
        let locked = locks.lock(&name, holder, kind).await;
        locked.map_err(|source| self.transaction_error(TransactionStep::Start, source))?;
        Ok(Transaction {
            db: self,
            locks,
            name,
            holder,
            readonly,
            changed: Vec::new(),
            by_key: BTreeMap::new(),
        })
    }

    fn transaction_error(&self, step: TransactionStep, source: DatabaseError) -> DatabaseError {
        DatabaseError::Transaction {
            name: self.name.clone(),
            step,
            source: Box::new(source),
        }
    }
}

impl Transaction<'_> {
    /// A record's data, as changed so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn fetch(&self, key: &[u8]) -> Result<Vec<u8>, DatabaseError> {
        match self.by_key.get(key) {
            Some(index) => Ok(self.changed[*index].data.clone()),
            None => Ok(self.db.fetch_local(key)?.1),
        }
    }

    /// Changes a record: its version goes up by one each time, as upstream's does. The same data
    /// again is no change. Answers to `ctdb_transaction_store_record`.
    ///
    /// # Errors
    /// When the transaction only reads, or the file cannot be read.
    pub fn store(&mut self, key: &[u8], data: &[u8]) -> Result<(), DatabaseError> {
        if self.readonly {
            return Err(self.db.kind("the transaction is read-only"));
        }
        if let Some(index) = self.by_key.get(key) {
            let change = &mut self.changed[*index];
            if change.data != data {
                data.clone_into(&mut change.data);
                change.header.rsn = change.header.rsn.saturating_add(1);
            }
            return Ok(());
        }
        let stored = self.db.stored(key)?;
        let existed = stored.is_some();
        let (mut header, old) = stored.unwrap_or_else(Database::missing);
        if old == data {
            return Ok(());
        }
        header.dmaster = self.db.pnn;
        header.rsn = header.rsn.saturating_add(1);
        self.by_key.insert(key.to_vec(), self.changed.len());
        self.changed.push(Change {
            key: key.to_vec(),
            header,
            data: data.to_vec(),
            existed,
        });
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
    /// Answers to `ctdb_transaction_commit`.
    ///
    /// # Errors
    /// When the commit fails for good. The lock is let go in any case.
    pub async fn commit(mut self) -> Result<(), DatabaseError> {
        if self.changed.is_empty() {
            return self.cancel().await;
        }
        let committed = self.commit_changes().await;
        let unlocked = self.unlock(TransactionStep::EndCommitted).await;
        committed.and(unlocked)
    }

    /// Drops the changes and lets the lock go. Answers to `ctdb_transaction_cancel`.
    ///
    /// # Errors
    /// When the lock cannot be let go.
    pub async fn cancel(self) -> Result<(), DatabaseError> {
        self.unlock(TransactionStep::EndCancelled).await
    }

    async fn unlock(&self, step: TransactionStep) -> Result<(), DatabaseError> {
        let unlocked = self.locks.unlock(&self.name, &self.holder).await;
        unlocked.map_err(|source| self.db.transaction_error(step, source))
    }

    async fn commit_changes(&mut self) -> Result<(), DatabaseError> {
        let before = self.sequence()?;
        self.store(SEQUENCE_KEY, &before.wrapping_add(1).to_ne_bytes())?;
        let mut records = MarshallBuffer::new(self.db.id);
        for change in self.changed.iter().filter(|change| change.lasts()) {
            records.push_with_header(ReqId(0), &change.header, &change.key, &change.data);
        }
        loop {
            let asked = self
                .db
                .client
                .control_status::<Trans3Commit>(self.db.pnn, &records);
            let (status, _) = asked.await.map_err(|source| {
                let source = self.db.control_error(source);
                self.db.transaction_error(TransactionStep::Commit, source)
            })?;
            if status == 0 {
                return Ok(());
            }
            // A recovery came in between, and either carried the commit through or dropped it.
            match self.sequence()? {
                now if now == before => sleep(RETRY).await,
                // Whoever lost the lock with a node may have been overtaken by another commit.
                now if now == before.wrapping_add(1) && self.on_disk()? => return Ok(()),
                now => {
                    let name = self.db.name.clone();
                    return Err(DatabaseError::Overtaken { name, before, now });
                }
            }
        }
    }

    /// Does the file hold what was to be committed?
    fn on_disk(&self) -> Result<bool, DatabaseError> {
        for change in self.changed.iter().filter(|change| change.lasts()) {
            if self.db.fetch_local(&change.key)?.1 != change.data {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How often the database was committed to, by its file.
    fn sequence(&self) -> Result<u64, DatabaseError> {
        let read = self.db.fetch_local(SEQUENCE_KEY).and_then(|(_, data)| {
            if data.is_empty() {
                return Ok(0);
            }
            all(&data).map_err(|source| self.db.malformed(Part::Sequence, source))
        });
        read.map_err(|source| {
            let step = TransactionStep::ReadSequence;
            self.db.transaction_error(step, source)
        })
    }
}
