//! Keepalives: who was silent, and in which version each peer is told that this node lives.

use ctdb_protocol::id::{Pnn, ReqId};
use ctdb_protocol::packet::{self, Header, Packet, ReqKeepalive};

use super::{Due, SUPPORTED_MINORS, Transport, keepalive_interval};
use crate::cluster;
use crate::context::Context;
use crate::effect::{Effect, Lane};
use crate::statistics::Count as _;

/// Keepalive ticks for which a fresh peer is left to speak first. A C daemon that is younger than this
/// one ends itself when it hears another version than its own, so it has to say its own first. It does
/// so within one interval of connecting; our ticks may fall anywhere in it, hence one more.
const UNHEARD_TICKS: u32 = 2;

impl Transport {
    /// Arms the timer for keepalives.
    pub(super) fn arm_keepalive(&self, cx: &mut Context) {
        cx.arm(keepalive_interval(cx), Due::Keepalive);
    }

    /// A peer was nearly given up at the last tick: whether it has been silent for too long by now.
    pub(super) fn is_silent(&self, cx: &Context, peer: Pnn) -> bool {
        let limit = cx.tunables().keepalive_limit().max(1);
        let state = self.peers.get(&peer).filter(|p| p.connected);
        state.is_some_and(|p| p.heard == 0 && p.silent_ticks + 1 >= limit)
    }

    /// Looks who was silent and tells everyone that this node lives.
    pub(super) fn keepalive_tick(&mut self, cx: &mut Context) {
        let limit = cx.tunables().keepalive_limit().max(1);
        let interval_us = keepalive_interval(cx).as_micros() as u64;
        let patience_us = interval_us.saturating_mul(limit.into());
        let mut dead = Vec::new();
        let mut nearly = Vec::new();
        let mut again = Vec::new();
        for (&pnn, peer) in &mut self.peers {
            if !peer.connected {
                if peer.heard > 0 && peer.link_up {
                    again.push(pnn);
                }
                continue;
            }
            peer.silent_ticks = if peer.heard == 0 {
                peer.silent_ticks + 1
            } else {
                0
            };
            peer.heard = 0;
            if peer.silent_ticks >= limit {
                dead.push(pnn);
            } else if peer.silent_ticks + 1 == limit {
                nearly.push((pnn, peer.last_heard_us.saturating_add(patience_us)));
            }
        }
        // Ticks alone would notice up to one interval late. They are needed beside the clock: a node that
        // was stopped itself has heard nobody for long, and has to listen first.
        for (peer, at_us) in nearly {
            cx.arm_at(at_us, Due::Silence(peer));
        }
        for peer in again {
            self.mark_connected(cx, peer);
        }
        for peer in self.pick_listeners(cx) {
            self.send_keepalive(cx, peer);
        }
        self.arm_keepalive(cx);
        for peer in dead {
            self.give_up(cx, peer);
        }
    }

    /// The connected peers that a keepalive may go to.
    fn pick_listeners(&mut self, cx: &Context) -> Vec<Pnn> {
        let strict = cx.settings().strict_version;
        let mut told = Vec::new();
        for (&pnn, peer) in self.peers.iter_mut().filter(|(_, peer)| peer.connected) {
            let unheard = cx.peers().version(pnn).is_none();
            peer.unheard_ticks = if unheard { peer.unheard_ticks + 1 } else { 0 };
            if !unheard || (!strict && peer.unheard_ticks > UNHEARD_TICKS) {
                told.push(pnn);
            }
        }
        told
    }

    /// Tells one peer that this node lives, in the version that the peer itself speaks.
    fn send_keepalive(&self, cx: &mut Context, peer: Pnn) {
        let heard = cx.peers().version(peer);
        let version = heard
            .filter(|&v| supported(v))
            .unwrap_or_else(|| cx.settings().samba_version);
        let keepalive = ReqKeepalive {
            version,
            uptime_s: self.uptime_s(cx),
        };
        let header = Header::new(cx.generation(), cx.pnn(), peer, ReqId(0));
        cx.count(|s| {
            s.keepalive_packets_sent.up();
            s.node_packets_sent.up();
        });
        let packet = packet::encode(&header, &Packet::ReqKeepalive(keepalive));
        cx.effect(Effect::ToPeer {
            peer,
            lane: Lane::Urgent,
            packet,
        });
    }

    fn uptime_s(&self, cx: &Context) -> u32 {
        let uptime_us = cx.now().monotonic_us.saturating_sub(self.started_us);
        u32::try_from(uptime_us / 1_000_000).unwrap_or(u32::MAX)
    }

    /// A peer says that it lives.
    ///
    /// C shuts the younger of two daemons down when their versions differ. Here each peer is spoken to in
    /// its own version, so that only a release outside of the supported range is a mismatch, or one that
    /// was forced by CTDB_TEST_SAMBA_VERSION.
    pub(crate) fn keepalive(&mut self, cx: &mut Context, peer: Pnn, keepalive: ReqKeepalive) {
        cx.count(|s| s.keepalive_packets_recv.up());
        let news = cx.peers().version(peer) != Some(keepalive.version);
        cx.peers_mut().note_version(peer, keepalive.version);
        let own = cx.settings().samba_version;
        if cx.tunables().allow_mixed_versions() == 1 || keepalive.version == own {
            return;
        }
        if !cx.settings().strict_version && supported(keepalive.version) {
            if news {
                cx.notice(format!(
                    "node {peer} runs version {}.{}, it is answered in that version",
                    keepalive.version >> 16,
                    keepalive.version & 0xffff
                ));
            }
            return;
        }
        let own_uptime_s = self.uptime_s(cx);
        let leave = keepalive.uptime_s > own_uptime_s
            || (keepalive.uptime_s == own_uptime_s && keepalive.version > own);
        if news || leave {
            cx.error(format!(
                "Keepalive version mismatch: node {peer} runs 0x{:08x}, this node 0x{own:08x}{}",
                keepalive.version,
                if leave { ", shutting down" } else { "" }
            ));
        }
        if leave {
            cx.post(cluster::Letter::ShutDown);
        }
    }
}

/// A version word of a release that this daemon knows how to work with.
fn supported(version: u32) -> bool {
    version >> 16 == 4 && SUPPORTED_MINORS.contains(&(version & 0xffff))
}
