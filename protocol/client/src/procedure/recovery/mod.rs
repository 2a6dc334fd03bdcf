//! One recovery: every active node agrees on a new generation, a new map of the nodes that share
//! records, and the newest copy of every record. Upstream: `ctdb_recovery_helper.c`.
//!
//! The steps, in order: [`members`] (who takes part), [`catalogue`] (which databases), the new map,
//! then per database [`database`] (freeze, [`pull`], [`merge`], [`push`], commit, thaw), and the end.
//! [`super::culprits`] remembers who was in the way.

mod catalogue;
mod database;
mod members;
mod merge;
mod pull;
mod push;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use ctdb_protocol::control::{EndRecovery, GetAllTunables, SetRecmode, SetVnnMap, StartRecovery};
use ctdb_protocol::types::{Capabilities, RecoveryMode, VnnMap};
use ctdb_protocol::{DbId, Generation, Pnn, Srvid};
use futures_util::future::join_all;
use thiserror::Error;
use tokio::sync::Semaphore;

use super::ask::{Refused, ask, ask_each};
use super::culprits::Culprits;
use super::environment::Level;
use super::tunables::Tunables;
use crate::{Client, ControlError};
use members::Members;

/// Attempts at one database before its recovery is given up.
const ATTEMPTS: u32 = 3;
/// Databases whose records are held in memory at the same time.
const DATABASES_IN_MEMORY: usize = 4;

/// Why a recovery did not succeed.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// The local daemon does not answer.
    #[error("the local daemon: {0}")]
    Local(#[from] ControlError),
    /// A node refused a step or did not answer.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The own node takes no part any more, so it must not distribute records.
    #[error("node {0} is not active, so it cannot recover the cluster")]
    Inactive(Pnn),
    /// Nodes hold databases of one id with different kinds.
    #[error("database {db} is of one kind on node {first} and of another on node {second}")]
    DifferentFlags {
        /// The database.
        db: DbId,
        /// A node that has it.
        first: Pnn,
        /// Another that has it.
        second: Pnn,
    },
    /// Databases that could not be recovered in three attempts.
    #[error("{failed} of {all} databases could not be recovered, last: {last}")]
    Databases {
        /// How many failed.
        failed: usize,
        /// Of how many.
        all: usize,
        /// What happened to the last of them.
        last: String,
    },
}

/// Writes a line to the log of whoever runs the recovery.
pub type Log<'a> = &'a dyn Fn(Level, &str);

/// What all steps share.
struct Recovery<'a> {
    client: &'a Client,
    log: Log<'a>,
    own: Pnn,
    generation: Generation,
    tunables: Tunables,
    members: Members,
    culprits: RefCell<Culprits>,
    next_port: Cell<u64>,
    memory: Semaphore,
}

impl Recovery<'_> {
    fn limit(&self) -> Duration {
        self.tunables.recover_timeout()
    }

    fn note(&self, level: Level, text: &str) {
        (self.log)(level, text);
    }

    /// A message port that no other step of this recovery uses.
    fn fresh_port(&self) -> Srvid {
        let number = self.next_port.get();
        self.next_port.set(number + 1);
        Srvid(Srvid::RECOVERY.0 + number)
    }

    fn blame(&self, node: Pnn) {
        self.culprits.borrow_mut().count(node);
    }
}

/// Recovers all databases under `generation`. To be called on the leader only, whose daemon `client`
/// is connected to.
///
/// Dropping the future half way is what killing upstream's helper is: nodes stay in recovery, partly
/// frozen, until the next one.
///
/// # Errors
/// The first step that failed. A node that prevented the recovery of a database three times has been
/// banned then.
pub async fn run(
    client: &Client,
    generation: Generation,
    log: Log<'_>,
) -> Result<(), RecoveryError> {
    // The limit is not known before the tunables are.
    let first_limit = Duration::from_secs(30);
    let own = client.pnn().await?;
    let tunables =
        Tunables::from(ask::<GetAllTunables>(client, Pnn::CURRENT, &(), first_limit).await?);
    let members = Members::find(client, own, tunables.recover_timeout()).await?;
    let recovery = Recovery {
        client,
        log,
        own,
        generation,
        tunables,
        members,
        culprits: RefCell::new(Culprits::default()),
        next_port: Cell::new(0),
        memory: Semaphore::new(DATABASES_IN_MEMORY),
    };
    recovery.run().await
}

impl Recovery<'_> {
    async fn run(&self) -> Result<(), RecoveryError> {
        let databases = catalogue::read(self).await?;
        let all = self.members.active();
        self.step::<SetRecmode>(&RecoveryMode::ACTIVE).await?;
        self.note(
            Level::Notice,
            &format!("Set recovery mode to ACTIVE on nodes {all:?}"),
        );
        self.step::<StartRecovery>(&()).await?;
        self.note(Level::Notice, "start_recovery event finished");
        self.step::<SetVnnMap>(&self.new_map()).await?;
        self.note(Level::Notice, "updated VNNMAP");
        self.recover_databases(&databases).await?;
        self.step::<SetRecmode>(&RecoveryMode::NORMAL).await?;
        self.note(Level::Notice, "Set recovery mode to NORMAL");
        self.step::<EndRecovery>(&()).await?;
        self.note(Level::Notice, "recovered event finished");
        Ok(())
    }

    /// One control on every active node.
    async fn step<C: ctdb_protocol::Control>(
        &self,
        request: &C::Request,
    ) -> Result<(), RecoveryError> {
        ask_each::<C>(self.client, self.members.active(), request, self.limit()).await?;
        Ok(())
    }

    fn new_map(&self) -> VnnMap {
        let mut nodes = self.members.with(Capabilities::LMASTER);
        if nodes.is_empty() {
            nodes.push(self.own);
        }
        VnnMap {
            generation: self.generation,
            nodes,
        }
    }

    async fn recover_databases(
        &self,
        databases: &[catalogue::Database],
    ) -> Result<(), RecoveryError> {
        let outcomes = join_all(databases.iter().map(|db| self.attempt(db))).await;
        let all = outcomes.len();
        let failures: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
        self.note(
            Level::Error,
            &format!("{} of {all} databases recovered", all - failures.len()),
        );
        let Some(last) = failures.last() else {
            return Ok(());
        };
        if self.tunables.enable_bans() {
            self.ban_worst(last).await;
        }
        Err(RecoveryError::Databases {
            failed: failures.len(),
            all,
            last: last.clone(),
        })
    }

    async fn attempt(&self, db: &catalogue::Database) -> Result<(), String> {
        let mut last = String::new();
        for attempt in 1..=ATTEMPTS {
            match database::recover(self, db).await {
                Ok(()) => return Ok(()),
                Err(error) => last = format!("database {}: {error}", db.id),
            }
            self.note(
                Level::Error,
                &format!("recovery attempt {attempt} of {last}"),
            );
        }
        Err(last)
    }

    /// Bans the node that failed most often, if it did so in every attempt and is still active.
    async fn ban_worst(&self, last: &str) {
        let suspects = self.culprits.borrow().worst_first(ATTEMPTS);
        for node in suspects {
            match members::banish(self, node, last).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    self.note(Level::Error, &format!("Failed to ban node {node}: {error}"));
                    return;
                }
            }
        }
    }
}
