//! The transaction in which a recovery rebuilds a frozen database. (DB_TRANSACTION_START and its like, WIPE_DATABASE, GET_DB_SEQNUM.)

use ctdb_protocol::id::{DbId, Generation};
use ctdb_protocol::types::{NodeFlags, TransDb};

use crate::cluster::{self, CannotStore, Cure, TRIES};
use crate::context::Context;
use crate::database::record::local::read;
use crate::database::recovery::wipe::Wipe;
use crate::database::{Databases, Db};
use crate::store::{Kind, Storage, StoreError, StoreResult, Table};

/// Key of the record that counts the transactions of a persistent database, with its closing NUL.
pub(in crate::database) const SEQUENCE_KEY: &[u8] = b"__db_sequence_number__\0";

/// In front of the reason of a database that no healthy node could vouch for.
const NO_HEALTHY_NODES: &str = "NO-HEALTHY-NODES - ";

impl Db {
    /// Whether the database is frozen, as `what` wants it; if not, the log says what was asked in vain.
    pub(super) fn expect_frozen(&self, cx: &mut Context, what: &str) -> bool {
        let frozen = self.freeze.is_frozen();
        if !frozen {
            cx.error(format!(
                "{}: {what}, but the database is not frozen",
                self.name
            ));
        }
        frozen
    }

    /// Opens the transaction `tid`; an older open one is dropped.
    pub(in crate::database) fn begin(&mut self, cx: &mut Context, tid: Generation) -> bool {
        if !self.expect_frozen(cx, "a recovery transaction was asked for") {
            return false;
        }
        self.cancel();
        match self.table.transaction_start() {
            Ok(()) => {
                self.transaction = Some(tid.0);
                true
            }
            Err(error) => {
                self.not_stored(cx, "cannot start a recovery transaction", &error);
                false
            }
        }
    }

    /// Whether the transaction `tid` is open.
    fn in_transaction(&self, cx: &mut Context, tid: Generation, what: &str) -> bool {
        if !self.freeze.is_frozen() || self.transaction != Some(tid.0) {
            cx.error(format!(
                "{}: {what} outside of transaction {tid}",
                self.name
            ));
            return false;
        }
        true
    }

    /// A step of a recovery failed here because of the file or its disk.
    pub(in crate::database) fn not_stored(
        &mut self,
        cx: &mut Context,
        what: &str,
        error: &StoreError,
    ) {
        let reason = format!("{}: {what}: {error}", self.name);
        cx.error(&reason);
        self.failed_stores += 1;
        if self.failed_stores >= TRIES {
            self.failed_stores = 0;
            cx.post(cluster::Letter::CannotStore(CannotStore {
                cure: Cure::Stores(self.table.path().to_owned()),
                reason,
            }));
        }
    }

    /// Makes the open transaction last; from now on the database belongs to generation `tid`.
    fn finish(&mut self, cx: &mut Context, storage: &mut dyn Storage, tid: Generation) -> bool {
        if !self.in_transaction(cx, tid, "commit") {
            return false;
        }
        if let Err(error) = self.finish_wipe() {
            self.not_stored(cx, "cannot delete what a recovery has not sent", &error);
            self.cancel();
            return false;
        }
        self.transaction = None;
        if let Err(error) = self.table.transaction_commit() {
            self.not_stored(cx, "cannot commit a recovery transaction", &error);
            return false;
        }
        self.failed_stores = 0;
        self.generation = tid;
        self.rebuilt = true;
        self.kind != Kind::Persistent || self.note_health(cx, storage)
    }

    /// What the start found out about the health of a persistent database.
    pub(in crate::database) fn take_health(&mut self, cx: &mut Context, reason: Option<String>) {
        let Some(reason) = reason else { return };
        cx.error(format!(
            "persistent db '{}' is unhealthy: {reason}; it waits for the copy of another node. If there is none, \
             put a good file in its place, or begin anew with the empty one, and remove the state folder's \
             persistent_health.tdb.{}",
            self.name, cx.pnn()
        ));
        self.emptied = self.is_empty();
        self.note_unhealthy(cx, Some(reason));
    }

    fn is_empty(&mut self) -> bool {
        let mut found = false;
        let looked = self.with_all_marked(|table| {
            let chains = table.chains();
            for chain in 0..chains {
                table.read_chain(chain, &mut |_, _| found = true)?;
                if found {
                    break;
                }
            }
            Ok(())
        });
        looked.is_ok() && !found
    }

