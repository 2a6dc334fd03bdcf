// SPDX-License-Identifier: GPL-3.0-or-later
//! Transactions on persistent and replicated databases: changes are collected here, by key, and committed by
//! the daemon on all nodes at once.

use super::attach::{OpenDb, attach};
use super::global_lock::GlobalLock;
use crate::failure::Failure;
use crate::session::{Session, code_of};
use ctdb_protocol::control::Trans3Commit;
use ctdb_protocol::id::{Pnn, ReqId};
use ctdb_protocol::types::{DbFlags, LtdbHeader, MarshallBuffer, RecordFlags};
use std::collections::HashMap;

/// Key of the record that counts the commits, with its NUL.
const SEQNUM_KEY: &[u8] = b"__db_sequence_number__\0";

/// A record that was read or changed.
struct Entry {
    key: Vec<u8>,
    header: LtdbHeader,
    data: Vec<u8>,
    /// Whether the file has it.
    existed: bool,
}

/// A record as the file has it, or what stands for one that is missing.
struct Stored {
    header: LtdbHeader,
    data: Vec<u8>,
    exists: bool,
}

/// A transaction: holds the database's global lock until its end.
pub struct Transaction<'a> {
    db: &'a OpenDb,
    here: Pnn,
    lock: GlobalLock<'a>,
    entries: Vec<Entry>,
    by_key: HashMap<Vec<u8>, usize>,
    changed: bool,
}

/// Attaches the database that holds global locks.
pub async fn lock_database(session: &Session, db: &OpenDb) -> Result<OpenDb, Failure> {
    attach(session, "g_lock.tdb", DbFlags::empty())
        .await
        .map_err(|f| {
            f.and(format!(
                "transaction_start: {} attach g_lock.tdb failed",
                db.name
            ))
        })
}

impl<'a> Transaction<'a> {
    /// Takes the database's global lock. Answers to `ctdb_transaction_start`.
    pub async fn start(
        session: &Session,
        db: &'a OpenDb,
        locks: &'a OpenDb,
        read_only: bool,
    ) -> Result<Self, Failure> {
        let lock = GlobalLock::take(session, locks, db.id, read_only)
            .await
            .map_err(|failure| {
                let code = failure.status();
                failure.and(format!(
                    "transaction_start: {} g_lock lock failed, ret={code}",
                    db.name
                ))
            })?;
        let (entries, by_key) = (Vec::new(), HashMap::new());
        Ok(Self {
            db,
            here: session.pnn,
            lock,
            entries,
            by_key,
            changed: false,
        })
    }

    /// The record as the file has it. A key that is not there has an empty value.
    fn stored(&self, key: &[u8]) -> Result<Stored, Failure> {
        let value = self.db.tdb.fetch(key);
        let value = value.map_err(|_| Failure::silent(libc::EIO))?;
        let Some(value) = value else {
            let header = LtdbHeader::new(0, Pnn::UNKNOWN, RecordFlags::empty());
            return Ok(Stored {
                header,
                data: Vec::new(),
                exists: false,
            });
        };
        let (header, data) = LtdbHeader::split(&value).map_err(|_| Failure::silent(libc::EIO))?;
        Ok(Stored {
            header,
            data: data.to_vec(),
            exists: true,
        })
    }

    /// The value of a key as this transaction sees it.
    pub fn fetch(&self, key: &[u8]) -> Result<Vec<u8>, Failure> {
        match self.by_key.get(key) {
            Some(index) => Ok(self.entries[*index].data.clone()),
            None => Ok(self.stored(key)?.data),
        }
    }

    /// Changes a record; an empty value deletes it. Storing what is there changes nothing.
    pub fn store(&mut self, key: &[u8], data: &[u8]) -> Result<(), Failure> {
        if let Some(index) = self.by_key.get(key) {
            let entry = &mut self.entries[*index];
            if entry.data != data {
                entry.data = data.to_vec();
                entry.header.rsn += 1;
                self.changed = true;
            }
            return Ok(());
        }
        let Stored {
            mut header,
            data: old,
            exists: existed,
        } = self.stored(key)?;
        if old == data {
            return Ok(());
        }
        header.dmaster = self.here;
        header.rsn += 1;
        self.by_key.insert(key.to_vec(), self.entries.len());
        self.entries.push(Entry {
            key: key.to_vec(),
            header,
            data: data.to_vec(),
            existed,
        });
        self.changed = true;
        Ok(())
    }

    fn seqnum(&self) -> Result<u64, Failure> {
        let data = self
            .stored(SEQNUM_KEY)
            .map(|found| found.data)
            .map_err(|failure| {
                let code = failure.status();
                failure.and(format!(
                    "transaction_commit: {} seqnum fetch failed, ret={code}",
                    self.db.name
                ))
            })?;
        match <[u8; 8]>::try_from(data.as_slice()) {
            Ok(bytes) => Ok(u64::from_ne_bytes(bytes)),
            Err(_) if data.is_empty() => Ok(0),
            Err(_) => Err(Failure::silent(libc::EINVAL)),
        }
    }

    /// Commits on all nodes; a transaction that changed nothing just ends. After a recovery in between, the
    /// sequence number tells whether the commit took place. Answers to `ctdb_transaction_commit`.
    pub async fn commit(mut self, session: &Session) -> Result<(), Failure> {
        if !self.changed {
            return self.cancel(session).await;
        }
        let before = self.seqnum()?;
        self.store(SEQNUM_KEY, &(before + 1).to_ne_bytes())?;
        let mut buffer = MarshallBuffer::new(self.db.id);
        // a record that came and went inside the transaction must not be deleted from the file
        let lasting = |entry: &&Entry| entry.existed || !entry.data.is_empty();
        for entry in self.entries.iter().filter(lasting) {
            buffer.push_with_header(ReqId(0), &entry.header, &entry.key, &entry.data);
        }
        let name = &self.db.name;
        while let Err(error) = session
            .client
            .control::<Trans3Commit>(session.pnn, &buffer)
            .await
        {
            if error.status().is_none() {
                let code = code_of(&error);
                return Err(Failure::say(
                    code,
                    format!("transaction_commit: {name} TRANS3_COMMIT failed, ret={code}"),
                ));
            }
            let now = self.seqnum()?;
            if now == before + 1 {
                break;
            }
            if now != before {
                let line = format!(
                    "transaction_commit: {name} seqnum mismatch 0x{now:x} != 0x{before:x} + 1"
                );
                return Err(Failure::say(libc::EIO, line));
            }
        }
        self.lock.give_back(session).await.map_err(|failure| {
            let code = failure.status();
            failure.and(format!(
                "transaction_commit: {name} g_lock unlock failed, ret={code}"
            ))
        })
    }

    /// Ends the transaction without a change.
    pub async fn cancel(self, session: &Session) -> Result<(), Failure> {
        let name = &self.db.name;
        self.lock.give_back(session).await.map_err(|failure| {
            let code = failure.status();
            failure.and(format!(
                "transaction_cancel: {name} g_lock unlock failed, ret={code}"
            ))
        })
    }
}
