//! What the database service is told, what it lets everybody see, and what its timers, waits and questions are for.

use std::collections::BTreeMap;

use bytes::Bytes;
use ctdb_protocol::id::{DbId, Generation, Pnn, ReqId};
use ctdb_protocol::packet::ReplyControl;
use ctdb_protocol::types::MarshallBuffer;
use ctdb_protocol::wire::front;

use super::Databases;
use crate::cluster;
use crate::context::{self, About, Context};
use crate::control::{Asker, failed};
use crate::effect::Ticket;

/// What other services tell this one.
#[derive(Debug)]
pub enum Letter {
    /// Cluster: open the persistent databases that are on disk, and freeze them until the first recovery.
    /// Acknowledged with [`cluster::Letter::PersistentOpen`].
    OpenPersistent,
    /// Cluster: the node leaves the active set. Acknowledged with [`cluster::Letter::Inactive`] to `Some`.
    BecameInactive(Option<Asker>),
    /// Cluster: a recovery wants to end here. Acknowledged with [`cluster::Letter::MayLeaveRecovery`].
    PrepareToLeave(Asker),
    /// Cluster: recovery mode has ended. Acknowledged with [`cluster::Letter::LeftRecovery`] when what was kept
    /// for this moment is stored.
    LeaveRecovery(Asker),
    /// Cluster: a recovery has ended everywhere. Acknowledged with [`cluster::Letter::CommitsEnded`] when the
    /// commits that it cut off are answered.
    EndCommits(Asker),
    /// Cluster: clients that had to wait before the node could serve them can be served.
    ServeAttaches,
    /// Cluster: whether what ends a storage fault has come true. Answered with [`cluster::Letter::Looked`].
    LookFor(cluster::Cure),
    /// Transport: a peer has gone; nobody need wait for its answer.
    PeerGone(Pnn),
}

/// Why the persistent databases cannot be opened at the start.
#[derive(Debug)]
pub enum OpenFailure {
    /// Somebody has the file of one locked; it can be tried again.
    Busy {
        /// Its name.
        name: String,
        /// Who, and what to do.
        reason: String,
    },
    /// They cannot be.
    Refused {
        /// The name of the one that fails; empty if it is the folder.
        name: String,
        /// In words.
        reason: String,
    },
}

/// What a timer of this service is for.
#[derive(Debug)]
pub enum Due {
    /// A parked attach has waited long enough.
    DeferredAttach(u64),
    /// Replay parked attaches: recovery has ended.
    ReplayAttaches,
    /// Try databases again whose files somebody has locked.
    BusyFiles,
    /// A fetch-collapse queue has waited long enough.
    Collapse(DbId, ReqId),
    /// TraverseTimeout.
    Traverse(u32),
    /// Look whether the sequence number of a database has changed.
    Sequence(DbId),
    /// A vacuum run is due.
    Vacuum(DbId),
    /// Take up the vacuum run again.
    VacuumSlice,
    /// VacuumMaxRunTime is over.
    VacuumLimit(DbId),
    /// A revoke took too long.
    Revoke(DbId, u64),
    /// Replay calls that a failed revoke left waiting.
    RevokeReplay(DbId, u64),
    /// A pinned sticky record may leave.
    Unpin(DbId, Bytes),
    /// A sticky record is an ordinary one again.
    Unstick(DbId, Bytes),
    /// A commit was not answered in time.
    Commit(DbId, u64),
    /// A node that refused its part of a commit is asked again.
    CommitAgain(DbId, u64, Pnn),
    /// A record was not stored by every node in time.
    PushRecord(u64),
    /// An UPDATE_RECORD that waits for the end of a recovery has waited long enough.
    KeptUpdate(u64),
    /// The end of a recovery has waited long enough for updates that were kept.
    LeaveRecovery,
    /// A transaction of UPDATE_RECORD took too long.
    Update(Ticket),
}

