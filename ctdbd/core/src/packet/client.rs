//! Packets of local clients. Four operations are theirs; anything else is dropped with a line in the
//! log, and the connection is kept, as upstream does.

use bytes::Bytes;
use ctdb_protocol::id::{ClientId, Pnn};
use ctdb_protocol::packet::Packet;

use crate::node::Node;

impl Node {
    /// One packet of a local client.
    pub(crate) fn packet_from_client(&mut self, client: ClientId, bytes: Bytes) {
        let Self {
            shared: cx,
            proxy,
            databases,
            ..
        } = self;
        cx.statistics.count(|s| s.client_packets_recv += 1);
        if proxy.session(client).is_none() {
            return;
        }
        let (header, packet) = match Packet::decode(bytes) {
            Ok(decoded) => decoded,
            Err(error) => return cx.error(format!("client {client} sent a bad packet: {error}")),
        };
        match packet {
            Packet::ReqCall(call) => {
                cx.statistics.count(|s| s.client.req_call += 1);
                match databases.find(call.db_id) {
                    Some(db) => db.call_from_client(cx, client, header.reqid, call),
                    None => cx.error(format!(
                        "Unknown database in request. db_id=={}",
                        call.db_id
                    )),
                }
            }
            Packet::ReqMessage(message) => {
                cx.statistics.count(|s| s.client.req_message += 1);
                let dest = if header.destnode == Pnn::CURRENT {
                    cx.pnn
                } else {
                    header.destnode
                };
                if proxy.message_from_client(cx, dest, &message) {
                    self.message_arrived(message.srvid, &message.data);
                }
            }
            Packet::ReqControl(control) => {
                cx.statistics.count(|s| s.client.req_control += 1);
                proxy.control_from_client(cx, client, &header, control);
            }
            Packet::ReqTunnel(tunnel) => {
                cx.statistics.count(|s| s.client.req_tunnel += 1);
                proxy.tunnel_from_client(cx, header.destnode, header.reqid, tunnel);
            }
            other @ (Packet::ReplyCall(_)
            | Packet::ReqDmaster(_)
            | Packet::ReplyDmaster(_)
            | Packet::ReplyError(_)
            | Packet::ReplyControl(_)
            | Packet::ReqKeepalive(_)) => {
                cx.error(format!(
                    "client {client} sent a packet of operation {}, dropped",
                    other.operation()
                ));
            }
        }
    }
}
