//! DB_PUSH_START, record buffers, DB_PUSH_CONFIRM: the records that a recovery has chosen arrive.

use bytes::Bytes;
use ctdb_protocol::id::DbId;
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{RecordFlags, Records};

use crate::context::Context;
use crate::database::record::local::split;
use crate::database::{Databases, Db};
use crate::store::StoreError;

/// Records that are arriving.
#[derive(Debug)]
pub(in crate::database) struct Push {
    /// Under which they arrive.
    pub srvid: Srvid,
    /// Stored so far.
    pub stored: u32,
    /// One could not be stored; the rest is ignored and the count will not match.
    pub failed: bool,
}

/// Why a buffer was not stored as a whole.
enum Failure {
    /// It is no buffer of records: its sender's fault.
    Broken(String),
    /// The file's, or its disk's.
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Databases {
    /// DB_PUSH_START; a second one takes the place of the first.
    pub(in crate::database) fn push_start(
        &mut self,
        cx: &mut Context,
        id: DbId,
        srvid: Srvid,
    ) -> bool {
        let Some(db) = self.map.get_mut(&id) else {
            return false;
        };
        if !db.expect_frozen(cx, "records were announced") {
            return false;
        }
        if let Some(old) = db.push.replace(Push {
            srvid,
            stored: 0,
            failed: false,
        }) {
            self.push_srvids.remove(&old.srvid);
        }
        self.push_srvids.insert(srvid, id);
        true
    }

    /// A message may be a buffer of records that was announced.
    pub(crate) fn push_records(&mut self, cx: &mut Context, srvid: Srvid, data: &Bytes) {
        let Some(&id) = self.push_srvids.get(&srvid) else {
            return;
        };
        let Some(db) = self.map.get_mut(&id) else {
            return;
        };
        if !db.freeze.is_frozen() || db.push.as_ref().is_none_or(|push| push.failed) {
            return;
        }
        let stored = db.store_pushed(cx, data);
        let Some(push) = &mut db.push else { return };
        match stored {
            Ok(stored) => push.stored = push.stored.saturating_add(stored),
            Err(failure) => {
                push.failed = true;
                match failure {
                    Failure::Broken(what) => {
                        cx.error(format!("{}: a record buffer is broken: {what}", db.name));
                    }
                    Failure::Store(error) => {
                        db.not_stored(cx, "cannot store records of a recovery", &error);
                    }
                }
            }
        }
    }

    /// DB_PUSH_CONFIRM: how many records were stored.
    pub(in crate::database) fn push_confirm(&mut self, cx: &mut Context, id: DbId) -> Option<u32> {
        let db = self.map.get_mut(&id)?;
        if !db.freeze.is_frozen() {
            return None;
        }
        let Some(push) = db.push.take() else {
            cx.error(format!("DB push not started for {}", db.name));
            return None;
        };
        self.push_srvids.remove(&push.srvid);
        db.forget_delegations(cx);
        Some(push.stored)
    }
}

impl Db {
    fn store_pushed(&mut self, cx: &mut Context, data: &[u8]) -> Result<u32, Failure> {
        self.table.mark_all()?;
        let stored = self.store_each(cx, data);
        self.table.unmark_all();
        stored
    }

    fn store_each(&mut self, cx: &mut Context, data: &[u8]) -> Result<u32, Failure> {
        let broken = |what: &str| Failure::Broken(what.to_owned());
        let (_, mut records) =
            Records::of_payload(data).map_err(|error| broken(&error.to_string()))?;
        let mut stored = 0;
        for record in &mut records {
            let (mut header, value) =
                split(record.data).ok_or_else(|| broken("a record without a header"))?;
            header.flags.remove(RecordFlags::RO_FLAGS);
            match &mut self.wipe {
                Some(wipe) => {
                    wipe.store(self.table.as_mut(), record.key, &header, value)?;
                }
                None => self.store(cx, record.key, &mut header, value)?,
            }
            stored += 1;
        }
        if records.left() > 0 {
            return Err(broken("fewer records than announced"));
        }
        Ok(stored)
    }
}
