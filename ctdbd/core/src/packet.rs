//! Takes packets apart and brings each to the service that it is for.
//!
//! The generation is the fence for calls and changes of dmaster: the database service drops what belongs to
//! another recovery. Controls and messages carry it, but are not held back by it.

use bytes::Bytes;
use ctdb_protocol::control::{self, ForService, Life, Request};
use ctdb_protocol::id::{ClientId, Pnn};
use ctdb_protocol::packet::{Header, Packet, ReplyControl, ReqControl};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::ControlFlags;

use crate::context::Asked;
use crate::control::{Answer, Asker};
use crate::database::RecordPacket;
use crate::node::Node;
use crate::statistics::Count as _;

impl Node {
    /// One packet of a local client. Four operations are theirs; anything else is dropped with a line in the
    /// log, and the connection is kept, as upstream does.
    pub(crate) fn packet_from_client(&mut self, client: ClientId, bytes: Bytes) {
        let cx = &mut self.cx;
        cx.count(|s| s.client_packets_recv.up());
        if !cx.clients().there(client) {
            return;
        }
        let (header, packet) = match Packet::decode(bytes) {
            Ok(decoded) => decoded,
            Err(error) => return cx.error(format!("client {client} sent a bad packet: {error}")),
        };
        match packet {
            Packet::ReqCall(call) => {
                cx.count(|s| s.client.req_call.up());
                self.databases.client_calls(cx, client, header.reqid, call);
            }
            Packet::ReqMessage(message) => {
                cx.count(|s| s.client.req_message.up());
                let dest = if header.destnode == Pnn::CURRENT {
                    cx.pnn()
                } else {
                    header.destnode
                };
                if self.proxy.message_from_client(cx, dest, &message) {
                    self.message_arrived(message.srvid, &message.data);
                }
            }
            Packet::ReqControl(control) => {
                cx.count(|s| s.client.req_control.up());
                self.proxy.control_from_client(cx, client, &header, control);
            }
            Packet::ReqTunnel(tunnel) => {
                cx.count(|s| s.client.req_tunnel.up());
                let proxy = &self.proxy;
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

    /// One packet that came over a peer's connection.
    ///
    /// A packet must come from the node that owns the connection, except a call, which keeps the node
    /// that made it while it is sent on.
    pub(crate) fn packet_from_peer(&mut self, from: Pnn, bytes: Bytes) {
        let cx = &mut self.cx;
        cx.count(|s| s.node_packets_recv.up());
        let (header, packet) = match Packet::decode(bytes) {
            Ok(decoded) => decoded,
            Err(error) => return cx.error(format!("node {from} sent a bad packet: {error}")),
        };
        let travels = matches!(packet, Packet::ReqCall(_));
        if header.srcnode != from && !travels {
            return cx.error(format!(
                "node {from} sent a packet in the name of node {}, dropped",
                header.srcnode
            ));
        }
        if cx.member(header.srcnode).is_none() {
            return cx.error(format!(
                "node {from} sent a packet of unknown node {}, dropped",
                header.srcnode
            ));
        }
        self.transport.heard(cx, from);
        self.packet_arrived(header, packet);
    }

    /// One packet of this node to itself.
    pub(crate) fn packet_from_self(&mut self, bytes: Bytes) {
        match Packet::decode(bytes) {
            Ok((header, packet)) => self.packet_arrived(header, packet),
            Err(error) => self
                .cx
                .error(format!("this node sent itself a bad packet: {error}")),
        }
    }

    fn packet_arrived(&mut self, header: Header, packet: Packet) {
        let cx = &mut self.cx;
        match packet {
            Packet::ReqCall(call) => {
                let packet = RecordPacket::Call(call);
                self.databases.record_packet(cx, header, packet);
            }
            Packet::ReplyCall(reply) => {
                let packet = RecordPacket::Answer(reply);
                self.databases.record_packet(cx, header, packet);
            }
            Packet::ReqDmaster(request) => {
                let packet = RecordPacket::Dmaster(request);
                self.databases.record_packet(cx, header, packet);
            }
            Packet::ReplyDmaster(reply) => {
                let packet = RecordPacket::Granted(reply);
                self.databases.record_packet(cx, header, packet);
            }
            Packet::ReplyError(error) => {
                cx.count(|s| s.node.reply_error.up());
                let text = String::from_utf8_lossy(&error.msg).into_owned();
                cx.error(format!(
                    "node {} cannot serve a call: {text}",
                    header.srcnode
                ));
                self.databases.call_refused(cx, header.reqid, &error.msg);
            }
            Packet::ReqMessage(message) => {
                cx.count(|s| s.node.req_message.up());
                self.message_arrived(message.srvid, &message.data);
            }
            Packet::ReqControl(control) => {
                cx.count(|s| s.node.req_control.up());
                self.control_arrived(&header, control);
            }
            Packet::ReplyControl(answer) => {
                cx.count(|s| s.node.reply_control.up());
                self.control_answered(&header, answer);
            }
            Packet::ReqKeepalive(keepalive) => {
                self.transport.keepalive(cx, header.srcnode, keepalive);
            }
            Packet::ReqTunnel(tunnel) => {
                cx.count(|s| s.node.req_tunnel.up());
                let proxy = &self.proxy;
                proxy.tunnel_from_node(cx, header.srcnode, header.reqid, tunnel);
            }
        }
    }

    /// A message for this node: to local clients, and to the daemon's own listeners.
    fn message_arrived(&mut self, srvid: Srvid, data: &Bytes) {
        let cx = &mut self.cx;
        self.proxy.deliver(cx, srvid, data);
        self.databases.push_records(cx, srvid, data);
        self.cluster.message_heard(cx, srvid, data);
    }

    /// A control for this node, from any node.
    fn control_arrived(&mut self, header: &Header, packet: ReqControl) {
        let cx = &mut self.cx;
        let client = packet.client_id;
        let asker = Asker {
            node: header.srcnode,
            reqid: header.reqid,
            client,
            no_reply: packet.flags.contains(ControlFlags::NOREPLY),
            local: header.srcnode == cx.pnn() && cx.clients().there(client),
        };
        let request = match Request::take(packet.opcode, &packet.data) {
            Ok(request) => request.for_service(),
            Err(error) => {
                cx.error(why_refused(packet.opcode, &error.to_string()));
                return cx.reply_status(asker, -1);
            }
        };
        let answer = match request {
            ForService::Daemon(request) => self.daemon_control(request),
            ForService::Proxy(request) => self.proxy.control(cx, asker, packet.srvid, request),
            ForService::Cluster(request) => self.cluster.control(cx, asker, request),
            ForService::Database(request) => {
                let (flags, data) = (packet.flags, packet.data);
                self.databases.control(cx, asker, (flags, data), request)
            }
            ForService::Failover(request) => {
                self.failover.control(cx, asker, packet.flags, request)
            }
        };
        match answer {
            Answer::Status(status) => self.cx.reply_status(asker, status),
            Answer::Data(data) => self.cx.reply(asker, 0, data.into()),
            Answer::Taken => {}
        }
    }

    /// The answer to a control that was sent from here.
    fn control_answered(&mut self, header: &Header, answer: ReplyControl) {
        let cx = &mut self.cx;
        match cx.recall(header.reqid) {
            None => cx.info(format!(
                "Invalid reqid {} in ctdb_reply_control",
                header.reqid
            )),
            Some(Asked::Proxy(asked)) => self.proxy.answered(cx, &asked, answer),
            Some(Asked::Database(asked)) => self.databases.answered(cx, asked, &answer),
            Some(Asked::Cluster(asked)) => self.cluster.answered(cx, asked, &answer),
        }
    }
}

/// The log line of a control that cannot be served, as upstream has it.
fn why_refused(opcode: u32, why: &str) -> String {
    let Some(row) = control::find(opcode) else {
        return format!("Unknown CTDB control opcode {opcode}");
    };
    let name = row.name;
    match row.life {
        Life::Obsolete { instead: None } => format!("Control {name} is not implemented any more"),
        Life::Obsolete {
            instead: Some(other),
        } => format!("Control {name} is not implemented any more, use {other} instead"),
        Life::Live => format!("Invalid data in control {name}: {why}"),
    }
}
