// SPDX-License-Identifier: GPL-3.0-or-later
//! Databases of this node.

use super::Kind::{Counter, Gauge};
use super::{Metric, Sample, Value, node, one};
use crate::snapshot::{DatabaseNow, Snapshot};
use ctdb_protocol::types::DbFlags;

pub(super) const ROWS: &[Metric] = &[
    node(Gauge, "ctdb_databases", "Attached databases", |s| {
        one(s.database_count)
    }),
    node(
        Gauge,
        "ctdb_database_healthy",
        "Whether a database is healthy, by its kind: volatile, replicated, persistent",
        |s| {
            s.databases
                .iter()
                .map(|db| sample(db, db.line.health.is_none()).with("kind", kind(db)))
                .collect()
        },
    ),
    node(
        Gauge,
        "ctdb_database_bytes",
        "Size of a database's file on this node",
        |s| each(s, |db| db.bytes),
    ),
    node(
        Counter,
        "ctdb_database_locks",
        "Record locks of a database that had to be waited for",
        |s| each(s, |db| db.stats.locks.num_calls),
    ),
    node(
        Counter,
        "ctdb_database_lock_failures",
        "Locks of a database that could not be had",
        |s| each(s, |db| db.stats.locks.num_failed),
    ),
    node(
        Gauge,
        "ctdb_database_locks_waiting",
        "Locks of a database that are waited for now",
        |s| each(s, |db| db.stats.locks.num_current),
    ),
    node(
        Counter,
        "ctdb_database_lock_wait_seconds",
        "Time that locks of a database were waited for, all together",
        |s| each(s, |db| db.stats.locks.latency.total.0),
    ),
    node(
        Gauge,
        "ctdb_database_lock_wait_seconds_max",
        "The longest wait for a lock of a database since its counters began",
        |s| each(s, |db| db.stats.locks.latency.max.0),
    ),
    node(
        Counter,
        "ctdb_database_vacuum_seconds",
        "Time that vacuuming a database took, all together",
        |s| each(s, |db| db.stats.vacuum_latency.total.0),
    ),
    node(
        Gauge,
        "ctdb_database_hottest_record_hops",
        "The count of the record of a database that moves most, as ctdb dbstatistics shows hot keys",
        |s| {
            each(s, |db| {
                db.stats
                    .hot_keys
                    .iter()
                    .map(|hot| hot.count)
                    .max()
                    .unwrap_or(0)
            })
        },
    ),
];

fn each<V: Into<Value>>(s: &Snapshot, value: impl Fn(&DatabaseNow) -> V) -> Vec<Sample> {
    s.databases.iter().map(|db| sample(db, value(db))).collect()
}

fn sample(db: &DatabaseNow, value: impl Into<Value>) -> Sample {
    Sample::of(value).with("database", &db.line.name)
}

fn kind(db: &DatabaseNow) -> &'static str {
    if db.line.is(DbFlags::PERSISTENT) {
        "persistent"
    } else if db.line.is(DbFlags::REPLICATED) {
        "replicated"
    } else {
        "volatile"
    }
}
