// SPDX-License-Identifier: GPL-3.0-or-later
//! A node for tests.

use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::text::FixedText;
use ctdb_protocol::types::{
    DbFlags, DbStatistics, Iface, NodeFlags, PublicIp, RunState, SockAddr, Statistics, Timeval,
    Uptime,
};
use ctdb_protocol::wire::Seconds;
use ctdb_tool::output::database::DbLine;
use ctdb_tool::output::status::{ClusterState, NodeLine};

use crate::snapshot::{DatabaseNow, Snapshot};

/// Node 1 of two, its leader; node 0 is banned.
pub(crate) fn snapshot() -> Snapshot {
    let line = |pnn, flags| NodeLine {
        pnn,
        address: format!("10.0.0.{}", pnn + 1),
        flags,
        partially_online: false,
        this_node: pnn == 1,
    };
    let at = |sec, usec| Timeval { sec, usec };
    let mut statistics = Statistics {
        num_recoveries: 9,
        node_packets_sent: 5,
        ..Statistics::default()
    };
    statistics.locks.buckets[0] = 4;
    statistics.locks.buckets[10] = 2;
    statistics.locks.latency.total = Seconds(130.0);
    statistics.hop_count_bucket[0] = 2;
    statistics.hop_count_bucket[15] = 1;
    Snapshot {
        pnn: Pnn(1),
        nodes: vec![line(0, NodeFlags::BANNED), line(1, NodeFlags::empty())],
        cluster: ClusterState {
            generation: Some(77),
            lmasters: vec![1],
            recovery_mode: 0,
            leader: Some(1),
        },
        run_state: RunState::RUNNING,
        uptime: Uptime {
            current_time: at(2000, 0),
            ctdbd_start_time: at(1000, 0),
            last_recovery_started: at(1100, 0),
            last_recovery_finished: at(1101, 500_000),
        },
        statistics,
        addresses: vec![ip(1, 1), ip(2, u32::MAX)],
        interfaces: vec![Iface {
            name: FixedText::new("eth0"),
            link_state: 0,
            references: 1,
        }],
        cluster_lock: true,
        database_count: 1,
        databases: vec![DatabaseNow {
            line: DbLine {
                id: DbId(7),
                name: "locking.tdb".to_owned(),
                flags: DbFlags::empty(),
                path: "/x/locking.tdb.1".to_owned(),
                health: None,
            },
            bytes: 4096,
            stats: DbStatistics::default(),
        }],
    }
}

fn ip(last: u8, pnn: u32) -> PublicIp {
    PublicIp {
        pnn: Pnn(pnn),
        addr: SockAddr::from(std::net::IpAddr::from([192, 168, 0, last])),
    }
}
