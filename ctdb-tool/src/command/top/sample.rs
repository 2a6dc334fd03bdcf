// SPDX-License-Identifier: GPL-3.0-or-later
//! What `ctdb top` shows: two samples and what happened between them.

use crate::command::status::node_lines;
use crate::failure::Failure;
use crate::output::Report;
use crate::output::statistics::hex;
use crate::output::status::NodeLine;
use crate::session::{Session, connected};
use ctdb_protocol::control as ctl;
use ctdb_protocol::id::{Generation, Pnn};
use ctdb_protocol::types::{DbStatistics, Statistics};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Instant;

/// A database at one moment.
pub struct DbSample {
    /// Its name.
    pub name: String,
    /// The size of its file on the node that was asked.
    pub bytes: u64,
    /// Its counters there.
    pub stats: DbStatistics,
}

/// Everything at one moment.
pub struct Sample {
    at: Instant,
    pub(super) leader: Option<Pnn>,
    pub(super) generation: Generation,
    pub(super) recovering: bool,
    /// The nodes, as one of them sees them.
    pub nodes: Vec<NodeLine>,
    stats: BTreeMap<Pnn, Statistics>,
    pub(super) databases: Vec<DbSample>,
}

impl Sample {
    /// Asks all connected nodes for their counters, and one node for its databases.
    pub async fn take(session: &mut Session) -> Result<Self, Failure> {
        let map = session.fresh_nodemap().await?;
        let nodes = node_lines(session, &map.nodes).await?;
        let target = session.target;
        let vnn_map = session.control::<ctl::GetVnnMap>(target, &()).await?;
        let recovering = session.status::<ctl::GetRecmode>(target, &()).await? != 0;
        let answers = session
            .client
            .control_all::<ctl::Statistics>(&connected(&map), &(), Some(session.limit()))
            .await;
        let stats = answers
            .into_iter()
            .filter_map(|(pnn, answer)| Some((pnn, answer.ok()?)))
            .collect();
        let leader = session.last_leader();
        let databases = databases(session).await?;
        let (at, generation) = (Instant::now(), vnn_map.generation);
        Ok(Self {
            at,
            leader,
            generation,
            recovering,
            nodes,
            stats,
            databases,
        })
    }
}

async fn databases(session: &Session) -> Result<Vec<DbSample>, Failure> {
    let target = session.target;
    let mut found = Vec::new();
    for db in session.control::<ctl::GetDbMap>(target, &()).await?.dbs {
        let name = session
            .control::<ctl::GetDbName>(target, &db.db_id)
            .await?
            .to_string();
        let path = session
            .control::<ctl::GetDbPath>(target, &db.db_id)
            .await?
            .to_string();
        let stats = session
            .control::<ctl::GetDbStatistics>(target, &db.db_id)
            .await?;
        let bytes = std::fs::metadata(path).map_or(0, |meta| meta.len());
        found.push(DbSample { name, bytes, stats });
    }
    Ok(found)
}

/// What a node did, per second.
pub struct NodeRates {
    pub(super) line: NodeLine,
    pub(super) clients: u32,
    pub(super) calls: f64,
    pub(super) packets: f64,
    pub(super) max_hops: u32,
    pub(super) lock_waits: u32,
    pub(super) call_ms: f64,
    pub(super) known: bool,
}

/// A record that migrates often.
pub struct Hot {
    pub(super) database: String,
    pub(super) key: String,
    pub(super) count: u32,
}

/// The second of two samples, with rates since the first.
pub struct Rates {
    /// The second sample.
    pub now: Sample,
    pub(super) nodes: Vec<NodeRates>,
    pub(super) hot: Vec<Hot>,
}

impl Rates {
    /// Compares two samples.
    pub fn between(before: &Sample, now: Sample) -> Self {
        let seconds = now.at.duration_since(before.at).as_secs_f64().max(0.001);
        let nodes = now
            .nodes
            .iter()
            .map(|line| node_rates(line, before, &now, seconds))
            .collect();
        let hot = hot_records(&now.databases);
        Self { now, nodes, hot }
    }
}

