//! A leader on its way down serves those who wait for it.

use bytes::Bytes;
use ctdb_protocol::control::{Control, Shutdown, StartRecovery};
use ctdb_protocol::id::{ClientId, Pnn};
use ctdb_protocol::packet::{Packet, ReqMessage};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::SrvidMessage;
use ctdb_protocol::wire::{all, encode};

use super::{Cluster, pnn};

const REGISTER_SRVID: u32 = 23;
type Client = (usize, ClientId);

/// Two nodes of which the first leads and is told to go down; its watch is this client.
fn leader_goes_down() -> (Cluster, Client) {
    let mut cluster = Cluster::running(2);
    let watch = cluster.connect(0);
    let port = Srvid::TAKEOVER_RUN;
    cluster.control_raw(watch, Pnn::CURRENT, REGISTER_SRVID, port, Bytes::new());
    send(&mut cluster, watch, Srvid::LEADER, encode(&pnn(0)));
    cluster.control_raw(watch, pnn(0), Shutdown::CODE, Srvid(0), Bytes::new());
    (cluster, watch)
}

fn send(cluster: &mut Cluster, from: Client, srvid: Srvid, data: Vec<u8>) {
    let data = Bytes::from(data);
    let message = Packet::ReqMessage(ReqMessage { srvid, data });
    cluster.send(from, pnn(0), &message);
}

fn answer(cluster: &mut Cluster, watch: Client, port: Srvid, status: i32) {
    send(cluster, watch, port, encode(&status));
}

/// Node 1 asks for a takeover run.
fn other_asks(cluster: &mut Cluster) {
    let other = cluster.connect(1);
    let request = SrvidMessage::new(pnn(1), Srvid(99));
    send(cluster, other, Srvid::TAKEOVER_RUN, encode(&request));
}

/// Ports at which the node itself awaits answers of the watch.
fn own_requests(cluster: &mut Cluster, watch: Client) -> Vec<Srvid> {
    let received = cluster.received(watch).into_iter();
    received
        .filter_map(|(_, packet)| match packet {
            Packet::ReqMessage(message) => all::<SrvidMessage>(&message.data).ok(),
            _ => None,
        })
        .filter(|request| request.pnn == pnn(0))
        .map(|request| request.srvid)
        .collect()
}

#[test]
fn it_goes_when_nobody_waits() {
    let (mut cluster, watch) = leader_goes_down();
    let own = own_requests(&mut cluster, watch);
    answer(&mut cluster, watch, own[0], 0);
    cluster.pass(1_400_000);
    assert_eq!(cluster.resigned, []);
    cluster.pass(200_000);
    assert_eq!(cluster.resigned, [0]);
    assert_eq!(own_requests(&mut cluster, watch), []);
}

#[test]
fn it_stays_until_those_who_wait_are_served() {
    let (mut cluster, watch) = leader_goes_down();
    let first = own_requests(&mut cluster, watch);
    other_asks(&mut cluster);
    answer(&mut cluster, watch, first[0], 0);
    cluster.pass(1_600_000);
    let second = own_requests(&mut cluster, watch);
    assert_ne!(second, first);
    // An answer to what was asked before says nothing about the other's request.
    answer(&mut cluster, watch, first[0], 0);
    assert_eq!(cluster.resigned, []);
    answer(&mut cluster, watch, second[0], 0);
    assert_eq!(cluster.resigned, [0]);
}

/// A node with an address that does not come asks again and again, and waits for no answer.
#[test]
fn requests_that_nobody_waits_for_do_not_keep_it() {
    let (mut cluster, watch) = leader_goes_down();
    let own = own_requests(&mut cluster, watch);
    let other = cluster.connect(1);
    let request = SrvidMessage::new(pnn(1), Srvid(0));
    send(&mut cluster, other, Srvid::TAKEOVER_RUN, encode(&request));
    answer(&mut cluster, watch, own[0], 0);
    cluster.pass(1_600_000);
    assert_eq!(cluster.resigned, [0]);
}

#[test]
fn a_run_that_failed_is_done_again_only_for_others() {
    let (mut cluster, watch) = leader_goes_down();
    let own = own_requests(&mut cluster, watch);
    other_asks(&mut cluster);
    answer(&mut cluster, watch, own[0], -1);
    assert_eq!(cluster.resigned, []);
    let own = own_requests(&mut cluster, watch);
    answer(&mut cluster, watch, own[0], -1);
    assert_eq!(cluster.resigned, [0]);
}

#[test]
fn its_patience_ends() {
    let (mut cluster, watch) = leader_goes_down();
    let own = own_requests(&mut cluster, watch);
    other_asks(&mut cluster);
    answer(&mut cluster, watch, own[0], 0);
    cluster.pass(9_900_000);
    assert_eq!(cluster.resigned, []);
    cluster.pass(200_000);
    assert_eq!(cluster.resigned, [0]);
}

/// It refuses every START_RECOVERY, so the others cannot recover as long as they see it.
#[test]
fn a_node_with_another_cluster_lock_is_out_of_the_way_at_once() {
    let mut cluster = Cluster::running(3);
    cluster.nodes[2].cx.settings_mut().cluster_lock = Some("/elsewhere/lock".to_owned());
    let leader = cluster.connect(0);
    // Two attempts of a recovery, whose answers come one after the other.
    for _ in 0..2 {
        let answer =
            cluster.control_raw(leader, pnn(2), StartRecovery::CODE, Srvid(0), Bytes::new());
        assert_eq!(answer.map(|answer| answer.status), Some(-1));
    }
    assert_eq!(cluster.left.first(), Some(&2));
    let about = |line: &&String| line.contains("is not that of the leader");
    assert_eq!(cluster.logged.iter().filter(about).count(), 1);
}
