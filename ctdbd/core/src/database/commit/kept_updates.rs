//! Updates that come a moment before this node has left a recovery.
//!
//! A recovery ends on every node by itself: SET_RECMODE goes to all of them at once, and each looks at
//! the cluster lock before it is out. Who is out first may commit at once. Its UPDATE_RECORD is refused by
//! upstream's nodes that are still leaving, and its answer to that is one more recovery. Ours keeps
//! such an update until it is out itself, and says that it is out when the update is stored: END_RECOVERY
//! follows when all nodes have said so, and C's nodes take it for the end of commits that are under way.
//! Their clients would let go of a lock while this node still lacks what they have written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::id::{DbId, Generation};

use crate::cluster;
use crate::context::Context;
use crate::control::Asker;
use crate::database::Databases;
use crate::database::Due;
use crate::effect::Ticket;
use crate::timer::TimerId;

/// How long an update is kept: far less than the ControlTimeout after which its sender gives up.
const LIMIT: Duration = Duration::from_secs(5);
/// How long the end of a recovery waits for kept updates: far less than the leader waits for this node.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct KeptUpdate {
    asker: Asker,
    db: DbId,
    /// The recovery that this node is about to leave.
    generation: Generation,
    buffer: Bytes,
    timer: TimerId,
}

/// The updates that are kept.
#[derive(Debug, Default)]
pub(in crate::database) struct KeptUpdates {
    last: u64,
    kept: BTreeMap<u64, KeptUpdate>,
    /// Parts of commits that were kept and are being stored.
    storing: BTreeSet<Ticket>,
    /// Who has told this node to leave the recovery, and hears that it has when those are stored.
    leaders: Vec<Asker>,
}

impl Databases {
    /// Keeps an UPDATE_RECORD that came during a recovery, if the recovery is done with its database.
    /// False: it is not, refuse the update.
    pub(in crate::database) fn keep_update(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        id: DbId,
        buffer: &Bytes,
    ) -> bool {
        let current = cx.generation();
        let rebuilt = self
            .map
            .get(&id)
            .is_some_and(|db| db.rebuilt && db.freeze.is_thawed() && db.generation == current);
        if !rebuilt {
            return false;
        }
        self.kept_updates.last += 1;
        let number = self.kept_updates.last;
        let update = KeptUpdate {
            asker,
            db: id,
            generation: current,
            buffer: buffer.clone(),
            timer: cx.arm(LIMIT, Due::KeptUpdate(number)),
        };
        self.kept_updates.kept.insert(number, update);
        true
    }

    /// This node has left the recovery: what was kept is done, and then the cluster service hears of it.
    pub(in crate::database) fn leave_recovery(&mut self, cx: &mut Context, leader: Asker) {
        self.serve_kept(cx);
        self.kept_updates.leaders.push(leader);
        if self.kept_updates.storing.is_empty() {
            self.kept_stored(cx);
        } else {
            cx.arm(LEAVE_LIMIT, Due::LeaveRecovery);
        }
    }

    /// An update has been carried out or given up.
    pub(in crate::database) fn update_ended(&mut self, cx: &mut Context, ticket: Ticket) {
        if self.kept_updates.storing.remove(&ticket) && self.kept_updates.storing.is_empty() {
            self.kept_stored(cx);
        }
    }

    /// Every kept commit is stored, or they take too long.
    pub(in crate::database) fn kept_stored(&mut self, cx: &mut Context) {
        self.kept_updates.storing.clear();
        for leader in std::mem::take(&mut self.kept_updates.leaders) {
            cx.post(cluster::Letter::LeftRecovery(leader));
        }
    }

    /// Begins what was kept, unless another recovery came between.
    fn serve_kept(&mut self, cx: &mut Context) {
        for db in self.map.values_mut() {
            db.rebuilt = false;
        }
        for update in std::mem::take(&mut self.kept_updates.kept).into_values() {
            cx.disarm(update.timer);
            let db = self.map.get(&update.db);
            let same = db.is_some_and(|db| db.generation == update.generation);
            let commit = db.is_some_and(|db| !db.volatile());
            let begun = same
                .then(|| self.begin_update(cx, update.asker, update.db, update.buffer))
                .flatten();
            match begun {
                Some(ticket) if commit => drop(self.kept_updates.storing.insert(ticket)),
                Some(_) => {}
                None => cx.reply_status(update.asker, -1),
            }
        }
    }

    /// The recovery does not end: the sender decides.
    pub(in crate::database) fn kept_expired(&mut self, cx: &mut Context, number: u64) {
        if let Some(update) = self.kept_updates.kept.remove(&number) {
            cx.info("records cannot be updated while a recovery is under way");
            cx.reply_status(update.asker, -1);
        }
    }
}
