//! Packets to nodes and clients, and the answers of those who were asked.

use bytes::Bytes;
use ctdb_protocol::control::Control;
use ctdb_protocol::id::{ClientId, Generation, Pnn, ReqId};
use ctdb_protocol::packet::{self, Header, Packet, ReplyControl, ReqControl, ReqMessage};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::ControlFlags;
use ctdb_protocol::wire::{Pad, Wire, encode};

use super::{About, Asked, Context, Due};
use crate::control::Asker;
use crate::effect::{Effect, Lane};
use crate::statistics::Count as _;

impl Context {
    /// Sends a packet to one node; to the own node it arrives after the current input.
    pub fn send(&mut self, dest: Pnn, reqid: ReqId, generation: Generation, packet: &Packet) {
        let header = Header::new(generation, self.pnn(), dest, reqid);
        self.forward(dest, packet::encode(&header, packet));
    }

    /// Something for a node of this generation goes past it because it is not connected: a recovery has
    /// to follow when it is again.
    pub fn note_missing(&mut self, node: Pnn) {
        let missing = self.view.member(node).is_some_and(|m| !m.connected());
        if missing && self.view.vnn_map().nodes.contains(&node) {
            self.peers.note_lost(node, self.view.generation());
        }
    }

    /// Sends encoded bytes to one node.
    pub fn forward(&mut self, dest: Pnn, packet: Bytes) {
        self.statistics.count(|s| s.node_packets_sent.up());
        if dest == self.pnn() {
            self.loopback.push_back(packet);
            return;
        }
        self.note_missing(dest);
        if self.view.member(dest).is_some_and(|m| !m.deleted()) {
            self.effects.push(Effect::ToPeer {
                peer: dest,
                lane: Lane::Ordered,
                packet,
            });
        }
    }

    /// Sends a message that the daemon itself has to say.
    pub fn message(&mut self, dest: Pnn, srvid: Srvid, data: Bytes) {
        let packet = Packet::ReqMessage(ReqMessage { srvid, data });
        let generation = self.generation();
        for node in self.expand(dest) {
            self.send(node, ReqId(0), generation, &packet);
        }
    }

    /// Sends a control that the daemon itself has to ask, and remembers what its answer is for.
    /// Returns false when the node cannot be asked; then no answer comes.
    pub fn control<C: Control>(
        &mut self,
        dest: Pnn,
        request: &C::Request,
        client: ClientId,
        asked: impl Into<Asked>,
    ) -> bool {
        if self.view.member(dest).is_none_or(|m| !m.connected()) {
            return false;
        }
        let reqid = self.next_reqid();
        let packet = control_packet(
            C::CODE,
            client,
            ControlFlags::empty(),
            Bytes::from(encode(request)),
        );
        self.remember_for_a_while(reqid, asked);
        let generation = self.generation();
        self.send(dest, reqid, generation, &packet);
        true
    }

    /// Broadcasts a control to which no answer is wanted.
    pub fn announce<C: Control>(&mut self, dest: Pnn, request: &C::Request) {
        let packet = control_packet(
            C::CODE,
            ClientId(0),
            ControlFlags::NOREPLY,
            Bytes::from(encode(request)),
        );
        let generation = self.generation();
        for node in self.expand(dest) {
            self.send(node, ReqId(0), generation, &packet);
        }
    }

    /// Remembers what the answer to `reqid` is for, for as long as it takes.
    pub fn remember(&mut self, reqid: ReqId, asked: impl Into<Asked>) {
        self.requests.insert(reqid, asked.into(), None);
    }

    /// The same, until ControlTimeout is over.
    pub fn remember_for_a_while(&mut self, reqid: ReqId, asked: impl Into<Asked>) {
        let limit = self.control_timeout();
        let timer = limit.map(|limit| self.arm(limit, Due::Request(reqid)));
        self.requests.insert(reqid, asked.into(), timer);
    }

    /// What the answer to `reqid` is for; it stays known.
    #[must_use]
    pub fn asked(&self, reqid: ReqId) -> Option<&Asked> {
        self.requests.get(reqid)
    }

    /// Takes what the answer to `reqid` is for; its time limit is off.
    pub fn recall(&mut self, reqid: ReqId) -> Option<Asked> {
        let (asked, timer) = self.requests.remove(reqid)?;
        if let Some(timer) = timer {
            self.timers.disarm(timer);
        }
        Some(asked)
    }

    /// Takes those about something for which `chosen` says yes, in ascending order.
    pub fn recall_about(
        &mut self,
        about: About,
        mut chosen: impl FnMut(&Asked) -> bool,
    ) -> Vec<(ReqId, Asked)> {
        let numbers = self.requests.about(about);
        let mut taken = Vec::new();
        for reqid in numbers {
            if self.requests.get(reqid).is_some_and(&mut chosen)
                && let Some(asked) = self.recall(reqid)
            {
                taken.push((reqid, asked));
            }
        }
        taken
    }

    /// Sends a packet to a client as upstream does: from the own node, with the client's request id.
    pub fn to_client(&mut self, client: ClientId, reqid: ReqId, packet: &Packet) {
        let header = Header::new(self.generation(), self.pnn(), Pnn(0), reqid);
        self.statistics.count(|s| s.client_packets_sent.up());
        self.effects.push(Effect::ToClient {
            client,
            packet: packet::encode(&header, packet),
            queue_limit: None,
        });
    }

    /// Answers a control with a status and data.
    pub fn reply(&mut self, asker: Asker, status: i32, data: Bytes) {
        self.answer(asker, status, data, Bytes::new());
    }

    /// Answers a control with a typed value and status 0.
    pub fn reply_with<T: Wire>(&mut self, asker: Asker, value: &T) {
        self.reply(asker, 0, Bytes::from(encode(value)));
    }

    /// Answers a control with a status alone.
    pub fn reply_status(&mut self, asker: Asker, status: i32) {
        self.reply(asker, status, Bytes::new());
    }

    /// Refuses a control with a text that goes over the wire.
    pub fn refuse(&mut self, asker: Asker, status: i32, text: &str) {
        self.answer(
            asker,
            status,
            Bytes::new(),
            Bytes::copy_from_slice(text.as_bytes()),
        );
    }

    fn answer(&mut self, asker: Asker, status: i32, data: Bytes, error: Bytes) {
        if asker.no_reply {
            return;
        }
        let packet = Packet::ReplyControl(ReplyControl {
            status,
            data,
            errormsg: error,
        });
        let generation = self.generation();
        self.send(asker.node, asker.reqid, generation, &packet);
    }
}

/// A control packet as a daemon sends it.
fn control_packet(opcode: u32, client: ClientId, flags: ControlFlags, data: Bytes) -> Packet {
    Packet::ReqControl(ReqControl {
        opcode,
        pad: Pad::ZERO,
        srvid: Srvid(0),
        client_id: client,
        flags,
        data,
    })
}
