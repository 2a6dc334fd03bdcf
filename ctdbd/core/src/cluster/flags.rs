//! Node flags: who may change which, and what follows. Answers to upstream's `ctdb_control_modflags` and `ctdb_banning.c`.

use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::id::{Generation, Pnn, ReqId};
use ctdb_protocol::packet::{Packet, ReqMessage};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{BanState, NodeFlagChange, NodeFlags, RunState, SrvidMessage};
use ctdb_protocol::wire::encode;

use super::{Ban, Cluster, Due, Reason};
use crate::context::{self, About, Context};
use crate::control::{Asker, failed};
use crate::effect::Effect;
use crate::{database, failover, proxy};

/// A ban that was announced longer ago than this is another one.
const ANNOUNCED_FOR_S: f64 = 5.0;
/// Most characters of such a reason.
const REASON_CHARS: usize = 1000;

/// Sets or clears flags of the own node.
pub(super) fn set_own(cx: &mut Context, flags: NodeFlags, on: bool) {
    let pnn = cx.pnn();
    let old = cx.own_flags();
    if let Some(own) = cx.view_mut().flags_mut(pnn) {
        own.set(flags, on);
    }
    let new = cx.own_flags();
    if new != old {
        cx.notice(format!(
            "Node flags of this node {pnn} changed from 0x{old:x} to 0x{new:x}"
        ));
    }
}

impl Cluster {
    /// MODIFY_FLAGS: the leader says which flags a node has. False when the node is unknown.
    ///
    /// What a node says of itself is known here first hand, and whether it is connected each node knows
    /// by itself.
    pub(super) fn modify(&mut self, cx: &mut Context, change: NodeFlagChange) -> bool {
        if change.pnn == cx.pnn() {
            return true;
        }
        let Some(flags) = cx.view_mut().flags_mut(change.pnn) else {
            cx.error(format!(
                "flags of unknown node {} are to be changed",
                change.pnn
            ));
            return false;
        };
        if flags.contains(NodeFlags::DISCONNECTED) {
            return true;
        }
        let old = *flags;
        let new = change.new_flags - NodeFlags::DISCONNECTED;
        *flags = new;
        if new != old {
            cx.post(proxy::Letter::MembershipChanged);
            cx.notice(format!(
                "Control modify_flags of node {} - flags were 0x{old:x} now 0x{new:x}",
                change.pnn
            ));
        }
        // C forces a recovery whenever a node becomes healthy while this one starts. Only a database that
        // is unhealthy here can gain from it.
        let unhealthy = cx.databases().unhealthy().is_some();
        let starting = cx.run_state() <= RunState::STARTUP && !cx.recovering();
        if new.is_empty() && unhealthy && starting {
            cx.notice(format!(
                "node {} has become healthy - force recovery for startup",
                change.pnn
            ));
            self.enter_recovery(cx, &Reason::Database);
        }
        true
    }

    /// A peer is connected.
    pub(super) fn peer_up(&mut self, cx: &mut Context, peer: Pnn, lost_in: Option<Generation>) {
        let Some(member) = cx.member(peer).filter(|m| !m.deleted()) else {
            return;
        };
        let address = member.address();
        if let Some(flags) = cx.view_mut().flags_mut(peer) {
            flags.remove(NodeFlags::DISCONNECTED);
        }
        cx.notice(format!(
            "connected to {address}:{} - node {peer} is up",
            ctdb_protocol::PORT
        ));
        cx.post(proxy::Letter::MembershipChanged);
        if lost_in != Some(cx.generation()) {
            return;
        }
        // Records may have been under way between us: their senders do not have them any more, their
        // receivers never will, and calls for them would go round for ever. The leader may have seen
        // nothing of it, if its own connections stand.
        cx.notice(format!(
            "Packets to or from node {peer} may be lost: a recovery has to find the records in them"
        ));
        if cx.recovering() {
            // The one under way may be past those records, and its end must not hide that.
            self.recovery_owed = lost_in;
        }
        self.enter_recovery(cx, &Reason::PacketsLost(peer));
    }

    /// A peer's connection broke.
    pub(super) fn peer_gone(&mut self, cx: &mut Context, peer: Pnn, reason: &str) {
        let Some(address) = cx.member(peer).map(super::view::Member::address) else {
            return;
        };
        if let Some(flags) = cx.view_mut().flags_mut(peer) {
            flags.insert(NodeFlags::DISCONNECTED | NodeFlags::UNHEALTHY);
        }
        cx.notice(format!(
            "{address}:{} - node {peer} is dead: {reason}",
            ctdb_protocol::PORT
        ));
        cx.post(proxy::Letter::MembershipChanged);
        self.leader_gone(peer);
        let own = |asked: &context::Asked| matches!(asked, context::Asked::Cluster(_));
        for (_, asked) in cx.recall_about(About::Node(peer), own) {
            if let context::Asked::Cluster(asked) = asked {
                self.answered(cx, asked, &failed("node is disconnected"));
            }
        }
    }

    /// An administrator's flag of the own node is set or cleared.
    pub(super) fn set_administrative(cx: &mut Context, flag: NodeFlags, on: bool) {
        set_own(cx, flag, on);
        cx.post(proxy::Letter::MembershipChanged);
    }

    /// STOP_NODE; answered when the databases are on their way to be frozen.
    pub(super) fn stop(&mut self, cx: &mut Context, asker: Asker) {
        set_own(cx, NodeFlags::STOPPED, true);
        self.become_inactive(cx, Some(asker));
    }

