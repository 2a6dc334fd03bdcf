//! Databases: real tdb files once they are attached, mere lines of the description before.

use std::ops::ControlFlow;
use std::path::PathBuf;

use ctdb_protocol::hash::hash;
use ctdb_protocol::types::{DbFlags, LtdbHeader, MarshallBuffer, RecordFlags};
use ctdb_protocol::wire::front;
use ctdb_protocol::{DbId, Pnn};
use tdb::{OpenMode, StoreMode, Tdb, TdbFlags};

/// The record that counts the transactions of a persistent database; the NUL belongs to it.
const SEQUENCE_KEY: &[u8] = b"__db_sequence_number__\0";

/// A database.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) id: DbId,
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) flags: DbFlags,
    /// What the description says; counts only without a file.
    sequence: u64,
    tdb: Option<Tdb>,
}

impl Database {
    /// A database that was described.
    pub(super) fn listed(
        id: DbId,
        name: &str,
        path: PathBuf,
        flags: DbFlags,
        sequence: u64,
    ) -> Self {
        Self {
            id,
            name: name.to_owned(),
            path,
            flags,
            sequence,
            tdb: None,
        }
    }

    /// A new database with a file.
    pub(super) fn attach(name: &str, path: PathBuf, flags: DbFlags) -> tdb::Result<Self> {
        const HASH_SIZE: u32 = 8192;
        let id = DbId(hash(&[name.as_bytes(), b"\0"].concat()));
        let tdb = Tdb::open(
            &path,
            HASH_SIZE,
            open_flags(flags),
            OpenMode::CreateMode(0o644),
        )?;
        Ok(Self {
            id,
            name: name.to_owned(),
            path,
            flags,
            sequence: 0,
            tdb: Some(tdb),
        })
    }

    /// The flags to open the file with.
    pub(super) fn open_flags(&self) -> TdbFlags {
        open_flags(self.flags)
    }

    /// Has it transactions?
    pub(super) fn is_transactional(&self) -> bool {
        self.flags
            .intersects(DbFlags::PERSISTENT | DbFlags::REPLICATED)
    }

    /// Makes this node the data master of a record, which may not have existed.
    pub(super) fn migrate(&self, key: &[u8], own: Pnn) -> Option<()> {
        let (mut header, data) = self.fetch(key)?;
        if header.dmaster != own {
            header.dmaster = own;
            self.store(key, &header, &data)?;
        }
        Some(())
    }

    /// How many transactions there were.
    pub(super) fn sequence(&self) -> Option<u64> {
        if self.tdb.is_none() {
            return Some(self.sequence);
        }
        let (_, data) = self.fetch(SEQUENCE_KEY)?;
        if data.is_empty() {
            Some(0)
        } else {
            front(&data).ok()
        }
    }

    /// Stores records, all or none; none without a file, or when one of them is older than what
    /// is stored.
    pub(super) fn commit(&self, records: &MarshallBuffer) -> Option<()> {
        let transaction = self.tdb.as_ref()?.transaction().ok()?;
        for record in records.records() {
            let (header, data) = record.header().ok()?;
            let (before, old) = self.fetch(record.key)?;
            let same_age = before.rsn == header.rsn && old.len() != data.len();
            if !old.is_empty() && (before.rsn > header.rsn || same_age) {
                return None;
            }
            self.store(record.key, &header, data)?;
        }
        transaction.commit().ok()
    }

    /// Shows all records with a header, in the file's order.
    pub(super) fn each(&self, mut show: impl FnMut(&[u8], &[u8])) -> Option<()> {
        let walk = self.tdb.as_ref()?.traverse_read(|key, value| {
            if value.len() >= LtdbHeader::SIZE {
                show(key, value);
            }
            ControlFlow::Continue(())
        });
        walk.ok().map(|_| ())
    }

    /// A record; a missing one comes to be, empty.
    fn fetch(&self, key: &[u8]) -> Option<(LtdbHeader, Vec<u8>)> {
        let value = self.tdb.as_ref()?.fetch(key).ok()?.unwrap_or_default();
        match LtdbHeader::split(&value) {
            Ok((header, data)) => Some((header, data.to_vec())),
            Err(_) => {
                let header = LtdbHeader::new(0, Pnn(0), RecordFlags::empty());
                self.store(key, &header, &[])?;
                Some((header, Vec::new()))
            }
        }
    }

    /// Stores a record. An empty one is kept only where it is new and the database volatile.
    fn store(&self, key: &[u8], header: &LtdbHeader, data: &[u8]) -> Option<()> {
        let tdb = self.tdb.as_ref()?;
        let new = header.rsn == 0;
        if !data.is_empty() || (new && !self.is_transactional()) {
            return tdb.store(key, &header.join(data), StoreMode::Replace).ok();
        }
        if new {
            Some(())
        } else {
            tdb.delete(key).ok().filter(|deleted| *deleted).map(|_| ())
        }
    }
}

fn open_flags(flags: DbFlags) -> TdbFlags {
    let flags = if flags.contains(DbFlags::PERSISTENT) {
        TdbFlags::empty()
    } else {
        TdbFlags::NOSYNC | TdbFlags::CLEAR_IF_FIRST | TdbFlags::INCOMPATIBLE_HASH
    };
    flags | TdbFlags::DISALLOW_NESTING
}
