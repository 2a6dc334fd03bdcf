//! The way up: one event after the other, until the node is RUNNING. Answers to upstream's `ctdb_start_daemon`.

use std::time::Duration;

use ctdb_protocol::control::Startup;
use ctdb_protocol::id::{Generation, Pnn};
use ctdb_protocol::types::{NodeFlags, VnnMap};

use super::Cluster;
use crate::database::Databases;
use crate::database::attach::AttachError;
use crate::effect::Effect;
use crate::event::monitor::Monitor;
use crate::event::{self, Then};
use crate::shared::{RecoveryMode, RunState, Shared, Timer};
use crate::store::Kind;

/// How often it is looked whether the first recovery is over.
const FIRST_RECOVERY_POLL: Duration = Duration::from_millis(100);
/// A startup event that failed is tried again after this long.
const STARTUP_RETRY: Duration = Duration::from_secs(5);
/// Upstream waits RerecoveryTimeout and this many seconds after a recovery before `startup`.
const SETTLE_S: u32 = 3;

/// How far boot has come.
#[derive(Debug, Default)]
pub struct Boot {
    startup_running: bool,
    first_recovery_over: bool,
    /// What kept the start from opening a database, while it does.
    locked_file: Option<String>,
}

impl Boot {
    /// Whether only the run state kept the startup event from running.
    #[must_use]
    pub fn wants_startup(&self) -> bool {
        self.first_recovery_over && !self.startup_running
    }
}

/// How often a file that somebody has locked is tried at the start.
const LOCKED_FILE_RETRY: Duration = Duration::from_secs(1);

/// Goes on to a later run state.
pub fn enter(cx: &mut Shared, state: RunState) {
    if cx.run_state < state {
        cx.notice(format!(
            "Set runstate to {} ({})",
            state.name(),
            state as u32
        ));
        cx.run_state = state;
        cx.membership_changed = true;
    }
}

/// Ends the daemon at once: something without which it cannot run has failed.
pub fn fatal(cx: &mut Shared, code: i32, text: String) {
    cx.error(text);
    cx.run_state = RunState::Shutdown;
    cx.out.push(Effect::Exit { code });
}

impl Cluster {
    /// The daemon begins: `init`.
    pub fn boot(&mut self, cx: &mut Shared) {
        cx.started_us = cx.now.monotonic_us;
        self.started_us = cx.now.wall_us;
        cx.statistics.reset(cx.now);
        cx.statistics.roll(cx.now);
        cx.recovery_mode = RecoveryMode::Active;
        cx.notice("Set runstate to INIT (1)");
        event::run(cx, "init", Vec::new(), Then::Init);
    }

    /// `init` has ended: bind the TCP listener.
    pub fn init_done(&mut self, cx: &mut Shared, status: i32) {
        if status != 0 {
            return fatal(cx, 1, format!("Failed to run init event: status {status}"));
        }
        cx.out.push(Effect::Notify { what: "init" });
        let nodes = cx
            .members
            .iter()
            .filter(|m| !m.deleted())
            .map(|m| (m.pnn, m.address))
            .collect();
        cx.out.push(Effect::OpenTransport { nodes });
    }

    /// The own number is known: attach what is on disk, let peers and clients in, `setup`. False when
    /// that failed and the daemon ends.
    pub fn transport_open(
        &mut self,
        cx: &mut Shared,
        databases: &mut Databases,
        result: Result<Pnn, String>,
    ) -> bool {
        let pnn = match result {
            Ok(pnn) => pnn,
            Err(error) => {
                fatal(cx, 1, format!("Failed to start transport: {error}"));
                return false;
            }
        };
        cx.pnn = pnn;
        cx.notice(format!("PNN is {pnn}"));
        let (disabled, stopped) = (cx.settings.start_as_disabled, cx.settings.start_as_stopped);
        if let Some(member) = cx.members.find_mut(pnn) {
            member.flags.remove(NodeFlags::DISCONNECTED);
            member.flags.set(NodeFlags::PERMANENTLY_DISABLED, disabled);
            member.flags.set(NodeFlags::STOPPED, stopped);
        }
        let nodes = cx
            .members
            .iter()
            .filter(|m| !m.deleted())
            .map(|m| m.pnn)
            .collect();
        cx.vnn_map = VnnMap {
            generation: Generation::INVALID,
            nodes,
        };
        self.open_persistent(cx, databases)
    }

