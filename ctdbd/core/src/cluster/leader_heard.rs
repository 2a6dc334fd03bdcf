//! Who leads, as far as its broadcasts tell. The election itself is the watch's business.

use bytes::Bytes;
use ctdb_protocol::id::{ClientId, Pnn};
use ctdb_protocol::srvid::Srvid;

use super::Cluster;
use crate::context::Context;
use crate::proxy;

/// A leader broadcasts every second. One that missed two of them is not passed on as the leader:
/// whoever asks had better wait for the next broadcast. Seconds.
const FRESH_S: f64 = 2.5;

impl Cluster {
    /// A node says that it leads, or, with the unknown number, that it no longer does.
    pub(super) fn leader_heard(&mut self, cx: &Context, data: &[u8]) {
        self.leader = data
            .first_chunk()
            .map(|bytes| Pnn(u32::from_ne_bytes(*bytes)))
            .filter(|pnn| *pnn != Pnn::UNKNOWN);
        self.leader_heard_us = cx.now().monotonic_us;
    }

    /// A peer's connection broke: it does not lead any more.
    pub(super) fn leader_gone(&mut self, peer: Pnn) {
        self.leader = self.leader.filter(|leader| *leader != peer);
    }

    /// Tells a new listener at once what it would hear within a second, so that `ctdb status` need not
    /// wait. Upstream's daemon leaves it to wait.
    pub(super) fn tell_leader(&self, cx: &mut Context, client: ClientId) {
        let fresh = cx.now().seconds_since(self.leader_heard_us) < FRESH_S;
        if let Some(leader) = self.leader.filter(|_| fresh) {
            cx.post(proxy::Letter::DeliverTo {
                client,
                srvid: Srvid::LEADER,
                data: Bytes::copy_from_slice(&leader.0.to_ne_bytes()),
            });
        }
    }
}
