//! Packets of nodes, this one included.
//!
//! The generation is the fence for calls and changes of dmaster: what belongs to another recovery is
//! dropped. Controls and messages carry it, but are not held back by it.

use bytes::Bytes;
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::packet::{Header, Packet, ReplyControl};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{MarshallBuffer, NodeFlags};
use ctdb_protocol::wire::front;

use crate::database::call::refuse;
use crate::database::wait::Parked;
use crate::node::Node;
use crate::shared::Pending;
use crate::transport::{self, Verdict};

impl Node {
    /// One packet that came over a peer's connection.
    ///
    /// A packet must come from the node that owns the connection, except a call, which keeps the node
    /// that made it while it is sent on.
    pub(crate) fn packet_from_peer(&mut self, from: Pnn, bytes: Bytes) {
        let cx = &mut self.shared;
        cx.statistics.count(|s| s.node_packets_recv += 1);
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
        if cx.members.find(header.srcnode).is_none() {
            return cx.error(format!(
                "node {from} sent a packet of unknown node {}, dropped",
                header.srcnode
            ));
        }
        let now_us = cx.now.monotonic_us;
        if let Some(member) = cx.members.find_mut(from) {
            member.heard = member.heard.saturating_add(1);
            member.last_heard_us = now_us;
        }
        self.packet_arrived(header, packet);
    }

    /// One packet of this node to itself.
    pub(crate) fn packet_from_self(&mut self, bytes: Bytes) {
        match Packet::decode(bytes) {
            Ok((header, packet)) => self.packet_arrived(header, packet),
            Err(error) => self
                .shared
                .error(format!("this node sent itself a bad packet: {error}")),
        }
    }

    /// Whether packets about records of this generation are listened to.
    fn listens(&self, header: &Header) -> bool {
        !self.shared.own_flags().contains(NodeFlags::BANNED)
            && header.generation == self.shared.vnn_map.generation
    }

    pub(crate) fn packet_arrived(&mut self, header: Header, packet: Packet) {
        match packet {
            Packet::ReqCall(_)
            | Packet::ReplyCall(_)
            | Packet::ReqDmaster(_)
            | Packet::ReplyDmaster(_) => {
                if self.listens(&header) {
                    self.record_packet(header, packet);
                }
            }
            Packet::ReplyError(error) => {
                self.shared.statistics.count(|s| s.node.reply_error += 1);
                let text = String::from_utf8_lossy(&error.msg).into_owned();
                self.shared.error(format!(
                    "node {} cannot serve a call: {text}",
                    header.srcnode
                ));
                if let Some(&Pending::Call(id)) = self.shared.pending(header.reqid)
                    && let Some(db) = self.databases.find(id)
                {
                    db.call_refused(&mut self.shared, header.reqid, &error.msg);
                }
            }
            Packet::ReqMessage(message) => {
                self.shared.statistics.count(|s| s.node.req_message += 1);
                self.message_arrived(message.srvid, &message.data);
            }
            Packet::ReqControl(control) => {
                self.shared.statistics.count(|s| s.node.req_control += 1);
                self.control_arrived(&header, control);
            }
            Packet::ReplyControl(answer) => {
                self.shared.statistics.count(|s| s.node.reply_control += 1);
                self.control_answered(&header, answer);
            }
            Packet::ReqKeepalive(keepalive) => {
                if transport::keepalive(&mut self.shared, header.srcnode, keepalive)
                    == Verdict::Leave
                {
                    self.cluster.shut_down(&mut self.shared, 0);
                }
            }
            Packet::ReqTunnel(tunnel) => {
                self.shared.statistics.count(|s| s.node.req_tunnel += 1);
                self.proxy
                    .tunnel_from_node(&mut self.shared, header.srcnode, header.reqid, tunnel);
            }
        }
    }

