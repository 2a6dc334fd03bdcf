//! What the transport lets everybody see: which version each peer speaks, and what was lost to whom.

use std::collections::BTreeMap;

use ctdb_protocol::id::{Generation, Pnn};

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct View {
    /// Version word of each peer's last keepalive: major << 16 | minor.
    versions: BTreeMap<Pnn, u32>,
    /// The generation in which packets to or from a peer were lost.
    lost_in: BTreeMap<Pnn, Generation>,
}

/// A connected peer.
#[derive(Debug, Clone, Copy)]
pub struct PeerState {
    /// Its number.
    pub pnn: Pnn,
    /// Version word of its last keepalive; none was heard yet: `None`.
    pub version: Option<u32>,
    /// When it was heard last, on the monotonic clock.
    pub last_heard_us: u64,
}

impl View {
    /// Version word of a peer's last keepalive.
    #[must_use]
    pub fn version(&self, peer: Pnn) -> Option<u32> {
        self.versions.get(&peer).copied()
    }

    /// Something of this generation that was for the peer goes past it: whoever passes it over says so here.
    pub(crate) fn note_lost(&mut self, peer: Pnn, generation: Generation) {
        self.lost_in.insert(peer, generation);
    }

    pub(super) fn take_lost(&mut self, peer: Pnn) -> Option<Generation> {
        self.lost_in.remove(&peer)
    }

    pub(super) fn note_version(&mut self, peer: Pnn, version: u32) {
        self.versions.insert(peer, version);
    }

    pub(super) fn forget_version(&mut self, peer: Pnn) {
        self.versions.remove(&peer);
    }

    pub(super) fn forget(&mut self, peer: Pnn) {
        self.versions.remove(&peer);
        self.lost_in.remove(&peer);
    }
}
