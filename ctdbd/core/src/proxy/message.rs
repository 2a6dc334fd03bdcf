//! Messages: from a client to the nodes it names, and from a node to the clients that listen.

use bytes::Bytes;
use ctdb_protocol::id::{ClientId, Pnn, ReqId};
use ctdb_protocol::packet::{self, Header, Packet, ReqMessage};
use ctdb_protocol::srvid::Srvid;

use super::Proxy;
use crate::context::Context;
use crate::effect::{Effect, Lane};
use crate::statistics::Count as _;

impl Proxy {
    /// A client sends a message. The own node is served at once, the sender included if it listens;
    /// the answer is whether the own node is among the destinations, so that the caller also tells
    /// the daemon's own listeners.
    pub(crate) fn message_from_client(
        &self,
        cx: &mut Context,
        dest: Pnn,
        message: &ReqMessage,
    ) -> bool {
        let mut own = false;
        let mut encoded = None;
        for node in cx.expand(dest) {
            if node == cx.pnn() {
                own = true;
                continue;
            }
            let packet = encoded.get_or_insert_with(|| Packet::ReqMessage(message.clone()));
            let header = Header::new(cx.generation(), cx.pnn(), node, ReqId(0));
            forward_message(cx, node, message.srvid, packet::encode(&header, packet));
        }
        own
    }

    /// Hands a message to every local client that listens to its srvid, then to those that listen to all.
    pub(crate) fn deliver(&self, cx: &mut Context, srvid: Srvid, data: &Bytes) {
        deliver_to(cx, self.listeners(srvid), srvid, data);
        deliver_to(cx, self.listeners(Srvid::ALL), srvid, data);
    }

    /// Hands a message only to those who listen to exactly this srvid.
    pub(super) fn deliver_exactly(&self, cx: &mut Context, srvid: Srvid, data: &Bytes) {
        deliver_to(cx, self.listeners(srvid), srvid, data);
    }

    /// Hands a message to one client, if it listens to the srvid.
    pub(super) fn deliver_to(
        &self,
        cx: &mut Context,
        client: ClientId,
        srvid: Srvid,
        data: &Bytes,
    ) {
        if self.listens(client, srvid) {
            deliver_to(cx, std::iter::once(client), srvid, data);
        }
    }

    /// Whether a client has registered this srvid.
    pub(super) fn listens(&self, client: ClientId, srvid: Srvid) -> bool {
        let session = self.sessions.get(&client);
        session.is_some_and(|session| session.srvids.contains_key(&srvid))
    }
}

fn deliver_to(
    cx: &mut Context,
    listeners: impl Iterator<Item = ClientId>,
    srvid: Srvid,
    data: &Bytes,
) {
    let mut encoded = None;
    let queue_limit = Some(cx.tunables().max_queue_drop_msg());
    for client in listeners {
        let packet = encoded.get_or_insert_with(|| {
            let header = Header::new(cx.generation(), cx.pnn(), cx.pnn(), ReqId(0));
            let data = data.clone();
            packet::encode(&header, &Packet::ReqMessage(ReqMessage { srvid, data }))
        });
        cx.count(|s| s.client_packets_sent.up());
        cx.effect(Effect::ToClient {
            client,
            packet: packet.clone(),
            queue_limit,
        });
    }
}

/// Leader broadcasts may overtake data; everything else keeps its place.
fn forward_message(cx: &mut Context, node: Pnn, srvid: Srvid, packet: Bytes) {
    if srvid != Srvid::LEADER {
        cx.forward(node, packet);
        return;
    }
    cx.count(|s| s.node_packets_sent.up());
    if cx.member(node).is_some_and(|m| !m.deleted()) {
        cx.effect(Effect::ToPeer {
            peer: node,
            lane: Lane::Urgent,
            packet,
        });
    }
}
