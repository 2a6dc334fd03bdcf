//! Counters of a daemon and of a database.

use crate::types::Timeval;
use crate::wire::{Blob, Pad, Parsed, Seconds, Wire, bytes, items, put_length};

/// How many classes a histogram has; each is twice as wide as the one before.
pub const BUCKETS: usize = 16;

wire_struct! {
    /// How long something took.
    #[derive(Copy, Default)]
    pub struct LatencyCounter {
        /// How often it happened.
        num: i32,
        /// A hole.
        pad: Pad<4>,
        /// The shortest.
        min: Seconds,
        /// The longest.
        max: Seconds,
        /// All together.
        total: Seconds,
    }

    /// Packets between daemons, by operation.
    #[derive(Copy, Default)]
    #[allow(missing_docs, reason = "named after the operations they count")]
    pub struct NodeCounters {
        req_call: u32,
        reply_call: u32,
        req_dmaster: u32,
        reply_dmaster: u32,
        reply_error: u32,
        req_message: u32,
        req_control: u32,
        reply_control: u32,
        req_tunnel: u32,
    }

    /// Packets from clients, by operation.
    #[derive(Copy, Default)]
    #[allow(missing_docs, reason = "named after the operations they count")]
    pub struct ClientCounters {
        req_call: u32,
        req_message: u32,
        req_control: u32,
        req_tunnel: u32,
    }

    /// What was not answered in time.
    #[derive(Copy, Default)]
    pub struct TimeoutCounters {
        /// Never counted.
        call: u32,
        /// Controls.
        control: u32,
        /// Traverses.
        traverse: u32,
    }

    /// Waiting for locks.
    #[derive(Copy, Default)]
    pub struct LockCounters {
        /// Requests so far.
        num_calls: u32,
        /// Waiting in helpers now.
        num_current: u32,
        /// Queued now.
        num_pending: u32,
        /// Failed so far.
        num_failed: u32,
        /// How long the lock took.
        latency: LatencyCounter,
        /// The same as a histogram.
        buckets: [u32; BUCKETS],
    }

    /// A daemon's counters: 488 bytes.
    #[derive(Copy, Default)]
    pub struct Statistics {
        /// Connected clients.
        num_clients: u32,
        /// Are all databases frozen?
        frozen: u32,
        /// Is recovery active?
        recovering: u32,
        /// Packets to clients.
        client_packets_sent: u32,
        /// Packets from clients.
        client_packets_recv: u32,
        /// Packets to nodes.
        node_packets_sent: u32,
        /// Packets from nodes.
        node_packets_recv: u32,
        /// Keepalives sent.
        keepalive_packets_sent: u32,
        /// Keepalives received.
        keepalive_packets_recv: u32,
        /// Between daemons.
        node: NodeCounters,
        /// From clients.
        client: ClientCounters,
        /// Unanswered.
        timeouts: TimeoutCounters,
        /// A hole.
        pad_timeouts: Pad<4>,
        /// Checks of the cluster lock by the daemon.
        reclock_ctdbd: LatencyCounter,
        /// Checks of the cluster lock by the recovery daemon.
        reclock_recd: LatencyCounter,
        /// Locks.
        locks: LockCounters,
        /// Calls so far.
        total_calls: u32,
        /// Calls now.
        pending_calls: u32,
        /// Persistent stores so far.
        childwrite_calls: u32,
        /// Persistent stores now.
        pending_childwrite_calls: u32,
        /// Bytes.
        memory_used: u32,
        /// Always zero.
        last_counter: u32,
        /// The longest chain of redirections.
        max_hop_count: u32,
        /// Chains of redirections as a histogram.
        hop_count_bucket: [u32; BUCKETS],
        /// A hole.
        pad_hops: Pad<4>,
        /// Calls.
        call_latency: LatencyCounter,
        /// Persistent stores.
        childwrite_latency: LatencyCounter,
        /// Recoveries so far.
        num_recoveries: u32,
        /// A hole.
        pad_recoveries: Pad<4>,
        /// Since when all this was counted.
        statistics_start_time: Timeval,
        /// When it was asked for.
        statistics_current_time: Timeval,
        /// Read-only delegations given.
        total_ro_delegations: u32,
        /// Read-only delegations revoked.
        total_ro_revokes: u32,
    }
}

