//! Why a database did not do what it was asked to, and at which step.

use std::fmt::{Display, Formatter};

use ctdb_protocol::types::DbFlags;
use ctdb_protocol::{DbId, WireError};

use crate::{CallError, ControlError};

/// Why a database did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The daemon refused a control, or did not answer it.
    #[error("database {name}: {source}")]
    Control {
        /// The database.
        name: String,
        /// Which control, and what became of it.
        source: ControlError,
    },
    /// A property was not set on all nodes.
    #[error("database {name}: {source}")]
    Property {
        /// The database.
        name: String,
        /// Its number.
        id: DbId,
        /// All that it was attached with.
        flags: DbFlags,
        /// Which control failed.
        source: ControlError,
    },
    /// A record did not come.
    #[error("database {name}: {source}")]
    Call {
        /// The database.
        name: String,
        /// What the daemon said.
        source: CallError,
    },
    /// A record did not come: the call was answered with a status.
    #[error("database {name}: call failed with status {status}")]
    Function {
        /// The database.
        name: String,
        /// Never 0.
        status: i32,
    },
    /// The file did not do.
    #[error("{source}")]
    File {
        /// The database.
        name: String,
        /// What was being done.
        step: FileStep,
        /// Which file, and why.
        source: tdb::Error,
    },
    /// A record makes no sense.
    #[error("database {name}: {part}: {source}")]
    Malformed {
        /// The database.
        name: String,
        /// Which part of which record.
        part: Part,
        /// What is wrong with it.
        source: WireError,
    },
    /// The daemon says that the file is damaged.
    #[error("database {name} is unhealthy: {reason}")]
    Unhealthy {
        /// The database.
        name: String,
        /// The daemon's words.
        reason: String,
    },
    /// This is not done with this kind of database or transaction.
    #[error("database {name}: {what}")]
    Kind {
        /// The database.
        name: String,
        /// What is not done.
        what: &'static str,
    },
    /// A copy of a record, or a record with copies, cannot be changed.
    #[error("database {name}: a read-only copy cannot be changed")]
    ReadOnlyCopy {
        /// The database.
        name: String,
        /// What was to be done.
        step: FileStep,
    },
    /// This process has the lock already.
    #[error("deadlock: this process holds the lock")]
    Deadlock,
    /// A lock of the whole cluster could not be taken or let go.
    #[error("cluster-wide lock {lock}: {source}")]
    Lock {
        /// The lock's name.
        lock: String,
        /// What was being done.
        step: LockStep,
        /// Why.
        source: Box<Self>,
    },
    /// A transaction did not begin or end.
    #[error("{source}")]
    Transaction {
        /// The database.
        name: String,
        /// What was being done.
        step: TransactionStep,
        /// Why.
        source: Box<Self>,
    },
    /// Somebody else committed while this transaction lost its lock.
    #[error("database {name}: somebody else committed in between")]
    Overtaken {
        /// The database.
        name: String,
        /// Its sequence number when the commit began.
        before: u64,
        /// Its sequence number now.
        now: u64,
    },
}

/// What is done with a database's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileStep {
    /// It is opened.
    Open,
    /// A record's chain is locked.
    Lock,
    /// A record is read.
    Read,
    /// A record is written.
    Store,
    /// A record is emptied.
    Delete,
}

/// What is done with a lock of the whole cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockStep {
    /// It is taken.
    Take,
    /// It is let go.
    Release,
}

/// Where a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStep {
    /// It takes its lock.
    Start,
    /// It reads how often the database was committed to.
    ReadSequence,
    /// The daemon commits it.
    Commit,
    /// It lets its lock go after the commit.
    EndCommitted,
    /// It lets its lock go without a commit.
    EndCancelled,
}

/// A part of a record that has a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The header that every record has.
    Header,
    /// A lock's list of holders.
    Holders,
    /// The count of commits.
    Sequence,
}

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header => "record header",
            Self::Holders => "list of lock holders",
            Self::Sequence => "sequence number",
        })
    }
}

/// Says at which step a file failed.
pub(super) trait At<T> {
    /// With the database's name and the step.
    fn at(self, name: &str, step: FileStep) -> Result<T, DatabaseError>;
}

impl<T> At<T> for tdb::Result<T> {
    fn at(self, name: &str, step: FileStep) -> Result<T, DatabaseError> {
        self.map_err(|source| DatabaseError::File {
            name: name.to_owned(),
            step,
            source,
        })
    }
}
