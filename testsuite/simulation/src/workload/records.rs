//! Single records of a volatile database, written and read as smbd does it.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ctdb_client::Client;
use ctdb_protocol::control::{DbAttach, ScheduleForDeletion};
use ctdb_protocol::text::Text;
use ctdb_protocol::types::{CallFlags, CallFunction, KeyData, LtdbHeader, RecordFlags};
use ctdb_protocol::{DbId, Pnn};
use tokio::time::{sleep, timeout};

use crate::cluster::Cluster;
use crate::daemon::Daemon;
use crate::locks::{LockGuard, Scope};
use crate::storage::File;

/// A process with a database open.
pub struct Process {
    /// Its connection.
    pub client: Client,
    /// The database.
    pub db: DbId,
    name: String,
    daemon: Rc<Daemon>,
}

impl Process {
    /// A process of a node that attaches a volatile database.
    ///
    /// # Panics
    /// The daemon refuses for a minute.
    pub async fn attach(daemon: Rc<Daemon>, name: &str) -> Self {
        let client = daemon.connect(700);
        let wanted = Text::new(name);
        for _ in 0..120 {
            if let Ok(db) = client.control::<DbAttach>(Pnn::CURRENT, &wanted).await {
                return Self {
                    client,
                    db,
                    name: name.to_owned(),
                    daemon,
                };
            }
            sleep(Duration::from_millis(500)).await;
        }
        panic!("node {} does not let {name} be attached", daemon.pnn)
    }

    /// A process on each node, all with the same volatile database, and a second to get used to it.
    pub async fn one_per_node(cluster: &Cluster, name: &str) -> Vec<Self> {
        let mut processes = Vec::new();
        for node in cluster.world.numbers() {
            processes.push(Self::attach(cluster.daemon(node.0), name).await);
        }
        sleep(Duration::from_secs(1)).await;
        processes
    }

    /// The record with its chain locked, once this node is its data master; `None` when the daemon does
    /// not bring it within `limit`.
    pub async fn fetch(
        &self,
        key: &[u8],
        limit: Duration,
    ) -> Option<(LockGuard, LtdbHeader, Bytes)> {
        timeout(limit, self.fetch_patiently(key)).await.ok()
    }

    async fn fetch_patiently(&self, key: &[u8]) -> (LockGuard, LtdbHeader, Bytes) {
        loop {
            if let Some(file) = self.daemon.file(&self.name) {
                let locks = file.borrow().locks.clone();
                let guard = locks.acquire(Scope::Chain(File::chain_of(key))).await;
                let value = file.borrow().committed().get(key).cloned();
                if let Some((header, data)) = value.and_then(|value| split(&value))
                    && header.dmaster == self.daemon.pnn
                    && !header.flags.intersects(RecordFlags::RO_FLAGS)
                {
                    return (guard, header, data);
                }
            }
            let key = Bytes::copy_from_slice(key);
            let flags = CallFlags::IMMEDIATE_MIGRATION;
            if self
                .client
                .call(self.db, key, CallFunction::NULL, flags)
                .await
                .is_err()
            {
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Writes a record, for which it must come here first. False when it does not.
    pub async fn write(&self, key: &[u8], data: &[u8]) -> bool {
        let Some((_guard, header, _)) = self.fetch(key, Duration::from_secs(60)).await else {
            return false;
        };
        let Some(file) = self.daemon.file(&self.name) else {
            return false;
        };
        file.borrow_mut()
            .records_mut()
            .insert(key.to_vec(), header.join(data).into());
        true
    }

    /// Reads a record, for which it must come here first.
    pub async fn read(&self, key: &[u8]) -> Option<Bytes> {
        let (_guard, _, data) = self.fetch(key, Duration::from_secs(60)).await?;
        Some(data)
    }

    /// Deletes a record: empties it and tells the daemon.
    pub async fn delete(&self, key: &[u8]) -> bool {
        let Some((guard, header, _)) = self.fetch(key, Duration::from_secs(60)).await else {
            return false;
        };
        let Some(file) = self.daemon.file(&self.name) else {
            return false;
        };
        file.borrow_mut()
            .records_mut()
            .insert(key.to_vec(), header.join(b"").into());
        let key = KeyData::new(self.db, header, key);
        let told = self
            .client
            .control::<ScheduleForDeletion>(Pnn::CURRENT, &key)
            .await;
        drop(guard);
        told.is_ok()
    }
}

fn split(value: &Bytes) -> Option<(LtdbHeader, Bytes)> {
    let (header, _) = LtdbHeader::split(value).ok()?;
    Some((header, value.slice(LtdbHeader::SIZE..)))
}
