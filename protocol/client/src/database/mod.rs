//! Databases of this node, opened beside the daemon: records are read and written in the file, and
//! the daemon is asked only to bring a record here, to commit, or to forget.
//!
//! [`Database::fetch_lock`] is for volatile databases, [`Database::transaction`] for persistent
//! and replicated ones. Both answer to upstream's `client/client_db.c`. A locked record holds its
//! chain's lock: whoever else wants that chain waits, the daemon included, so let it go soon.

mod attach;
mod error;
mod g_lock;
mod record;
mod transaction;

use std::ops::Deref;

use ctdb_protocol::types::{LtdbHeader, RecordFlags};
use ctdb_protocol::{Pnn, WireError};
use tdb::Tdb;

pub use attach::Attached;
pub use error::{DatabaseError, FileStep, LockStep, Part, TransactionStep};
pub use g_lock::GLocks;
pub use record::LockedRecord;
pub use transaction::Transaction;

use crate::ControlError;
use error::At;

/// A database, attached and opened.
#[derive(Debug)]
pub struct Database {
    attached: Attached,
    tdb: Tdb,
}

impl Deref for Database {
    type Target = Attached;

    fn deref(&self) -> &Attached {
        &self.attached
    }
}

impl Database {
    /// Its file, opened. What is done here the daemon does not see.
    #[must_use]
    pub fn tdb(&self) -> &Tdb {
        &self.tdb
    }

    /// What this node's file has under a key: header and data, without a lock. What is not there
    /// is an empty record that nobody is master of.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn fetch_local(&self, key: &[u8]) -> Result<(LtdbHeader, Vec<u8>), DatabaseError> {
        Ok(self.stored(key)?.unwrap_or_else(Self::missing))
    }

    /// What stands for a record that is not there.
    fn missing() -> (LtdbHeader, Vec<u8>) {
        let header = LtdbHeader::new(0, Pnn::UNKNOWN, RecordFlags::empty());
        (header, Vec::new())
    }

    /// The same, with `None` for what is not there.
    fn stored(&self, key: &[u8]) -> Result<Option<(LtdbHeader, Vec<u8>)>, DatabaseError> {
        let value = self.tdb.fetch(key).at(&self.name, FileStep::Read)?;
        // As upstream: without a header it is no record of the cluster's.
        let Some(value) = value.filter(|value| value.len() >= LtdbHeader::SIZE) else {
            return Ok(None);
        };
        let (header, data) =
            LtdbHeader::split(&value).map_err(|source| self.malformed(Part::Header, source))?;
        Ok(Some((header, data.to_vec())))
    }

    fn malformed(&self, part: Part, source: WireError) -> DatabaseError {
        DatabaseError::Malformed {
            name: self.name.clone(),
            part,
            source,
        }
    }

    fn kind(&self, what: &'static str) -> DatabaseError {
        DatabaseError::Kind {
            name: self.name.clone(),
            what,
        }
    }

    fn control_error(&self, source: ControlError) -> DatabaseError {
        DatabaseError::Control {
            name: self.name.clone(),
            source,
        }
    }
}