    /// The step after that: the persistent databases. False when it has to be taken again: somebody has the
    /// file of one locked. Until then this node is not seen by others, which go on without it.
    pub fn open_persistent(&mut self, cx: &mut Shared, databases: &mut Databases) -> bool {
        match attach_persistent(cx, databases) {
            Ok(()) => {}
            Err((name, AttachError::Busy(reason))) => {
                if self.boot.locked_file.as_ref() != Some(&reason) {
                    cx.error(format!(
                        "The start waits for database {name}, which cannot be attached: {reason}"
                    ));
                    self.boot.locked_file = Some(reason);
                }
                cx.arm(LOCKED_FILE_RETRY, Timer::AttachPersistent);
                return false;
            }
            Err((name, AttachError::Refused(error))) => {
                fatal(
                    cx,
                    1,
                    format!("Failed to attach to persistent databases: database {name}: {error}"),
                );
                return false;
            }
        }
        if self.boot.locked_file.take().is_some() {
            cx.notice("The start goes on, no file is locked any more");
        }
        enter(cx, RunState::Setup);
        super::nodes::connect(cx);
        cx.out.push(Effect::AcceptClients);
        event::run(cx, "setup", Vec::new(), Then::Setup)
    }

    /// `setup` has ended: the cluster watch begins, and the first recovery is awaited.
    pub fn setup_done(&mut self, cx: &mut Shared, status: i32) {
        if status != 0 {
            return fatal(cx, 1, format!("Failed to run setup event: status {status}"));
        }
        cx.out.push(Effect::Notify { what: "setup" });
        cx.out.push(Effect::StartWatch);
        crate::transport::arm_keepalive(cx);
        cx.arm(Duration::from_secs(1), Timer::Second);
        enter(cx, RunState::FirstRecovery);
        cx.arm(FIRST_RECOVERY_POLL, Timer::FirstRecovery);
    }

    /// Looks whether the first recovery is over and the cluster has settled.
    pub fn first_recovery_poll(&mut self, cx: &mut Shared, databases: &Databases) {
        if cx.run_state == RunState::Shutdown {
            return;
        }
        let settle_s = if cx.settings.test_mode {
            0
        } else {
            cx.tunables.rerecovery_timeout() + SETTLE_S
        };
        let settled =
            cx.now.seconds_since(self.recovery_finished_monotonic_us) >= f64::from(settle_s);
        let recovered = cx.vnn_map.generation != Generation::INVALID
            && cx.recovery_mode == RecoveryMode::Normal;
        if !recovered || !settled {
            cx.arm(FIRST_RECOVERY_POLL, Timer::FirstRecovery);
            return;
        }
        let unhealthy = databases
            .map
            .values()
            .find(|db| db.unhealthy.is_some())
            .map(|db| db.name.clone());
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
    pub fn startup(&mut self, cx: &mut Shared) {
        if self.boot.startup_running
            || !self.boot.first_recovery_over
            || cx.run_state != RunState::Startup
        {
            return;
        }
        if event::run(cx, "startup", Vec::new(), Then::Startup) {
            self.boot.startup_running = true;
        } else {
            let delay = if cx.settings.test_mode {
                FIRST_RECOVERY_POLL
            } else {
                STARTUP_RETRY
            };
            cx.arm(delay, Timer::Startup);
        }
    }

    /// `startup` has ended: the node is RUNNING.
    pub fn startup_done(&mut self, cx: &mut Shared, monitor: &mut Monitor, status: i32) {
        self.boot.startup_running = false;
        if cx.run_state != RunState::Startup {
            return;
        }
        if status != 0 {
            cx.error(format!(
                "startup event failed: status {status}, it is tried again"
            ));
            cx.arm(STARTUP_RETRY, Timer::Startup);
            return;
        }
        cx.notice("startup event OK - enabling monitoring");
        enter(cx, RunState::Running);
        cx.out.push(Effect::Notify { what: "startup" });
        cx.announce::<Startup>(Pnn::BROADCAST_CONNECTED, &());
        monitor.start(cx);
    }
}

/// Attaches the persistent databases that this node has on disk and freezes them until the first
/// recovery.
fn attach_persistent(
    cx: &mut Shared,
    databases: &mut Databases,
) -> Result<(), (String, AttachError)> {
    let names = cx
        .storage
        .persistent_names()
        .map_err(|error| (String::new(), AttachError::Refused(error.to_string())))?;
    for name in names {
        let attached = databases.attach_here(cx, &name, Kind::Persistent);
        let (id, new) = attached.map_err(|error| (name, error))?;
        if !new {
            continue;
        }
        if let Some(db) = databases.map.get_mut(&id) {
            db.freeze(cx, None);
        }
    }
    Ok(())
}
