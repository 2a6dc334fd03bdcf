// SPDX-License-Identifier: GPL-3.0-or-later
//! Locks that a whole cluster respects, kept as lists of holders in the records of `g_lock.tdb`.

use super::attach::OpenDb;
use super::record::{LockedRecord, fetch_lock};
use crate::failure::{Doing, Failure};
use crate::session::{Session, code_of};
use ctdb_protocol::control::ProcessExists;
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::types::{GLock, GLockKind, GLockList, ServerId};
use ctdb_protocol::wire::{Pad, all, encode};
use std::time::Duration;

/// How long to wait for a holder that lives.
const RETRY: Duration = Duration::from_millis(1);

/// A lock to take and give back.
pub struct GlobalLock<'a> {
    db: &'a OpenDb,
    name: String,
    holder: ServerId,
}

/// This process, as a holder of locks about a database.
fn myself(session: &Session, db: DbId) -> ServerId {
    let pid = u64::from(std::process::id());
    ServerId {
        pid,
        task_id: db.0,
        vnn: session.pnn.0,
        unique_id: u64::from(db.0) << 32 | pid,
    }
}

impl<'a> GlobalLock<'a> {
    /// Takes the transaction lock of a database, shared or alone. Waits for holders that live; removes those
    /// that do not. Answers to `ctdb_g_lock_lock`.
    pub async fn take(
        session: &Session,
        db: &'a OpenDb,
        wanted: DbId,
        shared: bool,
    ) -> Result<Self, Failure> {
        let lock = Self {
            db,
            name: format!("transaction_db_{wanted}"),
            holder: myself(session, wanted),
        };
        let kind = if shared {
            GLockKind::READ
        } else {
            GLockKind::WRITE
        };
        while !lock.try_take(session, kind).await? {
            tokio::time::sleep(RETRY).await;
        }
        Ok(lock)
    }

    /// The record's key: the name with its NUL.
    fn key(&self) -> Vec<u8> {
        let mut key = self.name.clone().into_bytes();
        key.push(0);
        key
    }

    async fn fetch(
        &self,
        session: &Session,
        doing: &str,
    ) -> Result<(LockedRecord<'a>, GLockList), Failure> {
        let record = fetch_lock(session, self.db, &self.key(), false)
            .await
            .doing(|| format!("{doing}: {} fetch lock failed", self.name))?;
        let holders = all::<GLockList>(record.data()).map_err(|_| {
            Failure::say(
                libc::EINVAL,
                format!("{doing}: {} invalid lock data", self.name),
            )
        })?;
        Ok((record, holders))
    }

    async fn try_take(&self, session: &Session, kind: GLockKind) -> Result<bool, Failure> {
        let (record, mut holders) = self.fetch(session, "g_lock_lock").await?;
        loop {
            if holders.0.iter().any(|held| held.sid == self.holder) {
                return Err(Failure::say(
                    libc::EDEADLK,
                    format!("g_lock_lock: {} deadlock", self.name),
                ));
            }
            let conflict = holders
                .0
                .iter()
                .position(|held| held.kind == GLockKind::WRITE || kind == GLockKind::WRITE);
            let Some(index) = conflict else { break };
            if self.lives(session, &holders.0[index].sid).await? {
                return Ok(false);
            }
            holders.0.swap_remove(index);
            record.store(&encode(&holders))?;
        }
        holders.0.push(GLock {
            kind,
            pad: Pad::ZERO,
            sid: self.holder,
        });
        record.store(&encode(&holders))?;
        Ok(true)
    }

    async fn lives(&self, session: &Session, holder: &ServerId) -> Result<bool, Failure> {
        let pid = holder.pid as i32;
        let (status, _) = session
            .client
            .control_status::<ProcessExists>(Pnn(holder.vnn), &pid)
            .await
            .map_err(|error| {
                let code = code_of(&error);
                Failure::say(
                    code,
                    format!(
                        "g_lock_lock: {} PROCESS_EXISTS failed, ret={code}",
                        self.name
                    ),
                )
            })?;
        Ok(status == 0)
    }

    /// Gives the lock back. Answers to `ctdb_g_lock_unlock`.
    pub async fn give_back(self, session: &Session) -> Result<(), Failure> {
        let (record, mut holders) = self.fetch(session, "g_lock_unlock").await?;
        holders.0.retain(|held| held.sid != self.holder);
        if holders.0.is_empty() {
            return record.delete(session).await.map_err(|failure| {
                let code = failure.status();
                failure.and(format!(
                    "g_lock_unlock {} delete record failed, ret={code}",
                    self.name
                ))
            });
        }
        record.store(&encode(&holders))
    }
}
