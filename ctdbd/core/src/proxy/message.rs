//! Messages: from a client to the nodes it names, and from a node to the clients that listen.

use bytes::Bytes;
use ctdb_protocol::id::{ClientId, Pnn, ReqId};
use ctdb_protocol::packet::{self, Header, Packet, ReqMessage};
use ctdb_protocol::srvid::Srvid;

use super::Proxy;
use crate::effect::{Effect, Lane};
use crate::shared::Shared;

impl Proxy {
    /// A client sends a message. The own node is served at once, the sender included if it listens;
    /// the answer is whether the own node is among the destinations, so that the caller also tells
    /// the daemon's own listeners.
    pub fn message_from_client(&self, cx: &mut Shared, dest: Pnn, message: &ReqMessage) -> bool {
        let mut own = false;
        let mut encoded = None;
        for node in cx.expand(dest) {
            if node == cx.pnn {
                own = true;
                continue;
            }
            let packet = encoded.get_or_insert_with(|| Packet::ReqMessage(message.clone()));
            let header = Header::new(cx.vnn_map.generation, cx.pnn, node, ReqId(0));
            forward_message(cx, node, message.srvid, packet::encode(&header, packet));
        }
        own
    }

    /// Hands a message to every local client that listens to its srvid, then to those that listen to all.
    pub fn deliver(&self, cx: &mut Shared, srvid: Srvid, data: &Bytes) {
        deliver_to(cx, self.listeners(srvid), srvid, data);
        deliver_to(cx, self.listeners(Srvid::ALL), srvid, data);
    }

    /// Hands a message only to those who listen to exactly this srvid.
    pub fn deliver_exactly(&self, cx: &mut Shared, srvid: Srvid, data: &Bytes) {
        deliver_to(cx, self.listeners(srvid), srvid, data);
    }

    /// Hands a message to one client.
    pub fn deliver_alone(&self, cx: &mut Shared, client: ClientId, srvid: Srvid, data: &Bytes) {
        deliver_to(cx, std::iter::once(client), srvid, data);
    }
}

fn deliver_to(
    cx: &mut Shared,
    listeners: impl Iterator<Item = ClientId>,
    srvid: Srvid,
    data: &Bytes,
) {
    let mut encoded = None;
    let queue_limit = Some(cx.tunables.max_queue_drop_msg());
    for client in listeners {
        let packet = encoded.get_or_insert_with(|| {
            let header = Header::new(cx.vnn_map.generation, cx.pnn, cx.pnn, ReqId(0));
            let data = data.clone();
            packet::encode(&header, &Packet::ReqMessage(ReqMessage { srvid, data }))
        });
        cx.statistics.count(|s| s.client_packets_sent += 1);
        cx.out.push(Effect::ToClient {
            client,
            packet: packet.clone(),
            queue_limit,
        });
    }
}

/// Leader broadcasts may overtake data; everything else keeps its place.
fn forward_message(cx: &mut Shared, node: Pnn, srvid: Srvid, packet: Bytes) {
    if srvid != Srvid::LEADER {
        cx.forward(node, packet);
        return;
    }
    cx.statistics.count(|s| s.node_packets_sent += 1);
    if cx.members.find(node).is_some_and(|m| !m.deleted()) {
        cx.out.push(Effect::ToPeer {
            peer: node,
            lane: Lane::Urgent,
            packet,
        });
    }
}
