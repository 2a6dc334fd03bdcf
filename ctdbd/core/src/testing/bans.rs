//! Why a node is banned.

use ctdb_protocol::control::SetBanState;
use ctdb_protocol::id::{ClientId, Pnn};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::BanState;

use super::{Cluster, pnn};

fn ban(cluster: &mut Cluster, by: (usize, ClientId), time_s: u32) {
    let pnn = Pnn(1);
    cluster.must::<SetBanState>(by, pnn, &BanState { pnn, time_s });
}

fn reason(cluster: &Cluster) -> &str {
    cluster.nodes[1].ban_reason().expect("banned")
}

#[test]
fn a_leader_says_why_it_bans() {
    let mut cluster = Cluster::running(2);
    let leader = cluster.connect(0);
    cluster.message(leader, pnn(1), Srvid::BAN_REASON, b"it sleeps");
    ban(&mut cluster, leader, 300);
    assert_eq!(reason(&cluster), "node 0 asked for it: it sleeps");
}

/// An administrator's ban gives no reason, and does not get that of an earlier one.
#[test]
fn a_reason_is_of_one_ban_and_does_not_last() {
    let mut cluster = Cluster::running(2);
    let leader = cluster.connect(0);
    cluster.message(leader, pnn(1), Srvid::BAN_REASON, b"it sleeps");
    ban(&mut cluster, leader, 300);
    ban(&mut cluster, leader, 0);
    ban(&mut cluster, leader, 300);
    assert!(reason(&cluster).contains("see its log"));
    ban(&mut cluster, leader, 0);
    cluster.message(leader, pnn(1), Srvid::BAN_REASON, b"it sleeps");
    cluster.pass(6_000_000);
    ban(&mut cluster, leader, 300);
    assert!(reason(&cluster).contains("see its log"));
}
