//! The recovery of one database.

use ctdb_protocol::Control;
use ctdb_protocol::control::{
    DbAttach, DbAttachPersistent, DbAttachReplicated, DbFreeze, DbThaw, DbTransactionCommit,
    DbTransactionStart, GetDbName, WipeDatabase,
};
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::text::Text;
use ctdb_protocol::types::{ControlFlags, DbFlags, TransDb};
use futures_util::future::join_all;
use thiserror::Error;

use super::catalogue::Database;
use super::{Recovery, pull, push};
use crate::ControlError;
use crate::procedure::ask::{Refused, ask_all, first_failure};
use crate::procedure::environment::Level;

/// Why the recovery of a database did not succeed.
#[derive(Debug, Error)]
pub(super) enum DatabaseError {
    /// A node refused a step or did not answer.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// One id, two names.
    #[error("node {node} calls it {theirs}, node {first} {ours}")]
    Name {
        /// The node that disagrees with the first.
        node: Pnn,
        /// Its name for the database.
        theirs: String,
        /// The first node.
        first: Pnn,
        /// The first node's name.
        ours: String,
    },
    /// A node counted other records than arrived.
    #[error("{step} counted {counted} records on node {node}, expected {expected}")]
    Count {
        /// Pull or push.
        step: &'static str,
        /// The node.
        node: Pnn,
        /// What it said.
        counted: u64,
        /// What was seen here.
        expected: u64,
    },
    /// A node sent bytes that are not records of this database.
    #[error("node {0} sent malformed records")]
    Malformed(Pnn),
    /// The connection to the daemon broke.
    #[error("the local daemon: {0}")]
    Local(ControlError),
}

/// Takes one database through all steps. It stays frozen when a step fails.
pub(super) async fn recover(recovery: &Recovery<'_>, db: &Database) -> Result<(), DatabaseError> {
    let name = agree_on_name(recovery, db).await?;
    attach_where_missing(recovery, db, &name).await?;
    step::<DbFreeze>(recovery, &db.id).await?;
    let transaction = TransDb {
        db_id: db.id,
        tid: recovery.generation,
    };
    step::<DbTransactionStart>(recovery, &transaction).await?;
    // Held until the records are gone again.
    let _room = recovery.memory.acquire().await;
    let records = pull::collect(recovery, db).await?;
    step::<WipeDatabase>(recovery, &transaction).await?;
    let count = push::distribute(recovery, db, records).await?;
    step::<DbTransactionCommit>(recovery, &transaction).await?;
    step::<DbThaw>(recovery, &db.id).await?;
    recovery.note(
        Level::Notice,
        &format!(
            "Recovered database {} ({}): {count} records",
            name.to_str_lossy(),
            db.id
        ),
    );
    Ok(())
}

/// One control on every active node.
async fn step<C: Control>(recovery: &Recovery<'_>, request: &C::Request) -> Result<(), Refused> {
    blamed::<C>(recovery, recovery.members.active(), request)
        .await
        .map(drop)
}

/// The answers of several nodes. Those that fail are blamed, unless all do: then the cause is a common one.
pub(super) async fn blamed<C: Control>(
    recovery: &Recovery<'_>,
    nodes: &[Pnn],
    request: &C::Request,
) -> Result<Vec<(Pnn, C::Reply)>, Refused> {
    let answers = ask_all::<C>(recovery.client, nodes, request, recovery.limit()).await;
    let failed: Vec<Pnn> = answers
        .iter()
        .filter(|(_, answer)| answer.is_err())
        .map(|(node, _)| *node)
        .collect();
    if failed.len() == 1 || failed.len() < nodes.len() {
        failed.iter().for_each(|node| recovery.blame(*node));
    }
    first_failure(answers, C::NAME)
}

async fn agree_on_name(recovery: &Recovery<'_>, db: &Database) -> Result<Text, DatabaseError> {
    let names = blamed::<GetDbName>(recovery, &db.holders, &db.id).await?;
    let (first, name) = names
        .first()
        .cloned()
        .unwrap_or_else(|| (recovery.own, Text::none()));
    for (node, other) in &names {
        if other.as_bytes() != name.as_bytes() {
            recovery.blame(*node);
            return Err(DatabaseError::Name {
                node: *node,
                theirs: other.to_str_lossy().into_owned(),
                first,
                ours: name.to_str_lossy().into_owned(),
            });
        }
    }
    Ok(name)
}

async fn attach_where_missing(
    recovery: &Recovery<'_>,
    db: &Database,
    name: &Text,
) -> Result<(), DatabaseError> {
    let missing: Vec<Pnn> = recovery
        .members
        .active()
        .iter()
        .filter(|node| !db.holders.contains(node))
        .copied()
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    recovery.note(
        Level::Notice,
        &format!("Attaching database {} on nodes {missing:?}", db.id),
    );
    if db.flags.contains(DbFlags::PERSISTENT) {
        attach::<DbAttachPersistent>(recovery, &missing, name).await
    } else if db.flags.contains(DbFlags::REPLICATED) {
        attach::<DbAttachReplicated>(recovery, &missing, name).await
    } else {
        attach::<DbAttach>(recovery, &missing, name).await
    }
}

async fn attach<C: Control<Request = Text, Reply = DbId>>(
    recovery: &Recovery<'_>,
    nodes: &[Pnn],
    name: &Text,
) -> Result<(), DatabaseError> {
    let asked = nodes.iter().map(async |node| {
        let request = recovery.client.request::<C>(*node, name);
        let answer = request
            .timeout(recovery.limit())
            .flags(ControlFlags::ATTACH_RECOVERY)
            .send()
            .await;
        (*node, answer)
    });
    for (node, answer) in join_all(asked).await {
        if let Err(error) = answer {
            recovery.blame(node);
            return Err(Refused {
                control: C::NAME,
                node,
                error,
            }
            .into());
        }
    }
    Ok(())
}
