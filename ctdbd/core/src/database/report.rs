//! How the databases stand, for those who ask: the tools' inquiry, the report on memory, the simulator's checkers.

use bytes::Bytes;
use ctdb_protocol::id::Generation;

use super::{Databases, Db};
use crate::store::Kind;

/// What can be seen of one database from outside.
#[derive(Debug, Clone, Copy)]
pub struct DbState<'a> {
    db: &'a Db,
}

/// The queue behind one locked chain.
#[derive(Debug, Clone)]
pub struct ChainWait {
    /// The chain.
    pub chain: u32,
    /// One key of it.
    pub key: Bytes,
    /// When the first of the queue was parked, monotonic microseconds.
    pub since_us: u64,
    /// How many wait.
    pub requests: usize,
}

impl DbState<'_> {
    /// Its name, without a node number.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.db.name
    }

    /// Path of its file.
    #[must_use]
    pub fn path(&self) -> &str {
        self.db.table.path()
    }

    /// Which of the three kinds it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.db.kind
    }

    /// Generation of the last recovery that it took part in.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.db.generation
    }

    /// Whether the whole file is locked for a recovery.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.db.freeze.is_frozen()
    }

    /// Whether its volatile records are out of date.
    #[must_use]
    pub fn has_invalid_records(&self) -> bool {
        self.db.invalid_records
    }

    /// What waits for chain locks.
    pub fn waits(&self) -> impl Iterator<Item = ChainWait> {
        self.db.waits.iter().map(|(&chain, wait)| ChainWait {
            chain,
            key: wait.key.clone(),
            since_us: wait.since_us,
            requests: wait.queue.len(),
        })
    }
}

/// How many of each kind of thing there are, for the report on memory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sizes {
    pub(crate) databases: usize,
    pub(crate) calls: usize,
    pub(crate) waits: usize,
    pub(crate) queued: usize,
}

impl Databases {
    /// All databases, by id.
    pub fn states(&self) -> impl Iterator<Item = DbState<'_>> {
        self.map.values().map(|db| DbState { db })
    }

    /// Databases that are wanted and cannot be opened: what is in the way, in a line for each.
    pub fn problems(&self) -> impl Iterator<Item = String> {
        self.busy.reasons()
    }

    pub(crate) fn sizes(&self) -> Sizes {
        let mut sizes = Sizes {
            databases: self.map.len(),
            ..Sizes::default()
        };
        for db in self.map.values() {
            sizes.calls += db.calls.len();
            sizes.waits += db.waits.len();
            sizes.queued += db.delete_queue.len() + db.fetch_queue.len();
        }
        sizes
    }

    /// STATISTICS_RESET.
    pub(crate) fn reset_counters(&mut self) {
        for db in self.map.values_mut() {
            db.counters = Default::default();
            db.hot_keys.clear();
        }
    }

    /// Bytes of memory that this process uses.
    pub(crate) fn memory_used_bytes(&self) -> u32 {
        self.storage.memory_used_bytes()
    }
}

#[cfg(test)]
impl Databases {
    /// As if a recovery had ended in this generation.
    pub(crate) fn set_generation(&mut self, generation: Generation) {
        for db in self.map.values_mut() {
            db.generation = generation;
        }
    }

    /// As if a recovery that this node has not left yet were done with all of them.
    pub(crate) fn set_rebuilt(&mut self) {
        for db in self.map.values_mut() {
            db.rebuilt = true;
        }
    }

    /// Whether no record is on its way to every node.
    pub(crate) fn pushes_nothing(&self) -> bool {
        self.pushes.is_empty()
    }
}
