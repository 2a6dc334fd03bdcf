//! Tunnels: packets between two clients on two nodes that the daemons only carry.

use ctdb_protocol::id::{ClientId, Pnn, ReqId};
use ctdb_protocol::packet::{Packet, ReqTunnel};
use ctdb_protocol::srvid::Srvid;

use super::Proxy;
use crate::effect::Effect;
use crate::shared::Shared;

impl Proxy {
    /// A client wants the packets of a tunnel; each id has one owner on a node.
    pub fn tunnel_register(&mut self, client: ClientId, tunnel: Srvid) -> bool {
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
    pub fn tunnel_deregister(&mut self, client: ClientId, tunnel: Srvid) -> bool {
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
    pub fn tunnel_from_client(&self, cx: &mut Shared, dest: Pnn, reqid: ReqId, tunnel: ReqTunnel) {
        let id = tunnel.tunnel_id;
        if !self.tunnels.contains_key(&id) {
            cx.error(format!("tunnel id {id} not registered, dropping pkt"));
            return;
        }
        if cx.members.find(dest).is_none_or(|m| !m.connected()) {
            cx.error(format!(
                "cannot send tunnel {id} packet to node {dest}: no such connected node"
            ));
            return;
        }
        let generation = cx.vnn_map.generation;
        cx.send(dest, reqid, generation, &Packet::ReqTunnel(tunnel));
    }

    /// A packet has come: it goes to the tunnel's owner, as it is.
    pub fn tunnel_from_node(&self, cx: &mut Shared, src: Pnn, reqid: ReqId, tunnel: ReqTunnel) {
        let id = tunnel.tunnel_id;
        let Some(&client) = self.tunnels.get(&id) else {
            cx.error(format!("Tunnel id {id} not registered, dropping pkt"));
            return;
        };
        let header = ctdb_protocol::packet::Header::new(cx.vnn_map.generation, src, cx.pnn, reqid);
        let packet = ctdb_protocol::packet::encode(&header, &Packet::ReqTunnel(tunnel));
        cx.statistics.count(|s| s.client_packets_sent += 1);
        cx.out.push(Effect::ToClient {
            client,
            packet,
            queue_limit: None,
        });
    }
}
