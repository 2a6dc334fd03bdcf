//! Databases: which there are, where each record is, and how it gets to the node that needs it.

mod attach;
mod attach_retry;
mod commit;
mod control;
mod counters;
mod db;
mod letter;
mod record;
mod recovery;
mod report;
mod sequence;
mod traverse;
mod vacuum;

pub use commit::update;
pub use db::Db;
pub use letter::{Asked, Awaited, Due, Letter, OpenFailure, View};
pub(crate) use record::packet::RecordPacket;
pub(crate) use record::wait::Parked;
pub use report::{ChainWait, DbState};

use std::collections::{BTreeMap, VecDeque};

use ctdb_protocol::id::{ClientId, DbId};
use ctdb_protocol::srvid::Srvid;

use crate::context::Context;
use crate::effect::Ticket;
use crate::store::Storage;

/// All attached databases.
pub struct Databases {
    /// By id.
    map: BTreeMap<DbId, Db>,
    /// Newest first, the order in which GET_DBMAP lists them.
    order: Vec<DbId>,
    /// Where their files are.
    storage: Box<dyn Storage>,
    /// Attaches that wait for the end of a recovery.
    deferred: attach::Deferred,
    /// Databases whose files somebody has locked.
    busy: attach_retry::BusyFiles,
    /// UPDATE_RECORDs that helpers are carrying out.
    updates: BTreeMap<Ticket, commit::Updating>,
    /// Updates that came while this node was leaving a recovery.
    kept_updates: commit::kept_updates::KeptUpdates,
    /// Who waits until every database is frozen (FREEZE); see [`recovery::freeze`].
    freeze_all: recovery::freeze::FreezeAll,
    /// Srvids under which record buffers of a recovery arrive.
    push_srvids: BTreeMap<Srvid, DbId>,
    /// Traverses that clients of this node have started.
    traverses: traverse::Traverses,
    /// The one vacuum run that may be under way on this node.
    vacuum: vacuum::Vacuuming,
    /// Sends of record buffers that are cut into slices.
    pulls: VecDeque<recovery::pull::Pull>,
    /// Records of clients that are on their way to every node.
    pushes: record::push_record::Pushes,
}

impl std::fmt::Debug for Databases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Databases")
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

impl Databases {
    /// No database yet.
    #[must_use]
    pub fn new(storage: Box<dyn Storage>) -> Self {
        Self {
            map: BTreeMap::new(),
            order: Vec::new(),
            storage,
            deferred: attach::Deferred::default(),
            busy: attach_retry::BusyFiles::default(),
            updates: BTreeMap::new(),
            kept_updates: commit::kept_updates::KeptUpdates::default(),
            freeze_all: recovery::freeze::FreezeAll::default(),
            push_srvids: BTreeMap::new(),
            traverses: traverse::Traverses::default(),
            vacuum: vacuum::Vacuuming::default(),
            pulls: VecDeque::new(),
            pushes: record::push_record::Pushes::default(),
        }
    }

    fn get(&self, id: DbId) -> Option<&Db> {
        self.map.get(&id)
    }

    fn find(&mut self, id: DbId) -> Option<&mut Db> {
        self.map.get_mut(&id)
    }

    /// A client has gone: what it had asked for is not wanted any more.
    pub(crate) fn client_gone(&mut self, cx: &mut Context, client: ClientId) {
        self.deferred_gone(cx, client);
        self.traverse_gone(cx, client);
        for db in self.map.values_mut() {
            db.abandon_commit(cx, client);
            db.forget_calls(cx, client);
        }
    }
}
