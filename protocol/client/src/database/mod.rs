//! Databases of this node, opened beside the daemon: records are read and written in the file, and
//! the daemon is asked only to bring a record here, to commit, or to forget.
//!
//! [`Database::fetch_lock`] is for volatile databases, [`Database::transaction`] for persistent
//! and replicated ones. Both answer to upstream's `client/client_db.c`. A locked record holds its
//! chain's lock: whoever else wants that chain waits, the daemon included, so let it go soon.

mod g_lock;
mod record;
mod transaction;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ctdb_protocol::control::{
    DbAttach, DbAttachPersistent, DbAttachReplicated, DbGetHealth, DbOpenFlags, GetDbPath,
    SetDbReadonly, SetDbSticky,
};
use ctdb_protocol::text::Text;
use ctdb_protocol::types::{DbFlags, LtdbHeader, RecordFlags};
use ctdb_protocol::{Control, DbId, Pnn, WireError};
use tdb::{OpenMode, Tdb, TdbFlags};

pub use g_lock::GLocks;
pub use record::LockedRecord;
pub use transaction::Transaction;

use crate::{CallError, Client, ControlError};

/// Why a database did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The daemon refused.
    #[error("database {name}: {source}")]
    Control {
        /// The database.
        name: String,
        /// What it said.
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
    /// The file did not do.
    #[error(transparent)]
    File(#[from] tdb::Error),
    /// A record makes no sense.
    #[error("database {name}: {what}: {source}")]
    Malformed {
        /// The database.
        name: String,
        /// Which record.
        what: &'static str,
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
    /// This is not done with this kind of database.
    #[error("database {name}: {what}")]
    Kind {
        /// The database.
        name: String,
        /// What is not done.
        what: &'static str,
    },
}

/// A database, attached and opened.
#[derive(Debug)]
pub struct Database {
    client: Client,
    pnn: Pnn,
    id: DbId,
    name: String,
    path: PathBuf,
    flags: DbFlags,
    tdb: Tdb,
}

impl Client {
    /// Attaches a database of the kind that `flags` say, creates it if there is none, and opens
    /// its file. One process cannot open a database twice.
    ///
    /// # Errors
    /// When the daemon refuses, knows the database to be damaged, or the file cannot be opened.
    pub async fn attach(&self, name: &str, flags: DbFlags) -> Result<Database, DatabaseError> {
        let control = |source| DatabaseError::Control {
            name: name.to_owned(),
            source,
        };
        let pnn = self.pnn().await.map_err(control)?;
        let text = Text::new(name);
        let attached = if flags.contains(DbFlags::PERSISTENT) {
            self.control::<DbAttachPersistent>(pnn, &text).await
        } else if flags.contains(DbFlags::REPLICATED) {
            self.control::<DbAttachReplicated>(pnn, &text).await
        } else {
            self.control::<DbAttach>(pnn, &text).await
        };
        let id = attached.map_err(control)?;
        let path = self.control::<GetDbPath>(pnn, &id).await.map_err(control)?;
        let health = self
            .control::<DbGetHealth>(pnn, &id)
            .await
            .map_err(control)?;
        if !health.is_none() {
            let reason = health.to_string();
            return Err(DatabaseError::Unhealthy {
                name: name.to_owned(),
                reason,
            });
        }
        if flags.contains(DbFlags::READONLY) {
            self.mark::<SetDbReadonly>(id).await.map_err(control)?;
        }
        if flags.contains(DbFlags::STICKY) {
            self.mark::<SetDbSticky>(id).await.map_err(control)?;
        }
        let open = self
            .control::<DbOpenFlags>(pnn, &id)
            .await
            .map_err(control)?;
        let open = TdbFlags::from_bits_retain(open.cast_unsigned());
        let path = PathBuf::from(path.to_string());
        let tdb = Tdb::open(&path, 0, open, OpenMode::ReadWrite)?;
        let client = self.clone();
        Ok(Database {
            client,
            pnn,
            id,
            name: name.to_owned(),
            path,
            flags,
            tdb,
        })
    }

    /// Gives a database a property, on all nodes that can be reached.
    async fn mark<C>(&self, id: DbId) -> Result<(), ControlError>
    where
        C: Control<Request = DbId, Reply = ()>,
    {
        use ctdb_protocol::control::GetNodeMap;
        use ctdb_protocol::types::NodeFlags;

        let map = self.control::<GetNodeMap>(Pnn::CURRENT, &()).await?;
        let connected = map.nodes.iter().filter(|node| {
            !node
                .flags
                .intersects(NodeFlags::DISCONNECTED | NodeFlags::DELETED)
        });
        let dests: Vec<Pnn> = connected.map(|node| node.pnn).collect();
        for (_, result) in self.control_all::<C>(&dests, &id, None).await {
            result?;
        }
        Ok(())
    }
}

impl Database {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> DbId {
        self.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its file, opened. What is done here the daemon does not see.
    #[must_use]
    pub fn tdb(&self) -> &Tdb {
        &self.tdb
    }

    /// Is it neither persistent nor replicated?
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        !self
            .flags
            .intersects(DbFlags::PERSISTENT | DbFlags::REPLICATED)
    }

    /// What this node's file has under a key: header and data, without a lock. What is not there
    /// is an empty record that nobody is master of.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn fetch_local(&self, key: &[u8]) -> Result<(LtdbHeader, Vec<u8>), DatabaseError> {
        let value = self.tdb.fetch(key)?.unwrap_or_default();
        if value.len() < LtdbHeader::SIZE {
            return Ok((
                LtdbHeader::new(0, Pnn::UNKNOWN, RecordFlags::empty()),
                Vec::new(),
            ));
        }
        let (header, data) =
            LtdbHeader::split(&value).map_err(|source| self.malformed("record header", source))?;
        Ok((header, data.to_vec()))
    }

    /// Shows every record of this node's file: key, header, data.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn traverse_local(
        &self,
        mut visit: impl FnMut(&[u8], &LtdbHeader, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), DatabaseError> {
        self.tdb
            .traverse_read(|key, value| match LtdbHeader::split(value) {
                Ok((header, data)) => visit(key, &header, data),
                // Without a header it is no record of the cluster's.
                Err(_) => ControlFlow::Continue(()),
            })?;
        Ok(())
    }

    fn malformed(&self, what: &'static str, source: WireError) -> DatabaseError {
        DatabaseError::Malformed {
            name: self.name.clone(),
            what,
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
