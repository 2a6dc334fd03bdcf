//! The way down. Answers to upstream's `ctdb_shutdown_sequence`.

use std::time::Duration;

use ctdb_protocol::id::Pnn;
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{RunState, SrvidMessage};
use ctdb_protocol::wire::all;

use super::flags::request_takeover_run;
use super::{AfterEvent, Cluster, Due};
use crate::context::Context;
use crate::effect::Effect;
use crate::event::{self, Event};
use crate::timer::TimerId;

/// How long an unanswered request for a takeover run is left alone.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How long a leader stays after its own addresses have moved. When all nodes are told to go at once
/// the others' requests arrive in this time; a C node that is left without an answer waits out its
/// `shutdown failover timeout`.
const LEADER_STAYS: Duration = Duration::from_millis(1500);

/// How far the way down has come.
#[derive(Debug)]
pub(super) struct Shutdown {
    code: i32,
    step: Step,
    /// The end of patience with takeover runs, on the monotonic clock.
    until_us: u64,
    /// How many takeover runs were asked for; the number is part of the port of the answer.
    asked: u32,
    /// Another node has asked for a takeover run, and waits for the answer, since the last time that this one did.
    others_wait: bool,
}

#[derive(Debug)]
enum Step {
    /// The leader moves addresses elsewhere.
    Takeover {
        /// The next look whether it is still worth waiting.
        tick: TimerId,
        /// The first request whose answer is good enough.
        oldest: u32,
    },
    /// `[failover] shutdown extra timeout`.
    Extra,
    /// The `shutdown` event.
    Event,
}

impl Cluster {
    /// Begins to shut down; a second request is ignored. True when it begins.
    pub(crate) fn shut_down(&mut self, cx: &mut Context, code: i32) -> bool {
        if self.shutdown.is_some() {
            return false;
        }
        cx.notice("Shutdown sequence commencing.");
        let was_serving = cx.run_state() >= RunState::FIRST_RECOVERY;
        self.enter(cx, RunState::SHUTDOWN);
        let limit_s = cx.settings().shutdown_failover_timeout_s;
        self.shutdown = Some(Shutdown {
            code,
            step: Step::Extra,
            until_us: cx.now().after(Duration::from_secs(u64::from(limit_s))),
            asked: 0,
            others_wait: false,
        });
        if limit_s > 0 && others_there(cx) && was_serving && !cx.settings().failover_disabled {
            self.ask_for_takeover(cx);
        } else {
            self.leave(cx);
        }
        true
    }

    /// Goes down without asking anybody: the others cannot use this node, and whatever they ask of it holds them up.
    /// They lose sight of it at once, and its scripts give its addresses up while it is alone.
    pub(super) fn leave_at_once(&mut self, cx: &mut Context, code: i32) {
        match &mut self.shutdown {
            Some(shutdown) if matches!(shutdown.step, Step::Event) => return,
            Some(shutdown) => shutdown.code = code,
            None => {
                cx.notice("Shutdown sequence commencing.");
                self.enter(cx, RunState::SHUTDOWN);
                self.shutdown = Some(Shutdown {
                    code,
                    step: Step::Extra,
                    until_us: cx.now().monotonic_us,
                    asked: 0,
                    others_wait: false,
                });
            }
        }
        cx.effect(Effect::CloseTransport);
        self.leave(cx);
    }

    /// A message may be a leader's sign of life, the reason of a ban, or the answer to the request for a takeover run.
    pub(crate) fn message_heard(&mut self, cx: &mut Context, srvid: Srvid, data: &[u8]) {
        if srvid == Srvid::LEADER {
            self.leader_heard(cx, data);
        }
        if srvid == Srvid::BAN_REASON {
            self.ban_announced(cx, data);
        }
        let Some(shutdown) = &mut self.shutdown else {
            return;
        };
        if srvid == Srvid::TAKEOVER_RUN {
            // A request without a port is nobody's that waits: nodes repeat these for as long as an
            // address is not where it should be.
            shutdown.others_wait |= all(data).is_ok_and(|request: SrvidMessage| {
                request.pnn != cx.pnn() && request.srvid != Srvid(0)
            });
            return;
        }
        let Step::Takeover { tick, oldest } = shutdown.step else {
            return;
        };
        if !(oldest..=shutdown.asked).any(|number| srvid == reply_srvid(cx.pnn(), number)) {
            return;
        }
        cx.disarm(tick);
        shutdown.step = Step::Extra;
        let answer = data
            .first_chunk()
            .map_or(-1, |bytes| i32::from_ne_bytes(*bytes));
        if answer < 0 {
            cx.warning("Takeover run before shutdown failed");
        }
        if answer < 0 || oldest > 1 {
            return self.serve_or_leave(cx);
        }
        let extra = Duration::from_secs(u64::from(cx.settings().shutdown_extra_timeout_s));
        let stay = if self.leads(cx) {
            extra.max(LEADER_STAYS)
        } else {
            extra
        };
        if !stay.is_zero() {
            cx.arm(stay, Due::Shutdown);
        } else {
            self.leave(cx);
        }
    }

