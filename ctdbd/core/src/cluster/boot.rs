//! The way up: one event after the other, until the node is RUNNING. Answers to upstream's `ctdb_start_daemon`.

use std::time::Duration;

use ctdb_protocol::control::Startup;
use ctdb_protocol::id::{Generation, Pnn};
use ctdb_protocol::types::{NodeFlags, RecoveryMode, RunState, VnnMap};

use super::{AfterEvent, Cluster, Due};
use crate::context::{self, Context};
use crate::database::{self, OpenFailure};
use crate::effect::Effect;
use crate::event::{self, Event};
use crate::{failover, health, proxy, transport};

/// How often it is looked whether the first recovery is over.
const FIRST_RECOVERY_POLL: Duration = Duration::from_millis(100);
/// A startup event that failed is tried again after this long.
const STARTUP_RETRY: Duration = Duration::from_secs(5);
/// Upstream waits RerecoveryTimeout and this many seconds after a recovery before `startup`.
const SETTLE_S: u32 = 3;

/// How far boot has come.
#[derive(Debug, Default)]
pub(super) struct Boot {
    startup_running: bool,
    first_recovery_over: bool,
    /// What kept the start from opening a database, while it does.
    locked_file: Option<String>,
}

impl Boot {
    /// Whether only the run state kept the startup event from running.
    #[must_use]
    pub(super) fn wants_startup(&self) -> bool {
        self.first_recovery_over && !self.startup_running
    }
}

/// How often a file that somebody has locked is tried at the start.
const LOCKED_FILE_RETRY: Duration = Duration::from_secs(1);

/// Ends the daemon at once: something without which it cannot run has failed.
pub(super) fn fatal(cx: &mut Context, code: i32, text: String) {
    cx.error(text);
    cx.view_mut().run_state = RunState::SHUTDOWN;
    cx.effect(Effect::Exit { code });
}

impl Cluster {
    /// Goes on to a later run state.
    pub(super) fn enter(&mut self, cx: &mut Context, state: RunState) {
        if cx.run_state() < state {
            cx.notice(format!(
                "Set runstate to {} ({})",
                state.name().unwrap_or_default(),
                state.0
            ));
            cx.view_mut().run_state = state;
            cx.post(proxy::Letter::MembershipChanged);
            self.limit_addresses_when_running(cx);
        }
    }

    /// The daemon begins: `init`.
    pub(crate) fn boot(&mut self, cx: &mut Context) {
        self.started_wall_us = cx.now().wall_us;
        cx.view_mut().recovery_mode = RecoveryMode::ACTIVE;
        cx.notice("Set runstate to INIT (1)");
        event::run(cx, Event::Init, Vec::new(), AfterEvent::Init);
    }

    /// `init` has ended: bind the TCP listener.
    pub(super) fn init_done(cx: &mut Context, status: i32) {
        if status != 0 {
            return fatal(cx, 1, format!("Failed to run init event: status {status}"));
        }
        cx.effect(Effect::Notify { what: "init" });
        let nodes = cx
            .members()
            .filter(|m| !m.deleted())
            .map(|m| (m.pnn(), m.address()))
            .collect();
        cx.effect(Effect::OpenTransport { nodes });
    }

    /// The own number is known, or why it is not: attach what is on disk.
    pub(crate) fn transport_open(&mut self, cx: &mut Context, result: Result<Pnn, String>) {
        let pnn = match result {
            Ok(pnn) => pnn,
            Err(error) => return fatal(cx, 1, format!("Failed to start transport: {error}")),
        };
        cx.view_mut().pnn = pnn;
        cx.notice(format!("PNN is {pnn}"));
        let settings = cx.settings();
        let (disabled, stopped) = (settings.start_as_disabled, settings.start_as_stopped);
        if let Some(flags) = cx.view_mut().flags_mut(pnn) {
            flags.remove(NodeFlags::DISCONNECTED);
            flags.set(NodeFlags::PERMANENTLY_DISABLED, disabled);
            flags.set(NodeFlags::STOPPED, stopped);
        }
        let there = cx.members().filter(|m| !m.deleted());
        let nodes = there.map(super::view::Member::pnn).collect();
        cx.view_mut().vnn_map = VnnMap {
            generation: Generation::INVALID,
            nodes,
        };
        cx.post(database::Letter::OpenPersistent);
    }

