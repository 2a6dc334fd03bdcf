//! Numbers of others at their largest: nothing wraps, and nothing ends the daemon.

use ctdb_protocol::control;
use ctdb_protocol::id::{ClientId, Pnn};
use ctdb_protocol::packet::Packet;
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::text::CountedText;
use ctdb_protocol::types::{CallFunction, RecordFlags, Statistics, Tunable};
use ctdb_protocol::wire::all;

use super::Cluster;

const DB: &str = "test.tdb";

fn answers(cluster: &mut Cluster, client: (usize, ClientId)) -> usize {
    let received = cluster.received(client).into_iter();
    received
        .filter(|(_, packet)| matches!(packet, Packet::ReplyCall(_)))
        .count()
}

/// Every counter of every node as after 2^32 - 1 of whatever it counts.
fn fill_counters(cluster: &mut Cluster) {
    let full: Statistics = all(&[0xff; 488]).unwrap();
    for node in &mut cluster.nodes {
        node.cx.statistics().count(|counters| *counters = full);
    }
}

#[test]
fn counters_begin_again() {
    let mut cluster = Cluster::running(2);
    let db = cluster.attach(DB);
    fill_counters(&mut cluster);
    let holder = cluster.connect(1);
    cluster.call(holder, db, b"key", CallFunction::NULL);
    cluster.files[1].client_locks(DB, b"key");
    cluster.grant = false;
    let waiter = cluster.connect(0);
    cluster.call(waiter, db, b"key", CallFunction::NULL);
    cluster.message(waiter, Pnn::BROADCAST_CONNECTED, Srvid(7), b"hello");
    cluster.recover();
    cluster.pass(20_000_000);
    let counters = *cluster.nodes[0].cx.statistics().total();
    assert!(counters.client_packets_recv < 100, "{counters:?}");
    assert!(counters.keepalive_packets_sent < 100, "{counters:?}");
    assert!(counters.node.req_control < 1000, "{counters:?}");
}

#[test]
fn a_record_of_the_last_version_moves_and_is_copied() {
    let mut cluster = Cluster::running(3);
    let db = cluster.attach(DB);
    cluster.track_copies(db);
    let writer = cluster.connect(0);
    cluster.call(writer, db, b"key", CallFunction::NULL);
    cluster.files[0].set_rsn(DB, b"key", u64::MAX);
    let reader = cluster.connect(1);
    cluster.want_copy(reader, db, b"key");
    assert_eq!(answers(&mut cluster, reader), 1);
    let (header, _) = cluster.files[0].record(DB, b"key").unwrap();
    assert_eq!(header.rsn, u64::MAX);
    assert!(header.flags.contains(RecordFlags::RO_HAVE_DELEGATIONS));
    let other = cluster.connect(2);
    cluster.call(other, db, b"key", CallFunction::NULL);
    assert_eq!(answers(&mut cluster, other), 1);
}

#[test]
fn keepalives_at_the_longest_interval_and_limit() {
    let mut cluster = Cluster::running(2);
    let client = cluster.connect(0);
    for name in ["KeepaliveInterval", "KeepaliveLimit"] {
        let tunable = Tunable {
            value: u32::MAX,
            name: CountedText::from(name),
        };
        cluster.must::<control::SetTunable>(client, Pnn::CURRENT, &tunable);
    }
    // The tick that was armed before looks how long each peer may be silent.
    cluster.pass(20_000_000);
    let client = cluster.connect(0);
    cluster.must::<control::GetPnn>(client, Pnn::CURRENT, &());
}
