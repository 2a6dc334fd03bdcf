//! The sequence number of a file, with which smbd notices that a cache is stale.
//! It is not the number of transactions of a persistent database. (ENABLE_SEQNUM, UPDATE_SEQNUM.)

use std::time::Duration;

use ctdb_protocol::control::UpdateSeqnum;
use ctdb_protocol::id::{DbId, Pnn};

use super::Databases;
use super::Due;
use crate::context::Context;

impl Databases {
    /// ENABLE_SEQNUM: changes are counted from now on and announced once per SeqnumInterval.
    pub(super) fn enable_sequence(&mut self, cx: &mut Context, id: DbId) -> bool {
        let Some(db) = self.map.get_mut(&id) else {
            return false;
        };
        if db.sequence.is_none() {
            db.table.enable_sequence_number();
            db.sequence = Some(db.table.sequence_number());
            arm(cx, id);
        }
        true
    }

    /// UPDATE_SEQNUM: another node's copy has changed.
    pub(super) fn sequence_changed(&mut self, cx: &mut Context, from: Pnn, id: DbId) -> bool {
        if from == cx.pnn() {
            return true;
        }
        let Some(db) = self.map.get_mut(&id).filter(|db| db.unhealthy.is_none()) else {
            return false;
        };
        db.table.increment_sequence_number();
        if db.sequence.is_some() {
            db.sequence = Some(db.table.sequence_number());
        }
        true
    }

    /// Looks whether the number has changed, and tells the other nodes.
    pub(super) fn sequence_tick(&mut self, cx: &mut Context, id: DbId) {
        let Some(db) = self.map.get_mut(&id) else {
            return;
        };
        let number = db.table.sequence_number();
        if db.sequence.is_some_and(|announced| announced != number) {
            cx.announce::<UpdateSeqnum>(Pnn::BROADCAST_ACTIVE, &id);
        }
        db.sequence = Some(number);
        arm(cx, id);
    }
}

fn arm(cx: &mut Context, id: DbId) {
    let interval_ms = u64::from(cx.tunables().seqnum_interval()).max(1);
    cx.arm(Duration::from_millis(interval_ms), Due::Sequence(id));
}