    /// The own node leaves the active set: what it holds is out of date from now on. `asker` is answered
    /// when the databases know.
    fn become_inactive(&mut self, cx: &mut Context, asker: Option<Asker>) {
        cx.view_mut().vnn_map.generation = Generation::INVALID;
        self.enter_recovery(cx, &Reason::Inactive);
        cx.post(proxy::Letter::MembershipChanged);
        cx.post(database::Letter::BecameInactive(asker));
        cx.post(failover::Letter::DropAll);
    }

    /// SET_BAN_STATE for the own node, or a ban by itself: seconds, or 0 to end a ban.
    /// `reason` says who wants it, and why.
    pub(super) fn set_ban(
        &mut self,
        cx: &mut Context,
        asker: Option<Asker>,
        time_s: u32,
        reason: &str,
    ) {
        self.end_ban(cx);
        if time_s == 0 {
            cx.error("Unbanning this node");
            set_own(cx, NodeFlags::BANNED, false);
        } else if cx.tunables().enable_bans() == 0 {
            cx.error("Bans are disabled - ignoring ban of this node");
        } else {
            cx.error(format!("Banning this node for {time_s} seconds"));
            cx.notice(format!("Reason of the ban: {reason}"));
            let timer = cx.arm(Duration::from_secs(u64::from(time_s)), Due::BanEnd);
            self.ban = Some(Ban {
                time_s,
                reason: reason.to_owned(),
                timer,
            });
            if !cx.own_flags().contains(NodeFlags::BANNED) {
                set_own(cx, NodeFlags::BANNED, true);
                return self.become_inactive(cx, asker);
            }
        }
        if let Some(asker) = asker {
            cx.reply_status(asker, 0);
        }
    }

    /// Another node says why it is about to ban this one.
    pub(super) fn ban_announced(&mut self, cx: &Context, reason: &[u8]) {
        let reason = String::from_utf8_lossy(reason);
        let shown = reason.chars().take(REASON_CHARS).collect();
        self.announced_ban = Some((shown, cx.now().monotonic_us));
    }

    /// Why a ban was asked for, as far as it was announced.
    pub(super) fn announced_reason(&mut self, cx: &Context, asker: Asker) -> String {
        let announced = self.announced_ban.take();
        announced
            .filter(|(_, at_us)| cx.now().seconds_since(*at_us) < ANNOUNCED_FOR_S)
            .map_or_else(
                || super::control::who_bans(asker),
                |(reason, _)| format!("node {} asked for it: {reason}", asker.node),
            )
    }

    /// A ban is over. A node whose databases are not all frozen cannot be let back yet.
    pub(super) fn ban_ended(&mut self, cx: &mut Context) {
        let reason = self.ban.take().map_or_else(String::new, |ban| ban.reason);
        let time_s = cx.tunables().recovery_ban_period();
        if self.has_storage_fault() {
            // The look at the disk ends it.
            let limit = Duration::from_secs(u64::from(time_s));
            let timer = cx.arm(limit, Due::BanEnd);
            self.ban = Some(Ban {
                time_s,
                reason,
                timer,
            });
        } else if cx.databases().all_frozen() {
            cx.error("Banning timed out");
            set_own(cx, NodeFlags::BANNED, false);
        } else {
            cx.error("Banning timed out, but the databases are not frozen: ban goes on");
            self.set_ban(cx, None, time_s, &reason);
        }
    }

    /// GET_BAN_STATE.
    pub(super) fn ban_state(&self, cx: &Context) -> BanState {
        BanState {
            pnn: cx.pnn(),
            time_s: self.ban.as_ref().map_or(0, |ban| ban.time_s),
        }
    }
}

impl Cluster {
    /// The scripts have said that the node is healthy, or that it is not, and that is news.
    pub(super) fn health_changed(cx: &mut Context, healthy: bool, status: i32) {
        let (pnn, old) = (cx.pnn(), cx.own_flags());
        if let Some(flags) = cx.view_mut().flags_mut(pnn) {
            flags.set(NodeFlags::UNHEALTHY, !healthy);
        }
        let new = cx.own_flags();
        if new == old {
            return;
        }
        let word = if healthy { "HEALTHY" } else { "UNHEALTHY" };
        // Monitoring greps for this sentence.
        cx.notice(format!(
            "Node became {word}. Ask recovery master to reallocate IPs (monitor status {status})"
        ));
        cx.effect(Effect::Notify {
            what: if healthy { "healthy" } else { "unhealthy" },
        });
        tell(cx, old, new);
    }
}

/// Tells the own cluster watch, which tells the other nodes, and asks for a takeover run.
fn tell(cx: &mut Context, old: NodeFlags, new: NodeFlags) {
    let change = NodeFlagChange {
        pnn: cx.pnn(),
        new_flags: new,
        old_flags: old,
    };
    let own = cx.pnn();
    let generation = cx.generation();
    let message = ReqMessage {
        srvid: Srvid::PUSH_NODE_FLAGS,
        data: Bytes::from(encode(&change)),
    };
    cx.send(own, ReqId(0), generation, &Packet::ReqMessage(message));
    request_takeover_run(cx, Srvid(0));
}

/// Asks the leader, whoever it is, for a takeover run; `reply` is where the outcome is wanted, or 0.
pub(super) fn request_takeover_run(cx: &mut Context, reply: Srvid) {
    let request = SrvidMessage::new(cx.pnn(), reply);
    cx.message(
        Pnn::BROADCAST_CONNECTED,
        Srvid::TAKEOVER_RUN,
        Bytes::from(encode(&request)),
    );
}