    /// The persistent databases are open: let peers and clients in, `setup`. Until then this node is not
    /// seen by others, which go on without it: somebody may have a file locked, and it is tried again.
    pub(super) fn persistent_open(&mut self, cx: &mut Context, result: Result<(), OpenFailure>) {
        match result {
            Ok(()) => {}
            Err(OpenFailure::Busy { name, reason }) => {
                if self.boot.locked_file.as_ref() != Some(&reason) {
                    cx.error(format!(
                        "The start waits for database {name}, which cannot be attached: {reason}"
                    ));
                    self.boot.locked_file = Some(reason);
                }
                cx.arm(LOCKED_FILE_RETRY, Due::OpenPersistent);
                return;
            }
            Err(OpenFailure::Refused { name, reason }) => {
                return fatal(
                    cx,
                    1,
                    format!("Failed to attach to persistent databases: database {name}: {reason}"),
                );
            }
        }
        if self.boot.locked_file.take().is_some() {
            cx.notice("The start goes on, no file is locked any more");
        }
        self.enter(cx, RunState::SETUP);
        super::nodes::connect(cx);
        cx.effect(Effect::AcceptClients);
        event::run(cx, Event::Setup, Vec::new(), AfterEvent::Setup);
        cx.post(failover::Letter::Start);
    }

    /// `setup` has ended: the cluster watch begins, and the first recovery is awaited.
    pub(super) fn setup_done(&mut self, cx: &mut Context, status: i32) {
        if status != 0 {
            return fatal(cx, 1, format!("Failed to run setup event: status {status}"));
        }
        cx.effect(Effect::Notify { what: "setup" });
        cx.effect(Effect::StartClusterWatch);
        cx.post(transport::Letter::Begin);
        cx.arm(Duration::from_secs(1), context::Due::Second);
        self.enter(cx, RunState::FIRST_RECOVERY);
        cx.arm(FIRST_RECOVERY_POLL, Due::FirstRecovery);
    }

    /// Looks whether the first recovery is over and the cluster has settled.
    pub(super) fn first_recovery_poll(&mut self, cx: &mut Context) {
        if cx.run_state() == RunState::SHUTDOWN {
            return;
        }
        let settle_s = if cx.settings().test_mode {
            0
        } else {
            cx.tunables().rerecovery_timeout() + SETTLE_S
        };
        let settled =
            cx.now().seconds_since(self.recovery_finished_monotonic_us) >= f64::from(settle_s);
        let recovered = cx.generation() != Generation::INVALID && !cx.recovering();
        if !recovered || !settled {
            cx.arm(FIRST_RECOVERY_POLL, Due::FirstRecovery);
            return;
        }
        let unhealthy = cx.databases().unhealthy().map(str::to_owned);
        if let Some(name) = unhealthy {
            return fatal(
                cx,
                11,
                format!("persistent database {name} is unhealthy - shutting down"),
            );
        }
        self.boot.first_recovery_over = true;
        self.startup(cx);
    }

    /// Runs `startup`, once the state allows it.
    pub(super) fn startup(&mut self, cx: &mut Context) {
        if self.boot.startup_running
            || !self.boot.first_recovery_over
            || cx.run_state() != RunState::STARTUP
        {
            return;
        }
        if event::run(cx, Event::Startup, Vec::new(), AfterEvent::Startup) {
            self.boot.startup_running = true;
        } else {
            let delay = if cx.settings().test_mode {
                FIRST_RECOVERY_POLL
            } else {
                STARTUP_RETRY
            };
            cx.arm(delay, Due::Startup);
        }
    }

    /// `startup` has ended: the node is RUNNING.
    pub(super) fn startup_done(&mut self, cx: &mut Context, status: i32) {
        self.boot.startup_running = false;
        if cx.run_state() != RunState::STARTUP {
            return;
        }
        if status != 0 {
            cx.error(format!(
                "startup event failed: status {status}, it is tried again"
            ));
            cx.arm(STARTUP_RETRY, Due::Startup);
            return;
        }
        cx.notice("startup event OK - enabling monitoring");
        self.enter(cx, RunState::RUNNING);
        cx.effect(Effect::Notify { what: "startup" });
        cx.announce::<Startup>(Pnn::BROADCAST_CONNECTED, &());
        cx.post(health::Letter::Running);
    }
}