    /// After a recovery a persistent database is healthy if any healthy node took part in it, or if it was empty
    /// here and has records now: they are another node's.
    fn note_health(&mut self, cx: &mut Context, storage: &mut dyn Storage) -> bool {
        let mut healthy = cx.members().any(|m| m.flags() == NodeFlags::empty());
        if self.emptied && !self.is_empty() {
            cx.notice(format!(
                "persistent db '{}': the copy of another node has taken the place of the damaged file",
                self.name
            ));
            self.emptied = false;
            healthy = true;
        }
        let reason = match (&self.unhealthy, healthy) {
            (Some(old), false) if old.starts_with(NO_HEALTHY_NODES) => Some(old.clone()),
            (Some(old), false) => Some(format!("{NO_HEALTHY_NODES}{old}")),
            _ => None,
        };
        self.set_health(cx, storage, reason)
    }

    /// Records why the database is unhealthy, or that it is not.
    pub(in crate::database) fn set_health(
        &mut self,
        cx: &mut Context,
        storage: &mut dyn Storage,
        reason: Option<String>,
    ) -> bool {
        if self.unhealthy == reason {
            return true;
        }
        if let Err(error) = storage.set_health(&self.name, reason.as_deref()) {
            cx.error(format!("{}: cannot record its health: {error}", self.name));
            return false;
        }
        match &reason {
            Some(reason) => cx.warning(format!(
                "persistent db '{}' marked as unhealthy: {reason}",
                self.name
            )),
            None => cx.notice(format!("persistent db '{}' is healthy now", self.name)),
        }
        self.note_unhealthy(cx, reason);
        true
    }

    /// Why the database is unhealthy, or that it is not, is known from now on.
    pub(in crate::database) fn note_unhealthy(&mut self, cx: &mut Context, reason: Option<String>) {
        cx.databases_mut()
            .set_healthy(self.id, &self.name, reason.is_none());
        self.unhealthy = reason;
    }

    /// Drops an open transaction.
    pub(in crate::database) fn cancel(&mut self) {
        self.wipe = None;
        if self.transaction.take().is_some() {
            self.table.transaction_cancel();
        }
    }

    /// Number of transactions that this database has seen. Not while it is frozen without an open
    /// transaction: then it may not be read.
    pub(in crate::database) fn sequence_record(&self) -> Option<u64> {
        if self.freeze.is_frozen() && self.transaction.is_none() {
            return None;
        }
        let record = read(self.table.as_ref(), SEQUENCE_KEY).ok()?;
        let number =
            record.and_then(|record| record.data.as_ref().try_into().ok().map(u64::from_ne_bytes));
        Some(number.unwrap_or(0))
    }

    /// Runs a step under the lock of all records, which a helper holds for us.
    fn with_all_marked(
        &mut self,
        step: impl FnOnce(&mut dyn Table) -> StoreResult<()>,
    ) -> StoreResult<()> {
        self.table.mark_all()?;
        let result = step(self.table.as_mut());
        self.table.unmark_all();
        result
    }

    fn finish_wipe(&mut self) -> StoreResult<()> {
        match self.wipe.take() {
            Some(wipe) => self.with_all_marked(|table| wipe.finish(table)),
            None => Ok(()),
        }
    }

    fn wipe(&mut self, cx: &mut Context, tid: Generation) -> bool {
        if !self.in_transaction(cx, tid, "wipe") {
            return false;
        }
        let wiped = if self.volatile() {
            self.with_all_marked(|table| table.wipe())
        } else {
            self.wipe = Some(Wipe::default());
            Ok(())
        };
        if let Err(error) = wiped {
            self.not_stored(cx, "cannot wipe", &error);
            return false;
        }
        self.delete_queue.clear();
        self.fetch_queue.clear();
        true
    }
}

impl Databases {
    /// DB_TRANSACTION_START.
    pub(in crate::database) fn transaction_start(
        &mut self,
        cx: &mut Context,
        request: TransDb,
    ) -> bool {
        self.find(request.db_id)
            .is_some_and(|db| db.begin(cx, request.tid))
    }

    /// DB_TRANSACTION_COMMIT.
    pub(in crate::database) fn transaction_commit(
        &mut self,
        cx: &mut Context,
        request: TransDb,
    ) -> bool {
        let Self { map, storage, .. } = self;
        map.get_mut(&request.db_id)
            .is_some_and(|db| db.finish(cx, storage.as_mut(), request.tid))
    }

    /// DB_TRANSACTION_CANCEL.
    pub(in crate::database) fn transaction_cancel(&mut self, id: DbId) -> bool {
        self.find(id).is_some_and(|db| {
            db.cancel();
            true
        })
    }

    /// WIPE_DATABASE.
    pub(in crate::database) fn wipe(&mut self, cx: &mut Context, request: TransDb) -> bool {
        self.find(request.db_id)
            .is_some_and(|db| db.wipe(cx, request.tid))
    }
}
