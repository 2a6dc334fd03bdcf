//! Tunnels: packets between two clients on two nodes that the daemons only carry.

use ctdb_protocol::id::{ClientId, Pnn, ReqId};
use ctdb_protocol::packet::{Packet, ReqTunnel};
use ctdb_protocol::srvid::Srvid;

use super::Proxy;
use crate::context::Context;
use crate::effect::Effect;
use crate::statistics::Count as _;

impl Proxy {
    /// A client wants the packets of a tunnel; each id has one owner on a node.
    pub(super) fn tunnel_register(&mut self, client: ClientId, tunnel: Srvid) -> bool {
        if self.tunnels.contains_key(&tunnel) {
            return false;
        }
        let Some(session) = self.sessions.get_mut(&client) else {
            return false;
        };
        session.tunnels.insert(tunnel);
        self.tunnels.insert(tunnel, client);
        true
    }

    /// A client gives a tunnel up; only its owner can.
    pub(super) fn tunnel_deregister(&mut self, client: ClientId, tunnel: Srvid) -> bool {
        if self.tunnels.get(&tunnel) != Some(&client) {
            return false;
        }
        self.tunnels.remove(&tunnel);
        if let Some(session) = self.sessions.get_mut(&client) {
            session.tunnels.remove(&tunnel);
        }
        true
    }

    /// A client sends a packet: the tunnel must be known here, the destination a real node.
    pub(crate) fn tunnel_from_client(
        &self,
        cx: &mut Context,
        dest: Pnn,
        reqid: ReqId,
        tunnel: ReqTunnel,
    ) {
        let id = tunnel.tunnel_id;
        if !self.tunnels.contains_key(&id) {
            cx.error(format!("tunnel id {id} not registered, dropping pkt"));
            return;
        }
        if cx.member(dest).is_none_or(|m| !m.connected()) {
            cx.error(format!(
                "cannot send tunnel {id} packet to node {dest}: no such connected node"
            ));
            return;
        }
        let generation = cx.generation();
        cx.send(dest, reqid, generation, &Packet::ReqTunnel(tunnel));
    }

    /// A packet has come: it goes to the tunnel's owner, as it is.
    pub(crate) fn tunnel_from_node(
        &self,
        cx: &mut Context,
        src: Pnn,
        reqid: ReqId,
        tunnel: ReqTunnel,
    ) {
        let id = tunnel.tunnel_id;
        let Some(&client) = self.tunnels.get(&id) else {
            cx.error(format!("Tunnel id {id} not registered, dropping pkt"));
            return;
        };
        let header = ctdb_protocol::packet::Header::new(cx.generation(), src, cx.pnn(), reqid);
        let packet = ctdb_protocol::packet::encode(&header, &Packet::ReqTunnel(tunnel));
        cx.count(|s| s.client_packets_sent.up());
        cx.effect(Effect::ToClient {
            client,
            packet,
            queue_limit: None,
        });
    }
}
