//! Which databases there are to recover, and who has them.

use std::collections::BTreeMap;

use ctdb_protocol::control::GetDbMap;
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::types::{DbFlags, DbMap};

use super::{Recovery, RecoveryError};
use crate::procedure::ask::ask_each;

/// A database that at least one active node has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Database {
    /// The hash of its name.
    pub(super) id: DbId,
    /// Its kind: PERSISTENT, REPLICATED or neither.
    pub(super) flags: DbFlags,
    /// The nodes that have it, ascending.
    pub(super) holders: Vec<Pnn>,
}

impl Database {
    /// Whether every node has every record, so that the newest copy as a whole counts.
    pub(super) fn is_replicated(&self) -> bool {
        self.flags
            .intersects(DbFlags::PERSISTENT | DbFlags::REPLICATED)
    }
}

/// Asks all active nodes for their databases.
pub(super) async fn read(recovery: &Recovery<'_>) -> Result<Vec<Database>, RecoveryError> {
    let members = recovery.members.active();
    let maps = ask_each::<GetDbMap>(recovery.client, members, &(), recovery.limit()).await?;
    unite(&maps)
}

fn unite(maps: &[(Pnn, DbMap)]) -> Result<Vec<Database>, RecoveryError> {
    let mut databases: BTreeMap<DbId, Database> = BTreeMap::new();
    for (node, map) in maps {
        for db in &map.dbs {
            // Read-only delegation and stickiness are switched per node.
            let flags = db.flags & (DbFlags::PERSISTENT | DbFlags::REPLICATED);
            let known = databases.entry(db.db_id).or_insert_with(|| Database {
                id: db.db_id,
                flags,
                holders: Vec::new(),
            });
            if known.flags != flags {
                return Err(RecoveryError::DifferentFlags {
                    db: db.db_id,
                    first: known.holders[0],
                    second: *node,
                });
            }
            known.holders.push(*node);
        }
    }
    Ok(databases.into_values().collect())
}

#[cfg(test)]
mod tests {
    use ctdb_protocol::types::DbAndFlags;

    use super::*;

    fn map(dbs: &[(u32, DbFlags)]) -> DbMap {
        DbMap {
            dbs: dbs
                .iter()
                .map(|(id, flags)| DbAndFlags::new(DbId(*id), *flags))
                .collect(),
        }
    }

    #[test]
    fn databases_are_united_without_their_switchable_flags() {
        let maps = [
            (
                Pnn(0),
                map(&[(7, DbFlags::READONLY), (9, DbFlags::PERSISTENT)]),
            ),
            (Pnn(2), map(&[(7, DbFlags::STICKY)])),
        ];
        let databases = unite(&maps).expect("flags agree");
        assert_eq!(databases.len(), 2);
        assert_eq!(databases[0].holders, [Pnn(0), Pnn(2)]);
        assert!(!databases[0].is_replicated());
        assert!(databases[1].is_replicated());
    }

    #[test]
    fn a_database_of_two_kinds_is_refused() {
        let maps = [
            (Pnn(0), map(&[(7, DbFlags::PERSISTENT)])),
            (Pnn(1), map(&[(7, DbFlags::empty())])),
        ];
        let error = unite(&maps).expect_err("kinds differ");
        assert_eq!(
            error.to_string(),
            "database 0x00000007 is of one kind on node 0 and of another on node 1"
        );
    }
}
