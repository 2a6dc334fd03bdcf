//! Peers: who is connected, who is silent, and which version each of them speaks.
//! Answers to upstream's `tcp/` and `ctdb_keepalive.c`.

use std::time::Duration;

use ctdb_protocol::id::{Generation, Pnn, ReqId};
use ctdb_protocol::packet::{self, Header, Packet, ReqKeepalive};
use ctdb_protocol::types::NodeFlags;

use crate::effect::{Effect, Lane};
use crate::shared::{RecoveryMode, Shared, Timer};

/// Releases of Samba whose daemons work together with this one, as `minor` of major 4.
pub const SUPPORTED_MINORS: std::ops::RangeInclusive<u32> = 17..=25;

/// Keepalive ticks for which a fresh peer is left to speak first. A C daemon that is younger than this
/// one ends itself when it hears another version than its own, so it has to say its own first. It does
/// so within one interval of connecting; our ticks may fall anywhere in it, hence one more.
const UNHEARD_TICKS: u32 = 2;

/// What a keepalive of a peer leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Fine,
    /// The versions cannot work together and this node is the younger one: shut down.
    Leave,
}

/// A peer's two connections are up.
pub fn connected(cx: &mut Shared, peer: Pnn) {
    let Some(member) = cx.members.find_mut(peer).filter(|m| !m.deleted()) else {
        return;
    };
    member.link_up = true;
    mark_connected(cx, peer);
}

fn mark_connected(cx: &mut Shared, peer: Pnn) {
    let now_us = cx.now.monotonic_us;
    let Some(member) = cx
        .members
        .find_mut(peer)
        .filter(|m| !m.deleted() && !m.connected())
    else {
        return;
    };
    member.flags.remove(NodeFlags::DISCONNECTED);
    // A fresh connection gets the whole time: nothing can have been heard on it yet.
    member.silent_ticks = 0;
    member.heard = 1;
    member.last_heard_us = now_us;
    let (address, lost_in) = (member.address, member.lost_in.take());
    cx.notice(format!(
        "connected to {address}:{} - node {peer} is up",
        ctdb_protocol::PORT
    ));
    cx.membership_changed = true;
    if lost_in == Some(cx.vnn_map.generation) {
        // Records may have been under way between us. Their sender does not have them any more,
        // their receiver never gets them, and calls for them would go round for ever. The leader may have seen
        // nothing of it, if its own connections stand.
        cx.notice(format!(
            "Packets to or from node {peer} may be lost: a recovery has to find the records in them"
        ));
        if cx.recovery_mode == RecoveryMode::Active {
            // The one under way may be past those records, and its end must not hide that.
            cx.recovery_owed = lost_in;
        }
        cx.recovery_mode = RecoveryMode::Active;
    }
}

/// A peer's connection broke. True when it had counted as connected.
pub fn disconnected(cx: &mut Shared, peer: Pnn, reason: &str) -> bool {
    let Some(member) = cx.members.find_mut(peer) else {
        return false;
    };
    member.link_up = false;
    if !member.connected() {
        return false;
    }
    member
        .flags
        .insert(NodeFlags::DISCONNECTED | NodeFlags::UNHEALTHY);
    member.heard = 0;
    member.lost_in = Some(cx.vnn_map.generation).filter(|g| *g != Generation::INVALID);
    member.silent_ticks = 0;
    member.version = None;
    member.unheard_ticks = 0;
    let address = member.address;
    cx.notice(format!(
        "{address}:{} - node {peer} is dead: {reason}",
        ctdb_protocol::PORT
    ));
    cx.membership_changed = true;
    true
}

fn keepalive_interval(cx: &Shared) -> Duration {
    Duration::from_secs(u64::from(cx.tunables.keepalive_interval().max(1)))
}

/// Arms the timer for keepalives.
pub fn arm_keepalive(cx: &mut Shared) {
    cx.arm(keepalive_interval(cx), Timer::Keepalive);
}

/// A peer was nearly given up at the last tick: whether it has been silent for too long by now.
#[must_use]
pub fn is_silent(cx: &Shared, peer: Pnn) -> bool {
    let limit = cx.tunables.keepalive_limit().max(1);
    let member = cx.members.find(peer).filter(|m| m.connected());
    member.is_some_and(|m| m.heard == 0 && m.silent_ticks + 1 >= limit)
}

