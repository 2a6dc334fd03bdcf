// SPDX-License-Identifier: GPL-3.0-or-later
//! The daemon's counters, as `ctdb statistics` shows them.

use super::Kind::{self, Counter, Gauge, Histogram};
use super::{Metric, Read, Sample, Value, node, one};
use crate::snapshot::Snapshot;
use ctdb_protocol::types::{LockCounters, Statistics};

/// Upper bounds of the buckets of lock waits, in seconds; the last bucket that is used has none.
const LOCK_BOUNDS_S: [f64; 11] = [
    0.001,
    0.01,
    0.1,
    1.0,
    2.0,
    4.0,
    8.0,
    16.0,
    32.0,
    64.0,
    f64::INFINITY,
];

pub(super) const ROWS: &[Metric] = &[
    node(
        Gauge,
        "ctdb_statistics_start_time_seconds",
        "Since when the counters below count, in seconds since 1970",
        |s| one(s.statistics.statistics_start_time.sec as f64),
    ),
    count(Gauge, "ctdb_clients", "Processes connected to ctdbd", |s| {
        s.num_clients
    }),
    count(
        Gauge,
        "ctdb_memory_bytes",
        "Memory that ctdbd has allocated, without the databases",
        |s| s.memory_used,
    ),
    count(
        Gauge,
        "ctdb_databases_frozen",
        "1 while all databases are frozen for a recovery",
        |s| u32::from(s.frozen != 0),
    ),
    count(Counter, "ctdb_recoveries", "Recoveries", |s| {
        s.num_recoveries
    }),
    node(
        Counter,
        "ctdb_packets",
        "Packets, by peer (client or node) and direction",
        |s| {
            let t = &s.statistics;
            [
                ("client", "sent", t.client_packets_sent),
                ("client", "received", t.client_packets_recv),
                ("node", "sent", t.node_packets_sent),
                ("node", "received", t.node_packets_recv),
            ]
            .map(|(peer, direction, count)| {
                Sample::of(count)
                    .with("peer", peer)
                    .with("direction", direction)
            })
            .into()
        },
    ),
    node(
        Counter,
        "ctdb_keepalives",
        "Signs of life between nodes, by direction",
        |s| {
            let t = &s.statistics;
            [
                ("sent", t.keepalive_packets_sent),
                ("received", t.keepalive_packets_recv),
            ]
            .map(|(direction, count)| Sample::of(count).with("direction", direction))
            .into()
        },
    ),
    node(
        Counter,
        "ctdb_operations",
        "Packets received, by peer and operation; reply_dmaster from nodes are records that moved here",
        operations,
    ),
    node(
        Counter,
        "ctdb_timeouts",
        "Questions that nobody answered in time, by kind",
        |s| {
            let t = &s.statistics.timeouts;
            [("control", t.control), ("traverse", t.traverse)]
                .map(|(kind, count)| Sample::of(count).with("kind", kind))
                .into()
        },
    ),
    count(
        Counter,
        "ctdb_calls",
        "Records asked for by processes of this node",
        |s| s.total_calls,
    ),
    count(
        Gauge,
        "ctdb_calls_pending",
        "Records that processes of this node wait for",
        |s| s.pending_calls,
    ),
    node(
        Counter,
        "ctdb_call_seconds",
        "Time that answered calls took, all together",
        |s| one(s.statistics.call_latency.total.0),
    ),
    node(
        Counter,
        "ctdb_calls_answered",
        "Calls whose time is in ctdb_call_seconds_total",
        |s| one(u64::try_from(s.statistics.call_latency.num).unwrap_or(0)),
    ),
    node(
        Gauge,
        "ctdb_call_seconds_max",
        "The longest call since ctdb_statistics_start_time_seconds",
        |s| one(s.statistics.call_latency.max.0),
    ),
    node(
        Counter,
        "ctdb_call_hops",
        "Calls that arrived, by the most nodes that they can have passed: the classes of ctdb statistics",
        hops,
    ),
    count(
        Counter,
        "ctdb_locks",
        "Record locks that had to be waited for",
        |s| s.locks.num_calls,
    ),
    count(
        Counter,
        "ctdb_lock_failures",
        "Locks that could not be had",
        |s| s.locks.num_failed,
    ),
    count(
        Gauge,
        "ctdb_locks_waiting",
        "Locks that are waited for now",
        |s| s.locks.num_current,
    ),
    count(
        Gauge,
        "ctdb_locks_queued",
        "Locks whose turn to be waited for has not come",
        |s| s.locks.num_pending,
    ),
    node(
        Histogram,
        "ctdb_lock_wait_seconds",
        "How long locks were waited for",
        |s| vec![Sample::of(lock_waits(&s.statistics.locks))],
    ),
    node(
        Gauge,
        "ctdb_cluster_lock_check_seconds_max",
        "The longest check of the cluster lock since ctdb_statistics_start_time_seconds",
        |s| {
            one(s
                .statistics
                .reclock_recd
                .max
                .0
                .max(s.statistics.reclock_ctdbd.max.0))
        },
    ),
    count(
        Counter,
        "ctdb_readonly_delegations",
        "Read-only copies of records given away",
        |s| s.total_ro_delegations,
    ),
    count(
        Counter,
        "ctdb_readonly_revokes",
        "Read-only copies taken back",
        |s| s.total_ro_revokes,
    ),
];

/// A row for one of the daemon's counters.
const fn count(
    kind: Kind,
    name: &'static str,
    help: &'static str,
    read: fn(&Statistics) -> u32,
) -> Metric {
    Metric {
        name,
        help,
        kind,
        read: Read::Counted(read),
    }
}

fn operations(s: &Snapshot) -> Vec<Sample> {
    let (node, client) = (&s.statistics.node, &s.statistics.client);
    [
        ("node", "req_call", node.req_call),
        ("node", "reply_call", node.reply_call),
        ("node", "req_dmaster", node.req_dmaster),
        ("node", "reply_dmaster", node.reply_dmaster),
        ("node", "reply_error", node.reply_error),
        ("node", "req_message", node.req_message),
        ("node", "req_control", node.req_control),
        ("node", "reply_control", node.reply_control),
        ("node", "req_tunnel", node.req_tunnel),
        ("client", "req_call", client.req_call),
        ("client", "req_message", client.req_message),
        ("client", "req_control", client.req_control),
        ("client", "req_tunnel", client.req_tunnel),
    ]
    .map(|(peer, operation, count)| {
        Sample::of(count)
            .with("peer", peer)
            .with("operation", operation)
    })
    .into()
}

/// A class is all numbers of as many binary digits; the last one has no end.
fn hops(s: &Snapshot) -> Vec<Sample> {
    let buckets = &s.statistics.hop_count_bucket;
    let class = |(index, count): (usize, &u32)| {
        let most = if index + 1 == buckets.len() {
            "more".to_owned()
        } else {
            ((1_u32 << index) - 1).to_string()
        };
        Sample::of(*count).with("most", most)
    };
    buckets.iter().enumerate().map(class).collect()
}

pub(super) fn lock_waits(locks: &LockCounters) -> Value {
    // what is beyond the last class of C is added to it
    let last = LOCK_BOUNDS_S.len() - 1;
    let mut buckets: Vec<(f64, u64)> = LOCK_BOUNDS_S.iter().map(|bound| (*bound, 0)).collect();
    for (index, count) in locks.buckets.iter().enumerate() {
        buckets[index.min(last)].1 += u64::from(*count);
    }
    Value::Histogram {
        sum: locks.latency.total.0,
        buckets,
    }
}
