//! Attach and detach. (DB_ATTACH and its like, DB_DETACH; upstream's `ctdb_ltdb_server.c`.)

use std::collections::BTreeMap;
use std::time::Duration;

use ctdb_protocol::control::{Control, DbAttach, DbAttachPersistent, DbAttachReplicated, DbDetach};
use ctdb_protocol::hash::database_id;
use ctdb_protocol::id::{ClientId, DbId, Pnn};
use ctdb_protocol::text::Text;
use ctdb_protocol::types::{ControlFlags, DbFlags};

use super::Due;
use super::{Databases, Db, OpenFailure};
use crate::context::Context;
use crate::control::Asker;
use crate::store::{Kind, OpenError};
use crate::timer::TimerId;
use ctdb_protocol::types::RunState;

/// Upstream replays parked attaches this long after a recovery.
const REPLAY_DELAY: Duration = Duration::from_secs(1);

/// Why a database was not attached, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AttachError {
    /// Somebody has its file locked, or the disk is full; it can be tried again.
    #[error("{0}")]
    Busy(String),
    /// It cannot be.
    #[error("{0}")]
    Refused(String),
}

fn refused(reason: &str) -> AttachError {
    AttachError::Refused(reason.to_owned())
}

/// An attach as it was asked for.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Who asks.
    pub(super) asker: Asker,
    /// Name without the NUL.
    pub(super) name: String,
    /// Which control it was.
    pub(super) kind: Kind,
    /// Control flags; ATTACH_RECOVERY matters.
    pub(super) flags: ControlFlags,
}

/// Attaches that wait for the end of a recovery.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    last: u64,
    parked: BTreeMap<u64, (Request, TimerId)>,
}

impl Databases {
    /// DB_ATTACH, _PERSISTENT or _REPLICATED. `local_client` says that a live client of this node asks.
    pub(super) fn attach(&mut self, cx: &mut Context, request: Request, local_client: bool) {
        let asker = request.asker;
        if cx.tunables().allow_client_db_attach() == 0 {
            cx.error(format!(
                "DB Attach to database {} denied by tunable AllowClientDBAccess == 0",
                request.name
            ));
            return cx.reply_status(asker, -1);
        }
        if local_client && !self.may_attach(cx, &request) {
            return;
        }
        match self.attach_here(cx, &request.name, request.kind) {
            Ok((id, new)) => {
                if new {
                    announce(cx, &request);
                }
                cx.reply_with(asker, &id);
            }
            Err(error) => {
                let text = format!("cannot attach database {}: {error}", request.name);
                cx.error(&text);
                if let AttachError::Busy(reason) = &error {
                    self.open_later(cx, &request.name, request.kind, reason);
                    if request.flags.contains(ControlFlags::ATTACH_RECOVERY) {
                        self.missed_by_recovery(cx, &request.name);
                    }
                }
                cx.refuse(asker, -1, &text);
            }
        }
    }

    /// Whether a client of this node may attach now; if not it was answered, or will be.
    fn may_attach(&mut self, cx: &mut Context, request: &Request) -> bool {
        if cx.inactive() {
            cx.error(format!(
                "DB Attach to database {} refused since node is inactive (flags=0x{:x})",
                request.name,
                cx.own_flags()
            ));
            cx.reply_status(request.asker, -1);
            return false;
        }
        let active = cx.recovering();
        if request.flags.contains(ControlFlags::ATTACH_RECOVERY) {
            if !active {
                cx.error(format!(
                    "Attach to database {} for a recovery while there is none",
                    request.name
                ));
                cx.reply_status(request.asker, -1);
            }
            return active;
        }
        if !active && cx.run_state() >= RunState::STARTUP {
            return true;
        }
        self.deferred.last += 1;
        let number = self.deferred.last;
        let limit = Duration::from_secs(u64::from(cx.tunables().deferred_attach_to()));
        let timer = cx.arm(limit, Due::DeferredAttach(number));
        self.deferred
            .parked
            .insert(number, (request.clone(), timer));
        cx.info(format!(
            "Attach to database {} waits for the end of the recovery",
            request.name
        ));
        false
    }

    /// A parked attach has waited long enough.
    pub(super) fn deferred_expired(&mut self, cx: &mut Context, number: u64) {
        if let Some((request, _)) = self.deferred.parked.remove(&number) {
            cx.reply_status(request.asker, -1);
        }
    }

    /// A client has gone: what it had asked for is not wanted any more.
    pub(super) fn deferred_gone(&mut self, cx: &mut Context, client: ClientId) {
        self.deferred.parked.retain(|_, (request, timer)| {
            let keep = request.asker.client != client;
            if !keep {
                cx.disarm(*timer);
            }
            keep
        });
    }

    /// Recovery has ended: parked attaches are processed soon.
    pub(super) fn deferred_soon(&self, cx: &mut Context) {
        if !self.deferred.parked.is_empty() {
            let delay = if cx.settings().test_mode {
                Duration::from_millis(1)
            } else {
                REPLAY_DELAY
            };
            cx.arm(delay, Due::ReplayAttaches);
        }
    }

    /// Parked attaches are processed again; those of clients that have gone are not among them.
    pub(super) fn replay_attaches(&mut self, cx: &mut Context) {
        for (request, timer) in std::mem::take(&mut self.deferred.parked).into_values() {
            cx.disarm(timer);
            self.attach(cx, request, true);
        }
    }

