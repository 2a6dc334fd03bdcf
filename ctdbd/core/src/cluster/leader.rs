//! Who leads, as far as its broadcasts tell. The election itself is the watch's business.

use bytes::Bytes;
use ctdb_protocol::id::{ClientId, Pnn};
use ctdb_protocol::srvid::Srvid;

use super::Cluster;
use crate::proxy::Proxy;
use crate::shared::Shared;

/// A leader broadcasts every second. One that missed two of them is not passed on as the leader:
/// whoever asks had better wait for the next broadcast. Seconds.
const FRESH_S: f64 = 2.5;

impl Cluster {
    /// A node says that it leads, or, with the unknown number, that it no longer does.
    pub fn leader_heard(&mut self, cx: &Shared, data: &[u8]) {
        self.leader = data
            .first_chunk()
            .map(|bytes| Pnn(u32::from_ne_bytes(*bytes)))
            .filter(|pnn| *pnn != Pnn::UNKNOWN);
        self.leader_heard_us = cx.now.monotonic_us;
    }

    /// A peer's connection broke: it does not lead any more.
    pub fn leader_gone(&mut self, peer: Pnn) {
        self.leader = self.leader.filter(|leader| *leader != peer);
    }

    /// Tells a new listener at once what it would hear within a second, so that `ctdb status` need not
    /// wait. Upstream's daemon leaves it to wait.
    pub fn tell_leader(&self, cx: &mut Shared, proxy: &Proxy, client: ClientId) {
        let fresh = cx.now.seconds_since(self.leader_heard_us) < FRESH_S;
        let listens = proxy
            .session(client)
            .is_some_and(|session| session.srvids.contains_key(&Srvid::LEADER));
        if let Some(leader) = self.leader.filter(|_| fresh && listens) {
            let data = Bytes::copy_from_slice(&leader.0.to_ne_bytes());
            proxy.deliver_alone(cx, client, Srvid::LEADER, &data);
        }
    }
}
