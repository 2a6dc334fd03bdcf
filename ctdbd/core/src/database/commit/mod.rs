//! Transactions of clients on persistent and replicated databases.
//!
//! TRANS3_COMMIT sends the records to every node of the vnn map as UPDATE_RECORD. If one of them fails, the
//! outcome is decided by a recovery, which takes the copy with the highest sequence number as a whole;
//! the client is answered when it ends. Answers to upstream's `ctdb_persistent.c`.

pub(in crate::database) mod kept_updates;
pub mod update;

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::control::UpdateRecord;
use ctdb_protocol::id::{ClientId, DbId, Generation, Pnn};
use ctdb_protocol::types::MarshallBuffer;

use crate::cluster;
use crate::context::Context;
use crate::context::{self, About};
use crate::control::Asker;
use crate::database::commit::update::Rule;
use crate::database::{Asked, Awaited, Due};
use crate::database::{Databases, Db};
use crate::effect::{Effect, LogLevel, Ticket};
use crate::statistics::{Count as _, add_latency};
use crate::timer::TimerId;

/// How long a node that refused its part of a commit is left alone. At the end of a recovery a node
/// may be asked a moment before it is out of it: C nodes look at the cluster lock first.
const AGAIN: Duration = Duration::from_millis(50);
/// How often a commit's refusals are answered with another try before a recovery has to decide.
const TRIES: u32 = 20;

/// A commit under way.
#[derive(Debug)]
pub(in crate::database) struct Commit {
    id: u64,
    asker: Asker,
    /// The cluster's generation when it began.
    generation: Generation,
    /// What every node is to store.
    buffer: MarshallBuffer,
    /// Refusals that may still be answered with another try.
    tries: u32,
    /// Nodes that have not answered.
    waiting: BTreeSet<Pnn>,
    /// A node has refused: a recovery decides.
    failed: bool,
    timer: Option<TimerId>,
}

/// An UPDATE_RECORD that a helper is carrying out.
#[derive(Debug)]
pub(in crate::database) struct Updating {
    /// Who is to be told.
    asker: Asker,
    /// The database's name, for the log.
    name: String,
    /// When it began, monotonic microseconds.
    since_us: u64,
    /// Gives up after ControlTimeout.
    timer: Option<TimerId>,
}

impl Databases {
    /// TRANS3_COMMIT of a local client; false when it is refused.
    pub(in crate::database) fn commit(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        buffer: MarshallBuffer,
    ) -> bool {
        if cx.recovering() {
            cx.info("a transaction cannot be committed while a recovery is under way");
            return false;
        }
        if !asker.local {
            cx.error("a transaction was committed by someone who is no client of this node");
            return false;
        }
        let of_client = |db: &Db| {
            let commit = db.commit.as_ref();
            commit.is_some_and(|commit| commit.asker.client == asker.client)
        };
        if self.map.values().any(of_client) {
            cx.error(format!(
                "client {} commits two transactions at once",
                asker.client
            ));
            return false;
        }
        let Some(db) = self.map.get_mut(&buffer.db_id) else {
            cx.error(format!(
                "unknown database {} in a transaction",
                buffer.db_id
            ));
            return false;
        };
        if db.commit.is_some() {
            cx.error(format!(
                "{}: a transaction is being committed already",
                db.name
            ));
            return false;
        }
        db.last_commit += 1;
        let id = db.last_commit;
        // Its flags do not count: who was banned when this node last heard of it may be back, in this
        // very generation. If it is not, it refuses. C passes over it, and it lacks the records then.
        let (reached, passed_over): (Vec<Pnn>, Vec<Pnn>) = cx
            .vnn_map()
            .nodes
            .iter()
            .copied()
            .partition(|&node| cx.member(node).is_some_and(|m| m.connected()));
        for node in passed_over {
            // The leader may see it all the while: then no recovery would ever give it this commit.
            cx.note_missing(node);
        }
        let mut waiting = BTreeSet::new();
        for node in reached {
            let pending = Asked::Commit {
                db: db.id,
                commit: id,
                node,
            };
            if !cx.control::<UpdateRecord>(node, &buffer, asker.client, pending) {
                forget_parts(cx, db.id, id);
                recovery_decides(cx, db.id);
                return false;
            }
            waiting.insert(node);
        }
        if waiting.is_empty() {
            cx.reply_status(asker, 0);
            return true;
        }
        let limit = cx.control_timeout();
        let timer = limit.map(|limit| cx.arm(limit, Due::Commit(db.id, id)));
        db.commit = Some(Commit {
            id,
            asker,
            generation: cx.generation(),
            buffer,
            tries: TRIES,
            waiting,
            failed: false,
            timer,
        });
        true
    }

