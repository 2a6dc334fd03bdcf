//! The monitor event: every MonitorInterval the scripts say whether the node is healthy.
//! Answers to upstream's `ctdb_monitor.c`.

use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::id::{Pnn, ReqId};
use ctdb_protocol::packet::{Packet, ReqMessage};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{NodeFlagChange, NodeFlags, SrvidMessage};
use ctdb_protocol::wire::encode;

use super::{TIMED_OUT, Then, run};
use crate::effect::Effect;
use crate::shared::{RecoveryMode, RunState, Shared, Timer};

/// From RUNNING to the first event. Upstream waits two seconds; until it has ended the node counts as
/// unhealthy, so nothing is gained by waiting.
const FIRST_DELAY: Duration = Duration::from_millis(50);
/// First interval, seconds; it doubles until it reaches MonitorInterval.
const FIRST_INTERVAL_S: u32 = 1;
/// Interval after a change of health, seconds.
const CHANGED_INTERVAL_S: u32 = 5;

/// Status of an event that another one pushed aside.
const CANCELLED: i32 = 125;
/// A node that waits for its first verdict asks again so soon after its event was pushed aside.
const CANCELLED_DELAY: Duration = Duration::from_millis(200);

/// State of monitoring.
#[derive(Debug, Default)]
pub struct Monitor {
    interval_s: u32,
    timeouts: u32,
    running: bool,
}

impl Monitor {
    /// The node has become RUNNING: the first event is soon.
    pub fn start(&mut self, cx: &mut Shared) {
        self.interval_s = FIRST_INTERVAL_S;
        cx.arm(FIRST_DELAY, Timer::Monitor);
    }

    fn arm(&self, cx: &mut Shared) {
        cx.arm(
            Duration::from_secs(u64::from(self.interval_s.max(1))),
            Timer::Monitor,
        );
    }

    /// It is time for an event.
    pub fn due(&mut self, cx: &mut Shared) {
        let skip = cx.recovery_mode == RecoveryMode::Active
            || cx.inactive()
            || cx.run_state != RunState::Running;
        if skip || self.running {
            return self.arm(cx);
        }
        if run(cx, "monitor", Vec::new(), Then::Monitor) {
            self.running = true;
        } else {
            self.arm(cx);
        }
    }

    /// An event has ended.
    pub fn done(&mut self, cx: &mut Shared, status: i32) {
        self.running = false;
        if status == CANCELLED && cx.own_flags().contains(NodeFlags::UNHEALTHY) {
            cx.arm(CANCELLED_DELAY, Timer::Monitor);
            return;
        }
        let changed = self.judge(cx, status);
        let limit_s = cx.tunables.monitor_interval().max(1);
        self.interval_s = if changed {
            CHANGED_INTERVAL_S
        } else {
            self.interval_s.saturating_mul(2)
        }
        .min(limit_s);
        if cx.run_state == RunState::Running {
            self.arm(cx);
        }
    }

    /// Takes over what the scripts said; true when that is news.
    fn judge(&mut self, cx: &mut Shared, status: i32) -> bool {
        if status == CANCELLED {
            return false;
        }
        let mut healthy = status == 0;
        if status == TIMED_OUT {
            self.timeouts += 1;
            let limit = cx.tunables.monitor_timeout_count();
            if self.timeouts < limit {
                cx.error(format!(
                    "Monitor event timed out ({} of {limit})",
                    self.timeouts
                ));
                healthy = true;
                if cx.own_flags().contains(NodeFlags::UNHEALTHY) {
                    return false;
                }
            }
        } else {
            self.timeouts = 0;
        }
        let old = cx.own_flags();
        let mut new = old;
        new.set(NodeFlags::UNHEALTHY, !healthy);
        if new == old {
            return false;
        }
        let pnn = cx.pnn;
        if let Some(member) = cx.members.find_mut(pnn) {
            member.flags = new;
        }
        let word = if healthy { "HEALTHY" } else { "UNHEALTHY" };
        // Monitoring greps for this sentence.
        cx.notice(format!(
            "Node became {word}. Ask recovery master to reallocate IPs (monitor status {status})"
        ));
        cx.out.push(Effect::Notify {
            what: if healthy { "healthy" } else { "unhealthy" },
        });
        tell(cx, old, new);
        true
    }
}

/// Tells the own cluster watch, which tells the other nodes, and asks for a takeover run.
fn tell(cx: &mut Shared, old: NodeFlags, new: NodeFlags) {
    let change = NodeFlagChange {
        pnn: cx.pnn,
        new_flags: new,
        old_flags: old,
    };
    let own = cx.pnn;
    let generation = cx.vnn_map.generation;
    let message = ReqMessage {
        srvid: Srvid::PUSH_NODE_FLAGS,
        data: Bytes::from(encode(&change)),
    };
    cx.send(own, ReqId(0), generation, &Packet::ReqMessage(message));
    request_takeover_run(cx, Srvid(0));
}

/// Asks the leader, whoever it is, for a takeover run; `reply` is where the outcome is wanted, or 0.
pub fn request_takeover_run(cx: &mut Shared, reply: Srvid) {
    let request = SrvidMessage::new(cx.pnn, reply);
    cx.message(
        Pnn::BROADCAST_CONNECTED,
        Srvid::TAKEOVER_RUN,
        Bytes::from(encode(&request)),
    );
}
