//! One attached database and all that is remembered for it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use ctdb_protocol::id::{DbId, Generation};
use ctdb_protocol::types::{DbFlags, LtdbHeader};

use crate::database::commit::Commit;
use crate::database::counters::DbCounters;
use crate::database::record::calls::Calls;
use crate::database::record::collapse::Collapse;
use crate::database::record::hot_keys::HotKeys;
use crate::database::record::readonly::Revokes;
use crate::database::record::sticky::StickyKeys;
use crate::database::record::wait::{Parked, Wait};
use crate::database::recovery::freeze::Freeze;
use crate::database::recovery::push::Push;
use crate::database::recovery::wipe::Wipe;
use crate::store::{Kind, Table, Tracking};

/// One attached database.
pub struct Db {
    /// Hash of its name with the closing NUL.
    pub(super) id: DbId,
    /// Its name, without a node number.
    pub(super) name: String,
    /// Which of the three kinds it is.
    pub(super) kind: Kind,
    /// Whether read-only copies of records are given out.
    pub(super) readonly: bool,
    /// Whether contended records stay for a while where they are.
    pub(super) sticky: bool,
    /// Why a persistent database is not to be trusted; `None` when it is healthy.
    pub(super) unhealthy: Option<String>,
    /// The file.
    pub(super) table: Box<dyn Table>,
    /// Bitmap of holders of read-only copies, once READONLY was set.
    pub(super) tracking: Option<Box<dyn Tracking>>,
    /// Generation of the last recovery that this database took part in.
    pub(super) generation: Generation,
    /// The recovery that this node has not left yet is done with it.
    pub(super) rebuilt: bool,
    /// Steps of recoveries that failed here since the last one that did not.
    pub(super) failed_stores: u32,
    /// It is unhealthy and empty, because what was there was damaged: a copy of another node makes it healthy.
    pub(super) emptied: bool,
    /// Whether the whole file is locked for a recovery.
    pub(super) freeze: Freeze,
    /// Open recovery transaction and its number.
    pub(super) transaction: Option<u32>,
    /// It was wiped in that transaction, and its records are arriving anew.
    pub(super) wipe: Option<Wipe>,
    /// Its volatile records are out of date and must not be offered to a recovery.
    pub(super) invalid_records: bool,
    /// Records of a recovery that are arriving.
    pub(super) push: Option<Push>,
    /// Calls of local clients that have been sent to another node.
    pub(super) calls: Calls,
    /// Calls for a key that is already being fetched.
    pub(super) collapsed: BTreeMap<Bytes, Collapse>,
    /// What waits for a chain lock, by chain.
    pub(super) waits: BTreeMap<u32, Wait>,
    /// The chain whose waiters are being served: their lock is held for us.
    pub(super) serving: Option<u32>,
    /// What waits for the end of a freeze.
    pub(super) frozen_queue: VecDeque<Parked>,
    /// Records that were emptied here, by hash: to be deleted by the next vacuum run.
    pub(super) delete_queue: BTreeMap<u32, (Bytes, LtdbHeader)>,
    /// Keys of emptied records on other nodes of which this node is lmaster, by hash.
    pub(super) fetch_queue: BTreeMap<u32, Bytes>,
    /// Read-only copies being called back.
    pub(super) revokes: Revokes,
    /// Keys that stay for a while.
    pub(super) sticky_keys: StickyKeys,
    /// The keys that moved most.
    pub(super) hot_keys: HotKeys,
    /// The running transaction commit, if any.
    pub(super) commit: Option<Commit>,
    /// Counter for commits, so that a late answer to an old one is known.
    pub(super) last_commit: u64,
    /// Whether changes of the file are announced to other nodes, and the last number announced.
    pub(super) sequence: Option<i32>,
    /// Counters.
    pub(super) counters: DbCounters,
    /// Vacuum runs since the last full one.
    pub(super) fast_runs: u32,
    /// Records have been deleted since the file's free areas were last counted.
    pub(super) holes: bool,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db")
            .field("name", &self.name)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl Db {
    /// A freshly opened database.
    pub(super) fn new(
        id: DbId,
        name: String,
        kind: Kind,
        table: Box<dyn Table>,
        generation: Generation,
    ) -> Self {
        Self {
            id,
            name,
            kind,
            readonly: false,
            sticky: false,
            unhealthy: None,
            table,
            tracking: None,
            generation,
            rebuilt: false,
            failed_stores: 0,
            emptied: false,
            freeze: Freeze::Thawed,
            transaction: None,
            wipe: None,
            invalid_records: false,
            push: None,
            calls: Calls::default(),
            collapsed: BTreeMap::new(),
            waits: BTreeMap::new(),
            serving: None,
            frozen_queue: VecDeque::new(),
            delete_queue: BTreeMap::new(),
            fetch_queue: BTreeMap::new(),
            revokes: Revokes::default(),
            sticky_keys: StickyKeys::default(),
            hot_keys: HotKeys::default(),
            commit: None,
            last_commit: 0,
            sequence: None,
            counters: DbCounters::default(),
            fast_runs: 0,
            holes: false,
        }
    }

    /// Records migrate and are vacuumed; the other kinds are copied to every node.
    #[must_use]
    pub(super) fn volatile(&self) -> bool {
        self.kind == Kind::Volatile
    }

    /// The flags byte of GET_DBMAP.
    #[must_use]
    pub(super) fn flags(&self) -> DbFlags {
        let mut flags = match self.kind {
            Kind::Volatile => DbFlags::empty(),
            Kind::Persistent => DbFlags::PERSISTENT,
            Kind::Replicated => DbFlags::REPLICATED,
        };
        flags.set(DbFlags::READONLY, self.readonly);
        flags.set(DbFlags::STICKY, self.sticky);
        flags
    }
}
