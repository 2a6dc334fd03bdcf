//! PUSH_RECORD and PUSH_RECORD_STORE: a client's record is copied to every other active node, so that it
//! outlives the node that has it. smbd keeps its persistent file handles that way. (docs/decisions/0016)
//!
//! The client holds the record's lock until it is answered. So nothing here may wait for the end of a
//! recovery, which waits for that lock.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ctdb_protocol::control::PushRecordStore;
use ctdb_protocol::id::{ClientId, Pnn};
use ctdb_protocol::packet::ReplyControl;
use ctdb_protocol::types::{PushRecord, RecordFlags};

use crate::context::About;
use crate::context::Context;
use crate::control::Asker;
use crate::database::record::local::{read, write};
use crate::database::record::wait::{Locked, Parked};
use crate::database::{Asked, Due};
use crate::database::{Databases, Db};
use crate::store::StoreResult;
use crate::timer::TimerId;

/// `minor` of the first release of Samba 4 whose daemons know PUSH_RECORD_STORE.
const KNOWN_SINCE_MINOR: u32 = 25;

/// What upstream says to a record of another generation. smbd asks for the generation again, and pushes again
/// if it has changed.
const OUTDATED: &str = "Rejecting outdated push-record";

/// Records on their way to every node.
#[derive(Debug, Default)]
pub(in crate::database) struct Pushes {
    last: u64,
    under_way: BTreeMap<u64, Push>,
    /// Peers that do not know PUSH_RECORD_STORE; the log has it once for each connection.
    unknowing: BTreeSet<Pnn>,
}

/// One record on its way.
#[derive(Debug)]
struct Push {
    asker: Asker,
    /// The database's name, for the log.
    name: String,
    /// Nodes that have not answered.
    waiting: BTreeSet<Pnn>,
    /// Nodes that have stored it.
    stored: usize,
    /// Nodes that do not know how.
    unknowing: usize,
    /// What went wrong first.
    failure: Option<String>,
    timer: Option<TimerId>,
}

impl Pushes {
    /// A peer has gone; when it comes back it may be another release.
    pub(in crate::database) fn forget(&mut self, peer: Pnn) {
        self.unknowing.remove(&peer);
    }

    /// Whether none is under way.
    #[cfg(test)]
    #[must_use]
    pub(in crate::database) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }
}

impl Databases {
    /// PUSH_RECORD. From a client of this node: every other active node is to store the record. From
    /// anywhere else: it is stored, which is what it meant before 4.25 was released.
    pub(in crate::database) fn push_record(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        push: PushRecord,
    ) {
        if !asker.local {
            return self.store_pushed(cx, asker, push);
        }
        if let Err(reason) = self.may_push(cx, &push) {
            cx.error(format!("PUSH_RECORD: {reason}"));
            return cx.refuse(asker, -1, &reason);
        }
        let own = cx.pnn();
        let others: Vec<Pnn> = cx
            .expand(Pnn::BROADCAST_ACTIVE)
            .into_iter()
            .filter(|&node| node != own)
            .collect();
        if others.is_empty() {
            return cx.reply_status(asker, 0);
        }
        self.pushes.last += 1;
        let number = self.pushes.last;
        for &node in &others {
            let pending = Asked::PushRecord { push: number, node };
            // It is connected, or it would not be active.
            cx.control::<PushRecordStore>(node, &push, ClientId(0), pending);
        }
        let limit = cx.control_timeout();
        let timer = limit.map(|limit| cx.arm(limit, Due::PushRecord(number)));
        let name = self.map.get(&push.db_id).map(|db| db.name.clone());
        let push = Push {
            asker,
            name: name.unwrap_or_default(),
            waiting: others.into_iter().collect(),
            stored: 0,
            unknowing: 0,
            failure: None,
            timer,
        };
        self.pushes.under_way.insert(number, push);
    }

    /// Whether a client's record can be pushed at all, or why not.
    fn may_push(&self, cx: &Context, push: &PushRecord) -> Result<(), String> {
        let Some(db) = self.map.get(&push.db_id) else {
            return Err(format!("unknown database {}", push.db_id));
        };
        if !db.volatile() {
            return Err(format!("{} is on every node anyway", db.name));
        }
        if push.generation != cx.generation() {
            return Err(format!("{}: {OUTDATED}", db.name));
        }
        Ok(())
    }

    /// A node has answered its part of a push.
    pub(in crate::database) fn push_answered(
        &mut self,
        cx: &mut Context,
        number: u64,
        node: Pnn,
        answer: &ReplyControl,
    ) {
        let Some(push) = self.pushes.under_way.get_mut(&number) else {
            return;
        };
        push.waiting.remove(&node);
        if answer.status == 0 {
            push.stored += 1;
        } else if does_not_know(cx, node, answer) {
            push.unknowing += 1;
            if self.pushes.unknowing.insert(node) {
                cx.warning(format!(
                    "node {node} does not know PUSH_RECORD_STORE (Samba before 4.25): records that \
                     clients push are not kept there"
                ));
            }
        } else {
            let text = String::from_utf8_lossy(&answer.errormsg);
            let reason = if text.is_empty() {
                format!("status {}", answer.status)
            } else {
                text.trim_end_matches('\0').to_owned()
            };
            push.failure
                .get_or_insert_with(|| format!("node {node} did not store a record: {reason}"));
        }
        if push.waiting.is_empty() {
            self.end_push(cx, number);
        }
    }

