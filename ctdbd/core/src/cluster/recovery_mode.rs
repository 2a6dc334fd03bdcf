//! Recovery mode, and the beginning and end of a recovery on this node.
//! (SET_RECMODE, START_RECOVERY, END_RECOVERY.)

use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::control::GetReclockFile;
use ctdb_protocol::id::ClientId;
use ctdb_protocol::packet::ReplyControl;

use super::Cluster;
use crate::database::Databases;
use crate::effect::Effect;
use crate::event::{self, Then};
use crate::proxy::Proxy;
use crate::shared::{Asker, Pending, RecoveryMode, RunState, Shared, Timer, Waiting};
use crate::statistics::add_latency;

impl Cluster {
    /// SET_RECMODE.
    pub fn set_recovery_mode(
        &mut self,
        cx: &mut Shared,
        databases: &mut Databases,
        asker: Asker,
        active: bool,
    ) {
        if active == (cx.recovery_mode == RecoveryMode::Active) {
            return cx.reply_status(asker, 0);
        }
        if active {
            self.limit_addresses(cx);
            cx.notice("Recovery mode set to ACTIVE");
            cx.recovery_mode = RecoveryMode::Active;
            cx.membership_changed = true;
            return cx.reply_status(asker, 0);
        }
        let behind = databases
            .map
            .values()
            .find(|db| db.generation != cx.vnn_map.generation);
        if let Some(db) = behind {
            cx.error(format!(
                "Inconsistent DB generation {} for {}, the cluster has {}",
                db.generation, db.name, cx.vnn_map.generation
            ));
            return cx.reply_status(asker, -1);
        }
        if databases.freeze_all.wanted {
            databases.thaw_all(cx);
        }
        if cx.settings.cluster_lock.is_none() {
            return become_normal(cx, databases, asker);
        }
        let ticket = cx.expect(Waiting::ClusterLock(asker));
        cx.out.push(Effect::TestClusterLock { ticket });
    }

    /// Looks after each input whether there has to be a limit for addresses. Something else than
    /// SET_RECMODE may have begun recovery mode, a commit that failed or a connection that broke, and
    /// nobody else may notice; and what ends it may come later than the order to end it, or not at all:
    /// recoveries that fail one after the other, as they do while the cluster lock cannot be tested,
    /// do not make the limit any longer. In C the first of them ends it.
    pub fn watch_recovery_mode(&mut self, cx: &mut Shared) {
        match (cx.recovery_mode, self.drop_addresses) {
            (RecoveryMode::Active, None) if cx.run_state == RunState::Running => {
                self.limit_addresses(cx);
            }
            (RecoveryMode::Normal, Some(timer)) => {
                cx.timers.disarm(timer);
                self.drop_addresses = None;
            }
            (RecoveryMode::Active | RecoveryMode::Normal, _) => {}
        }
    }

    /// Addresses are released if recovery mode lasts for RecoveryDropAllIPs from now on.
    fn limit_addresses(&mut self, cx: &mut Shared) {
        let limit = Duration::from_secs(u64::from(cx.tunables.recovery_drop_all_ips()));
        if let Some(timer) = self.drop_addresses.take() {
            cx.timers.disarm(timer);
        }
        self.drop_addresses = Some(cx.arm(limit, Timer::DropAllAddresses));
    }

    /// The cluster lock was tried: the leader must have it, so this node must not get it.
    pub fn cluster_lock_tested(
        &mut self,
        cx: &mut Shared,
        databases: &mut Databases,
        asker: Asker,
        answer: u8,
        latency_s: f64,
    ) {
        match answer {
            b'1' | b'2' => {
                if answer == b'1' {
                    cx.statistics
                        .count(|s| add_latency(&mut s.reclock_ctdbd, latency_s));
                    cx.note_lock_latency(latency_s, "daemon reclock");
                }
                become_normal(cx, databases, asker);
            }
            b'0' => {
                let text = "Took recovery lock from daemon during recovery - probably a cluster filesystem lock \
                            coherence problem";
                cx.error(text);
                cx.refuse(asker, -1, text);
            }
            _ => {
                let text = "Unexpected error when testing recovery lock";
                cx.error(text);
                cx.refuse(asker, -1, text);
            }
        }
    }

