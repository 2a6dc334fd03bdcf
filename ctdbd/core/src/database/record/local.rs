//! Records: the header in front of each value, and the rules by which a daemon reads and writes one.

use bytes::Bytes;
use ctdb_protocol::hash::hash;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::{LtdbHeader, RecordFlags};
use ctdb_protocol::wire::encode;

use crate::context::Context;
use crate::database::Db;
use crate::store::{Kind, StoreError, StoreResult, Table};

/// Bytes of the header in front of each value.
pub(in crate::database) const HEADER_SIZE: usize = LtdbHeader::SIZE;

/// A record's header and its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it is and how new it is.
    pub header: LtdbHeader,
    /// The value without the header.
    pub data: Bytes,
}

/// Takes a stored value apart; a value shorter than a header is no record.
#[must_use]
pub(in crate::database) fn split(value: &[u8]) -> Option<(LtdbHeader, &[u8])> {
    LtdbHeader::split(value).ok()
}

/// Reads a record as it stands in the file.
///
/// # Errors
/// The file cannot be read.
pub(in crate::database) fn read(table: &dyn Table, key: &[u8]) -> StoreResult<Option<Record>> {
    let mut record = None;
    table.read(key, &mut |value| {
        record = split(value).map(|(header, data)| Record {
            header,
            data: Bytes::copy_from_slice(data),
        });
    })?;
    Ok(record)
}

/// Writes header and data exactly as given.
///
/// # Errors
/// The file cannot be written.
pub(in crate::database) fn write(
    table: &mut dyn Table,
    key: &[u8],
    header: &LtdbHeader,
    data: &[u8],
) -> StoreResult<()> {
    table.store(key, &[&encode(header), data])
}

/// What the store rule decides for a volatile record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Written, and taken off the delete queue.
    Keep,
    /// Written, and put on the delete queue.
    KeepAndSchedule,
    /// Not needed here.
    Drop,
}

impl Db {
    /// The lmaster of a key.
    #[must_use]
    pub fn lmaster(&self, cx: &Context, key: &[u8]) -> Option<Pnn> {
        cx.lmaster(hash(key))
    }

    /// Reads a record; an absent one comes to life as an empty record that its lmaster owns, and is
    /// stored at once where this node must know of it (persistent databases, and on the lmaster).
    ///
    /// # Errors
    /// The file cannot be read or written, or there is no lmaster because the vnn map is empty.
    pub fn fetch(&mut self, cx: &mut Context, key: &[u8]) -> StoreResult<Record> {
        if let Some(record) = read(self.table.as_ref(), key)? {
            return Ok(record);
        }
        let Some(lmaster) = self.lmaster(cx, key) else {
            return Err(StoreError(format!(
                "no node holds keys of {}: the vnn map is empty",
                self.name
            )));
        };
        let mut header = LtdbHeader {
            dmaster: lmaster,
            flags: RecordFlags::AUTOMATIC,
            ..LtdbHeader::default()
        };
        if self.kind == Kind::Persistent || lmaster == cx.pnn() {
            self.store(cx, key, &mut header, &[])?;
        }
        Ok(Record {
            header,
            data: Bytes::new(),
        })
    }

    /// Writes a record by the rule that keeps volatile files small: an empty record that never had
    /// data is dropped where nobody needs it, a kept one of which this node is dmaster gets a new
    /// rsn. `header` is changed to what was written. Answers to upstream's `ctdb_ltdb_store_server`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn store(
        &mut self,
        cx: &mut Context,
        key: &[u8],
        header: &mut LtdbHeader,
        data: &[u8],
    ) -> StoreResult<()> {
        if !self.volatile() {
            return write(self.table.as_mut(), key, header, data);
        }
        let fate = self.fate(cx, key, header, data.is_empty());
        header
            .flags
            .remove(RecordFlags::VACUUM_MIGRATED | RecordFlags::AUTOMATIC);
        match fate {
            Fate::Drop => self.table.delete(key)?,
            Fate::Keep | Fate::KeepAndSchedule => write(self.table.as_mut(), key, header, data)?,
        }
        match fate {
            Fate::KeepAndSchedule => self.schedule_for_deletion(key, *header),
            Fate::Keep => self.unschedule(key),
            Fate::Drop => {}
        }
        Ok(())
    }

    fn fate(&self, cx: &Context, key: &[u8], header: &mut LtdbHeader, empty: bool) -> Fate {
        let readonly = header.flags.intersects(RecordFlags::RO_FLAGS);
        let mine = header.dmaster == cx.pnn();
        let (keep, schedule) = if !empty || readonly {
            (true, false)
        } else if header.flags.contains(RecordFlags::AUTOMATIC) {
            (true, true)
        } else if header.flags.contains(RecordFlags::MIGRATED_WITH_DATA) {
            (true, false)
        } else if self.lmaster(cx, key) == Some(cx.pnn()) {
            (
                !(header.flags.contains(RecordFlags::VACUUM_MIGRATED) && mine),
                false,
            )
        } else {
            (mine, false)
        };
        if !keep {
            return Fate::Drop;
        }
        let mut schedule = schedule;
        if mine && !readonly {
            header.rsn = header.rsn.saturating_add(1);
            schedule |= empty;
        }
        if schedule {
            Fate::KeepAndSchedule
        } else {
            Fate::Keep
        }
    }

    /// Puts an emptied record on the delete queue. Another key with the same hash keeps its place:
    /// the newcomer is found by a full run.
    pub fn schedule_for_deletion(&mut self, key: &[u8], header: LtdbHeader) {
        let entry = self.delete_queue.entry(hash(key));
        match entry {
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert((Bytes::copy_from_slice(key), header));
            }
            std::collections::btree_map::Entry::Occupied(mut occupied) => {
                if occupied.get().0 == key {
                    occupied.get_mut().1 = header;
                }
            }
        }
    }

    /// Takes a record that is in use again off the delete queue.
    pub fn unschedule(&mut self, key: &[u8]) {
        if self.delete_queue.is_empty() {
            return;
        }
        if let std::collections::btree_map::Entry::Occupied(entry) =
            self.delete_queue.entry(hash(key))
            && entry.get().0 == key
        {
            entry.remove();
        }
    }
}