/// What an answer of the shell is for.
#[derive(Debug, Clone, Copy)]
pub enum Awaited {
    /// The lock of one chain, for the packets parked behind it.
    ChainLock(DbId, u32),
    /// The lock of a whole file, for a freeze.
    FileLock(DbId),
    /// A walk over a file for a traverse that some node has started.
    TraverseScan,
    /// A walk over a file for a full vacuum run.
    VacuumScan,
    /// A transaction for UPDATE_RECORD.
    Update,
    /// A repack after a vacuum run.
    Repack,
}

/// What another node was asked for.
#[derive(Debug)]
pub enum Asked {
    /// A record call of a local client.
    Call(DbId),
    /// A part of a transaction commit: UPDATE_RECORD to one node.
    Commit {
        /// Database that the commit is for.
        db: DbId,
        /// Number of the commit in that database.
        commit: u64,
        /// Node that was asked.
        node: Pnn,
    },
    /// A part of a revoke: UPDATE_RECORD to one holder of a read-only copy.
    Revoke {
        /// Database.
        db: DbId,
        /// Number of the revoke in that database.
        revoke: u64,
        /// Node that was asked.
        node: Pnn,
    },
    /// A part of a vacuum run: TRY_DELETE_RECORDS to one node.
    VacuumDelete {
        /// Database.
        db: DbId,
        /// Node that was asked.
        node: Pnn,
    },
    /// A part of a client's PUSH_RECORD: PUSH_RECORD_STORE to one node.
    PushRecord {
        /// Number of the push.
        push: u64,
        /// Node that was asked.
        node: Pnn,
    },
}

impl Asked {
    /// What it is to be found by.
    pub(crate) fn subjects(&self) -> [Option<About>; 2] {
        match *self {
            // Found in its database, which knows the client too.
            Self::Call(_) => [None, None],
            Self::Commit { db, node, .. }
            | Self::Revoke { db, node, .. }
            | Self::VacuumDelete { db, node } => {
                [Some(About::Database(db)), Some(About::Node(node))]
            }
            Self::PushRecord { push, node } => [Some(About::Push(push)), Some(About::Node(node))],
        }
    }

    /// Whether its time limit is its own and not that of controls.
    fn has_own_limit(&self) -> bool {
        matches!(
            self,
            Self::Call(_) | Self::Commit { .. } | Self::PushRecord { .. }
        )
    }
}

/// What everybody may know of the databases. Only this service can change it.
#[derive(Debug, Default)]
pub struct View {
    unhealthy: BTreeMap<DbId, String>,
    all_frozen: bool,
}

impl View {
    /// The name of a database that is not to be trusted, if there is one.
    #[must_use]
    pub fn unhealthy(&self) -> Option<&str> {
        self.unhealthy.values().next().map(String::as_str)
    }

    /// Whether FREEZE was asked for and every database is frozen.
    #[must_use]
    pub fn all_frozen(&self) -> bool {
        self.all_frozen
    }

    pub(super) fn set_healthy(&mut self, id: DbId, name: &str, healthy: bool) {
        if healthy {
            self.unhealthy.remove(&id);
        } else {
            self.unhealthy.insert(id, name.to_owned());
        }
    }

    pub(super) fn set_all_frozen(&mut self, all_frozen: bool) {
        self.all_frozen = all_frozen;
    }
}

impl Databases {
    /// Reads a letter.
    pub(crate) fn read(&mut self, cx: &mut Context, letter: Letter) {
        match letter {
            Letter::OpenPersistent => {
                let result = self.open_persistent(cx);
                cx.post(cluster::Letter::PersistentOpen(result));
            }
            Letter::BecameInactive(asker) => {
                for db in self.map.values_mut() {
                    db.generation = Generation::INVALID;
                }
                self.freeze_all(cx, None);
                if let Some(asker) = asker {
                    cx.post(cluster::Letter::Inactive(asker));
                }
            }
            Letter::PrepareToLeave(asker) => {
                let result = self.prepare_to_leave(cx);
                cx.post(cluster::Letter::MayLeaveRecovery(asker, result));
            }
            Letter::LeaveRecovery(asker) => {
                self.deferred_soon(cx);
                self.leave_recovery(cx, asker);
            }
            Letter::EndCommits(asker) => {
                self.end_commits_cut_off(cx);
                cx.post(cluster::Letter::CommitsEnded(asker));
            }
            Letter::ServeAttaches => self.deferred_soon(cx),
            Letter::LookFor(cure) => {
                let found = self.look_for(&cure);
                cx.post(cluster::Letter::Looked(found));
            }
            Letter::PeerGone(peer) => self.peer_gone(cx, peer),
        }
    }

