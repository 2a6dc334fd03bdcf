//! When the scripts of which event run, and what happens when they have ended.

use crate::effect::{Effect, Ticket};
use crate::shared::{Asker, RecoveryMode, Shared, Waiting};

pub mod monitor;

/// What the end of an event is for.
#[derive(Debug)]
pub enum Then {
    /// Boot goes on after `init`.
    Init,
    /// Boot goes on after `setup`.
    Setup,
    /// Boot goes on after `startup`.
    Startup,
    /// The node is healthy, or is not.
    Monitor,
    /// START_RECOVERY is answered.
    StartRecovery(Asker),
    /// END_RECOVERY is answered.
    EndRecovery(Asker),
    /// The failover service goes on.
    Failover(crate::failover::service::AfterEvent),
    /// The daemon ends.
    Shutdown,
}

/// Events that run although databases are not usable.
const DURING_RECOVERY: [&str; 7] = [
    "init",
    "setup",
    "startrecovery",
    "shutdown",
    "releaseip",
    "ipreallocated",
    "startipreallocate",
];

/// Events whose scripts may run out of time without consequence.
const TIMEOUT_IS_SUCCESS: [&str; 4] = ["startrecovery", "recovered", "takeip", "releaseip"];

/// Status of an event that ran out of time, as the event daemon reports it.
pub const TIMED_OUT: i32 = 110;

/// Runs the scripts of an event; false when it may not run now.
pub fn run(cx: &mut Shared, event: &'static str, args: Vec<String>, then: Then) -> bool {
    if cx.recovery_mode != RecoveryMode::Normal && !DURING_RECOVERY.contains(&event) {
        cx.error(format!(
            "Refusing to run event scripts call '{event}' while in recovery"
        ));
        return false;
    }
    let timeout_s = cx.tunables.event_script_timeout();
    let ticket: Ticket = cx.expect(Waiting::Event(then));
    cx.out.push(Effect::RunEvent {
        ticket,
        event,
        args,
        timeout_s,
    });
    true
}

/// The status of an event as upstream passes it on: some may run out of time.
#[must_use]
pub fn verdict(event: &str, status: i32) -> i32 {
    if status == TIMED_OUT && TIMEOUT_IS_SUCCESS.contains(&event) {
        0
    } else {
        status
    }
}
