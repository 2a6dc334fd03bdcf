//! The events whose scripts the daemon has run: one table.

use crate::context::{Awaited, Context, Then};
use crate::effect::Effect;

/// Status of an event that ran out of time, as the event daemon reports it.
pub const TIMED_OUT: i32 = 110;

/// Declares the events.
macro_rules! events {
    ($($(#[$meta:meta])* $event:ident $name:literal, $recovery:ident, $timeout:ident;)*) => {
        /// An event of the daemon.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Event { $($(#[$meta])* $event),* }

        impl Event {
            /// Its name, as scripts get it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$event => $name),* }
            }

            /// Whether it runs although databases are not usable.
            fn when(self) -> When {
                match self { $(Self::$event => When::$recovery),* }
            }

            /// What a time-out of its scripts means.
            fn timeout(self) -> Timeout {
                match self { $(Self::$event => Timeout::$timeout),* }
            }
        }
    };
}

/// When an event may run.
#[derive(PartialEq, Eq)]
enum When {
    /// Also while databases are not usable.
    Always,
    /// Only outside of recovery mode.
    Normal,
}

/// What becomes of an event whose scripts run out of time.
#[derive(PartialEq, Eq)]
enum Timeout {
    /// It has failed.
    Fails,
    /// That has no consequence.
    IsFine,
}

events! {
    /// The daemon begins.
    Init "init", Always, Fails;
    /// Peers and clients are served.
    Setup "setup", Always, Fails;
    /// The first recovery is over.
    Startup "startup", Normal, Fails;
    /// Is the node healthy?
    Monitor "monitor", Normal, Fails;
    /// A recovery begins.
    StartRecovery "startrecovery", Always, IsFine;
    /// A recovery has ended.
    Recovered "recovered", Normal, IsFine;
    /// The daemon ends.
    Shutdown "shutdown", Always, Fails;
    /// An address comes.
    TakeIp "takeip", Normal, IsFine;
    /// An address leaves.
    ReleaseIp "releaseip", Always, IsFine;
    /// An address changes its interface.
    UpdateIp "updateip", Normal, Fails;
    /// A takeover run begins.
    StartIpreallocate "startipreallocate", Always, Fails;
    /// A takeover run has ended.
    Ipreallocated "ipreallocated", Always, Fails;
}

impl Event {
    /// The status of its end as upstream passes it on: some may run out of time.
    #[must_use]
    pub fn verdict(self, status: i32) -> i32 {
        if status == TIMED_OUT && self.timeout() == Timeout::IsFine {
            0
        } else {
            status
        }
    }
}

/// Runs the scripts of an event; false when it may not run now. Its end comes with `then`.
pub fn run(cx: &mut Context, event: Event, args: Vec<String>, then: impl Into<Then>) -> bool {
    if cx.recovering() && event.when() == When::Normal {
        cx.error(format!(
            "Refusing to run event scripts call '{}' while in recovery",
            event.name()
        ));
        return false;
    }
    let timeout_s = cx.tunables().event_script_timeout();
    let ticket = cx.expect(Awaited::Event(then.into()));
    cx.effect(Effect::RunEvent {
        ticket,
        event: event.name(),
        args,
        timeout_s,
    });
    true
}
