//! Updates that come a moment before this node has left a recovery.
//!
//! A recovery ends on every node by itself: SET_RECMODE goes to all of them at once, and each looks at
//! the cluster lock before it is out. Who is out first may commit at once. Its UPDATE_RECORD is refused by
//! upstream's nodes that are still leaving, and its answer to that is one more recovery. Ours keeps
//! such an update until it is out itself.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::id::{DbId, Generation};

use super::Databases;
use crate::shared::{Asker, Shared, Timer};
use crate::timer::TimerId;

/// How long an update is kept: far less than the ControlTimeout after which its sender gives up.
const LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Late {
    asker: Asker,
    db: DbId,
    /// The recovery that this node is about to leave.
    generation: Generation,
    buffer: Bytes,
    timer: TimerId,
}

/// The updates that are kept.
#[derive(Debug, Default)]
pub struct LateUpdates {
    last: u64,
    kept: BTreeMap<u64, Late>,
}

impl Databases {
    /// Keeps an UPDATE_RECORD that came during a recovery, if the recovery is done with its database.
    /// False: it is not, refuse the update.
    pub fn keep_late(&mut self, cx: &mut Shared, asker: Asker, id: DbId, buffer: &Bytes) -> bool {
        let current = cx.vnn_map.generation;
        let rebuilt = self
            .map
            .get(&id)
            .is_some_and(|db| db.rebuilt && db.freeze.is_thawed() && db.generation == current);
        if !rebuilt {
            return false;
        }
        self.late.last += 1;
        let number = self.late.last;
        let late = Late {
            asker,
            db: id,
            generation: current,
            buffer: buffer.clone(),
            timer: cx.arm(LIMIT, Timer::LateUpdate(number)),
        };
        self.late.kept.insert(number, late);
        true
    }

    /// This node has left the recovery: what was kept is done, unless another recovery came between.
    pub fn serve_late(&mut self, cx: &mut Shared) {
        for db in self.map.values_mut() {
            db.rebuilt = false;
        }
        for late in std::mem::take(&mut self.late.kept).into_values() {
            cx.timers.disarm(late.timer);
            let same = self
                .map
                .get(&late.db)
                .is_some_and(|db| db.generation == late.generation);
            if !same || !self.update(cx, late.asker, late.db, late.buffer) {
                cx.reply_status(late.asker, -1);
            }
        }
    }

    /// The recovery does not end: the sender decides.
    pub fn late_expired(&mut self, cx: &mut Shared, number: u64) {
        if let Some(late) = self.late.kept.remove(&number) {
            cx.info("records cannot be updated while a recovery is under way");
            cx.reply_status(late.asker, -1);
        }
    }
}