    /// The database whose running commit has this number, unless a recovery decides that commit.
    fn undecided(&mut self, cx: &Context, id: DbId, commit_id: u64) -> Option<&mut Db> {
        let running = |db: &&mut Db| {
            let commit = db.commit.as_ref();
            commit.is_some_and(|commit| commit.id == commit_id && !commit.failed)
        };
        let db = self.map.get_mut(&id).filter(running);
        db.filter(|_| !cx.recovering())
    }

    /// A node has answered its part of a commit.
    pub(in crate::database) fn commit_answered(
        &mut self,
        cx: &mut Context,
        id: DbId,
        commit_id: u64,
        node: Pnn,
        status: i32,
    ) {
        let Some(db) = self.undecided(cx, id, commit_id) else {
            return;
        };
        let Some(commit) = &mut db.commit else {
            return;
        };
        if status != 0 && commit.tries > 0 {
            commit.tries -= 1;
            cx.info(format!(
                "{}: node {node} refused a transaction (status {status}), it is asked again",
                db.name
            ));
            cx.arm(AGAIN, Due::CommitAgain(id, commit_id, node));
            return;
        }
        if status != 0 {
            cx.error(format!(
                "{}: node {node} could not store a transaction (status {status}), a recovery decides",
                db.name
            ));
            commit.failed = true;
            return recovery_decides(cx, id);
        }
        commit.waiting.remove(&node);
        if !commit.waiting.is_empty() {
            return;
        }
        let asker = commit.asker;
        db.end_commit(cx);
        cx.reply_status(asker, 0);
    }

    /// A node that refused its part of a commit is asked again. Storing the same records twice does
    /// no harm.
    pub(in crate::database) fn commit_again(
        &mut self,
        cx: &mut Context,
        id: DbId,
        commit_id: u64,
        node: Pnn,
    ) {
        let Some(db) = self.undecided(cx, id, commit_id) else {
            return;
        };
        let Some(commit) = &mut db.commit else {
            return;
        };
        let pending = Asked::Commit {
            db: id,
            commit: commit_id,
            node,
        };
        if !cx.control::<UpdateRecord>(node, &commit.buffer, commit.asker.client, pending) {
            cx.error(format!(
                "{}: node {node} went away in the middle of a commit, a recovery decides",
                db.name
            ));
            commit.failed = true;
            recovery_decides(cx, id);
        }
    }

    /// ControlTimeout is over for a commit.
    pub(in crate::database) fn commit_timed_out(
        &mut self,
        cx: &mut Context,
        id: DbId,
        commit_id: u64,
    ) {
        let Some(db) = self.undecided(cx, id, commit_id) else {
            return;
        };
        let Some(commit) = &db.commit else {
            return;
        };
        let asker = commit.asker;
        db.end_commit(cx);
        cx.refuse(asker, 1, "timeout in ctdb_persistent_state");
    }

    /// A recovery has ended: it has decided every commit that it cut off. One that began after the
    /// databases were recovered, while other nodes were still on their way out of the recovery, goes on:
    /// the client would find its own copy changed, take that for the recovery's work, and let go of a
    /// lock while nodes still lack the change.
    pub(in crate::database) fn end_commits_cut_off(&mut self, cx: &mut Context) {
        let current = cx.generation();
        for db in self.map.values_mut() {
            let cut_off = |commit: &&Commit| commit.failed || commit.generation != current;
            if let Some(asker) = db
                .commit
                .as_ref()
                .filter(cut_off)
                .map(|commit| commit.asker)
            {
                db.end_commit(cx);
                cx.refuse(asker, 2, "trans3 commit ended by recovery");
            }
        }
    }