/// Looks who was silent and tells everyone that this node lives. Returns peers that count as dead.
pub fn keepalive_tick(cx: &mut Shared) -> Vec<Pnn> {
    let limit = cx.tunables.keepalive_limit().max(1);
    let patience_us = keepalive_interval(cx).as_micros() as u64 * u64::from(limit);
    let mut dead = Vec::new();
    let mut nearly = Vec::new();
    let mut again = Vec::new();
    let own = cx.pnn;
    for member in cx
        .members
        .iter_mut()
        .filter(|m| m.pnn != own && !m.deleted())
    {
        if !member.connected() {
            if member.heard > 0 && member.link_up {
                again.push(member.pnn);
            }
            continue;
        }
        member.silent_ticks = if member.heard == 0 {
            member.silent_ticks + 1
        } else {
            0
        };
        member.heard = 0;
        if member.silent_ticks >= limit {
            dead.push(member.pnn);
        } else if member.silent_ticks + 1 == limit {
            nearly.push((member.pnn, member.last_heard_us.saturating_add(patience_us)));
        }
    }
    // Ticks alone would notice up to one interval late. They are needed beside the clock: a node that
    // was stopped itself has heard nobody for long, and has to listen first.
    for (peer, at_us) in nearly {
        cx.timers.arm(at_us, Timer::Silence(peer));
    }
    for peer in again {
        mark_connected(cx, peer);
    }
    let strict = cx.settings.strict_version;
    let mut alive = Vec::new();
    for member in cx
        .members
        .iter_mut()
        .filter(|m| m.pnn != own && m.connected())
    {
        member.unheard_ticks = if member.version.is_none() {
            member.unheard_ticks + 1
        } else {
            0
        };
        if member.version.is_some() || (!strict && member.unheard_ticks > UNHEARD_TICKS) {
            alive.push(member.pnn);
        }
    }
    for peer in alive {
        send_keepalive(cx, peer);
    }
    arm_keepalive(cx);
    dead
}

/// Tells one peer that this node lives, in the version that the peer itself speaks.
fn send_keepalive(cx: &mut Shared, peer: Pnn) {
    let heard = cx.members.find(peer).and_then(|m| m.version);
    let version = heard
        .filter(|&v| supported(v))
        .unwrap_or(cx.settings.samba_version);
    let keepalive = ReqKeepalive {
        version,
        uptime_s: uptime_s(cx),
    };
    let header = Header::new(Generation(cx.vnn_map.generation.0), cx.pnn, peer, ReqId(0));
    cx.statistics.count(|s| {
        s.keepalive_packets_sent += 1;
        s.node_packets_sent += 1;
    });
    let packet = packet::encode(&header, &Packet::ReqKeepalive(keepalive));
    cx.out.push(Effect::ToPeer {
        peer,
        lane: Lane::Urgent,
        packet,
    });
}

fn uptime_s(cx: &Shared) -> u32 {
    u32::try_from(cx.now.monotonic_us.saturating_sub(cx.started_us) / 1_000_000).unwrap_or(u32::MAX)
}

/// A version word of a release that this daemon knows how to work with.
fn supported(version: u32) -> bool {
    version >> 16 == 4 && SUPPORTED_MINORS.contains(&(version & 0xffff))
}

/// A peer says that it lives.
///
/// C shuts the younger of two daemons down when their versions differ. Here each peer is spoken to in
/// its own version, so that only a release outside of the supported range is a mismatch, or one that
/// was forced by CTDB_TEST_SAMBA_VERSION.
pub fn keepalive(cx: &mut Shared, peer: Pnn, keepalive: ReqKeepalive) -> Verdict {
    cx.statistics.count(|s| s.keepalive_packets_recv += 1);
    let news = cx
        .members
        .find(peer)
        .is_some_and(|m| m.version != Some(keepalive.version));
    if let Some(member) = cx.members.find_mut(peer) {
        member.version = Some(keepalive.version);
    }
    let own = cx.settings.samba_version;
    if cx.tunables.allow_mixed_versions() == 1 || keepalive.version == own {
        return Verdict::Fine;
    }
    if !cx.settings.strict_version && supported(keepalive.version) {
        if news {
            cx.notice(format!(
                "node {peer} runs version {}.{}, it is answered in that version",
                keepalive.version >> 16,
                keepalive.version & 0xffff
            ));
        }
        return Verdict::Fine;
    }
    let own_uptime_s = uptime_s(cx);
    let leave = keepalive.uptime_s > own_uptime_s
        || (keepalive.uptime_s == own_uptime_s && keepalive.version > own);
    if news || leave {
        cx.error(format!(
            "Keepalive version mismatch: node {peer} runs 0x{:08x}, this node 0x{own:08x}{}",
            keepalive.version,
            if leave { ", shutting down" } else { "" }
        ));
    }
    if leave { Verdict::Leave } else { Verdict::Fine }
}
