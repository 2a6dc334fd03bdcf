//! Who listens for the leader is told at once.

use bytes::Bytes;
use ctdb_protocol::id::{ClientId, Pnn};
use ctdb_protocol::packet::Packet;
use ctdb_protocol::srvid::Srvid;

use super::{Cluster, pnn};
use crate::input::Input;

const REGISTER_SRVID: u32 = 23;
const NODE_1: &[u8] = &1_u32.to_ne_bytes();
const NOBODY: &[u8] = &u32::MAX.to_ne_bytes();

/// A new client of node 0 registers for the leader; what it got, in order: answers as `None`.
fn listen(cluster: &mut Cluster) -> Vec<Option<Pnn>> {
    let client = cluster.connect(0);
    let reply = cluster.control_raw(
        client,
        Pnn::CURRENT,
        REGISTER_SRVID,
        Srvid::LEADER,
        Bytes::new(),
    );
    assert_eq!(reply.expect("an answer").status, 0);
    cluster.pass(1);
    messages(cluster, client)
}

fn messages(cluster: &mut Cluster, client: (usize, ClientId)) -> Vec<Option<Pnn>> {
    let received = cluster.received(client).into_iter();
    received
        .filter_map(|(_, packet)| match packet {
            Packet::ReqMessage(message) if message.srvid == Srvid::LEADER => Some(
                message
                    .data
                    .first_chunk()
                    .map(|b| Pnn(u32::from_ne_bytes(*b))),
            ),
            _ => None,
        })
        .collect()
}

fn broadcast(cluster: &mut Cluster, data: &'static [u8]) {
    let leader = cluster.connect(1);
    cluster.message(leader, pnn(0), Srvid::LEADER, data);
}

#[test]
fn a_listener_hears_of_the_leader_at_once_and_only_once() {
    let mut cluster = Cluster::running(2);
    assert_eq!(listen(&mut cluster), []);
    broadcast(&mut cluster, NODE_1);
    let first = cluster.connect(0);
    assert_eq!(listen(&mut cluster), [Some(pnn(1))]);
    assert_eq!(listen(&mut cluster), [Some(pnn(1))]);
    assert_eq!(messages(&mut cluster, first), [], "it does not listen");
}

#[test]
fn a_leader_that_resigned_went_or_is_silent_is_not_told_of() {
    let mut cluster = Cluster::running(2);
    broadcast(&mut cluster, NODE_1);
    broadcast(&mut cluster, NOBODY);
    assert_eq!(listen(&mut cluster), []);
    broadcast(&mut cluster, NODE_1);
    cluster.pass(3_000_000);
    assert_eq!(listen(&mut cluster), []);
    broadcast(&mut cluster, NODE_1);
    let reason = "it was killed".to_owned();
    cluster.input(
        0,
        Input::PeerDisconnected {
            peer: pnn(1),
            reason,
        },
    );
    assert_eq!(listen(&mut cluster), []);
}
