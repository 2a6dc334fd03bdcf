//! The way down. (facts: cluster.md section 1, "Shutdown sequence")

use std::time::Duration;

use ctdb_protocol::id::Pnn;
use ctdb_protocol::srvid::Srvid;

use super::Cluster;
use crate::effect::Effect;
use crate::event::monitor::request_takeover_run;
use crate::event::{self, Then};
use crate::shared::{RunState, Shared, Timer};
use crate::timer::TimerId;

/// How long an unanswered request for a takeover run is left alone.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How long a leader stays after its own addresses have moved. When all nodes are told to go at once
/// the others' requests arrive in this time; a C node that is left without an answer waits out its
/// `shutdown failover timeout`.
const LEADER_STAYS: Duration = Duration::from_millis(1500);

/// How far the way down has come.
#[derive(Debug)]
pub struct Shutdown {
    code: i32,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The leader moves addresses elsewhere.
    Takeover {
        /// The next look whether it is still worth waiting.
        tick: TimerId,
        /// The end of patience, on the monotonic clock.
        until_us: u64,
    },
    /// `[failover] shutdown extra timeout`.
    Extra,
    /// The `shutdown` event.
    Event,
}

impl Cluster {
    /// Begins to shut down; a second request is ignored. True when it begins.
    pub fn shut_down(&mut self, cx: &mut Shared, code: i32) -> bool {
        if self.shutdown.is_some() {
            return false;
        }
        cx.notice("Shutdown sequence commencing.");
        let was_serving = cx.run_state >= RunState::FirstRecovery;
        super::boot::enter(cx, RunState::Shutdown);
        let limit_s = cx.settings.shutdown_failover_timeout_s;
        if limit_s > 0 && others_there(cx) && was_serving && !cx.settings.failover_disabled {
            let until_us = cx.now.after(Duration::from_secs(u64::from(limit_s)));
            let step = ask_for_takeover(cx, until_us);
            self.shutdown = Some(Shutdown { code, step });
        } else {
            self.shutdown = Some(Shutdown {
                code,
                step: Step::Extra,
            });
            self.leave(cx);
        }
        true
    }

    /// A message may be a leader's sign of life, or the answer to the request for a takeover run.
    pub fn message_heard(&mut self, cx: &mut Shared, srvid: Srvid, data: &[u8]) {
        if srvid == Srvid::LEADER {
            self.leader = data
                .first_chunk()
                .map(|bytes| Pnn(u32::from_ne_bytes(*bytes)));
        }
        let Some(Shutdown { step, .. }) = &mut self.shutdown else {
            return;
        };
        let Step::Takeover { tick, .. } = step else {
            return;
        };
        if srvid != reply_srvid(cx.pnn) {
            return;
        }
        cx.timers.disarm(*tick);
        *step = Step::Extra;
        let answer = data
            .first_chunk()
            .map_or(-1, |bytes| i32::from_ne_bytes(*bytes));
        if answer < 0 {
            cx.warning("Takeover run before shutdown failed");
            return self.leave(cx);
        }
        let extra = Duration::from_secs(u64::from(cx.settings.shutdown_extra_timeout_s));
        let leads = self.leader == Some(cx.pnn) && others_there(cx);
        let stay = if leads {
            extra.max(LEADER_STAYS)
        } else {
            extra
        };
        if !stay.is_zero() {
            cx.arm(stay, Timer::Shutdown);
        } else {
            self.leave(cx);
        }
    }

    /// A wait of the way down is over.
    pub fn shutdown_wait_over(&mut self, cx: &mut Shared) {
        match &mut self.shutdown {
            Some(Shutdown {
                step: step @ Step::Takeover { .. },
                ..
            }) => {
                let Step::Takeover { until_us, .. } = *step else {
                    return;
                };
                if !others_there(cx) {
                    return self.leave(cx);
                }
                if cx.now.monotonic_us < until_us {
                    *step = ask_for_takeover(cx, until_us);
                    return;
                }
                cx.warning("Takeover run before shutdown timed out");
                self.leave(cx);
            }
            Some(Shutdown {
                step: Step::Extra, ..
            }) => self.leave(cx),
            Some(_) | None => {}
        }
    }

    /// No leader of ours any more, then the scripts.
    fn leave(&mut self, cx: &mut Shared) {
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.step = Step::Event;
        }
        cx.out.push(Effect::StopWatch);
        event::run(cx, "shutdown", Vec::new(), Then::Shutdown);
    }

    /// The scripts have ended: the process ends.
    pub fn shutdown_event_done(&mut self, cx: &mut Shared) {
        let code = self.shutdown.as_ref().map_or(0, |shutdown| shutdown.code);
        cx.out.push(Effect::CloseTransport);
        cx.notice("Shutdown sequence complete, exiting.");
        cx.out.push(Effect::Exit { code });
    }
}

/// Whether there is anyone to take the addresses over.
fn others_there(cx: &Shared) -> bool {
    let own = cx.pnn;
    cx.members.iter().any(|m| m.pnn != own && m.connected())
}

/// Asks the leader for a takeover run, and has it asked again soon: a request dies with its leader,
/// and when a whole cluster goes down the leader is one of those that leave.
fn ask_for_takeover(cx: &mut Shared, until_us: u64) -> Step {
    request_takeover_run(cx, reply_srvid(cx.pnn));
    let left = Duration::from_micros(until_us.saturating_sub(cx.now.monotonic_us));
    let tick = cx.arm(ASK_AGAIN.min(left), Timer::Shutdown);
    Step::Takeover { tick, until_us }
}

/// Where the leader answers a daemon on its way down.
fn reply_srvid(pnn: Pnn) -> Srvid {
    Srvid(Srvid::SERVER_RANGE.0 | (u64::from(pnn.0) & 0xff_ffff) << 32)
}
