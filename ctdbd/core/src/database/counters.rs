//! Counters of one database, as GET_DB_STATISTICS reports them.

use ctdb_protocol::types::{BUCKETS, LatencyCounter, LockCounters};

use crate::statistics::{Count as _, add_latency, hop_bucket, lock_bucket};

/// Counters of one database since start or reset.
#[derive(Debug, Default)]
pub(super) struct DbCounters {
    /// Waits for locks.
    pub locks: LockCounters,
    /// Time that vacuum runs took.
    pub vacuum_latency: LatencyCounter,
    /// Read-only copies given out.
    pub ro_delegations: u32,
    /// Read-only copies called back.
    pub ro_revokes: u32,
    /// Calls by the number of nodes they had passed, in powers of two.
    pub hop_buckets: [u32; BUCKETS],
}

impl DbCounters {
    /// A lock was had after `waited_s` seconds.
    pub(super) fn lock_done(&mut self, waited_s: f64) {
        self.locks.num_current = self.locks.num_current.saturating_sub(1);
        add_latency(&mut self.locks.latency, waited_s);
        self.locks.buckets[lock_bucket(waited_s)].up();
    }

    /// A lock could not be had.
    pub(super) fn lock_failed(&mut self) {
        self.locks.num_current = self.locks.num_current.saturating_sub(1);
        self.locks.num_failed.up();
    }

    /// A call arrived that had passed `hops` nodes.
    pub(super) fn hops(&mut self, hops: u32) {
        self.hop_buckets[hop_bucket(hops)].up();
    }
}
