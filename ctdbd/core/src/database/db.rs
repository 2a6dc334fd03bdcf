//! One attached database and all that is remembered for it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use ctdb_protocol::id::{DbId, Generation};
use ctdb_protocol::types::{DbFlags, LtdbHeader};

use super::calls::Calls;
use super::collapse::Collapse;
use super::counters::DbCounters;
use super::freeze::Freeze;
use super::hot_keys::HotKeys;
use super::persistent::Commit;
use super::push::Push;
use super::readonly::Revokes;
use super::replace::Replacing;
use super::sticky::StickyKeys;
use super::wait::{Parked, Wait};
use crate::store::{Kind, Table, Tracking};

/// One attached database.
pub struct Db {
    /// Hash of its name with the closing NUL.
    pub id: DbId,
    /// Its name, without a node number.
    pub name: String,
    /// Which of the three kinds it is.
    pub kind: Kind,
    /// Whether read-only copies of records are given out.
    pub readonly: bool,
    /// Whether contended records stay for a while where they are.
    pub sticky: bool,
    /// Why a persistent database is not to be trusted; `None` when it is healthy.
    pub unhealthy: Option<String>,
    /// The file.
    pub table: Box<dyn Table>,
    /// Bitmap of holders of read-only copies, once READONLY was set.
    pub tracking: Option<Box<dyn Tracking>>,
    /// Generation of the last recovery that this database took part in.
    pub generation: Generation,
    /// The recovery that this node has not left yet is done with it.
    pub rebuilt: bool,
    /// Steps of recoveries that failed here since the last one that did not.
    pub failed_stores: u32,
    /// It is unhealthy and empty, because what was there was damaged: a copy of another node makes it healthy.
    pub emptied: bool,
    /// Whether the whole file is locked for a recovery.
    pub freeze: Freeze,
    /// Open recovery transaction and its number.
    pub transaction: Option<u32>,
    /// It was wiped in that transaction, and its records are arriving anew.
    pub replacing: Option<Replacing>,
    /// Its volatile records are out of date and must not be offered to a recovery.
    pub invalid_records: bool,
    /// Records of a recovery that are arriving.
    pub push: Option<Push>,
    /// Calls of local clients that have been sent to another node.
    pub calls: Calls,
    /// Calls for a key that is already being fetched.
    pub collapsed: BTreeMap<Bytes, Collapse>,
    /// What waits for a chain lock, by chain.
    pub waits: BTreeMap<u32, Wait>,
    /// The chain whose waiters are being served: their lock is held for us.
    pub serving: Option<u32>,
    /// What waits for the end of a freeze.
    pub frozen_queue: VecDeque<Parked>,
    /// Records that were emptied here, by hash: to be deleted by the next vacuum run.
    pub delete_queue: BTreeMap<u32, (Bytes, LtdbHeader)>,
    /// Keys of emptied records on other nodes of which this node is lmaster, by hash.
    pub fetch_queue: BTreeMap<u32, Bytes>,
    /// Read-only copies being called back.
    pub revokes: Revokes,
    /// Keys that stay for a while.
    pub sticky_keys: StickyKeys,
    /// The keys that moved most.
    pub hot_keys: HotKeys,
    /// The running transaction commit, if any.
    pub commit: Option<Commit>,
    /// Counter for commits, so that a late answer to an old one is known.
    pub last_commit: u64,
    /// Whether changes of the file are announced to other nodes, and the last number announced.
    pub sequence: Option<i32>,
    /// Counters.
    pub counters: DbCounters,
    /// Vacuum runs since the last full one.
    pub fast_runs: u32,
    /// Records have been deleted since the file's free areas were last counted.
    pub holes: bool,
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
    #[must_use]
    pub fn new(
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
            replacing: None,
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
    pub fn volatile(&self) -> bool {
        self.kind == Kind::Volatile
    }

    /// The flags byte of GET_DBMAP.
    #[must_use]
    pub fn flags(&self) -> DbFlags {
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
