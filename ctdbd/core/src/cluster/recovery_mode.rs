//! Recovery mode, and the beginning and end of a recovery on this node.
//! (SET_RECMODE, START_RECOVERY, END_RECOVERY.)

use std::time::Duration;

use ctdb_protocol::LockAnswer;
use ctdb_protocol::types::{RecoveryMode, RunState};

use super::{Awaited, Cluster, Due, Reason};
use crate::context::Context;
use crate::control::Asker;
use crate::effect::Effect;
use crate::statistics::add_latency;
use crate::{database, proxy};

impl Cluster {
    /// Enters recovery mode, unless it is on already: databases are, or are about to be, frozen and rebuilt.
    pub(super) fn enter_recovery(&mut self, cx: &mut Context, reason: &Reason) {
        if !cx.recovering() {
            cx.notice(format!("Recovery mode set to ACTIVE: {reason}"));
            self.recovery_begins(cx);
        }
    }

    fn recovery_begins(&mut self, cx: &mut Context) {
        cx.view_mut().recovery_mode = RecoveryMode::ACTIVE;
        cx.post(proxy::Letter::MembershipChanged);
        self.limit_addresses_when_running(cx);
    }

    /// Leaves it. `leader` has wanted that, and hears when updates that were kept for this moment are stored.
    fn leave_recovery(&mut self, cx: &mut Context, leader: Asker) {
        cx.notice("Recovery mode set to NORMAL");
        cx.view_mut().recovery_mode = RecoveryMode::NORMAL;
        if let Some(timer) = self.drop_addresses.take() {
            cx.disarm(timer);
        }
        cx.post(proxy::Letter::MembershipChanged);
        cx.post(database::Letter::LeaveRecovery(leader));
    }

    /// There has to be a limit for addresses in recovery mode as soon as the node could host some. Recoveries
    /// that fail one after the other, as they do while the cluster lock cannot be tested, do not make it
    /// any longer: what ends the mode may come later than the order to end it, or not at all. In C the first
    /// of them ends it.
    pub(super) fn limit_addresses_when_running(&mut self, cx: &mut Context) {
        if cx.recovering() && cx.run_state() == RunState::RUNNING && self.drop_addresses.is_none() {
            self.limit_addresses(cx);
        }
    }

    /// Addresses are released if recovery mode lasts for RecoveryDropAllIPs from now on.
    fn limit_addresses(&mut self, cx: &mut Context) {
        let limit = Duration::from_secs(u64::from(cx.tunables().recovery_drop_all_ips()));
        if let Some(timer) = self.drop_addresses.take() {
            cx.disarm(timer);
        }
        self.drop_addresses = Some(cx.arm(limit, Due::DropAllAddresses));
    }

    /// SET_RECMODE.
    pub(super) fn set_recovery_mode(&mut self, cx: &mut Context, asker: Asker, active: bool) {
        if active == cx.recovering() {
            return cx.reply_status(asker, 0);
        }
        if active {
            cx.notice("Recovery mode set to ACTIVE");
            self.recovery_begins(cx);
            if self.drop_addresses.is_none() {
                self.limit_addresses(cx);
            }
            return cx.reply_status(asker, 0);
        }
        cx.post(database::Letter::PrepareToLeave(asker));
    }

    /// The databases are ready for the end of the recovery, or are not: the leader must have the cluster lock.
    pub(super) fn may_leave(&mut self, cx: &mut Context, asker: Asker, result: Result<(), String>) {
        if let Err(problem) = result {
            cx.error(problem);
            return cx.reply_status(asker, -1);
        }
        if cx.settings().cluster_lock.is_none() {
            return self.leave_recovery(cx, asker);
        }
        let ticket = cx.expect(Awaited::ClusterLock(asker));
        cx.effect(Effect::TestClusterLock { ticket });
    }

    /// The cluster lock was tried: the leader must have it, so this node must not get it.
    pub(crate) fn cluster_lock_tested(
        &mut self,
        cx: &mut Context,
        awaited: Awaited,
        answer: LockAnswer,
        latency_s: f64,
    ) {
        let Awaited::ClusterLock(asker) = awaited else {
            return;
        };
        let text = match answer {
            LockAnswer::Contended => {
                cx.count(|s| add_latency(&mut s.reclock_ctdbd, latency_s));
                cx.note_lock_latency(latency_s, "daemon reclock");
                return self.leave_recovery(cx, asker);
            }
            LockAnswer::TimedOut => return self.leave_recovery(cx, asker),
            LockAnswer::Held => {
                "Took recovery lock from daemon during recovery - probably a cluster filesystem lock \
                 coherence problem"
            }
            LockAnswer::Failed => "Unexpected error when testing recovery lock",
        };
        cx.error(text);
        cx.refuse(asker, -1, text);
    }
}