fn node_rates(line: &NodeLine, before: &Sample, now: &Sample, seconds: f64) -> NodeRates {
    let pnn = Pnn(line.pnn);
    let new = now.stats.get(&pnn);
    let old = before.stats.get(&pnn);
    // a counter that fell was reset in between
    let rate = |count: fn(&Statistics) -> u32| match (old, new) {
        (Some(old), Some(new)) => f64::from(count(new).saturating_sub(count(old))) / seconds,
        _ => 0.0,
    };
    let latency = new.map(|s| s.call_latency).filter(|l| l.num > 0);
    NodeRates {
        line: line.clone(),
        clients: new.map_or(0, |s| s.num_clients),
        calls: rate(|s| s.total_calls),
        packets: rate(|s| s.node_packets_sent) + rate(|s| s.node_packets_recv),
        max_hops: new.map_or(0, |s| s.max_hop_count),
        lock_waits: new.map_or(0, |s| s.locks.num_current + s.locks.num_pending),
        call_ms: latency.map_or(0.0, |l| l.total.0 / f64::from(l.num) * 1000.0),
        known: new.is_some(),
    }
}

/// The hottest records of all databases.
fn hot_records(databases: &[DbSample]) -> Vec<Hot> {
    let mut hot: Vec<Hot> = databases
        .iter()
        .flat_map(|db| {
            db.stats
                .hot_keys
                .iter()
                .filter(|hot| hot.count > 0)
                .map(|hot| Hot {
                    database: db.name.clone(),
                    key: readable(&hot.key),
                    count: hot.count,
                })
        })
        .collect();
    hot.sort_by_key(|hot| std::cmp::Reverse(hot.count));
    hot
}

fn readable(key: &[u8]) -> String {
    let text = key.strip_suffix(&[0]).unwrap_or(key);
    match text.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        true => String::from_utf8_lossy(text).into_owned(),
        false => format!("0x{}", hex(key)),
    }
}

impl Report for Rates {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        writeln!(
            out,
            "{:<5} {:<20} {:<24} {:>8} {:>10} {:>10} {:>5} {:>6} {:>9}",
            "PNN",
            "ADDRESS",
            "STATE",
            "CLIENTS",
            "CALLS/S",
            "PACKETS/S",
            "HOPS",
            "LOCKS",
            "CALL MS"
        )?;
        for n in &self.nodes {
            writeln!(
                out,
                "{:<5} {:<20} {:<24} {:>8} {:>10.1} {:>10.1} {:>5} {:>6} {:>9.3}",
                n.line.pnn,
                n.line.address,
                n.line.state(),
                n.clients,
                n.calls,
                n.packets,
                n.max_hops,
                n.lock_waits,
                n.call_ms
            )?;
        }
        writeln!(
            out,
            "{:<30} {:>12} {:>8} {:>8}",
            "DATABASE", "BYTES", "LOCKS", "PENDING"
        )?;
        for db in &self.now.databases {
            let locks = &db.stats.locks;
            writeln!(
                out,
                "{:<30} {:>12} {:>8} {:>8}",
                db.name, db.bytes, locks.num_calls, locks.num_pending
            )?;
        }
        self.hot
            .iter()
            .try_for_each(|hot| writeln!(out, "hot: {} {} {}", hot.database, hot.count, hot.key))
    }

    fn json(&self) -> Value {
        let nodes: Vec<Value> = self
            .nodes
            .iter()
            .map(|n| {
                json!({
                    "pnn": n.line.pnn,
                    "address": n.line.address,
                    "state": n.line.state(),
                    "reachable": n.known,
                    "clients": n.clients,
                    "calls_per_s": n.calls,
                    "packets_per_s": n.packets,
                    "max_hop_count": n.max_hops,
                    "lock_waits": n.lock_waits,
                    "call_latency_ms": n.call_ms,
                })
            })
            .collect();
        let databases: Vec<Value> = self
            .now
            .databases
            .iter()
            .map(|db| json!({ "name": db.name, "bytes": db.bytes, "locks": db.stats.locks.num_calls, "locks_pending": db.stats.locks.num_pending }))
            .collect();
        let hot: Vec<Value> = self
            .hot
            .iter()
            .map(|h| json!({ "database": h.database, "key": h.key, "count": h.count }))
            .collect();
        json!({
            "leader": self.now.leader.map(|pnn| pnn.0),
            "generation": self.now.generation.0,
            "recovering": self.now.recovering,
            "nodes": nodes,
            "databases": databases,
            "hot_records": hot,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_as_text_where_they_are() {
        assert_eq!(readable(b"key\0"), "key");
        assert_eq!(readable(b"\x01\x02"), "0x0102");
    }
}
