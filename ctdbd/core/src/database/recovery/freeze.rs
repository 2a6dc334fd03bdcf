//! Freezing: the whole file is locked, so that a recovery can rebuild it while smbd waits.
//!
//! DB_FREEZE is one database of a recovery. FREEZE is all of them, for a node that leaves the active
//! set: its volatile records are then out of date and are not offered to the next recovery.

use ctdb_protocol::id::DbId;

use crate::context::Context;
use crate::control::Asker;
use crate::database::Awaited;
use crate::database::{Databases, Db};
use crate::effect::{Effect, LockScope, LogLevel, Ticket};

/// Whether the whole file of a database is locked.
#[derive(Debug)]
pub(in crate::database) enum Freeze {
    /// It is in use.
    Thawed,
    /// The lock is awaited.
    Pending {
        /// The wait.
        ticket: Ticket,
        /// When it began, monotonic microseconds.
        since_us: u64,
        /// Who wants to know.
        waiters: Vec<Asker>,
    },
    /// The lock is held for us.
    Frozen {
        /// The lock.
        ticket: Ticket,
    },
}

impl Freeze {
    /// Nobody holds the lock, and nobody waits for it.
    #[must_use]
    pub(in crate::database) fn is_thawed(&self) -> bool {
        matches!(self, Self::Thawed)
    }

    /// The lock is held.
    #[must_use]
    pub(in crate::database) fn is_frozen(&self) -> bool {
        matches!(self, Self::Frozen { .. })
    }
}

/// State of FREEZE.
#[derive(Debug, Default)]
pub(in crate::database) struct FreezeAll {
    /// FREEZE was asked for and not undone.
    pub(in crate::database) wanted: bool,
    waiters: Vec<Asker>,
}

impl Db {
    /// Begins to freeze; `asker` is told when it is done.
    pub(in crate::database) fn freeze(&mut self, cx: &mut Context, asker: Option<Asker>) {
        match &mut self.freeze {
            Freeze::Frozen { .. } => {
                if let Some(asker) = asker {
                    cx.reply_status(asker, 0);
                }
            }
            Freeze::Pending { waiters, .. } => waiters.extend(asker),
            Freeze::Thawed => {
                let ticket = cx.expect(Awaited::FileLock(self.id));
                cx.effect(Effect::AwaitLock {
                    ticket,
                    path: self.table.path().to_owned(),
                    open_flags: self.table.open_flags(),
                    scope: LockScope::Database,
                    at_most: cx.tunables().lock_processes_per_db(),
                });
                self.freeze = Freeze::Pending {
                    ticket,
                    since_us: cx.now().monotonic_us,
                    waiters: asker.into_iter().collect(),
                };
            }
        }
    }

    /// The file's lock is held for us.
    fn frozen(&mut self, cx: &mut Context, ticket: Ticket) {
        if let Freeze::Pending {
            ticket: awaited,
            since_us,
            waiters,
        } = &mut self.freeze
            && *awaited == ticket
        {
            let waited_s = cx.now().seconds_since(*since_us);
            cx.note_latency(LogLevel::Error, waited_s, "lock_db", &self.name);
            for asker in std::mem::take(waiters) {
                cx.reply_status(asker, 0);
            }
            self.freeze = Freeze::Frozen { ticket };
        }
    }

    /// Gives the file back to its users: an open recovery transaction is dropped, calls that were
    /// under way are asked again, packets that waited are processed.
    pub(in crate::database) fn thaw(&mut self, cx: &mut Context) {
        self.cancel();
        self.push = None;
        self.invalid_records = false;
        match std::mem::replace(&mut self.freeze, Freeze::Thawed) {
            Freeze::Thawed => {}
            Freeze::Pending {
                ticket, waiters, ..
            } => {
                cx.settle(ticket);
                cx.effect(Effect::ReleaseLock { ticket });
                for asker in waiters {
                    cx.reply_status(asker, -1);
                }
            }
            Freeze::Frozen { ticket } => {
                cx.settle(ticket);
                cx.effect(Effect::ReleaseLock { ticket });
            }
        }
        self.resend_calls(cx);
        let queue = std::mem::take(&mut self.frozen_queue);
        for parked in queue {
            cx.later(self.id, parked);
        }
    }
}

impl Databases {
    /// FREEZE: every database, and the volatile ones' records are out of date from now on.
    pub(in crate::database) fn freeze_all(&mut self, cx: &mut Context, asker: Option<Asker>) {
        self.freeze_all.wanted = true;
        cx.databases_mut().set_all_frozen(false);
        for db in self.map.values_mut() {
            if db.volatile() {
                db.invalid_records = true;
            }
        }
        let ids: Vec<DbId> = self.map.keys().copied().collect();
        for id in ids {
            self.stop_vacuum(cx, id);
            if let Some(db) = self.map.get_mut(&id) {
                db.freeze(cx, None);
            }
        }
        self.freeze_all.waiters.extend(asker);
        self.check_freeze_all(cx);
    }

    /// DB_FREEZE.
    pub(in crate::database) fn freeze_one(
        &mut self,
        cx: &mut Context,
        id: DbId,
        asker: Asker,
    ) -> bool {
        if !self.map.contains_key(&id) {
            return false;
        }
        self.stop_vacuum(cx, id);
        if let Some(db) = self.map.get_mut(&id) {
            db.freeze(cx, Some(asker));
        }
        true
    }

    fn check_freeze_all(&mut self, cx: &mut Context) {
        if self.freeze_all.wanted && self.map.values().all(|db| db.freeze.is_frozen()) {
            cx.databases_mut().set_all_frozen(true);
            for asker in std::mem::take(&mut self.freeze_all.waiters) {
                cx.reply_status(asker, 0);
            }
        }
    }

    /// A whole file's lock is held for us.
    pub(in crate::database) fn file_locked(&mut self, cx: &mut Context, id: DbId, ticket: Ticket) {
        if let Some(db) = self.map.get_mut(&id) {
            db.frozen(cx, ticket);
        }
        self.check_freeze_all(cx);
    }

    /// A whole file's lock could not be had, or its holder died: the database is not frozen.
    pub(in crate::database) fn file_lock_lost(&mut self, cx: &mut Context, id: DbId, reason: &str) {
        let Some(db) = self.map.get_mut(&id) else {
            return;
        };
        cx.error(format!("Failed to lock database {}: {reason}", db.name));
        db.thaw(cx);
        if self.freeze_all.wanted {
            self.freeze_all.wanted = false;
            cx.databases_mut().set_all_frozen(false);
            for asker in std::mem::take(&mut self.freeze_all.waiters) {
                cx.reply_status(asker, -1);
            }
            self.thaw_all(cx);
        }
    }

    /// A recovery wants to end here: every database must have taken part in it; a FREEZE ends.
    pub(in crate::database) fn prepare_to_leave(&mut self, cx: &mut Context) -> Result<(), String> {
        let current = cx.generation();
        if let Some(db) = self.map.values().find(|db| db.generation != current) {
            return Err(format!(
                "Inconsistent DB generation {} for {}, the cluster has {current}",
                db.generation, db.name
            ));
        }
        if self.freeze_all.wanted {
            self.thaw_all(cx);
        }
        Ok(())
    }

    /// Ends FREEZE: every database is given back.
    pub(in crate::database) fn thaw_all(&mut self, cx: &mut Context) {
        self.freeze_all.wanted = false;
        cx.databases_mut().set_all_frozen(false);
        for asker in std::mem::take(&mut self.freeze_all.waiters) {
            cx.reply_status(asker, -1);
        }
        for db in self.map.values_mut() {
            db.thaw(cx);
        }
    }
}