    /// A wait of the way down is over.
    pub(super) fn shutdown_wait_over(&mut self, cx: &mut Context) {
        let Some(shutdown) = &self.shutdown else {
            return;
        };
        match shutdown.step {
            Step::Takeover { .. } if !others_there(cx) => self.leave(cx),
            Step::Takeover { .. } if cx.now().monotonic_us < shutdown.until_us => {
                self.ask_for_takeover(cx);
            }
            Step::Takeover { .. } => {
                cx.warning("Takeover run before shutdown timed out");
                self.leave(cx);
            }
            Step::Extra => self.serve_or_leave(cx),
            Step::Event => {}
        }
    }

    /// A leader that others still wait for stays for one more takeover run: their requests would go
    /// down with it. It asks for a run itself, whose answer comes after theirs.
    fn serve_or_leave(&mut self, cx: &mut Context) {
        let wait = self.leads(cx)
            && self.shutdown.as_ref().is_some_and(|shutdown| {
                shutdown.others_wait && cx.now().monotonic_us < shutdown.until_us
            });
        if wait {
            self.ask_for_takeover(cx);
        } else {
            self.leave(cx);
        }
    }

    /// Whether this node leads others.
    fn leads(&self, cx: &Context) -> bool {
        self.leader == Some(cx.pnn()) && others_there(cx)
    }

    /// Asks the leader for a takeover run, and has it asked again soon: a request dies with its
    /// leader, and when a whole cluster goes down the leader is one of those that leave.
    fn ask_for_takeover(&mut self, cx: &mut Context) {
        let Some(shutdown) = &mut self.shutdown else {
            return;
        };
        shutdown.asked += 1;
        let oldest = match shutdown.step {
            Step::Takeover { oldest, .. } => oldest,
            Step::Extra | Step::Event => {
                shutdown.others_wait = false;
                shutdown.asked
            }
        };
        request_takeover_run(cx, reply_srvid(cx.pnn(), shutdown.asked));
        let left = Duration::from_micros(shutdown.until_us.saturating_sub(cx.now().monotonic_us));
        let tick = cx.arm(ASK_AGAIN.min(left), Due::Shutdown);
        shutdown.step = Step::Takeover { tick, oldest };
    }

    /// No leader of ours any more, then the scripts.
    fn leave(&mut self, cx: &mut Context) {
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.step = Step::Event;
        }
        cx.effect(Effect::StopClusterWatch);
        event::run(cx, Event::Shutdown, Vec::new(), AfterEvent::Shutdown);
    }

    /// The scripts have ended: the process ends.
    pub(super) fn shutdown_event_done(&mut self, cx: &mut Context) {
        let code = self.shutdown.as_ref().map_or(0, |shutdown| shutdown.code);
        cx.effect(Effect::CloseTransport);
        cx.notice("Shutdown sequence complete, exiting.");
        cx.effect(Effect::Exit { code });
    }
}

/// Whether there is anyone to take the addresses over.
fn others_there(cx: &Context) -> bool {
    let own = cx.pnn();
    cx.members().any(|m| m.pnn() != own && m.connected())
}

/// Where the leader answers the request of that number of a daemon on its way down.
fn reply_srvid(pnn: Pnn, number: u32) -> Srvid {
    Srvid(Srvid::SERVER_RANGE.0 | (u64::from(pnn.0) & 0xff_ffff) << 32 | u64::from(number))
}
