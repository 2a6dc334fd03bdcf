//! Record storage, the one thing that the core calls directly.
//!
//! The daemon's implementation is over libtdb, the simulator's is a map in memory. No call may block:
//! a lock that is not free is reported as busy, and the core waits for it with
//! [`crate::Effect::AwaitLock`].

use thiserror::Error;

/// A storage operation failed; the text names file and operation.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Result of a storage operation.
pub type StoreResult<T> = Result<T, StoreError>;

/// Why a file was not opened.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum OpenError {
    /// Somebody has it locked, or the disk is full; it can be tried again. The text names the process and what to do.
    #[error("{0}")]
    Busy(String),
    /// It cannot be opened.
    #[error(transparent)]
    Failed(#[from] StoreError),
}

/// Which of the three kinds a database is; decides directory and open flags (upstream's
/// `ctdb_local_attach`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Lives in the volatile directory, records migrate, mutexes where possible.
    Volatile,
    /// Survives restarts; every node holds every record; changed by transactions only.
    Persistent,
    /// As persistent, but not kept over a restart.
    Replicated,
}

/// What a try for a lock gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryLock {
    /// The lock is held; unlock it in the same turn.
    Held,
    /// Someone else holds it.
    Busy,
}

/// Opens databases and keeps what is remembered about them between runs.
pub trait Storage {
    /// Opens (or creates) the file of a database.
    ///
    /// # Errors
    /// The file cannot be opened or fails its check, or somebody else has it locked or, if it should be empty,
    /// open: that is not waited for.
    fn open(
        &mut self,
        name: &str,
        kind: Kind,
        hash_size: u32,
        max_dead: u32,
    ) -> Result<Box<dyn Table>, OpenError>;
    /// Names of the persistent databases that this node has on disk.
    ///
    /// # Errors
    /// The directory cannot be read.
    fn persistent_names(&self) -> StoreResult<Vec<String>>;
    /// Why a persistent database is unhealthy; `None` when it is healthy.
    ///
    /// # Errors
    /// The health database cannot be read.
    fn health(&self, name: &str) -> StoreResult<Option<String>>;
    /// Records why a persistent database is unhealthy, or that it is healthy again.
    ///
    /// # Errors
    /// The health database cannot be written.
    fn set_health(&mut self, name: &str, reason: Option<&str>) -> StoreResult<()>;
    /// Whether the disk takes what a database needs that could not be stored before: space, and writing at all.
    ///
    /// # Errors
    /// It does not yet.
    fn can_store(&self, path: &str) -> StoreResult<()>;
    /// Bytes of memory that this process uses, for the statistics.
    fn memory_used_bytes(&self) -> u32;
}

/// One open database file. Values include the 24-byte record header.
pub trait Table {
    /// The file's path as configured, never resolved.
    fn path(&self) -> &str;
    /// The tdb flags that another process must open the file with.
    fn open_flags(&self) -> i32;
    /// Number of hash chains.
    fn chains(&self) -> u32;
    /// The chain that a key hashes to: locks of keys of one chain are one lock.
    fn chain_of(&self, key: &[u8]) -> u32;
    /// Hands the value of a key, if there is one, to `reader`.
    ///
    /// # Errors
    /// The file cannot be read.
    fn read(&self, key: &[u8], reader: &mut dyn FnMut(&[u8])) -> StoreResult<bool>;
    /// Stores the concatenation of `parts`.
    ///
    /// # Errors
    /// The file cannot be written.
    fn store(&mut self, key: &[u8], parts: &[&[u8]]) -> StoreResult<()>;
    /// Removes a key; a missing key is no error.
    ///
    /// # Errors
    /// The file cannot be written.
    fn delete(&mut self, key: &[u8]) -> StoreResult<()>;
    /// Tries for the chain lock of a key, without waiting.
    ///
    /// # Errors
    /// Anything but "someone else holds it".
    fn try_lock(&mut self, key: &[u8]) -> StoreResult<TryLock>;
    /// Gives a lock taken with [`Table::try_lock`] back.
    fn unlock(&mut self, key: &[u8]);
    /// Treats the chain lock of a key as held: a helper holds it for us.
    fn mark(&mut self, key: &[u8]);
    /// Ends [`Table::mark`].
    fn unmark(&mut self, key: &[u8]);
    /// Treats the whole file (and its transaction lock) as locked: a helper holds it for us.
    ///
    /// # Errors
    /// The file needs a transaction recovery first.
    fn mark_all(&mut self) -> StoreResult<()>;
    /// Ends [`Table::mark_all`].
    fn unmark_all(&mut self);
    /// Begins a transaction in a frozen file (locks are held by a helper).
    ///
    /// # Errors
    /// libtdb refuses.
    fn transaction_start(&mut self) -> StoreResult<()>;
    /// Commits it.
    ///
    /// # Errors
    /// The commit failed; the transaction is gone.
    fn transaction_commit(&mut self) -> StoreResult<()>;
    /// Drops it.
    fn transaction_cancel(&mut self);
    /// Removes every record.
    ///
    /// # Errors
    /// The file cannot be written.
    fn wipe(&mut self) -> StoreResult<()>;
    /// Hands every record of one chain to `reader`; only while the file is locked as a whole.
    ///
    /// # Errors
    /// The file cannot be read.
    fn read_chain(&self, chain: u32, reader: &mut dyn FnMut(&[u8], &[u8])) -> StoreResult<()>;
    /// libtdb's sequence number of the file (not the database's own record of that name).
    fn sequence_number(&self) -> i32;
    /// Counts changes in the sequence number from now on.
    fn enable_sequence_number(&mut self);
    /// Raises the sequence number by one.
    fn increment_sequence_number(&mut self);
    /// Makes the file durable.
    ///
    /// # Errors
    /// fsync failed.
    fn sync(&mut self) -> StoreResult<()>;
    /// Opens the file that remembers, per record, which nodes hold read-only copies; `<path>.RO`.
    ///
    /// # Errors
    /// The file cannot be opened.
    fn open_tracking(&mut self) -> StoreResult<Box<dyn Tracking>>;
}

/// The bitmap file of read-only delegations. All access happens under the record's chain lock.
pub trait Tracking {
    /// The bitmap of a key (bit n%8 of byte n/8 stands for node n); empty when there is none.
    ///
    /// # Errors
    /// The file cannot be read.
    fn fetch(&self, key: &[u8]) -> StoreResult<Vec<u8>>;
    /// Stores a bitmap.
    ///
    /// # Errors
    /// The file cannot be written.
    fn store(&mut self, key: &[u8], bitmap: &[u8]) -> StoreResult<()>;
    /// Forgets a key.
    ///
    /// # Errors
    /// The file cannot be written.
    fn delete(&mut self, key: &[u8]) -> StoreResult<()>;
    /// Forgets every key.
    ///
    /// # Errors
    /// The file cannot be written.
    fn wipe(&mut self) -> StoreResult<()>;
}