    /// A timer.
    pub(crate) fn due(&mut self, cx: &mut Context, due: Due) {
        match due {
            Due::DeferredAttach(number) => self.deferred_expired(cx, number),
            Due::ReplayAttaches => self.replay_attaches(cx),
            Due::BusyFiles => self.open_busy(cx),
            Due::Collapse(db, reqid) => self.with(db, |db| db.collapse_expired(cx, reqid)),
            Due::Traverse(number) => self.traverse_timed_out(cx, number),
            Due::Sequence(db) => self.sequence_tick(cx, db),
            Due::Vacuum(db) => self.vacuum_due(cx, db),
            Due::VacuumSlice => self.vacuum_continue(cx),
            Due::VacuumLimit(db) => self.stop_vacuum(cx, db),
            Due::Revoke(db, id) => self.with(db, |db| db.revoke_timed_out(cx, id)),
            Due::RevokeReplay(db, id) => self.with(db, |db| db.revoke_replay(cx, id)),
            Due::Unpin(db, key) => self.with(db, |db| db.unpin(cx, &key)),
            Due::Unstick(db, key) => self.with(db, |db| db.unstick(&key)),
            Due::Commit(db, id) => self.commit_timed_out(cx, db, id),
            Due::CommitAgain(db, id, node) => self.commit_again(cx, db, id, node),
            Due::PushRecord(push) => self.push_timed_out(cx, push),
            Due::KeptUpdate(number) => self.kept_expired(cx, number),
            Due::LeaveRecovery => self.kept_stored(cx),
            Due::Update(ticket) => self.update_timed_out(cx, ticket),
        }
    }

    /// Another node has answered.
    pub(crate) fn answered(&mut self, cx: &mut Context, asked: Asked, answer: &ReplyControl) {
        match asked {
            Asked::Call(_) => {}
            Asked::Commit { db, commit, node } => {
                self.commit_answered(cx, db, commit, node, answer.status);
            }
            Asked::Revoke { db, revoke, node } => {
                self.with(db, |db| db.revoke_answered(cx, revoke, node, answer.status));
            }
            Asked::VacuumDelete { db, node } => {
                let kept = (answer.status == 0)
                    .then(|| front::<MarshallBuffer>(&answer.data).ok())
                    .flatten();
                self.vacuum_asked(cx, db, node, kept.as_ref());
            }
            Asked::PushRecord { push, node } => self.push_answered(cx, push, node, answer),
        }
    }

    /// ControlTimeout is over for a question.
    pub(crate) fn question_timed_out(&mut self, cx: &mut Context, asked: Asked) {
        if !asked.has_own_limit() {
            self.answered(cx, asked, &failed("ctdb_control timed out"));
        }
    }

    fn peer_gone(&mut self, cx: &mut Context, peer: Pnn) {
        self.pushes.forget(peer);
        let own = |asked: &context::Asked| matches!(asked, context::Asked::Database(_));
        for (_, asked) in cx.recall_about(About::Node(peer), own) {
            if let context::Asked::Database(asked) = asked {
                self.answered(cx, asked, &failed("node is disconnected"));
            }
        }
    }

    /// Does something with a database, if it is still there.
    pub(super) fn with(&mut self, id: DbId, act: impl FnOnce(&mut super::Db)) {
        if let Some(db) = self.map.get_mut(&id) {
            act(db);
        }
    }
}
