//! Attaching a database: the daemon is asked for it, and says which file to open and how.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ctdb_protocol::control::{
    DbAttach, DbAttachPersistent, DbAttachReplicated, DbGetHealth, DbOpenFlags, GetDbPath,
    GetNodeMap, SetDbReadonly, SetDbSticky,
};
use ctdb_protocol::text::Text;
use ctdb_protocol::types::{DbFlags, NodeFlags};
use ctdb_protocol::{Control, DbId, Pnn};
use tdb::{OpenMode, Tdb, TdbFlags};

use super::error::{At, FileStep};
use super::{Database, DatabaseError};
use crate::{Client, ControlError};

/// A database that the daemon has attached, whose file is not open here.
#[derive(Debug)]
pub struct Attached {
    pub(super) client: Client,
    pub(super) pnn: Pnn,
    pub(super) id: DbId,
    pub(super) name: String,
    path: PathBuf,
    flags: DbFlags,
    open: TdbFlags,
}

impl Client {
    /// Attaches a database of the kind that `flags` say, creates it if there is none, and opens
    /// its file. One process cannot open a database twice. Answers to `ctdb_attach`.
    ///
    /// # Errors
    /// When the daemon refuses, knows the database to be damaged, or the file cannot be opened.
    pub async fn attach(&self, name: &str, flags: DbFlags) -> Result<Database, DatabaseError> {
        Attached::new(self, name, flags, None).await?.open()
    }
}

impl Attached {
    /// Attaches a database on all nodes, with the properties asked for; no single answer is waited
    /// for longer than `limit`. Answers to `ctdb_attach` up to the opening.
    ///
    /// # Errors
    /// When the daemon refuses, does not answer, or knows the database to be damaged.
    pub async fn new(
        client: &Client,
        name: &str,
        flags: DbFlags,
        limit: Option<Duration>,
    ) -> Result<Self, DatabaseError> {
        let failed = |source| DatabaseError::Control {
            name: name.to_owned(),
            source,
        };
        let pnn = client.pnn().await.map_err(failed)?;
        let ask = Ask { client, pnn, limit };
        let text = Text::new(name);
        let attached = if flags.contains(DbFlags::PERSISTENT) {
            ask.own::<DbAttachPersistent>(&text).await
        } else if flags.contains(DbFlags::REPLICATED) {
            ask.own::<DbAttachReplicated>(&text).await
        } else {
            ask.own::<DbAttach>(&text).await
        };
        let id = attached.map_err(failed)?;
        let path = ask.own::<GetDbPath>(&id).await.map_err(failed)?;
        let health = ask.own::<DbGetHealth>(&id).await.map_err(failed)?;
        if !health.is_none() {
            let (name, reason) = (name.to_owned(), health.to_string());
            return Err(DatabaseError::Unhealthy { name, reason });
        }
        ask.set_properties(id, flags)
            .await
            .map_err(|source| DatabaseError::Property {
                name: name.to_owned(),
                id,
                flags,
                source,
            })?;
        let open = ask.own::<DbOpenFlags>(&id).await.map_err(failed)?;
        Ok(Self {
            client: client.clone(),
            pnn,
            id,
            name: name.to_owned(),
            path: PathBuf::from(path.to_str_lossy().into_owned()),
            flags,
            open: TdbFlags::from_bits_retain(open.cast_unsigned()),
        })
    }

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

    /// Is it neither persistent nor replicated?
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        !self
            .flags
            .intersects(DbFlags::PERSISTENT | DbFlags::REPLICATED)
    }

    /// Opens the file as the daemon says.
    ///
    /// # Errors
    /// When that fails.
    pub fn open(self) -> Result<Database, DatabaseError> {
        let tdb = Tdb::open(&self.path, 0, self.open, OpenMode::ReadWrite)
            .at(&self.name, FileStep::Open)?;
        Ok(Database {
            attached: self,
            tdb,
        })
    }
}

/// Whom to ask, and how long to wait for each answer.
struct Ask<'a> {
    client: &'a Client,
    pnn: Pnn,
    limit: Option<Duration>,
}

impl Ask<'_> {
    async fn own<C: Control>(&self, request: &C::Request) -> Result<C::Reply, ControlError> {
        let asked = self.client.request::<C>(self.pnn, request);
        asked.timeout_opt(self.limit).send().await
    }

    /// Read-only delegations and sticky records are switched on node by node, wherever a daemon can be reached.
    async fn set_properties(&self, id: DbId, flags: DbFlags) -> Result<(), ControlError> {
        if !flags.intersects(DbFlags::READONLY | DbFlags::STICKY) {
            return Ok(());
        }
        let map = self.own::<GetNodeMap>(&()).await?;
        let nodes: Vec<Pnn> = map
            .without(NodeFlags::DISCONNECTED | NodeFlags::DELETED)
            .collect();
        if flags.contains(DbFlags::READONLY) {
            self.all::<SetDbReadonly>(&nodes, id).await?;
        }
        if flags.contains(DbFlags::STICKY) {
            self.all::<SetDbSticky>(&nodes, id).await?;
        }
        Ok(())
    }

    async fn all<C>(&self, nodes: &[Pnn], id: DbId) -> Result<(), ControlError>
    where
        C: Control<Request = DbId, Reply = ()>,
    {
        let answers = self.client.control_all::<C>(nodes, &id, self.limit).await;
        answers.into_iter().try_for_each(|(_, answer)| answer)
    }
}
