//! Membership: node flags, run state, bans, the nodes list, recovery mode, and the way up and down.

pub mod boot;
pub mod flags;
pub mod leader;
pub mod member;
pub mod nodes;
pub mod recovery_mode;
pub mod shutdown;
pub mod storage;

use crate::timer::TimerId;

/// A ban of this node.
#[derive(Debug)]
pub struct Ban {
    /// Its length in seconds as asked for.
    pub time_s: u32,
    /// Who wanted it, and why if that is known.
    pub reason: String,
    /// Its end.
    pub timer: TimerId,
}

/// State of the cluster service.
#[derive(Debug, Default)]
pub struct Cluster {
    /// The running ban.
    pub ban: Option<Ban>,
    /// What keeps this node from storing databases.
    pub storage: storage::StorageWatch,
    /// Drops all addresses when recovery takes too long.
    pub drop_addresses: Option<TimerId>,
    /// When the last recovery began and ended, wall-clock microseconds.
    pub recovery_started_us: u64,
    /// See above; 0 before the first one.
    pub recovery_finished_us: u64,
    /// The same on the monotonic clock.
    pub recovery_finished_monotonic_us: u64,
    /// When the daemon started, wall-clock microseconds.
    pub started_us: u64,
    /// Capabilities that SET_LMASTERROLE and SET_RECMASTERROLE change.
    pub capabilities: ctdb_protocol::types::Capabilities,
    /// Who last said that it leads, this node included.
    pub leader: Option<ctdb_protocol::id::Pnn>,
    /// When it said so, monotonic microseconds.
    pub leader_heard_us: u64,
    /// How far boot has come.
    pub boot: boot::Boot,
    /// How far the way down has come.
    pub shutdown: Option<shutdown::Shutdown>,
}
