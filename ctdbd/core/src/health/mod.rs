//! Whether the node is healthy: every MonitorInterval the scripts of the monitor event say so.

use std::time::Duration;

use ctdb_protocol::types::{NodeFlags, RunState};

use crate::cluster;
use crate::context::Context;
use crate::event::{self, Event, TIMED_OUT};

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

/// What other services tell this one.
#[derive(Debug)]
pub enum Letter {
    /// Cluster: the node has become RUNNING.
    Running,
}

/// What a timer of this service is for.
#[derive(Debug)]
pub enum Due {
    /// The next monitor event.
    Monitor,
}

/// What the end of an event is for.
#[derive(Debug)]
pub enum AfterEvent {
    /// The node is healthy, or is not.
    Monitor,
}

/// State of monitoring.
#[derive(Debug, Default)]
pub struct Health {
    interval_s: u32,
    timeouts: u32,
    running: bool,
}

impl Health {
    /// Reads a letter.
    pub(crate) fn read(&mut self, cx: &mut Context, letter: Letter) {
        match letter {
            Letter::Running => {
                self.interval_s = FIRST_INTERVAL_S;
                cx.arm(FIRST_DELAY, Due::Monitor);
            }
        }
    }

    fn arm(&self, cx: &mut Context) {
        cx.arm(
            Duration::from_secs(u64::from(self.interval_s.max(1))),
            Due::Monitor,
        );
    }

    /// A timer: it is time for an event.
    pub(crate) fn due(&mut self, cx: &mut Context, due: Due) {
        let Due::Monitor = due;
        let skip = cx.recovering() || cx.inactive() || cx.run_state() != RunState::RUNNING;
        if skip || self.running {
            return self.arm(cx);
        }
        if event::run(cx, Event::Monitor, Vec::new(), AfterEvent::Monitor) {
            self.running = true;
        } else {
            self.arm(cx);
        }
    }

    /// An event has ended.
    pub(crate) fn after_event(&mut self, cx: &mut Context, then: AfterEvent, status: i32) {
        let AfterEvent::Monitor = then;
        self.running = false;
        if status == CANCELLED && cx.own_flags().contains(NodeFlags::UNHEALTHY) {
            cx.arm(CANCELLED_DELAY, Due::Monitor);
            return;
        }
        let changed = self.judge(cx, status);
        let limit_s = cx.tunables().monitor_interval().max(1);
        self.interval_s = if changed {
            CHANGED_INTERVAL_S
        } else {
            self.interval_s.saturating_mul(2)
        }
        .min(limit_s);
        if cx.run_state() == RunState::RUNNING {
            self.arm(cx);
        }
    }

    /// Takes over what the scripts said; true when that is news.
    fn judge(&mut self, cx: &mut Context, status: i32) -> bool {
        if status == CANCELLED {
            return false;
        }
        let was_healthy = !cx.own_flags().contains(NodeFlags::UNHEALTHY);
        let mut healthy = status == 0;
        if status == TIMED_OUT {
            self.timeouts += 1;
            let limit = cx.tunables().monitor_timeout_count();
            if self.timeouts < limit {
                cx.error(format!(
                    "Monitor event timed out ({} of {limit})",
                    self.timeouts
                ));
                healthy = true;
                if !was_healthy {
                    return false;
                }
            }
        } else {
            self.timeouts = 0;
        }
        if healthy == was_healthy {
            return false;
        }
        cx.post(cluster::Letter::HealthChanged { healthy, status });
        true
    }
}
