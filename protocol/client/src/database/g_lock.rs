//! Locks of the whole cluster, kept as records of the volatile database `g_lock.tdb`: a list of
//! holders under the lock's name. A holder whose process is gone holds nothing.
//!
//! The records' format is that of upstream's client library, which Samba's own g_lock does not
//! share.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use ctdb_protocol::control::ProcessExists;
use ctdb_protocol::types::{DbFlags, GLock, GLockKind, GLockList, ServerId};
use ctdb_protocol::wire::{Pad, all};
use ctdb_protocol::{Pnn, encode};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Database, DatabaseError, LockStep, LockedRecord, Part};
use crate::Client;

/// How long a lock that is held is left alone before it is tried again.
const RETRY: Duration = Duration::from_millis(1);
/// How long a lock that others asked for is left to them after it was let go. Whoever has the record would
/// win every race for it otherwise: the others look only once in [`RETRY`] and have to fetch it first.
const COURTESY: Duration = Duration::from_millis(4);

/// The database of locks.
#[derive(Debug)]
pub struct GLocks {
    db: Database,
    turns: RefCell<BTreeMap<Vec<u8>, Turn>>,
}

/// What is known about who else wants a lock.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// The lock is ours; the record's version when we took it. It grows when the record travels.
    Held { rsn: u64 },
    /// Others wanted it while it was ours: it is theirs until then.
    Others { until: Instant },
}

impl GLocks {
    /// The database's name. It is volatile.
    pub const DATABASE: &str = "g_lock.tdb";

    /// Attaches the database. Once per process: it cannot be opened twice.
    ///
    /// # Errors
    /// As [`Client::attach`].
    pub async fn open(client: &Client) -> Result<Self, DatabaseError> {
        let db = client.attach(Self::DATABASE, DbFlags::empty()).await?;
        Ok(Self::over(db))
    }

    /// The locks in [`GLocks::DATABASE`], opened.
    #[must_use]
    pub fn over(db: Database) -> Self {
        let turns = RefCell::default();
        Self { db, turns }
    }

    /// This process as a holder; `task` tells apart what it holds at the same time.
    #[must_use]
    pub fn holder(&self, task: u32) -> ServerId {
        let pid = u64::from(std::process::id());
        ServerId {
            pid,
            task_id: task,
            vnn: self.db.pnn.0,
            unique_id: u64::from(task) << 32 | pid,
        }
    }

    /// Waits for a lock; removes holders whose processes are gone. Answers to `ctdb_g_lock_lock`.
    ///
    /// # Errors
    /// When `holder` has it already, or the database does not do.
    pub async fn lock(
        &self,
        name: &str,
        holder: ServerId,
        kind: GLockKind,
    ) -> Result<(), DatabaseError> {
        let taken = self.take(key(name), holder, kind).await;
        taken.map_err(|source| failed(name, LockStep::Take, source))
    }

    /// Lets a lock go. Answers to `ctdb_g_lock_unlock`.
    ///
    /// # Errors
    /// When the database does not do.
    pub async fn unlock(&self, name: &str, holder: &ServerId) -> Result<(), DatabaseError> {
        let released = self.remove(&key(name), holder).await;
        released.map_err(|source| failed(name, LockStep::Release, source))
    }

    async fn take(
        &self,
        key: Vec<u8>,
        holder: ServerId,
        kind: GLockKind,
    ) -> Result<(), DatabaseError> {
        let turn = self.turns.borrow_mut().remove(&key);
        if let Some(Turn::Others { until }) = turn {
            sleep_until(until).await;
        }
        loop {
            let mut record = self.db.fetch_lock(&key, false).await?;
            let mut list = self.list(&record)?;
            if list.0.iter().any(|lock| lock.sid == holder) {
                return Err(DatabaseError::Deadlock);
            }
            let Some(rival) = list
                .0
                .iter()
                .find(|lock| conflict(lock.kind, kind))
                .copied()
            else {
                list.0.push(GLock {
                    kind,
                    pad: Pad::ZERO,
                    sid: holder,
                });
                record.store(&encode(&list))?;
                let rsn = record.header().rsn;
                drop(record);
                self.turns.borrow_mut().insert(key, Turn::Held { rsn });
                return Ok(());
            };
            // Not with the record locked: the rival may need it to let go.
            drop(record);
            if self.lives(&rival.sid).await? {
                sleep(RETRY).await;
            } else {
                self.remove(&key, &rival.sid).await?;
            }
        }
    }

    async fn remove(&self, key: &[u8], holder: &ServerId) -> Result<(), DatabaseError> {
        let mut record = self.db.fetch_lock(key, false).await?;
        self.note_rivals(key, record.header().rsn);
        let mut list = self.list(&record)?;
        list.0.retain(|lock| lock.sid != *holder);
        if list.0.is_empty() {
            record.delete_soon()
        } else {
            record.store(&encode(&list))
        }
    }

    /// The record travelled while the lock was ours: somebody looked whether it is free.
    fn note_rivals(&self, key: &[u8], now: u64) {
        let mut turns = self.turns.borrow_mut();
        if let Some(Turn::Held { rsn }) = turns.remove(key)
            && rsn != now
        {
            let until = Instant::now() + COURTESY;
            turns.insert(key.to_vec(), Turn::Others { until });
        }
    }

    fn list(&self, record: &LockedRecord<'_>) -> Result<GLockList, DatabaseError> {
        all(record.data()).map_err(|source| self.db.malformed(Part::Holders, source))
    }

    /// Does the holder's process still live?
    async fn lives(&self, holder: &ServerId) -> Result<bool, DatabaseError> {
        let Ok(pid) = i32::try_from(holder.pid) else {
            return Ok(false);
        };
        let (status, _) = self
            .db
            .client
            .control_status::<ProcessExists>(Pnn(holder.vnn), &pid)
            .await
            .map_err(|source| self.db.control_error(source))?;
        Ok(status == 0)
    }
}

fn failed(lock: &str, step: LockStep, source: DatabaseError) -> DatabaseError {
    DatabaseError::Lock {
        lock: lock.to_owned(),
        step,
        source: Box::new(source),
    }
}

fn conflict(one: GLockKind, other: GLockKind) -> bool {
    one != GLockKind::READ || other != GLockKind::READ
}

/// A lock's name as a key: with its NUL.
fn key(name: &str) -> Vec<u8> {
    let mut key = name.as_bytes().to_vec();
    key.push(0);
    key
}
