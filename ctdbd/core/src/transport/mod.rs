//! Peers: who is connected, who is silent, and which version each of them speaks.
//! Answers to upstream's `tcp/` and `ctdb_keepalive.c`.

mod keepalive;
mod view;

pub use view::{PeerState, View};

use std::collections::BTreeMap;
use std::time::Duration;

use ctdb_protocol::id::{Generation, Pnn};

use crate::context::Context;
use crate::effect::Effect;
use crate::{cluster, database, proxy};

/// Releases of Samba whose daemons work together with this one, as `minor` of major 4.
pub const SUPPORTED_MINORS: std::ops::RangeInclusive<u32> = 17..=25;

/// What other services tell this one.
#[derive(Debug)]
pub enum Letter {
    /// Cluster: peers may be connected to; begin to tell them that this node lives.
    Begin,
    /// Cluster: the lines of these nodes in the nodes list are other ones now.
    NodesChanged(Vec<Pnn>),
}

/// What a timer of this service is for.
#[derive(Debug)]
pub enum Due {
    /// Time for keepalives.
    Keepalive,
    /// A peer has perhaps been silent for too long.
    Silence(Pnn),
}

/// What is known of one peer.
#[derive(Debug, Default)]
struct Peer {
    /// Both one-way connections are up.
    link_up: bool,
    /// It counts as connected.
    connected: bool,
    /// Packets heard since the last keepalive tick.
    heard: u32,
    /// When the last packet was heard, on the monotonic clock.
    last_heard_us: u64,
    /// Keepalive ticks in a row without a packet.
    silent_ticks: u32,
    /// Keepalive ticks since it connected without a keepalive of its own.
    unheard_ticks: u32,
}

/// State of the transport.
#[derive(Debug, Default)]
pub struct Transport {
    peers: BTreeMap<Pnn, Peer>,
    /// When the daemon started, monotonic microseconds.
    started_us: u64,
}

impl Transport {
    /// The daemon begins.
    pub(crate) fn start(&mut self, cx: &Context) {
        self.started_us = cx.now().monotonic_us;
    }

    /// Reads a letter.
    pub(crate) fn read(&mut self, cx: &mut Context, letter: Letter) {
        match letter {
            Letter::Begin => self.arm_keepalive(cx),
            Letter::NodesChanged(nodes) => {
                for node in nodes {
                    self.peers.remove(&node);
                    cx.peers_mut().forget(node);
                }
            }
        }
    }

    /// A timer.
    pub(crate) fn due(&mut self, cx: &mut Context, due: Due) {
        match due {
            Due::Keepalive => self.keepalive_tick(cx),
            Due::Silence(peer) => {
                if self.is_silent(cx, peer) {
                    self.give_up(cx, peer);
                }
            }
        }
    }

    /// A peer's two connections are up.
    pub(crate) fn link_up(&mut self, cx: &mut Context, peer: Pnn) {
        if cx.member(peer).is_none_or(|m| m.deleted()) {
            return;
        }
        self.peers.entry(peer).or_default().link_up = true;
        self.mark_connected(cx, peer);
    }

    fn mark_connected(&mut self, cx: &mut Context, peer: Pnn) {
        let now_us = cx.now().monotonic_us;
        let Some(state) = self.peers.get_mut(&peer).filter(|p| !p.connected) else {
            return;
        };
        state.connected = true;
        // A fresh connection gets the whole time: nothing can have been heard on it yet.
        state.silent_ticks = 0;
        state.heard = 1;
        state.last_heard_us = now_us;
        let lost_in = cx.peers_mut().take_lost(peer);
        cx.post(cluster::Letter::PeerUp { peer, lost_in });
    }

    /// A peer's connection broke.
    pub(crate) fn link_down(&mut self, cx: &mut Context, peer: Pnn, reason: String) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        state.link_up = false;
        if !state.connected {
            return;
        }
        state.connected = false;
        state.heard = 0;
        state.silent_ticks = 0;
        state.unheard_ticks = 0;
        let generation = cx.generation();
        if generation != Generation::INVALID {
            cx.peers_mut().note_lost(peer, generation);
        }
        cx.peers_mut().forget_version(peer);
        cx.post(cluster::Letter::PeerGone { peer, reason });
        cx.post(proxy::Letter::NodeGone(peer));
        cx.post(database::Letter::PeerGone(peer));
    }

    /// A peer was silent for too long.
    fn give_up(&mut self, cx: &mut Context, peer: Pnn) {
        cx.effect(Effect::DropPeer { peer });
        let reason = "no packet was heard from it for too long";
        self.link_down(cx, peer, reason.to_owned());
    }

    /// A packet came over a peer's connection.
    pub(crate) fn heard(&mut self, cx: &Context, peer: Pnn) {
        let state = self.peers.entry(peer).or_default();
        state.heard = state.heard.saturating_add(1);
        state.last_heard_us = cx.now().monotonic_us;
    }

    /// Who is connected, for those who ask how things stand.
    pub(crate) fn connected<'a>(&'a self, cx: &'a Context) -> impl Iterator<Item = PeerState> + 'a {
        let there = self.peers.iter().filter(|(_, state)| state.connected);
        there.map(|(&pnn, state)| PeerState {
            pnn,
            version: cx.peers().version(pnn),
            last_heard_us: state.last_heard_us,
        })
    }
}

fn keepalive_interval(cx: &Context) -> Duration {
    Duration::from_secs(u64::from(cx.tunables().keepalive_interval().max(1)))
}
