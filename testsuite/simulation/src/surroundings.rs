//! The surroundings of a node's cluster watch.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use ctdb_client::Client;
use ctdb_client::procedure::leader::LockAnswer;
use ctdb_client::procedure::takeover::{self, Decision, Orders, Placement, Situation};
use ctdb_client::procedure::{Configuration, Environment, Level, LockAttempt};
use ctdb_core::failover::allocation::{self, Algorithm, Report, Silent};
use ctdb_protocol::Pnn;
use ctdb_protocol::types::{PublicIp, SockAddr};
use tokio::time::{Instant, sleep, sleep_until};

use crate::cluster_lock::{ClusterLock, Mood};
use crate::life::Life;
use crate::seed::Seed;
use crate::world::World;

/// Limit of an attempt at the cluster lock.
const ATTEMPT: Duration = Duration::from_secs(120);
/// How often the helper that holds the lock looks whether it still does.
const RECHECK: Duration = Duration::from_secs(5);

/// What a watch sees of its simulated machine.
pub struct Surroundings {
    life: Rc<Life>,
    world: Rc<World>,
    dice: RefCell<Seed>,
    /// The lock was taken and its loss has not been told.
    held: Cell<bool>,
    /// When the helper notices a loss.
    notices_at: Cell<Option<Instant>>,
}

impl Surroundings {
    /// The surroundings of one daemon.
    #[must_use]
    pub fn new(life: Rc<Life>, world: Rc<World>) -> Self {
        let dice = RefCell::new(world.dice());
        Self { life, world, dice, held: Cell::new(false), notices_at: Cell::new(None) }
    }

    fn who(&self) -> (Pnn, u64) {
        (self.life.pnn, self.life.number)
    }
}

impl Environment for Surroundings {
    fn configuration(&self) -> Configuration {
        Configuration {
            leader_timeout: Duration::from_secs(5),
            cluster_lock: self.world.uses_lock(self.life.pnn),
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

    fn has_address(&self, address: IpAddr) -> bool {
        self.life.addresses.borrow().contains(&address)
    }

    fn log(&self, level: Level, text: &str) {
        if level <= Level::Notice {
            self.world.note(Some(self.life.pnn), format!("watch: {text}"));
        }
    }

    async fn try_lock(&self) -> LockAttempt {
        let answer = match self.world.lock.mood() {
            Mood::Well => {
                sleep(ClusterLock::LATENCY).await;
                if self.world.lock.take(self.who()) {
                    self.held.set(true);
                    LockAnswer::Held
                } else {
                    LockAnswer::Contended
                }
            }
            Mood::Failing => LockAnswer::Failed,
            Mood::Hanging => {
                sleep(ATTEMPT).await;
                LockAnswer::TimedOut
            }
        };
        LockAttempt { answer, latency_s: ClusterLock::LATENCY.as_secs_f64() }
    }

    async fn lock_lost(&self) {
        if !self.held.get() {
            std::future::pending::<()>().await;
        }
        self.world.lock.lost_by(self.who()).await;
        if self.notices_at.get().is_none() {
            let delay = self.dice.borrow_mut().between(Duration::ZERO, RECHECK);
            self.notices_at.set(Some(Instant::now() + delay));
        }
        if let Some(at) = self.notices_at.get() {
            sleep_until(at).await;
        }
        self.held.set(false);
        self.notices_at.set(None);
    }

    async fn release_lock(&self) {
        self.held.set(false);
        self.notices_at.set(None);
        self.world.lock.release(self.who());
    }

    async fn run_takeover(&self, client: &Client, rebalance: &[Pnn]) -> Result<(), String> {
        let orders = Orders { rebalance: rebalance.to_vec(), failover_disabled: false };
        let log = |level, text: &str| self.log(level, text);
        takeover::run(client, &orders, &decide, &log).await.map_err(|error| error.to_string())
    }

    async fn stopped(&self) {
        self.life.stop.notified().await;
    }
}

/// The daemon's own allocation.
fn decide(situation: &Situation) -> Decision {
    let situation = allocation::Situation {
        nodes: situation.nodes,
        algorithm: Algorithm::from_tunable(situation.algorithm),
        no_ip_takeover: situation.no_ip_takeover,
        no_ip_failback: situation.no_ip_failback,
        force_rebalance: situation.rebalance.iter().map(|pnn| pnn.0).collect(),
        home_nodes: Vec::new(),
        known: situation.known.iter().map(|ips| reports(ips)).collect(),
        available: situation.available.iter().map(|ips| reports(ips)).collect(),
    };
    if !situation.can_host_ips() {
        return Decision::NothingToHost;
    }
    let plan = situation.allocate(&mut Silent).unwrap_or_default();
    Decision::Plan(plan.into_iter().map(placement).collect())
}

fn reports(ips: &[PublicIp]) -> Vec<Report> {
    ips.iter().filter_map(|ip| Some(Report { addr: ip.addr.ip()?, pnn: ip.pnn.0 })).collect()
}

fn placement(placement: allocation::Placement) -> Placement {
    let owner = placement.owner.and_then(|node| u32::try_from(node).ok());
    Placement {
        addr: SockAddr::from(placement.addr),
        owner: owner.map(Pnn),
        known_on: placement.known_on,
    }
}
