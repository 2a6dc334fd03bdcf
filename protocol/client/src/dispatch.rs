//! What is awaited, and who gets what comes.

use std::collections::HashMap;

use bytes::Bytes;
use ctdb_protocol::packet::{ReplyControl, ReqTunnel};
use ctdb_protocol::types::TunnelFlags;
use ctdb_protocol::{Header, Packet, ReqId, Srvid};
use tokio::sync::{mpsc, oneshot};

use crate::incoming::{Message, TunnelRequest};

/// Everything that a connection waits for.
#[derive(Debug, Default)]
pub(crate) struct Dispatch {
    last_reqid: u32,
    pending: HashMap<ReqId, oneshot::Sender<Packet>>,
    ports: HashMap<Srvid, Vec<mpsc::UnboundedSender<Message>>>,
    tunnels: HashMap<Srvid, mpsc::UnboundedSender<TunnelRequest>>,
    closed: bool,
}

impl Dispatch {
    /// A number for a request, and its answer in the future.
    pub(crate) fn expect(&mut self) -> (ReqId, oneshot::Receiver<Packet>) {
        let (sender, receiver) = oneshot::channel();
        let reqid = self.free_reqid();
        if !self.closed {
            self.pending.insert(reqid, sender);
        }
        (reqid, receiver)
    }

    /// A number that no request in flight has. Zero is nobody's.
    pub(crate) fn free_reqid(&mut self) -> ReqId {
        loop {
            self.last_reqid = self.last_reqid.wrapping_add(1);
            let reqid = ReqId(self.last_reqid);
            if reqid.0 != 0 && !self.pending.contains_key(&reqid) {
                return reqid;
            }
        }
    }

    /// The answer is no longer wanted.
    pub(crate) fn forget(&mut self, reqid: ReqId) {
        self.pending.remove(&reqid);
    }

    /// A new listener; true: the first one at this port.
    pub(crate) fn listen(
        &mut self,
        srvid: Srvid,
        listener: mpsc::UnboundedSender<Message>,
    ) -> bool {
        let listeners = self.ports.entry(srvid).or_default();
        listeners.retain(|listener| !listener.is_closed());
        listeners.push(listener);
        listeners.len() == 1
    }

    /// No listener is left at this port.
    pub(crate) fn silence(&mut self, srvid: Srvid) {
        self.ports.remove(&srvid);
    }

    /// Who answers the tunnel's requests.
    pub(crate) fn open(&mut self, tunnel: Srvid, taker: mpsc::UnboundedSender<TunnelRequest>) {
        self.tunnels.insert(tunnel, taker);
    }

    /// Nobody does any more.
    pub(crate) fn shut(&mut self, tunnel: Srvid) {
        self.tunnels.remove(&tunnel);
    }

    /// A packet came.
    pub(crate) fn take(&mut self, packet: Bytes) {
        let (header, packet) = match Packet::decode(packet) {
            Ok(decoded) => decoded,
            Err(error) => {
                tracing::warn!("Malformed packet from the daemon: {error}");
                return;
            }
        };
        match packet {
            Packet::ReqMessage(message) => self.take_message(&header, message.srvid, message.data),
            Packet::ReqTunnel(tunnel) => self.take_tunnel(&header, tunnel),
            Packet::ReplyCall(_) | Packet::ReplyError(_) | Packet::ReplyControl(_) => {
                self.answer(header.reqid, packet);
            }
            Packet::ReqCall(_)
            | Packet::ReqDmaster(_)
            | Packet::ReplyDmaster(_)
            | Packet::ReqControl(_)
            | Packet::ReqKeepalive(_) => {
                tracing::debug!("Operation {} is not for clients", header.operation);
            }
        }
    }

    fn answer(&mut self, reqid: ReqId, packet: Packet) {
        if let Some(waiter) = self.pending.remove(&reqid) {
            let _ = waiter.send(packet);
        }
    }

    fn take_message(&mut self, header: &Header, srvid: Srvid, data: Bytes) {
        let message = Message {
            src: header.srcnode,
            srvid,
            data,
        };
        let everything = (srvid != Srvid::ALL).then_some(Srvid::ALL);
        for port in [Some(srvid), everything].into_iter().flatten() {
            let Some(listeners) = self.ports.get_mut(&port) else {
                continue;
            };
            listeners.retain(|listener| listener.send(message.clone()).is_ok());
        }
    }

    fn take_tunnel(&mut self, header: &Header, tunnel: ReqTunnel) {
        if tunnel.flags.contains(TunnelFlags::REPLY) {
            self.answer(header.reqid, Packet::ReqTunnel(tunnel));
            return;
        }
        let Some(taker) = self.tunnels.get(&tunnel.tunnel_id) else {
            return;
        };
        let _ = taker.send(TunnelRequest {
            src: header.srcnode,
            reqid: header.reqid,
            wants_reply: !tunnel.flags.contains(TunnelFlags::NOREPLY),
            data: tunnel.data,
        });
    }

    /// Nothing will come any more.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.pending.clear();
        self.ports.clear();
        self.tunnels.clear();
    }
}

/// The answer to a control, taken out of its packet.
pub(crate) fn control_reply(packet: Packet) -> Option<ReplyControl> {
    match packet {
        Packet::ReplyControl(reply) => Some(reply),
        _ => None,
    }
}