    /// UPDATE_RECORD of any node; false when it is refused.
    pub(in crate::database) fn update(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        id: DbId,
        buffer: Bytes,
    ) -> bool {
        if cx.recovering() {
            if self.keep_update(cx, asker, id, &buffer) {
                return true;
            }
            cx.info("records cannot be updated while a recovery is under way");
            return false;
        }
        self.begin_update(cx, asker, id, buffer).is_some()
    }

    /// Has a helper carry an update out. None: it is refused.
    pub(in crate::database) fn begin_update(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        id: DbId,
        buffer: Bytes,
    ) -> Option<Ticket> {
        let Some(db) = self.map.get(&id) else {
            cx.error(format!("unknown database {id} in an update"));
            return None;
        };
        if let Some(reason) = &db.unhealthy {
            let text = format!("db({}) unhealthy in an update: {reason}", db.name);
            cx.error(text);
            return None;
        }
        cx.count(|s| {
            s.childwrite_calls.up();
            s.pending_childwrite_calls.up();
        });
        let rule = if db.volatile() {
            Rule::Replace
        } else {
            Rule::Store
        };
        let since_us = cx.now().monotonic_us;
        let (path, open_flags) = (db.table.path().to_owned(), db.table.open_flags());
        let name = db.name.clone();
        let ticket = cx.expect(Awaited::Update);
        let limit = cx.control_timeout();
        let updating = Updating {
            asker,
            name,
            since_us,
            timer: limit.map(|limit| cx.arm(limit, Due::Update(ticket))),
        };
        self.updates.insert(ticket, updating);
        cx.effect(Effect::Update {
            ticket,
            path,
            open_flags,
            rule,
            buffer,
        });
        Some(ticket)
    }

    /// A helper has carried out an update.
    pub(crate) fn update_done(&mut self, cx: &mut Context, ticket: Ticket, status: i32) {
        cx.settle(ticket);
        let Some(updating) = self.updates.remove(&ticket) else {
            return;
        };
        if let Some(timer) = updating.timer {
            cx.disarm(timer);
        }
        let latency_s = cx.now().seconds_since(updating.since_us);
        cx.count(|s| {
            s.pending_childwrite_calls = s.pending_childwrite_calls.saturating_sub(1);
            add_latency(&mut s.childwrite_latency, latency_s);
        });
        cx.note_latency(LogLevel::Warning, latency_s, "persistent", &updating.name);
        cx.reply_status(updating.asker, status);
        self.update_ended(cx, ticket);
    }

    /// An update has taken longer than ControlTimeout.
    pub(in crate::database) fn update_timed_out(&mut self, cx: &mut Context, ticket: Ticket) {
        cx.settle(ticket);
        if let Some(updating) = self.updates.remove(&ticket) {
            cx.count(|s| s.pending_childwrite_calls = s.pending_childwrite_calls.saturating_sub(1));
            cx.refuse(updating.asker, -1, "timeout in ctdb_persistent_lock");
        }
        self.update_ended(cx, ticket);
    }
}

impl Db {
    fn end_commit(&mut self, cx: &mut Context) {
        if let Some(commit) = self.commit.take() {
            if let Some(timer) = commit.timer {
                cx.disarm(timer);
            }
            let id = self.id;
            forget_parts(cx, id, commit.id);
        }
    }

    /// The client of a commit has gone: a recovery decides.
    pub(in crate::database) fn abandon_commit(&mut self, cx: &mut Context, client: ClientId) {
        if self
            .commit
            .as_ref()
            .is_some_and(|commit| commit.asker.client == client)
        {
            self.end_commit(cx);
            cx.error(format!(
                "{}: client {client} went away in the middle of a commit, a recovery decides",
                self.name
            ));
            let reason = cluster::Reason::ClientGone(client);
            cx.post(cluster::Letter::RecoveryWanted(reason));
        }
    }
}

/// A commit was not stored by every node.
fn recovery_decides(cx: &mut Context, db: DbId) {
    let reason = cluster::Reason::Commit(db);
    cx.post(cluster::Letter::RecoveryWanted(reason));
}

/// Answers of nodes to a commit are not wanted any more.
fn forget_parts(cx: &mut Context, db: DbId, id: u64) {
    cx.recall_about(About::Database(db), |asked| {
        matches!(
            asked,
            context::Asked::Database(Asked::Commit { commit, .. }) if *commit == id
        )
    });
}
