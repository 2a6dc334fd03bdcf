//! Collects the records of one database from the nodes that have them.

use bytes::Bytes;
use ctdb_protocol::control::{DbPull, GetDbSeqnum};
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::types::{PullDbExt, Records};
use futures_util::future::join_all;

use super::Recovery;
use super::catalogue::Database;
use super::database::{DatabaseError, blamed};
use super::merge::Merged;
use crate::procedure::ask::{Refused, ask};

/// The records that every node is to have after the recovery, as they came in.
pub(super) enum Collected {
    /// All records of one node, message by message.
    Whole(Vec<Bytes>),
    /// The newest copy of each record.
    Merged(Merged),
}

/// Pulls a database: from the node with the highest sequence number, or from all and merged.
pub(super) async fn collect(
    recovery: &Recovery<'_>,
    db: &Database,
) -> Result<Collected, DatabaseError> {
    let members = recovery.members.active();
    if db.is_replicated() {
        let source = newest(recovery, db).await?;
        return Ok(Collected::Whole(
            blamed_pull(recovery, db.id, source).await?,
        ));
    }
    if let [only] = members {
        return Ok(Collected::Whole(blamed_pull(recovery, db.id, *only).await?));
    }
    let pulls = join_all(
        members
            .iter()
            .map(|node| blamed_pull(recovery, db.id, *node)),
    )
    .await;
    let mut merged = Merged::new(recovery.own);
    for (node, messages) in members.iter().zip(pulls) {
        for message in messages? {
            merged.add(*node, message);
        }
    }
    Ok(Collected::Merged(merged))
}

/// The node with the highest database sequence number; the lowest node among equals.
async fn newest(recovery: &Recovery<'_>, db: &Database) -> Result<Pnn, Refused> {
    let request = db.id.into();
    let numbers = blamed::<GetDbSeqnum>(recovery, recovery.members.active(), &request).await?;
    let newest = numbers
        .iter()
        .max_by_key(|(node, number)| (*number, std::cmp::Reverse(*node)));
    Ok(newest.map_or(recovery.own, |(node, _)| *node))
}

async fn blamed_pull(
    recovery: &Recovery<'_>,
    db: DbId,
    node: Pnn,
) -> Result<Vec<Bytes>, DatabaseError> {
    pull(recovery, db, node)
        .await
        .inspect_err(|_| recovery.blame(node))
}

async fn pull(recovery: &Recovery<'_>, db: DbId, node: Pnn) -> Result<Vec<Bytes>, DatabaseError> {
    let client = recovery.client;
    let srvid = recovery.fresh_port();
    let mut port = client.register(srvid).await.map_err(DatabaseError::Local)?;
    let request = PullDbExt {
        db_id: db,
        lmaster: u32::MAX,
        srvid,
    };
    let counted = ask::<DbPull>(client, node, &request, recovery.limit()).await;
    // The records precede the reply on the same connection, so they are all here.
    let mut messages = Vec::new();
    while let Ok(message) = port.try_recv() {
        messages.push(message.data);
    }
    client
        .deregister(srvid)
        .await
        .map_err(DatabaseError::Local)?;
    let counted = counted.map_err(|error| Refused {
        control: "DB_PULL",
        node,
        error,
    })?;
    let mut expected = 0;
    for message in &messages {
        expected += u64::from(check(db, message).ok_or(DatabaseError::Malformed(node))?);
    }
    if u64::from(counted) != expected {
        let counted = u64::from(counted);
        return Err(DatabaseError::Count {
            step: "DB_PULL",
            node,
            counted,
            expected,
        });
    }
    Ok(messages)
}

/// How many records a message holds; none if it is not made of whole records with headers.
fn check(db: DbId, message: &Bytes) -> Option<u32> {
    let (id, mut records) = Records::of_payload(message).ok()?;
    let count = records.left();
    let sound = records.by_ref().all(|record| record.header().is_ok());
    (id == db && sound && records.left() == 0).then_some(count)
}
