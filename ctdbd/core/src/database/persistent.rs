//! Transactions of clients on persistent and replicated databases.
//!
//! TRANS3_COMMIT sends the records to every node of the vnn map as UPDATE_RECORD. If one of them fails, the
//! outcome is decided by a recovery, which takes the copy with the highest sequence number as a whole;
//! the client is answered when it ends. Answers to upstream's `ctdb_persistent.c`.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::control::UpdateRecord;
use ctdb_protocol::id::{ClientId, DbId, Generation, Pnn};
use ctdb_protocol::types::MarshallBuffer;

use super::update::Rule;
use super::{Databases, Db};
use crate::effect::{Effect, LogLevel, Ticket};
use crate::requests::About;
use crate::shared::{Asker, Pending, RecoveryMode, Shared, Timer, Waiting};
use crate::statistics::add_latency;
use crate::timer::TimerId;

/// How long a node that refused its part of a commit is left alone. At the end of a recovery a node
/// may be asked a moment before it is out of it: C nodes look at the cluster lock first.
const AGAIN: Duration = Duration::from_millis(50);
/// How often a commit's refusals are answered with another try before a recovery has to decide.
const TRIES: u32 = 20;

/// A commit under way.
#[derive(Debug)]
pub struct Commit {
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
pub struct Updating {
    /// Who is to be told.
    pub asker: Asker,
    /// The database's name, for the log.
    pub name: String,
    /// When it began, monotonic microseconds.
    pub since_us: u64,
    /// Gives up after ControlTimeout.
    pub timer: Option<TimerId>,
}

impl Databases {
    /// TRANS3_COMMIT of a local client. The caller has checked the client and remembers its commit
    /// when this returns true.
    pub fn commit(&mut self, cx: &mut Shared, asker: Asker, buffer: MarshallBuffer) -> bool {
        if cx.recovery_mode != RecoveryMode::Normal {
            cx.info("a transaction cannot be committed while a recovery is under way");
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
            .vnn_map
            .nodes
            .iter()
            .copied()
            .partition(|&node| cx.members.find(node).is_some_and(|m| m.connected()));
        for node in passed_over {
            // The leader may see it all the while: then no recovery would ever give it this commit.
            cx.note_missing(node);
        }
        let mut waiting = BTreeSet::new();
        for node in reached {
            let pending = Pending::Commit {
                db: db.id,
                commit: id,
                node,
            };
            if !cx.control::<UpdateRecord>(node, &buffer, asker.client, pending) {
                cx.recall_about(
                    About::Database(db.id),
                    |p| matches!(p, Pending::Commit { commit, .. } if *commit == id),
                );
                cx.recovery_mode = RecoveryMode::Active;
                return false;
            }
            waiting.insert(node);
        }
        if waiting.is_empty() {
            cx.reply_status(asker, 0);
            return true;
        }
        let timeout_s = cx.tunables.control_timeout();
        let timer = (timeout_s > 0).then(|| {
            cx.arm(
                Duration::from_secs(u64::from(timeout_s)),
                Timer::Commit(db.id, id),
            )
        });
        db.commit = Some(Commit {
            id,
            asker,
            generation: cx.vnn_map.generation,
            buffer,
            tries: TRIES,
            waiting,
            failed: false,
            timer,
        });
        true
    }

    /// A node has answered its part of a commit. Returns the client whose commit has ended.
    pub fn commit_answered(
        &mut self,
        cx: &mut Shared,
        id: DbId,
        commit_id: u64,
        node: Pnn,
        status: i32,
    ) -> Option<ClientId> {
        let db = self.map.get_mut(&id)?;
        let commit = db.commit.as_mut().filter(|commit| commit.id == commit_id)?;
        if cx.recovery_mode != RecoveryMode::Normal || commit.failed {
            return None;
        }
        if status != 0 && commit.tries > 0 {
            commit.tries -= 1;
            cx.info(format!(
                "{}: node {node} refused a transaction (status {status}), it is asked again",
                db.name
            ));
            cx.arm(AGAIN, Timer::CommitAgain(id, commit_id, node));
            return None;
        }
        if status != 0 {
            cx.error(format!(
                "{}: node {node} could not store a transaction (status {status}), a recovery decides",
                db.name
            ));
            commit.failed = true;
            cx.recovery_mode = RecoveryMode::Active;
            return None;
        }
        commit.waiting.remove(&node);
        if !commit.waiting.is_empty() {
            return None;
        }
        let asker = commit.asker;
        db.end_commit(cx);
        cx.reply_status(asker, 0);
        Some(asker.client)
    }

    /// A node that refused its part of a commit is asked again. Storing the same records twice does
    /// no harm.
    pub fn commit_again(&mut self, cx: &mut Shared, id: DbId, commit_id: u64, node: Pnn) {
        let Some(db) = self.map.get_mut(&id) else {
            return;
        };
        let Some(commit) = db.commit.as_mut().filter(|commit| commit.id == commit_id) else {
            return;
        };
        if cx.recovery_mode != RecoveryMode::Normal || commit.failed {
            return;
        }
        let pending = Pending::Commit {
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
            cx.recovery_mode = RecoveryMode::Active;
        }
    }

    /// ControlTimeout is over for a commit. Returns the client whose commit has ended.
    pub fn commit_timed_out(
        &mut self,
        cx: &mut Shared,
        id: DbId,
        commit_id: u64,
    ) -> Option<ClientId> {
        let db = self.map.get_mut(&id)?;
        let commit = db.commit.as_ref().filter(|commit| commit.id == commit_id)?;
        if cx.recovery_mode != RecoveryMode::Normal || commit.failed {
            return None;
        }
        let asker = commit.asker;
        db.end_commit(cx);
        cx.refuse(asker, 1, "timeout in ctdb_persistent_state");
        Some(asker.client)
    }

    /// A recovery has ended: it has decided every commit that it cut off. One that began after the
    /// databases were recovered, while other nodes were still on their way out of the recovery, goes on:
    /// the client would find its own copy changed, take that for the recovery's work, and let go of a
    /// lock while nodes still lack the change.
    pub fn commits_cut_off(&mut self, cx: &mut Shared) -> Vec<ClientId> {
        let mut clients = Vec::new();
        let current = cx.vnn_map.generation;
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
                clients.push(asker.client);
            }
        }
        clients
    }

