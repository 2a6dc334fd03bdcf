// SPDX-License-Identifier: GPL-3.0-or-later
//! Single records of volatile databases: under the chain lock, with this node as data master.

use super::attach::OpenDb;
use crate::failure::Failure;
use crate::session::{Session, code_of};
use ctdb_client::CallError;
use ctdb_protocol::control::ScheduleForDeletion;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::{CallFlags, CallFunction, KeyData, LtdbHeader, RecordFlags};
use tdb::{ChainLock, StoreMode};

/// Flags of a record that may be read but not written here.
const READ_ONLY: RecordFlags =
    RecordFlags::RO_HAVE_READONLY.union(RecordFlags::RO_HAVE_DELEGATIONS);

/// A record whose chain is locked.
pub struct LockedRecord<'a> {
    db: &'a OpenDb,
    key: Vec<u8>,
    header: LtdbHeader,
    data: Vec<u8>,
    read_only: bool,
    _lock: ChainLock<'a>,
}

/// Locks a record, after bringing it here if need be. Answers to `ctdb_fetch_lock`.
pub async fn fetch_lock<'a>(
    session: &Session,
    db: &'a OpenDb,
    key: &[u8],
    read_only: bool,
) -> Result<LockedRecord<'a>, Failure> {
    loop {
        if let Some(record) = try_lock(db, key, read_only, session.pnn)? {
            return Ok(record);
        }
        migrate(session, db, key, read_only).await?;
    }
}

/// `None` if the record is not here in the form that is wanted.
fn try_lock<'a>(
    db: &'a OpenDb,
    key: &[u8],
    read_only: bool,
    here: Pnn,
) -> Result<Option<LockedRecord<'a>>, Failure> {
    let lock = db.tdb.chain_lock(key).map_err(|error| {
        Failure::say(
            libc::EIO,
            format!("fetch_lock: {} tdb_chainlock failed, {error}", db.name),
        )
    })?;
    let Some(value) = db.tdb.fetch(key).map_err(|_| Failure::silent(libc::EIO))? else {
        return Ok(None);
    };
    let (header, data) = LtdbHeader::split(&value).map_err(|_| Failure::silent(libc::EMSGSIZE))?;
    let shared = header.flags.intersects(READ_ONLY);
    let usable = match read_only {
        true => header.dmaster == here || shared,
        false => header.dmaster == here && !header.flags.contains(RecordFlags::RO_HAVE_DELEGATIONS),
    };
    Ok(usable.then(|| LockedRecord {
        db,
        key: key.to_vec(),
        header,
        data: data.to_vec(),
        read_only: shared,
        _lock: lock,
    }))
}

async fn migrate(
    session: &Session,
    db: &OpenDb,
    key: &[u8],
    read_only: bool,
) -> Result<(), Failure> {
    let mut flags = CallFlags::IMMEDIATE_MIGRATION;
    if read_only {
        flags |= CallFlags::WANT_READONLY;
    }
    let answer = session
        .client
        .call(db.id, key.to_vec(), CallFunction::NULL, flags)
        .await;
    let failed = |code: i32| {
        Failure::say(
            code,
            format!("fetch_lock: {} CALL failed, ret={code}", db.name),
        )
    };
    match answer {
        Ok(reply) if reply.status == 0 => Ok(()),
        Ok(_) => Err(Failure::silent(libc::EIO)),
        Err(CallError::Failed { status, .. }) => Err(failed(status)),
        Err(CallError::Closed) => Err(Failure::silent(1)),
        Err(CallError::Unexpected) => Err(failed(libc::EPROTO)),
    }
}

impl LockedRecord<'_> {
    /// The value.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Replaces the value.
    pub fn store(&self, data: &[u8]) -> Result<(), Failure> {
        if self.read_only {
            return Err(Failure::silent(libc::EINVAL));
        }
        self.write(data).map_err(|error| {
            Failure::say(
                libc::EIO,
                format!("store_record: {} tdb_storev failed, {error}", self.db.name),
            )
        })
    }

    /// Replaces the value by one that goes to other nodes (smbd does so before PUSH_RECORD), as a newer
    /// version: nodes that have an older one take it. The header as stored.
    pub fn store_newer(&mut self, data: &[u8]) -> Result<LtdbHeader, Failure> {
        self.header.rsn += 1;
        self.header.flags.insert(RecordFlags::MIGRATED_WITH_DATA);
        self.store(data)?;
        Ok(self.header)
    }

    /// Empties the record and has the daemon vacuum it.
    pub async fn delete(self, session: &Session) -> Result<(), Failure> {
        let name = &self.db.name;
        if self.read_only {
            return Err(Failure::say(
                libc::EINVAL,
                format!("fetch_lock delete: {name} readonly record"),
            ));
        }
        self.write(&[]).map_err(|error| {
            Failure::say(
                libc::EIO,
                format!("fetch_lock delete: {name} tdb_store failed, {error}"),
            )
        })?;
        let key = KeyData::new(self.db.id, self.header, self.key.clone());
        let asked = session
            .client
            .request::<ScheduleForDeletion>(session.pnn, &key);
        // as upstream: only a lost connection matters, vacuuming finds the record in any case
        asked.status().await.map(|_| ()).map_err(|error| {
            let code = code_of(&error);
            Failure::say(
                code,
                format!("delete_record: {name} SCHEDULE_FOR_DELETION failed, ret={code}"),
            )
        })
    }

    fn write(&self, data: &[u8]) -> tdb::Result<()> {
        let header = ctdb_protocol::wire::encode(&self.header);
        self.db
            .tdb
            .store_parts(&self.key, &[&header, data], StoreMode::Replace)
    }
}
