//! While there is a cluster lock, only its holder says that it leads.

use bytes::Bytes;
use ctdb_protocol::packet::REQ_MESSAGE;
use ctdb_protocol::{Packet, Pnn, Srvid, all};
use tokio::time::{Duration, Instant};

use crate::cluster_lock::ClusterLock;
use crate::daemon::Daemon;

/// How long a holder may not know that it lost the lock: the helper's check, a broadcast, a little.
const UNAWARE: Duration = Duration::from_secs(7);

/// Whether a packet is a message at all; most are not, and need not be taken apart.
fn is_message(packet: &[u8]) -> bool {
    const OPERATION: std::ops::Range<usize> = 16..20;
    packet.get(OPERATION) == Some(&REQ_MESSAGE.to_ne_bytes()[..])
}

/// What has been said about leadership.
#[derive(Debug, Default)]
pub struct Uniqueness {
    /// The last broadcast of a leader: who, and when.
    pub last: Option<(Pnn, Instant)>,
    /// When the lock was last taken away from its holder by a fault.
    pub lock_lost_at: Option<Instant>,
}

impl Uniqueness {
    /// Looks at a packet that a daemon sends.
    pub(super) fn packet_sent(
        &mut self,
        daemon: &Daemon,
        lock: &ClusterLock,
        packet: &Bytes,
    ) -> Option<String> {
        if !is_message(packet) {
            return None;
        }
        let (header, packet) = Packet::decode(packet.clone()).ok()?;
        let Packet::ReqMessage(message) = packet else {
            return None;
        };
        if message.srvid != Srvid::LEADER || header.srcnode != daemon.pnn {
            return None;
        }
        let leader: Pnn = all(&message.data).ok()?;
        if leader != daemon.pnn {
            return None;
        }
        let now = Instant::now();
        self.last = Some((leader, now));
        let excused = self
            .lock_lost_at
            .is_some_and(|at| now.duration_since(at) < UNAWARE);
        if !daemon.world().setup.cluster_lock || excused {
            return None;
        }
        match lock.holder() {
            Some(holder) if holder == (daemon.pnn, daemon.number) => None,
            holder => Some(format!(
                "node {leader} says it leads, but {holder:?} holds the lock"
            )),
        }
    }
}