    /// START_RECOVERY: the leader must have the same cluster lock; then the event runs.
    pub fn start_recovery(&mut self, cx: &mut Shared, asker: Asker) {
        self.recovery_started_us = cx.now.wall_us;
        let leader = asker.node;
        let connected = cx
            .members
            .find(leader)
            .is_some_and(super::member::Member::connected);
        let pending = Pending::LockCheck {
            asker,
            node: leader,
        };
        if !connected || !cx.control::<GetReclockFile>(leader, &(), ClientId(0), pending) {
            run_start_recovery(cx, asker);
        }
    }

    /// The leader has said which cluster lock it uses. False: it is another one than ours, leave.
    pub fn lock_checked(&mut self, cx: &mut Shared, asker: Asker, answer: &ReplyControl) -> bool {
        if answer.status != 0 {
            let text = String::from_utf8_lossy(&answer.errormsg).into_owned();
            cx.refuse(asker, answer.status, &text);
            return true;
        }
        let theirs =
            String::from_utf8_lossy(answer.data.strip_suffix(b"\0").unwrap_or(&answer.data))
                .into_owned();
        let ours = cx.settings.cluster_lock.clone().unwrap_or_default();
        if theirs != ours {
            cx.error(format!(
                "Cluster lock '{ours}' of this node is not that of the leader, node {}: '{theirs}', shutting down",
                asker.node
            ));
            cx.reply_status(asker, -1);
            return false;
        }
        run_start_recovery(cx, asker);
        true
    }

    /// END_RECOVERY: what the recovery cut off is answered, then the event runs.
    pub fn end_recovery(
        &mut self,
        cx: &mut Shared,
        databases: &mut Databases,
        proxy: &mut Proxy,
        asker: Asker,
    ) {
        if cx.recovery_mode == RecoveryMode::Normal {
            for client in databases.commits_cut_off(cx) {
                if let Some(session) = proxy.session_mut(client) {
                    session.committing = None;
                }
            }
        }
        if !event::run(cx, "recovered", Vec::new(), Then::EndRecovery(asker)) {
            cx.reply_status(asker, -1);
        }
    }

    /// The recovered event has ended, however it did.
    pub fn recovery_ended(
        &mut self,
        cx: &mut Shared,
        databases: &Databases,
        asker: Asker,
        status: i32,
    ) {
        cx.statistics.count(|s| s.num_recoveries += 1);
        cx.reply(asker, event::verdict("recovered", status), Bytes::new());
        self.recovery_finished_us = cx.now.wall_us;
        self.recovery_finished_monotonic_us = cx.now.monotonic_us;
        if cx.recovery_owed.take() == Some(cx.vnn_map.generation) {
            cx.notice("A recovery has to find what was lost while the last one was under way");
            cx.recovery_mode = RecoveryMode::Active;
        }
        if cx.run_state == RunState::FirstRecovery {
            super::boot::enter(cx, RunState::Startup);
            // Who came while the first recovery's scripts ran could not be served before.
            databases.deferred_soon(cx);
            if self.boot.wants_startup() {
                cx.arm(Duration::ZERO, Timer::Startup);
            }
        }
    }
}

fn run_start_recovery(cx: &mut Shared, asker: Asker) {
    if !event::run(cx, "startrecovery", Vec::new(), Then::StartRecovery(asker)) {
        cx.reply_status(asker, -1);
    }
}

fn become_normal(cx: &mut Shared, databases: &mut Databases, leader: Asker) {
    cx.notice("Recovery mode set to NORMAL");
    cx.recovery_mode = RecoveryMode::Normal;
    databases.deferred_soon(cx);
    databases.leave_recovery(cx, leader);
}
