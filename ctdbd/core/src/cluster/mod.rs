//! Membership: node flags, run state, bans, the nodes list, recovery mode, and the way up and down.

mod boot;
mod cannot_store;
mod control;
mod flags;
mod leader_heard;
mod letter;
mod nodes;
mod recovery;
mod recovery_mode;
mod shutdown;
#[cfg(test)]
pub(crate) mod testing;
pub mod view;

pub use cannot_store::{CannotStore, Cure, TRIES};
pub use letter::{AfterEvent, Asked, Awaited, Due, Letter, Reason};

use ctdb_protocol::id::{Generation, Pnn};
use ctdb_protocol::types::Capabilities;

use crate::timer::TimerId;

/// A ban of this node.
#[derive(Debug)]
struct Ban {
    /// Its length in seconds as asked for.
    time_s: u32,
    /// Who wanted it, and why if that is known.
    reason: String,
    /// Its end.
    timer: TimerId,
}

/// State of the cluster service that only it sees; the rest is its [view](view::View).
#[derive(Debug, Default)]
pub struct Cluster {
    /// The running ban.
    ban: Option<Ban>,
    /// Why another node is about to ban this one, and when it said so, monotonic microseconds.
    announced_ban: Option<(String, u64)>,
    /// What keeps this node from storing databases.
    store_faults: cannot_store::StoreFaults,
    /// Drops all addresses when recovery takes too long.
    drop_addresses: Option<TimerId>,
    /// The generation in which packets were lost to a peer that came back while a recovery was under way,
    /// too late for it to find what was in them: another one has to follow.
    recovery_owed: Option<Generation>,
    /// When the last recovery began and ended, wall-clock microseconds.
    recovery_started_us: u64,
    /// See above; 0 before the first one.
    recovery_finished_us: u64,
    /// The same on the monotonic clock.
    recovery_finished_monotonic_us: u64,
    /// When the daemon started, wall-clock microseconds.
    started_wall_us: u64,
    /// Capabilities that SET_LMASTERROLE and SET_RECMASTERROLE change.
    capabilities: Capabilities,
    /// Who last said that it leads, this node included.
    leader: Option<Pnn>,
    /// When it said so, monotonic microseconds.
    leader_heard_us: u64,
    boot: boot::Boot,
    /// How far the way down has come.
    shutdown: Option<shutdown::Shutdown>,
}

impl Cluster {
    /// The service of a node with these capabilities.
    #[must_use]
    pub fn new(capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            ..Self::default()
        }
    }
}