    /// A call, or a step of a record's move.
    pub(crate) fn record_packet(&mut self, header: Header, packet: Packet) {
        let Self {
            shared: cx,
            databases,
            ..
        } = self;
        match packet {
            Packet::ReqCall(call) => {
                cx.statistics.count(|s| s.node.req_call += 1);
                match databases.find(call.db_id) {
                    Some(db) => db.call_from_node(cx, header, call),
                    None => refuse(cx, &header, "Unknown database in ctdb_req_call"),
                }
            }
            Packet::ReqDmaster(request) => {
                cx.statistics.count(|s| s.node.req_dmaster += 1);
                match databases.find(request.db_id) {
                    Some(db) => db.dmaster_from_node(cx, header, request),
                    None => refuse(cx, &header, "Unknown database in ctdb_req_dmaster"),
                }
            }
            Packet::ReplyDmaster(reply) => {
                cx.statistics.count(|s| s.node.reply_dmaster += 1);
                match databases.find(reply.db_id) {
                    Some(db) => db.dmaster_granted(cx, header, reply),
                    None => cx.error(format!(
                        "Unknown database {} in ctdb_reply_dmaster",
                        reply.db_id
                    )),
                }
            }
            Packet::ReplyCall(reply) => {
                cx.statistics.count(|s| s.node.reply_call += 1);
                let Some(Pending::Call(id)) = cx.pending(header.reqid) else {
                    return;
                };
                let id = *id;
                if let Some(db) = databases.find(id)
                    && db.keep_copy(cx, &header, &reply)
                {
                    db.complete(cx, header.reqid, reply.status, reply.data);
                }
            }
            Packet::ReplyError(_)
            | Packet::ReqMessage(_)
            | Packet::ReqControl(_)
            | Packet::ReplyControl(_)
            | Packet::ReqKeepalive(_)
            | Packet::ReqTunnel(_) => {}
        }
    }

    /// A packet that had waited for something in a database is processed again.
    pub(crate) fn replay(&mut self, id: DbId, parked: Parked) {
        let Self {
            shared: cx,
            proxy,
            databases,
            ..
        } = self;
        match parked {
            Parked::Client {
                client,
                reqid,
                call,
            } => {
                let alive = client.0 == 0 || proxy.session(client).is_some();
                if alive && let Some(db) = databases.find(id) {
                    db.call_from_client(cx, client, reqid, call);
                }
            }
            Parked::Node {
                header,
                packet,
                generation,
            } => {
                let current = databases
                    .find(id)
                    .is_some_and(|db| db.generation == generation);
                if current && self.listens(&header) {
                    self.record_packet(header, packet);
                }
            }
            Parked::RevokeEnd { key } => {
                if let Some(db) = databases.find(id) {
                    db.revoke_end(cx, &key);
                }
            }
            Parked::Fetched { reqid } => databases.vacuum_fetched(cx, reqid),
            Parked::Pushed { asker, push } => databases.store_pushed(cx, asker, *push),
        }
    }

    /// A message for this node: to local clients, and to the daemon's own listeners.
    pub(crate) fn message_arrived(&mut self, srvid: Srvid, data: &Bytes) {
        let cx = &mut self.shared;
        self.proxy.deliver(cx, srvid, data);
        self.databases.push_records(cx, srvid, data);
        self.cluster.message_heard(cx, srvid, data);
    }

    /// The answer to a control that was sent from here.
    fn control_answered(&mut self, header: &Header, answer: ReplyControl) {
        let Some(pending) = self.shared.recall(header.reqid) else {
            return self.shared.info(format!(
                "Invalid reqid {} in ctdb_reply_control",
                header.reqid
            ));
        };
        self.pending_answered(pending, answer);
    }

    pub(crate) fn pending_answered(&mut self, pending: Pending, answer: ReplyControl) {
        let Self {
            shared: cx,
            proxy,
            databases,
            cluster,
            ..
        } = self;
        match pending {
            Pending::Call(_) => {}
            Pending::Client {
                client,
                reqid,
                timer,
                ..
            } => {
                if let Some(timer) = timer {
                    cx.timers.disarm(timer);
                }
                proxy.control_answered(cx, client, reqid, answer);
            }
            Pending::Commit { db, commit, node } => {
                if let Some(client) = databases.commit_answered(cx, db, commit, node, answer.status)
                    && let Some(session) = proxy.session_mut(client)
                {
                    session.committing = None;
                }
            }
            Pending::Revoke { db, revoke, node } => {
                if let Some(db) = databases.find(db) {
                    db.revoke_answered(cx, revoke, node, answer.status);
                }
            }
            Pending::VacuumDelete { db, node } => {
                let kept = (answer.status == 0)
                    .then(|| front::<MarshallBuffer>(&answer.data).ok())
                    .flatten();
                databases.vacuum_asked(cx, db, node, kept.as_ref());
            }
            Pending::PushRecord { push, node } => {
                databases.push_answered(cx, push, node, &answer);
            }
            Pending::LockCheck { asker, .. } => {
                if !cluster.lock_checked(cx, asker, &answer) {
                    cluster.leave_at_once(cx, 1);
                }
            }
        }
    }
}