    /// ControlTimeout is over for a push.
    pub(in crate::database) fn push_timed_out(&mut self, cx: &mut Context, number: u64) {
        let Some(push) = self.pushes.under_way.get_mut(&number) else {
            return;
        };
        cx.recall_about(About::Push(number), |_| true);
        push.timer = None;
        push.failure = Some(format!(
            "Timed out waiting for {} PUSH_RECORD_STORE replies",
            push.waiting.len()
        ));
        self.end_push(cx, number);
    }

    /// Everybody has answered, or nobody is waited for any more.
    fn end_push(&mut self, cx: &mut Context, number: u64) {
        let Some(push) = self.pushes.under_way.remove(&number) else {
            return;
        };
        if let Some(timer) = push.timer {
            cx.disarm(timer);
        }
        let failure = push.failure.or_else(|| {
            // A record that no other node has is lost with this one.
            (push.stored == 0)
                .then(|| format!("none of {} nodes can keep a record", push.unknowing))
        });
        match failure {
            None => cx.reply_status(push.asker, 0),
            Some(reason) => {
                cx.error(format!("{}: {reason}", push.name));
                cx.refuse(push.asker, -1, &reason);
            }
        }
    }

    /// PUSH_RECORD_STORE: keeps a copy of a record of another node.
    pub(in crate::database) fn store_pushed(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        push: PushRecord,
    ) {
        let (own, generation) = (cx.pnn(), cx.generation());
        let id = push.db_id;
        if push.generation != generation {
            return cx.refuse(asker, -1, OUTDATED);
        }
        if push.header.dmaster == own {
            return cx.reply_status(asker, 0);
        }
        match self.map.get_mut(&id) {
            Some(db) => db.store_pushed_record(cx, asker, push),
            None => cx.refuse(asker, -1, &format!("unknown database {id}")),
        }
    }
}

impl Db {
    fn store_pushed_record(&mut self, cx: &mut Context, asker: Asker, push: PushRecord) {
        if !self.volatile() {
            let reason = format!("{} is on every node anyway", self.name);
            return cx.refuse(asker, -1, &reason);
        }
        let key = Bytes::copy_from_slice(push.key.as_ref());
        let stored = if self.freeze.is_frozen() {
            // Not to be put off: the recovery waits for the client that waits for this.
            self.keep_frozen(cx.pnn(), &key, &push)
        } else {
            let park = |_: &Self, push| Parked::Pushed {
                asker,
                push: Box::new(push),
            };
            let kept = self.with_lock(cx, &key, push, park, |db, cx, push| {
                db.keep(cx.pnn(), &key, &push)
            });
            match kept {
                Locked::Done(stored) => stored,
                Locked::Parked => return,
                Locked::Failed => Err(crate::store::StoreError("it cannot be locked".to_owned())),
            }
        };
        match stored {
            Ok(()) => cx.reply_status(asker, 0),
            Err(error) => {
                let reason = format!(
                    "{}: cannot keep a record that was pushed here: {error}",
                    self.name
                );
                cx.error(&*reason);
                cx.refuse(asker, -1, &reason);
            }
        }
    }

    /// The whole file is locked for us.
    fn keep_frozen(&mut self, own: Pnn, key: &Bytes, push: &PushRecord) -> StoreResult<()> {
        if self.transaction.is_some() {
            // The recovery has all nodes' locks by now; who can still push is not part of it.
            return Err(crate::store::StoreError(
                "a recovery is writing the database".to_owned(),
            ));
        }
        self.table.mark_all()?;
        let stored = self.keep(own, key, push);
        self.table.unmark_all();
        stored
    }

    /// Writes the copy, unless what is here is newer: a push that was late must not undo what became of
    /// the record after its client had given up.
    fn keep(&mut self, own: Pnn, key: &Bytes, push: &PushRecord) -> StoreResult<()> {
        if let Some(here) = read(self.table.as_ref(), key)? {
            let (there, here) = (&push.header, &here.header);
            if here.rsn > there.rsn || (here.rsn == there.rsn && here.dmaster == own) {
                return Ok(());
            }
        }
        let mut header = push.header;
        header.flags.insert(RecordFlags::MIGRATED_WITH_DATA);
        write(self.table.as_mut(), key, &header, push.value.as_ref())?;
        self.unschedule(key);
        Ok(())
    }
}

/// Whether an answer is that of a daemon which has never heard of PUSH_RECORD_STORE: it says no without a
/// reason, and its release is older. This program says an old release too, to peers that are old, but
/// gives a reason.
fn does_not_know(cx: &Context, node: Pnn, answer: &ReplyControl) -> bool {
    let version = cx.peers().version(node);
    answer.errormsg.is_empty()
        && version.is_some_and(|word| word >> 16 == 4 && word & 0xffff < KNOWN_SINCE_MINOR)
}
