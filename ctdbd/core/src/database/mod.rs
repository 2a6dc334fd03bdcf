//! Databases: which there are, where each record is, and how it gets to the node that needs it.

pub mod attach;
pub mod busy;
pub mod call;
pub mod calls;
pub mod collapse;
pub mod counters;
pub mod db;
pub mod freeze;
pub mod hot_keys;
pub mod late;
pub mod migrate;
pub mod persistent;
pub mod pull;
pub mod push;
pub mod push_record;
pub mod readonly;
pub mod record;
pub mod replace;
pub mod sequence;
pub mod sticky;
pub mod transaction;
pub mod traverse;
pub mod update;
pub mod vacuum;
pub mod wait;

pub use db::Db;

use std::collections::BTreeMap;

use ctdb_protocol::id::DbId;
use ctdb_protocol::srvid::Srvid;

/// All attached databases.
#[derive(Default)]
pub struct Databases {
    /// By id.
    pub map: BTreeMap<DbId, Db>,
    /// Newest first, the order in which GET_DBMAP lists them.
    pub order: Vec<DbId>,
    /// Attaches that wait for the end of a recovery.
    pub deferred: attach::Deferred,
    /// Databases whose files somebody has locked.
    pub busy: busy::BusyFiles,
    /// Updates that came while this node was leaving a recovery.
    pub late: late::LateUpdates,
    /// Who waits until every database is frozen (FREEZE); see [`freeze`].
    pub freeze_all: freeze::FreezeAll,
    /// Srvids under which record buffers of a recovery arrive.
    pub push_srvids: BTreeMap<Srvid, DbId>,
    /// Traverses that clients of this node have started.
    pub traverses: traverse::Traverses,
    /// The one vacuum run that may be under way on this node.
    pub vacuum: vacuum::Vacuuming,
    /// Sends of record buffers that are cut into slices.
    pub pulls: std::collections::VecDeque<pull::Pull>,
    /// Records of clients that are on their way to every node.
    pub pushes: push_record::Pushes,
}

impl std::fmt::Debug for Databases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Databases")
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

impl Databases {
    /// The database with this id.
    pub fn find(&mut self, id: DbId) -> Option<&mut Db> {
        self.map.get_mut(&id)
    }
}
