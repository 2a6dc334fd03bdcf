//! What the proxy is told, what it lets everybody see, and what its timers and questions are for.

use std::collections::BTreeSet;

use bytes::Bytes;
use ctdb_protocol::id::{ClientId, Pnn, ReqId};
use ctdb_protocol::packet::{Packet, ReplyControl};
use ctdb_protocol::srvid::Srvid;

use super::Proxy;
use crate::cluster;
use crate::context::{About, Context};

/// What other services tell this one.
#[derive(Debug)]
pub enum Letter {
    /// Transport, cluster: a node has gone; nobody need wait for its answer.
    NodeGone(Pnn),
    /// Cluster: membership, a flag or the recovery mode has changed.
    MembershipChanged,
    /// Anybody: a message for those who listen to exactly this srvid.
    Deliver {
        /// The port.
        srvid: Srvid,
        /// The message.
        data: Bytes,
    },
    /// Anybody: a message for one client, if it listens to the srvid.
    DeliverTo {
        /// Its connection.
        client: ClientId,
        /// The port.
        srvid: Srvid,
        /// The message.
        data: Bytes,
    },
}

/// What a timer of this service is for.
#[derive(Debug)]
pub enum Due {
    /// Have a client, that has just begun to listen, told who leads.
    TellLeader(ClientId),
}

/// A client's control that was sent on: the answer goes back to it.
#[derive(Debug)]
pub struct Asked {
    /// Its connection.
    pub(super) client: ClientId,
    /// Its own request id.
    pub(super) reqid: ReqId,
    /// Node that was asked.
    node: Pnn,
}

impl Asked {
    /// A control of this client, which it calls `reqid`, for this node.
    #[must_use]
    pub fn new(client: ClientId, reqid: ReqId, node: Pnn) -> Self {
        Self {
            client,
            reqid,
            node,
        }
    }

    /// What it is to be found by.
    pub(crate) fn subjects(&self) -> [Option<About>; 2] {
        [
            Some(About::Client(self.client)),
            Some(About::Node(self.node)),
        ]
    }
}

/// What everybody may know of the clients. Only the proxy can change it.
#[derive(Debug, Default)]
pub struct View {
    there: BTreeSet<ClientId>,
}

impl View {
    /// Whether a connection is there. 0, which stands for the daemon itself, is not among them.
    #[must_use]
    pub fn there(&self, client: ClientId) -> bool {
        self.there.contains(&client)
    }

    pub(super) fn add(&mut self, client: ClientId) {
        self.there.insert(client);
    }

    pub(super) fn remove(&mut self, client: ClientId) {
        self.there.remove(&client);
    }
}

impl Proxy {
    /// Reads a letter.
    pub(crate) fn read(&mut self, cx: &mut Context, letter: Letter) {
        match letter {
            Letter::NodeGone(node) => Self::node_gone(cx, node),
            Letter::MembershipChanged => self.tell_change = true,
            Letter::Deliver { srvid, data } => self.deliver_exactly(cx, srvid, &data),
            Letter::DeliverTo {
                client,
                srvid,
                data,
            } => self.deliver_to(cx, client, srvid, &data),
        }
    }

    /// A timer.
    pub(crate) fn due(&self, cx: &mut Context, due: Due) {
        let Due::TellLeader(client) = due;
        if self.listens(client, Srvid::LEADER) {
            cx.post(cluster::Letter::LeaderAsked(client));
        }
    }

    /// The answer to a client's control has come.
    pub(crate) fn answered(&self, cx: &mut Context, asked: &Asked, answer: ReplyControl) {
        if self.sessions.contains_key(&asked.client) {
            cx.to_client(asked.client, asked.reqid, &Packet::ReplyControl(answer));
        }
    }

    /// The turn ends: what has changed in it is told once.
    pub(crate) fn turn_ends(&mut self, cx: &mut Context) {
        if std::mem::take(&mut self.tell_change) {
            self.deliver_exactly(cx, Srvid::NODE_CHANGED, &Bytes::new());
        }
    }
}