    /// UPDATE_RECORD of any node; false when it is refused.
    pub fn update(&mut self, cx: &mut Shared, asker: Asker, id: DbId, buffer: Bytes) -> bool {
        if cx.recovery_mode != RecoveryMode::Normal {
            if self.keep_late(cx, asker, id, &buffer) {
                return true;
            }
            cx.info("records cannot be updated while a recovery is under way");
            return false;
        }
        self.begin_update(cx, asker, id, buffer).is_some()
    }

    /// Has a helper carry an update out. None: it is refused.
    pub(super) fn begin_update(
        &mut self,
        cx: &mut Shared,
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
        cx.statistics.count(|s| {
            s.childwrite_calls += 1;
            s.pending_childwrite_calls += 1;
        });
        let rule = if db.volatile() {
            Rule::Replace
        } else {
            Rule::Store
        };
        let since_us = cx.now.monotonic_us;
        let (path, open_flags) = (db.table.path().to_owned(), db.table.open_flags());
        let ticket = cx.expect(Waiting::Update(Updating {
            asker,
            name: db.name.clone(),
            since_us,
            timer: None,
        }));
        cx.out.push(Effect::Update {
            ticket,
            path,
            open_flags,
            rule,
            buffer,
        });
        let timeout_s = cx.tunables.control_timeout();
        if timeout_s > 0 {
            cx.arm(
                Duration::from_secs(u64::from(timeout_s)),
                Timer::Update(ticket),
            );
        }
        Some(ticket)
    }
}

/// A helper has carried out an update.
pub fn update_done(cx: &mut Shared, updating: &Updating, status: i32) {
    let latency_s = cx.now.seconds_since(updating.since_us);
    cx.statistics.count(|s| {
        s.pending_childwrite_calls = s.pending_childwrite_calls.saturating_sub(1);
        add_latency(&mut s.childwrite_latency, latency_s);
    });
    cx.note_latency(LogLevel::Warning, latency_s, "persistent", &updating.name);
    cx.reply_status(updating.asker, status);
}

/// An update has taken longer than ControlTimeout.
pub fn update_timed_out(cx: &mut Shared, ticket: Ticket) {
    if let Some(Waiting::Update(updating)) = cx.settle(ticket) {
        cx.statistics
            .count(|s| s.pending_childwrite_calls = s.pending_childwrite_calls.saturating_sub(1));
        cx.refuse(updating.asker, -1, "timeout in ctdb_persistent_lock");
    }
}

impl Db {
    fn end_commit(&mut self, cx: &mut Shared) {
        if let Some(commit) = self.commit.take() {
            if let Some(timer) = commit.timer {
                cx.timers.disarm(timer);
            }
            let id = self.id;
            cx.recall_about(
                About::Database(id),
                |p| matches!(p, Pending::Commit { commit: c, .. } if *c == commit.id),
            );
        }
    }

    /// The client of a commit has gone: a recovery decides.
    pub fn abandon_commit(&mut self, cx: &mut Shared, client: ClientId) {
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
            cx.recovery_mode = RecoveryMode::Active;
        }
    }
}
