//! The cluster's state.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use ctdb_config::level::Level;
use ctdb_config::tunables::Tunables;
use ctdb_protocol::types::{
    Capabilities, NodeFlags, PublicIp, RecoveryMode, RunState, SockAddr, Timeval, Uptime, VnnMap,
};
use ctdb_protocol::{Generation, Pnn};

use super::database::Database;

/// A node.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) pnn: Pnn,
    pub(super) addr: SockAddr,
    pub(super) flags: NodeFlags,
    pub(super) capabilities: Capabilities,
    /// It never answers the question for its capabilities.
    pub(super) silent: bool,
    /// Counts up with each order not to recover; odd or even means nothing, 0 is none.
    pub(super) quiet: Option<u64>,
}

/// An interface.
#[derive(Debug, Clone)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) link_up: bool,
    pub(super) references: u32,
}

/// A control that shall fail.
#[derive(Debug, Clone)]
pub(super) struct Failing {
    pub(super) opcode: u32,
    /// [`Pnn::UNKNOWN`]: on every node.
    pub(super) pnn: Pnn,
    /// The words to refuse it with; none: it is never answered.
    pub(super) refusal: Option<String>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) nodes: Vec<Node>,
    pub(super) own: Pnn,
    pub(super) leader: Pnn,
    pub(super) interfaces: Vec<Interface>,
    pub(super) vnn_map: VnnMap,
    pub(super) recmode: RecoveryMode,
    pub(super) databases: Vec<Database>,
    pub(super) dbdir: PathBuf,
    /// Each node's own view of the public addresses; none: there are no public addresses.
    pub(super) known_ips: Option<Vec<Vec<PublicIp>>>,
    pub(super) reclock: Option<String>,
    pub(super) runstate: RunState,
    pub(super) failing: Vec<Failing>,
    /// The nodes list comes from a command.
    pub(super) nodes_command: bool,
    pub(super) tunables: Tunables,
    pub(super) debug_level: i32,
    pub(super) times: Uptime,
    /// What this program itself logs.
    pub(super) log_level: Level,
    /// Makes each order not to recover distinct.
    pub(super) orders: u64,
}

impl Cluster {
    /// A cluster without anything in it.
    pub(super) fn new(dbdir: PathBuf, log_level: Level) -> Self {
        let now = now();
        Self {
            nodes: Vec::new(),
            own: Pnn::UNKNOWN,
            leader: Pnn::UNKNOWN,
            interfaces: Vec::new(),
            vnn_map: VnnMap {
                generation: Generation::INVALID,
                nodes: Vec::new(),
            },
            recmode: RecoveryMode::NORMAL,
            databases: Vec::new(),
            dbdir,
            known_ips: None,
            reclock: None,
            runstate: RunState::RUNNING,
            failing: Vec::new(),
            nodes_command: false,
            tunables: Tunables::default(),
            debug_level: Level::Error.number(),
            times: Uptime {
                current_time: now,
                ctdbd_start_time: now,
                last_recovery_started: now,
                last_recovery_finished: now,
            },
            log_level,
            orders: 0,
        }
    }

    pub(super) fn node(&self, pnn: Pnn) -> Option<&Node> {
        self.nodes.get(pnn.0 as usize)
    }

    pub(super) fn node_mut(&mut self, pnn: Pnn) -> Option<&mut Node> {
        self.nodes.get_mut(pnn.0 as usize)
    }

    /// Another generation than before, and a valid one.
    pub(super) fn renew_generation(&mut self) {
        let before = self.vnn_map.generation;
        // Any number will do, as long as it differs.
        let mut next = u32::try_from(now().usec).unwrap_or(0) << 8 | 0x2a;
        while Generation(next) == before || Generation(next) == Generation::INVALID {
            next += 1;
        }
        self.vnn_map.generation = Generation(next);
    }

    /// A recovery begins.
    pub(super) fn start_recovery(&mut self) {
        self.times.last_recovery_started = now();
    }

    /// A recovery is over.
    pub(super) fn end_recovery(&mut self) {
        self.recmode = RecoveryMode::NORMAL;
        self.times.last_recovery_finished = now();
        self.renew_generation();
    }

    /// Does some node ask for quiet?
    pub(super) fn is_quiet(&self) -> bool {
        self.nodes.iter().any(|node| node.quiet.is_some())
    }

    /// Writes a line if it is important enough.
    pub(super) fn log(&self, level: Level, line: impl FnOnce() -> String) {
        if level <= self.log_level {
            eprintln!("{}", line());
        }
    }
}

/// The time of day.
pub(super) fn now() -> Timeval {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timeval {
        sec: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        usec: i64::from(since.subsec_micros()),
    }
}