/// Counters of past intervals, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatisticsList {
    /// A hole.
    pub pad: Pad<4>,
    /// The intervals.
    pub stats: Vec<Statistics>,
}

impl Wire for StatisticsList {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.stats.len(), out);
        self.pad.put(out);
        for stats in &self.stats {
            stats.put(out);
        }
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, count) = u32::take(input)?;
        let (rest, pad) = Pad::take(rest)?;
        let (rest, stats) = items(rest, count)?;
        Ok((rest, Self { pad, stats }))
    }
}

/// A record that migrates often.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HotKey {
    /// How often.
    pub count: u32,
    /// A hole.
    pub pad: Pad<4>,
    /// C's pointer to the key: noise to everyone else.
    pub pointer: Pad<8>,
    /// The record's key.
    pub key: Blob,
}

/// A database's counters: 464 bytes, then the keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DbStatistics {
    /// Locks.
    pub locks: LockCounters,
    /// Vacuuming.
    pub vacuum_latency: LatencyCounter,
    /// Read-only delegations given.
    pub ro_delegations: u32,
    /// Read-only delegations revoked.
    pub ro_revokes: u32,
    /// Chains of redirections as a histogram.
    pub hop_count_bucket: [u32; BUCKETS],
    /// What the sender wrote as the number of hot keys; there are ten whatever it says.
    pub num_hot_keys: u32,
    /// A hole.
    pub pad: Pad<4>,
    /// The records that migrate most.
    pub hot_keys: [HotKey; Self::HOT_KEYS],
}

impl DbStatistics {
    /// How many hot keys there always are.
    pub const HOT_KEYS: usize = 10;
}

impl Wire for DbStatistics {
    fn put(&self, out: &mut Vec<u8>) {
        self.locks.put(out);
        self.vacuum_latency.put(out);
        self.ro_delegations.put(out);
        self.ro_revokes.put(out);
        self.hop_count_bucket.put(out);
        self.num_hot_keys.put(out);
        self.pad.put(out);
        for hot in &self.hot_keys {
            hot.count.put(out);
            hot.pad.put(out);
            hot.pointer.put(out);
            (hot.key.len() as u64).put(out);
        }
        for hot in &self.hot_keys {
            hot.key.put(out);
        }
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, locks) = LockCounters::take(input)?;
        let (rest, vacuum_latency) = LatencyCounter::take(rest)?;
        let (rest, ro_delegations) = u32::take(rest)?;
        let (rest, ro_revokes) = u32::take(rest)?;
        let (rest, hop_count_bucket) = <[u32; BUCKETS]>::take(rest)?;
        let (rest, num_hot_keys) = u32::take(rest)?;
        let (mut rest, pad) = Pad::take(rest)?;
        let mut hot_keys: [HotKey; Self::HOT_KEYS] = Default::default();
        let mut lengths = [0; Self::HOT_KEYS];
        for (hot, length) in hot_keys.iter_mut().zip(&mut lengths) {
            (rest, hot.count) = u32::take(rest)?;
            (rest, hot.pad) = Pad::take(rest)?;
            (rest, hot.pointer) = Pad::take(rest)?;
            (rest, *length) = u64::take(rest)?;
        }
        for (hot, length) in hot_keys.iter_mut().zip(lengths) {
            let taken;
            (rest, taken) = bytes(rest, usize::try_from(length).unwrap_or(usize::MAX))?;
            hot.key = taken.into();
        }
        let stats = Self {
            locks,
            vacuum_latency,
            ro_delegations,
            ro_revokes,
            hop_count_bucket,
            num_hot_keys,
            pad,
            hot_keys,
        };
        Ok((rest, stats))
    }
}
