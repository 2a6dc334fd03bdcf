//! What the cluster watch needs from its surroundings: the daemon, or the simulator.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

pub use ctdb_config::Level;
use ctdb_protocol::id::{Generation, Pnn};

use super::recovery;
use crate::Client;
use ctdb_protocol::LockAnswer;

/// What the configuration says; read once.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// `[cluster] leader timeout`.
    pub leader_timeout: Duration,
    /// Whether `[cluster] cluster lock` is set.
    pub cluster_lock: bool,
    /// Test mode: the first election is short.
    pub fast_start: bool,
    /// Test mode: addresses need not be on interfaces.
    pub test_mode: bool,
    /// `[failover] disabled`.
    pub failover_disabled: bool,
}

/// The surroundings of a cluster watch. All methods take `&self`: the watch calls several at a time.
///
/// The futures need not be `Send`; the watch runs on one thread (a `LocalSet` in the daemon).
pub trait Environment {
    /// What the configuration says.
    fn configuration(&self) -> Configuration;
    /// A random number; equal seeds give equal runs in the simulator.
    fn random(&self) -> u32;
    /// Wall time, seconds and microseconds since 1970: tells elder nodes from younger ones.
    fn wall_clock(&self) -> (i64, i64);
    /// The addresses that are on interfaces of this machine.
    fn addresses(&self) -> BTreeSet<IpAddr>;
    /// Writes a line to the log.
    fn log(&self, level: Level, text: &str);
    /// Tries the cluster lock, for at most 120 seconds. Upstream: `ctdb_cluster_mutex`.
    ///
    /// Dropping the future ends the attempt. Called only while the lock is not held.
    fn try_lock(&self) -> impl Future<Output = LockAttempt>;
    /// Ends when a lock that was held is lost; never, while none is held. The future is dropped and
    /// made again at any time, and must not miss a loss because of that.
    fn lock_lost(&self) -> impl Future<Output = ()>;
    /// Gives the lock back; done when others can take it. Without a lock there is nothing to do.
    fn release_lock(&self) -> impl Future<Output = ()>;
    /// Distributes the public addresses. `rebalance` names nodes that are to be given their share.
    ///
    /// # Errors
    /// The status that waiting requesters need not know, but the log does.
    fn run_takeover(
        &self,
        client: &Client,
        rebalance: &[Pnn],
    ) -> impl Future<Output = Result<(), String>>;
    /// Recovers all databases under a new generation. Upstream starts `ctdb_recovery_helper` for it; the
    /// daemon does it itself, whatever `CTDB_RECOVERY_HELPER` names.
    fn run_recovery(
        &self,
        client: &Client,
        generation: Generation,
    ) -> impl Future<Output = Result<(), String>> {
        async move {
            let log = |level, text: &str| self.log(level, text);
            recovery::run(client, generation, &log)
                .await
                .map_err(|error| error.to_string())
        }
    }
    /// Ends when the watch is to resign and return.
    fn stopped(&self) -> impl Future<Output = ()>;
}

/// Answer and duration of an attempt at the cluster lock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LockAttempt {
    /// What came of it.
    pub answer: LockAnswer,
    /// Seconds from the start of the helper to its answer.
    pub latency_s: f64,
}
