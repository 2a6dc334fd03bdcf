// SPDX-License-Identifier: GPL-3.0-or-later
//! Nodes, leader, recovery, addresses.

use super::Kind::{Gauge, Info};
use super::{Metric, Sample, Value, node, one};
use crate::snapshot::Snapshot;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::{NodeFlags, RunState, Timeval};
use ctdb_tool::output::status::{NodeLine, UNKNOWN};

pub(super) const ROWS: &[Metric] = &[
    node(
        Info,
        "ctdb_node",
        "Number and private address of this node",
        |s| {
            let this = s.this_node().into_iter();
            this.map(|line| {
                Sample::of(Value::Info)
                    .with("pnn", line.pnn)
                    .with("address", &line.address)
            })
            .collect()
        },
    ),
    node(
        Gauge,
        "ctdb_node_ok",
        "Whether this node sees that node as OK: no flag is set",
        |s| {
            s.nodes
                .iter()
                .map(|line| Sample::of(line.flags.is_empty()).with("pnn", line.pnn))
                .collect()
        },
    ),
    node(
        Gauge,
        "ctdb_node_flag",
        "Whether this node sees that flag of that node as set",
        |s| s.nodes.iter().flat_map(flags).collect(),
    ),
    node(
        Gauge,
        "ctdb_run_state",
        "1 for the state that ctdbd is in, 0 for the others",
        |s| {
            RunState::NAMED
                .iter()
                .map(|(state, name)| {
                    Sample::of(*state == s.run_state).with("state", name.to_ascii_lowercase())
                })
                .collect()
        },
    ),
    node(
        Gauge,
        "ctdb_recovery_mode",
        "1 while this node is in recovery, which holds up all databases",
        |s| one(s.cluster.recovery_mode != 0),
    ),
    node(
        Gauge,
        "ctdb_leader_known",
        "Whether this node hears a leader",
        |s| one(s.cluster.leader.is_some()),
    ),
    node(
        Gauge,
        "ctdb_leader_pnn",
        "The leader's number; absent while there is none",
        |s| s.cluster.leader.into_iter().map(Sample::of).collect(),
    ),
    node(
        Gauge,
        "ctdb_generation",
        "Changes with every recovery; absent while invalid",
        |s| s.cluster.generation.into_iter().map(Sample::of).collect(),
    ),
    node(
        Gauge,
        "ctdb_vnn_map_nodes",
        "How many nodes hold location masters",
        |s| one(s.cluster.lmasters.len()),
    ),
    node(
        Gauge,
        "ctdb_cluster_lock_configured",
        "Whether there is a cluster lock, without which a cluster can split",
        |s| one(s.cluster_lock),
    ),
    node(
        Gauge,
        "ctdb_start_time_seconds",
        "When ctdbd started, in seconds since 1970",
        |s| one(seconds(&s.uptime.ctdbd_start_time)),
    ),
    node(
        Gauge,
        "ctdb_last_recovery_finished_time_seconds",
        "When the last recovery or takeover run ended, in seconds since 1970",
        |s| one(seconds(&s.uptime.last_recovery_finished)),
    ),
    node(
        Gauge,
        "ctdb_last_recovery_duration_seconds",
        "How long it took",
        |s| {
            let (start, end) = (
                seconds(&s.uptime.last_recovery_started),
                seconds(&s.uptime.last_recovery_finished),
            );
            // none while one is going on
            (end >= start)
                .then(|| Sample::of(end - start))
                .into_iter()
                .collect()
        },
    ),
    node(
        Gauge,
        "ctdb_public_addresses",
        "Public addresses that this node may host, by who does: this node, another one, nobody",
        addresses,
    ),
    node(
        Gauge,
        "ctdb_interface_up",
        "Whether an interface for public addresses has a link",
        |s| {
            s.interfaces
                .iter()
                .map(|iface| Sample::of(iface.link_state != 0).with("interface", iface.name))
                .collect()
        },
    ),
];

/// The flags by the names that `ctdb -X status` gives them.
const FLAGS: [(&str, NodeFlags); 6] = [
    ("disconnected", NodeFlags::DISCONNECTED),
    ("unknown", UNKNOWN),
    ("banned", NodeFlags::BANNED),
    ("disabled", NodeFlags::PERMANENTLY_DISABLED),
    ("unhealthy", NodeFlags::UNHEALTHY),
    ("stopped", NodeFlags::STOPPED),
];

fn flags(line: &NodeLine) -> Vec<Sample> {
    let state = |name: &str, set: bool| Sample::of(set).with("pnn", line.pnn).with("flag", name);
    FLAGS
        .iter()
        .map(|(name, flag)| state(name, line.flags.intersects(*flag)))
        .chain([state("partially_online", line.partially_online)])
        .collect()
}

fn addresses(s: &Snapshot) -> Vec<Sample> {
    let count = |hosted: fn(Pnn, Pnn) -> bool| {
        s.addresses
            .iter()
            .filter(|ip| hosted(ip.pnn, s.pnn))
            .count()
    };
    vec![
        Sample::of(count(|host, this| host == this)).with("host", "this_node"),
        Sample::of(count(|host, this| host != this && host != Pnn::UNKNOWN))
            .with("host", "other_node"),
        Sample::of(count(|host, _| host == Pnn::UNKNOWN)).with("host", "nobody"),
    ]
}

fn seconds(t: &Timeval) -> f64 {
    t.sec as f64 + t.usec as f64 / 1e6
}
