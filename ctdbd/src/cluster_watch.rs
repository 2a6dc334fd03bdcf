//! The cluster watch as this daemon runs it, and what it gets from the daemon.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::pending;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use ctdb_client::Client;

use ctdb_client::procedure::takeover::Orders;
use ctdb_client::procedure::{Configuration, Environment, Level, LockAttempt};
use ctdb_config::Paths;
use ctdb_protocol::LockAnswer;
use ctdb_protocol::id::Pnn;
use tokio::sync::{oneshot, watch};

use crate::cluster_lock::{Helper, Lock};
use crate::log;
use crate::outbound::addresses;
use crate::takeover;

/// The time for an answer of the lock's helper.
const LOCK_LIMIT: Duration = Duration::from_secs(120);

/// The daemon as the watch sees it.
#[derive(Debug)]
pub struct DaemonEnvironment {
    configuration: Configuration,
    paths: Paths,
    cluster_lock: Option<String>,
    stop: watch::Receiver<bool>,
    held: RefCell<Option<Held>>,
}

/// A cluster lock that is kept by a task of its own.
#[derive(Debug)]
struct Held {
    /// Dropping it makes the task let go.
    release: oneshot::Sender<()>,
    /// Turns true when the lock is lost or was let go.
    gone: watch::Receiver<bool>,
}

impl DaemonEnvironment {
    /// For a watch that ends when `stop` turns true.
    #[must_use]
    pub fn new(
        configuration: Configuration,
        paths: Paths,
        cluster_lock: Option<String>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            configuration,
            paths,
            cluster_lock,
            stop,
            held: RefCell::new(None),
        }
    }

    async fn attempt(&self) -> Result<LockAttempt, String> {
        let lock = self
            .cluster_lock
            .as_deref()
            .ok_or("no cluster lock is configured")?;
        let helper = Helper::new(lock, &self.paths).map_err(|e| e.to_string())?;
        let outcome = helper
            .start()
            .map_err(|e| e.to_string())?
            .outcome(LOCK_LIMIT)
            .await;
        if let Some(lock) = outcome.lock {
            *self.held.borrow_mut() = Some(keep(lock));
        }
        Ok(LockAttempt {
            answer: outcome.answer,
            latency_s: outcome.latency.as_secs_f64(),
        })
    }
}

/// Keeps a lock until it is lost or to be let go.
fn keep(mut lock: Lock) -> Held {
    let (release, released) = oneshot::channel();
    let (tell, gone) = watch::channel(false);
    tokio::task::spawn_local(async move {
        let lost = tokio::select! {
            () = lock.lost() => true,
            _ = released => false,
        };
        if !lost {
            lock.release().await;
        }
        tell.send_replace(true);
    });
    Held { release, gone }
}

impl Environment for DaemonEnvironment {
    fn configuration(&self) -> Configuration {
        self.configuration.clone()
    }

    fn random(&self) -> u32 {
        // Each state has fresh keys from the system's random numbers.
        (RandomState::new().build_hasher().finish() & u64::from(u32::MAX)) as u32
    }

    fn wall_clock(&self) -> (i64, i64) {
        let us = crate::sys::clock::wall_us().cast_signed();
        (us / 1_000_000, us % 1_000_000)
    }

    fn addresses(&self) -> BTreeSet<IpAddr> {
        addresses::local().into_iter().map(|(ip, _)| ip).collect()
    }

    fn log(&self, of: Level, text: &str) {
        log::note(of, text);
    }

    async fn try_lock(&self) -> LockAttempt {
        self.attempt().await.unwrap_or_else(|reason| {
            log::error!("Unable to take cluster lock: {reason}");
            LockAttempt {
                answer: LockAnswer::Failed,
                latency_s: 0.0,
            }
        })
    }

    async fn lock_lost(&self) {
        let gone = self.held.borrow().as_ref().map(|held| held.gone.clone());
        let Some(mut gone) = gone else {
            return pending().await;
        };
        // An error says that the keeper has ended, and the lock with it.
        let _ = gone.wait_for(|gone| *gone).await;
        *self.held.borrow_mut() = None;
    }

    async fn release_lock(&self) {
        let Some(Held { release, mut gone }) = self.held.borrow_mut().take() else {
            return;
        };
        drop(release);
        let _ = gone.wait_for(|gone| *gone).await;
    }

    async fn run_takeover(&self, client: &Client, rebalance: &[Pnn]) -> Result<(), String> {
        let orders = Orders {
            rebalance: rebalance.to_vec(),
            failover_disabled: self.configuration.failover_disabled,
        };
        let etcdir = self.paths.etcdir();
        takeover::run(client, &orders, etcdir, &log::note)
            .await
            .map_err(|e| e.to_string())
    }

    async fn stopped(&self) {
        // A dropped sender means that the loop has ended.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }
}

/// Shared handles of a running watch.
#[derive(Debug)]
pub struct ClusterWatch {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl ClusterWatch {
    /// Starts the watch as a client of this daemon.
    #[must_use]
    pub fn start(
        client: Client,
        make: impl FnOnce(watch::Receiver<bool>) -> DaemonEnvironment,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let environment = make(stopped);
        let task = tokio::task::spawn_local(async move {
            if let Err(e) = ctdb_client::procedure::cluster_watch::run(client, environment).await {
                log::error!("Cluster watch ended: {e}");
            }
        });
        Self { stop, task }
    }

    /// Tells the watch to resign and end.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for its end.
    pub async fn ended(self) {
        let _ = self.task.await;
    }
}
