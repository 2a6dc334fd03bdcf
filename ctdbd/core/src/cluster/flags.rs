//! Node flags: who may change which, and what follows. Answers to upstream's `ctdb_control_modflags` and `ctdb_banning.c`.

use std::time::Duration;

use ctdb_protocol::id::Generation;
use ctdb_protocol::types::{BanState, NodeFlagChange, NodeFlags};

use super::{Ban, Cluster};
use crate::database::Databases;
use crate::failover::service::Failover;
use crate::shared::{RecoveryMode, RunState, Shared, Timer};

/// Sets or clears flags of the own node.
pub fn set_own(cx: &mut Shared, flags: NodeFlags, on: bool) {
    let pnn = cx.pnn;
    let old = cx.own_flags();
    if let Some(member) = cx.members.find_mut(pnn) {
        member.flags.set(flags, on);
    }
    let new = cx.own_flags();
    if new != old {
        cx.notice(format!(
            "Node flags of this node {pnn} changed from 0x{old:x} to 0x{new:x}"
        ));
    }
}

/// MODIFY_FLAGS: the leader says which flags a node has. False when the node is unknown.
///
/// What a node says of itself is known here first hand, and whether it is connected each node knows
/// by itself.
pub fn modify(cx: &mut Shared, databases: &Databases, change: NodeFlagChange) -> bool {
    if change.pnn == cx.pnn {
        return true;
    }
    let Some(member) = cx.members.find_mut(change.pnn) else {
        cx.error(format!(
            "flags of unknown node {} are to be changed",
            change.pnn
        ));
        return false;
    };
    if !member.connected() {
        return true;
    }
    let old = member.flags;
    let new = change.new_flags - NodeFlags::DISCONNECTED;
    member.flags = new;
    if new != old {
        cx.membership_changed = true;
        cx.notice(format!(
            "Control modify_flags of node {} - flags were 0x{old:x} now 0x{new:x}",
            change.pnn
        ));
    }
    // C forces a recovery whenever a node becomes healthy while this one starts. Only a database that
    // is unhealthy here can gain from it.
    let unhealthy = databases.map.values().any(|db| db.unhealthy.is_some());
    let starting = cx.run_state <= RunState::Startup && cx.recovery_mode == RecoveryMode::Normal;
    if new.is_empty() && unhealthy && starting {
        cx.notice(format!(
            "node {} has become healthy - force recovery for startup",
            change.pnn
        ));
        cx.recovery_mode = RecoveryMode::Active;
    }
    true
}

/// The own node leaves the active set: what it holds is out of date from now on.
pub fn become_inactive(cx: &mut Shared, databases: &mut Databases, failover: &mut Failover) {
    cx.vnn_map.generation = Generation::INVALID;
    for db in databases.map.values_mut() {
        db.generation = Generation::INVALID;
    }
    cx.recovery_mode = RecoveryMode::Active;
    cx.membership_changed = true;
    databases.freeze_all(cx, None);
    failover.drop_all(cx);
}

impl Cluster {
    /// SET_BAN_STATE for the own node: seconds, or 0 to end a ban. `reason` says who wants it, and why.
    pub fn set_ban(
        &mut self,
        cx: &mut Shared,
        databases: &mut Databases,
        failover: &mut Failover,
        time_s: u32,
        reason: &str,
    ) {
        self.end_ban(cx);
        if time_s == 0 {
            cx.error("Unbanning this node");
            set_own(cx, NodeFlags::BANNED, false);
            return;
        }
        if cx.tunables.enable_bans() == 0 {
            cx.error("Bans are disabled - ignoring ban of this node");
            return;
        }
        cx.error(format!("Banning this node for {time_s} seconds"));
        cx.notice(format!("Reason of the ban: {reason}"));
        let timer = cx.arm(Duration::from_secs(u64::from(time_s)), Timer::BanEnd);
        self.ban = Some(Ban {
            time_s,
            reason: reason.to_owned(),
            timer,
        });
        if !cx.own_flags().contains(NodeFlags::BANNED) {
            set_own(cx, NodeFlags::BANNED, true);
            become_inactive(cx, databases, failover);
        }
    }

    /// A ban is over. A node whose databases are not all frozen cannot be let back yet.
    pub fn ban_ended(
        &mut self,
        cx: &mut Shared,
        databases: &mut Databases,
        failover: &mut Failover,
    ) {
        let reason = self.ban.take().map_or_else(String::new, |ban| ban.reason);
        let time_s = cx.tunables.recovery_ban_period();
        if self.has_storage_fault() {
            // The look at the disk ends it.
            let limit = Duration::from_secs(u64::from(time_s));
            let timer = cx.arm(limit, Timer::BanEnd);
            self.ban = Some(Ban {
                time_s,
                reason,
                timer,
            });
        } else if databases.freeze_all.complete {
            cx.error("Banning timed out");
            set_own(cx, NodeFlags::BANNED, false);
        } else {
            cx.error("Banning timed out, but the databases are not frozen: ban goes on");
            self.set_ban(cx, databases, failover, time_s, &reason);
        }
    }

    /// GET_BAN_STATE.
    #[must_use]
    pub fn ban_state(&self, cx: &Shared) -> BanState {
        BanState {
            pnn: cx.pnn,
            time_s: self.ban.as_ref().map_or(0, |ban| ban.time_s),
        }
    }
}
