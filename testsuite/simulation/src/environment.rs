//! The environment of a node's cluster watch.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use ctdb_client::Client;
use ctdb_client::procedure::takeover::{self, Orders};
use ctdb_client::procedure::{Configuration, Environment, Level, LockAttempt};
use ctdb_protocol::LockAnswer;
use ctdb_protocol::Pnn;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::cluster_lock::{ClusterLock, Mood};
use crate::daemon::Daemon;
use crate::seed::Seed;
use crate::world::World;

/// How often the helper that holds the lock looks whether it still does.
const RECHECK: Duration = Duration::from_secs(5);

/// What a watch sees of its simulated machine.
pub struct SimulatedEnvironment {
    daemon: Rc<Daemon>,
    world: Rc<World>,
    dice: RefCell<Seed>,
    /// The helper that holds the lock, and whether it has ended because the lock was lost.
    helper: RefCell<Option<(AbortHandle, watch::Receiver<bool>)>>,
}

impl SimulatedEnvironment {
    /// The environment of one daemon.
    #[must_use]
    pub fn new(daemon: Rc<Daemon>, world: Rc<World>) -> Self {
        let dice = RefCell::new(world.dice());
        Self {
            daemon,
            world,
            dice,
            helper: RefCell::default(),
        }
    }

    /// Watches over the lock as the helper does, a process of its own that goes on when ours is stopped.
    fn start_helper(&self) {
        let (lock, who) = (self.world.lock.clone(), self.who());
        let delay = self.dice.borrow_mut().between(Duration::ZERO, RECHECK);
        let (tell, ended) = watch::channel(false);
        let helper = self.daemon.spawn(async move {
            lock.lost_by(who).await;
            sleep(delay).await;
            tell.send_replace(true);
        });
        *self.helper.borrow_mut() = Some((helper, ended));
    }

    fn who(&self) -> (Pnn, u64) {
        (self.daemon.pnn, self.daemon.number)
    }
}

impl Environment for SimulatedEnvironment {
    fn configuration(&self) -> Configuration {
        Configuration {
            leader_timeout: Duration::from_secs(5),
            cluster_lock: self.world.uses_lock(self.daemon.pnn),
            fast_start: self.world.setup.fast_start,
            test_mode: false,
            failover_disabled: false,
        }
    }

    fn random(&self) -> u32 {
        u32::try_from(self.dice.borrow_mut().below(1 << 32)).unwrap_or(0)
    }

    fn wall_clock(&self) -> (i64, i64) {
        let wall_us = i64::try_from(self.world.now().wall_us).unwrap_or(i64::MAX);
        (wall_us / 1_000_000, wall_us % 1_000_000)
    }

    fn addresses(&self) -> BTreeSet<IpAddr> {
        self.daemon.addresses.borrow().clone()
    }

    fn log(&self, level: Level, text: &str) {
        if level <= Level::Notice {
            self.world
                .note(Some(self.daemon.pnn), format!("watch: {text}"));
        }
    }

    async fn try_lock(&self) -> LockAttempt {
        self.world
            .happens(self.daemon.pnn, "tries to take the cluster lock");
        let answer = match self.world.lock.mood() {
            Mood::Well => {
                sleep(ClusterLock::LATENCY).await;
                if self.world.lock.take(self.who()) {
                    self.start_helper();
                    LockAnswer::Held
                } else {
                    LockAnswer::Contended
                }
            }
            Mood::Failing => LockAnswer::Failed,
            Mood::Hanging => {
                sleep(ClusterLock::ATTEMPT).await;
                LockAnswer::TimedOut
            }
        };
        LockAttempt {
            answer,
            latency_s: ClusterLock::LATENCY.as_secs_f64(),
        }
    }

    async fn lock_lost(&self) {
        let ended = self
            .helper
            .borrow()
            .as_ref()
            .map(|(_, ended)| ended.clone());
        let Some(mut ended) = ended else {
            return std::future::pending().await;
        };
        // An error means that the helper is gone.
        let _ = ended.wait_for(|ended| *ended).await;
        *self.helper.borrow_mut() = None;
    }

    async fn release_lock(&self) {
        if let Some((helper, _)) = self.helper.borrow_mut().take() {
            helper.abort();
        }
        self.world.lock.release(self.who());
    }

    async fn run_takeover(&self, client: &Client, rebalance: &[Pnn]) -> Result<(), String> {
        let orders = Orders {
            rebalance: rebalance.to_vec(),
            failover_disabled: false,
        };
        let around = takeover::Surroundings {
            log: &|level, text| self.log(level, text),
            wants: &|_| false,
            home_nodes: &|| Ok(Vec::new()),
        };
        takeover::run(client, &orders, &around)
            .await
            .map_err(|error| error.to_string())
    }

    async fn stopped(&self) {
        self.daemon.stop.notified().await;
    }
}
