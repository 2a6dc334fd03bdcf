//! Records of volatile databases, brought here and locked.

use ctdb_protocol::control::ScheduleForDeletion;
use ctdb_protocol::types::{CallFlags, CallFunction, KeyData, LtdbHeader, RecordFlags};
use tdb::{ChainLock, StoreMode};

use super::{Database, DatabaseError};
use crate::CallError;

/// A record that is on this node and stays so while its lock is held: drop this to let it go.
#[derive(Debug)]
pub struct LockedRecord<'a> {
    db: &'a Database,
    key: Vec<u8>,
    header: LtdbHeader,
    data: Vec<u8>,
    lock: ChainLock<'a>,
}

/// What the local copy is good for.
enum Local<'a> {
    Usable(LockedRecord<'a>),
    Elsewhere,
}

impl Database {
    /// Brings a record to this node and locks it; `readonly`: a copy will do. The lock may block
    /// this thread, as libtdb's locks do.
    ///
    /// # Errors
    /// When the database is not volatile, the record does not come, or the file cannot be used.
    pub async fn fetch_lock(
        &self,
        key: &[u8],
        readonly: bool,
    ) -> Result<LockedRecord<'_>, DatabaseError> {
        if !self.is_volatile() {
            return Err(self.kind("records are fetched from volatile databases only"));
        }
        loop {
            if let Local::Usable(record) = self.lock_local(key, readonly)? {
                return Ok(record);
            }
            self.migrate(key, readonly).await?;
        }
    }

    fn lock_local(&self, key: &[u8], readonly: bool) -> Result<Local<'_>, DatabaseError> {
        let lock = self.tdb.chain_lock(key)?;
        let Some(value) = self.tdb.fetch(key)? else {
            return Ok(Local::Elsewhere);
        };
        let (header, data) =
            LtdbHeader::split(&value).map_err(|source| self.malformed("record header", source))?;
        let copies = header
            .flags
            .intersects(RecordFlags::RO_HAVE_READONLY | RecordFlags::RO_HAVE_DELEGATIONS);
        let usable = if readonly {
            header.dmaster == self.pnn || copies
        } else {
            // Whoever gave copies away has to take them back before it changes the record.
            let delegated = header.flags.contains(RecordFlags::RO_HAVE_DELEGATIONS);
            header.dmaster == self.pnn && !delegated
        };
        if !usable {
            return Ok(Local::Elsewhere);
        }
        let (key, data) = (key.to_vec(), data.to_vec());
        Ok(Local::Usable(LockedRecord {
            db: self,
            key,
            header,
            data,
            lock,
        }))
    }

    async fn migrate(&self, key: &[u8], readonly: bool) -> Result<(), DatabaseError> {
        let mut flags = CallFlags::IMMEDIATE_MIGRATION;
        flags.set(CallFlags::WANT_READONLY, readonly);
        let failed = |source| DatabaseError::Call {
            name: self.name.clone(),
            source,
        };
        let reply = self
            .client
            .call(self.id, key.to_vec(), CallFunction::NULL, flags)
            .await
            .map_err(failed)?;
        match reply.status {
            0 => Ok(()),
            status => Err(failed(CallError::Failed {
                status,
                message: String::new(),
            })),
        }
    }
}

impl LockedRecord<'_> {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Its header.
    #[must_use]
    pub fn header(&self) -> &LtdbHeader {
        &self.header
    }

    /// Its data.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Is it a copy, or are there copies of it? Then it cannot be changed.
    #[must_use]
    pub fn is_readonly(&self) -> bool {
        self.header
            .flags
            .intersects(RecordFlags::RO_HAVE_READONLY | RecordFlags::RO_HAVE_DELEGATIONS)
    }

    /// Stores new data. The same data again is not stored.
    ///
    /// # Errors
    /// When this is a copy, or the file cannot be written.
    pub fn store(&mut self, data: &[u8]) -> Result<(), DatabaseError> {
        if self.is_readonly() {
            return Err(self.db.kind("a read-only copy cannot be stored"));
        }
        if self.data == data {
            return Ok(());
        }
        let value = self.header.join(data);
        self.db.tdb.store(&self.key, &value, StoreMode::Replace)?;
        self.data = data.to_vec();
        Ok(())
    }

    /// Deletes the record: it becomes empty, the daemon is told to vacuum it, and its lock is let
    /// go.
    ///
    /// # Errors
    /// When this is a copy, or the file cannot be written.
    pub fn delete(self) -> Result<(), DatabaseError> {
        if self.is_readonly() {
            return Err(self.db.kind("a read-only copy cannot be deleted"));
        }
        let Self {
            db,
            key,
            header,
            data: _,
            lock,
        } = self;
        db.tdb.store(&key, &header.join(&[]), StoreMode::Replace)?;
        drop(lock);
        let key = KeyData::new(db.id, header, key);
        db.client
            .request::<ScheduleForDeletion>(db.pnn, &key)
            .no_reply()
            .send();
        Ok(())
    }
}