    /// Opens a database here; says whether it is new.
    ///
    /// # Errors
    /// What keeps it from being opened, in words.
    pub(super) fn attach_here(
        &mut self,
        cx: &mut Context,
        name: &str,
        kind: Kind,
    ) -> Result<(DbId, bool), AttachError> {
        if name.is_empty() || name.contains('/') {
            return Err(refused("the name is empty or has a slash in it"));
        }
        let id = database_id(name);
        if let Some(db) = self.map.get(&id) {
            if db.name != name {
                let text = format!("its id {id} is that of database {}", db.name);
                return Err(refused(&text));
            }
            let wanted = match kind {
                Kind::Volatile => DbFlags::empty(),
                Kind::Persistent => DbFlags::PERSISTENT,
                Kind::Replicated => DbFlags::REPLICATED,
            };
            return if db.flags().contains(wanted) {
                Ok((id, false))
            } else {
                Err(refused(&format!(
                    "it is attached already with flags 0x{:x}",
                    db.flags()
                )))
            };
        }
        let unhealthy = if kind == Kind::Persistent {
            let health = self.storage.health(name);
            health.map_err(|error| refused(&error.to_string()))?
        } else {
            None
        };
        if let Some(reason) = unhealthy {
            // At the start it is attached, so that a recovery can bring a healthy copy.
            if cx.run_state() != RunState::INIT {
                return Err(refused(&format!("it is unhealthy: {reason}")));
            }
        }
        let (hash_size, max_dead) = (
            cx.tunables().database_hash_size(),
            cx.tunables().database_max_dead(),
        );
        let table =
            self.storage
                .open(name, kind, hash_size, max_dead)
                .map_err(|error| match error {
                    OpenError::Busy(reason) => AttachError::Busy(reason),
                    OpenError::Failed(error) => refused(&error.to_string()),
                })?;
        cx.notice(format!(
            "Attached to database '{}' with flags 0x{:x}",
            table.path(),
            table.open_flags()
        ));
        let mut db = Db::new(id, name.to_owned(), kind, table, cx.generation());
        if kind == Kind::Persistent {
            // Opening it may have shown that the file was damaged.
            let health = self.storage.health(name);
            db.take_health(cx, health.map_err(|error| refused(&error.to_string()))?);
        }
        let volatile = db.volatile();
        self.map.insert(id, db);
        self.order.insert(0, id);
        if volatile {
            self.arm_vacuum(cx, id);
        }
        Ok((id, true))
    }

    /// Attaches the persistent databases that this node has on disk and freezes them until the first
    /// recovery.
    pub(super) fn open_persistent(&mut self, cx: &mut Context) -> Result<(), OpenFailure> {
        let names = self.storage.persistent_names();
        let names = names.map_err(|error| OpenFailure::Refused {
            name: String::new(),
            reason: error.to_string(),
        })?;
        for name in names {
            match self.attach_here(cx, &name, Kind::Persistent) {
                Ok((id, true)) => self.with(id, |db| db.freeze(cx, None)),
                Ok((_, false)) => {}
                Err(AttachError::Busy(reason)) => return Err(OpenFailure::Busy { name, reason }),
                Err(AttachError::Refused(reason)) => {
                    return Err(OpenFailure::Refused { name, reason });
                }
            }
        }
        Ok(())
    }

    /// DB_DETACH. From a client it only asks all nodes to do it; from a daemon it is done.
    pub(super) fn detach(&mut self, cx: &mut Context, asker: Asker, id: DbId) -> bool {
        self.busy.forget(id);
        let Some(db) = self.map.get(&id) else {
            cx.error(format!("cannot detach unknown database {id}"));
            return false;
        };
        let refusal = if cx.tunables().allow_client_db_attach() == 1 {
            Some("clients are allowed access to databases (AllowClientDBAttach)")
        } else if !db.volatile() {
            Some("it is not volatile")
        } else if cx.recovering() {
            Some("a recovery is under way")
        } else {
            None
        };
        if let Some(refusal) = refusal {
            cx.error(format!("cannot detach database {}: {refusal}", db.name));
            return false;
        }
        if asker.client != ClientId(0) {
            cx.announce::<DbDetach>(Pnn::BROADCAST_CONNECTED, &id);
            return true;
        }
        self.forget(cx, id);
        true
    }

    fn forget(&mut self, cx: &mut Context, id: DbId) {
        self.stop_vacuum(cx, id);
        self.traverses.forget_database(cx, id);
        if let Some(mut db) = self.map.remove(&id) {
            db.thaw(cx);
            for (_, wait) in std::mem::take(&mut db.waits) {
                cx.settle(wait.ticket);
                cx.effect(crate::Effect::ReleaseLock {
                    ticket: wait.ticket,
                });
            }
            cx.notice(format!("Detached from database '{}'", db.name));
        }
        self.order.retain(|&other| other != id);
        cx.forget_later(id);
        cx.databases_mut().set_healthy(id, "", true);
    }
}

/// Tells the other nodes of a database that is new here.
fn announce(cx: &mut Context, request: &Request) {
    let name = Text::from(request.name.as_str());
    match request.kind {
        Kind::Volatile => announce_as::<DbAttach>(cx, &name),
        Kind::Persistent => announce_as::<DbAttachPersistent>(cx, &name),
        Kind::Replicated => announce_as::<DbAttachReplicated>(cx, &name),
    }
}

fn announce_as<C: Control<Request = Text>>(cx: &mut Context, name: &Text) {
    cx.announce::<C>(Pnn::BROADCAST_CONNECTED, name);
}
