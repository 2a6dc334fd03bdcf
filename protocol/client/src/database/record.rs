//! Records of volatile databases, brought here and locked.

use ctdb_protocol::control::ScheduleForDeletion;
use ctdb_protocol::encode;
use ctdb_protocol::types::{CallFlags, CallFunction, KeyData, LtdbHeader, RecordFlags};
use tdb::{ChainLock, StoreMode};

use super::error::At;
use super::{Database, DatabaseError, FileStep, Part};

/// A record that is on this node and stays so while its lock is held: drop this to let it go.
#[derive(Debug)]
pub struct LockedRecord<'a> {
    db: &'a Database,
    key: Vec<u8>,
    header: LtdbHeader,
    data: Vec<u8>,
    lock: ChainLock<'a>,
}

/// Flags of a record that may be read but not changed here.
const COPIES: RecordFlags = RecordFlags::RO_HAVE_READONLY.union(RecordFlags::RO_HAVE_DELEGATIONS);

impl Database {
    /// Brings a record to this node and locks it; `readonly`: a copy will do. The lock may block
    /// this thread, as libtdb's locks do. Answers to `ctdb_fetch_lock`.
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
            if let Some(record) = self.lock_local(key, readonly)? {
                return Ok(record);
            }
            self.migrate(key, readonly).await?;
        }
    }

    /// `None` when the record is not here in the form that is wanted.
    fn lock_local(
        &self,
        key: &[u8],
        readonly: bool,
    ) -> Result<Option<LockedRecord<'_>>, DatabaseError> {
        let lock = self.tdb.chain_lock(key).at(&self.name, FileStep::Lock)?;
        let Some(value) = self.tdb.fetch(key).at(&self.name, FileStep::Read)? else {
            return Ok(None);
        };
        let (header, data) =
            LtdbHeader::split(&value).map_err(|source| self.malformed(Part::Header, source))?;
        let usable = if readonly {
            header.dmaster == self.pnn || header.flags.intersects(COPIES)
        } else {
            // Whoever gave copies away has to take them back before it changes the record.
            let delegated = header.flags.contains(RecordFlags::RO_HAVE_DELEGATIONS);
            header.dmaster == self.pnn && !delegated
        };
        Ok(usable.then(|| LockedRecord {
            db: self,
            key: key.to_vec(),
            header,
            data: data.to_vec(),
            lock,
        }))
    }

    async fn migrate(&self, key: &[u8], readonly: bool) -> Result<(), DatabaseError> {
        let mut flags = CallFlags::IMMEDIATE_MIGRATION;
        flags.set(CallFlags::WANT_READONLY, readonly);
        let name = || self.name.clone();
        let reply = self
            .client
            .call(self.id, key.to_vec(), CallFunction::NULL, flags)
            .await
            .map_err(|source| DatabaseError::Call {
                name: name(),
                source,
            })?;
        match reply.status {
            0 => Ok(()),
            status => Err(DatabaseError::Function {
                name: name(),
                status,
            }),
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
        self.header.flags.intersects(COPIES)
    }

    /// Stores new data. The same data again is not stored. Answers to `ctdb_store_record`.
    ///
    /// # Errors
    /// When this is a copy, or the file cannot be written.
    pub fn store(&mut self, data: &[u8]) -> Result<(), DatabaseError> {
        self.changeable(FileStep::Store)?;
        if self.data == data {
            return Ok(());
        }
        self.write(data, FileStep::Store)
    }

    /// Stores data that go to other nodes (smbd does so before PUSH_RECORD), as a newer version:
    /// nodes that have an older one take it. The header as stored.
    ///
    /// # Errors
    /// As [`LockedRecord::store`].
    pub fn store_newer(&mut self, data: &[u8]) -> Result<LtdbHeader, DatabaseError> {
        self.changeable(FileStep::Store)?;
        self.header.rsn = self.header.rsn.saturating_add(1);
        self.header.flags.insert(RecordFlags::MIGRATED_WITH_DATA);
        self.write(data, FileStep::Store)?;
        Ok(self.header)
    }

    /// Deletes the record: it becomes empty, its lock is let go, and the daemon is told to vacuum
    /// it. Comes back when the daemon knows. Answers to `ctdb_delete_record`.
    ///
    /// # Errors
    /// When this is a copy, the file cannot be written, or the daemon is gone. What the daemon
    /// answers does not matter: vacuuming finds the record in any case.
    pub async fn delete(self) -> Result<(), DatabaseError> {
        let db = self.db;
        let key = self.empty()?;
        let asked = db.client.request::<ScheduleForDeletion>(db.pnn, &key);
        let answered = asked.status().await;
        answered.map_err(|source| db.control_error(source))?;
        Ok(())
    }

    /// The same without waiting for the daemon.
    pub(super) fn delete_soon(self) -> Result<(), DatabaseError> {
        let db = self.db;
        let key = self.empty()?;
        let asked = db.client.request::<ScheduleForDeletion>(db.pnn, &key);
        asked.no_reply().send();
        Ok(())
    }

    /// Empties the record and lets its lock go. What the daemon has to be told.
    fn empty(mut self) -> Result<KeyData, DatabaseError> {
        self.changeable(FileStep::Delete)?;
        self.write(&[], FileStep::Delete)?;
        drop(self.lock);
        Ok(KeyData::new(self.db.id, self.header, self.key))
    }

    fn changeable(&self, step: FileStep) -> Result<(), DatabaseError> {
        match self.is_readonly() {
            true => Err(DatabaseError::ReadOnlyCopy {
                name: self.db.name.clone(),
                step,
            }),
            false => Ok(()),
        }
    }

    fn write(&mut self, data: &[u8], step: FileStep) -> Result<(), DatabaseError> {
        let header = encode(&self.header);
        let parts: &[&[u8]] = &[&header, data];
        self.db
            .tdb
            .store_parts(&self.key, parts, StoreMode::Replace)
            .at(&self.db.name, step)?;
        self.data = data.to_vec();
        Ok(())
    }
}
