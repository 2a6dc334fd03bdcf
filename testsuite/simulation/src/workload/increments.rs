//! Counters in a volatile database, incremented by clients of every node: each increment needs the
//! record to be here.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ctdb_client::Client;
use ctdb_protocol::control::DbAttach;
use ctdb_protocol::text::Text;
use ctdb_protocol::types::{CallFlags, CallFunction, LtdbHeader, RecordFlags};
use ctdb_protocol::{DbId, Pnn};
use tokio::time::{sleep, timeout};

use crate::daemon::Daemon;
use crate::locks::Scope;
use crate::seed::Seed;
use crate::storage::{File, SharedFile};

/// The database.
pub const DATABASE: &str = "counters.tdb";

/// Increments by key, as the clients made them.
pub type Counts = BTreeMap<Vec<u8>, u64>;

/// What all clients share.
#[derive(Debug, Clone, Default)]
pub struct Increments {
    /// Increments that were written.
    pub counts: Rc<RefCell<Counts>>,
    /// Requests that wait for an answer longer than this long: none is allowed to, in a quiet cluster.
    pub stop: Rc<std::cell::Cell<bool>>,
}

/// Number of counters.
const KEYS: u64 = 6;
/// After this long a client asks again; smbd would wait for ever, which hides a lost answer.
const PATIENCE: Duration = Duration::from_secs(400);

impl Increments {
    /// One client of a daemon, for as long as the daemon lives.
    pub async fn work(self, daemon: Rc<Daemon>, pid: i32, mut dice: Seed) {
        while !daemon.accepts() {
            sleep(Duration::from_millis(100)).await;
        }
        let (client, pace) = (daemon.connect(pid), daemon.world().setup.pace);
        let Some(db) = attach(&client).await else {
            return;
        };
        while !self.stop.get() {
            let key = format!("counter {}", dice.below(KEYS)).into_bytes();
            let pause = pace.pause(&mut dice);
            if let Some(file) = daemon.file(DATABASE) {
                self.increment(&client, &daemon, &file, db, &key).await;
            }
            sleep(pause).await;
        }
    }

    async fn increment(
        &self,
        client: &Client,
        daemon: &Daemon,
        file: &SharedFile,
        db: DbId,
        key: &[u8],
    ) {
        let own = daemon.pnn;
        loop {
            let locks = file.borrow().locks.clone();
            let guard = locks.acquire(Scope::Chain(File::chain_of(key))).await;
            if self.write_if_here(file, own, key) {
                return;
            }
            drop(guard);
            let asked = client.call(
                db,
                Bytes::copy_from_slice(key),
                CallFunction::NULL,
                CallFlags::IMMEDIATE_MIGRATION,
            );
            match timeout(PATIENCE, asked).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => sleep(Duration::from_millis(50)).await,
                Err(_) => {
                    let text = format!("a client of node {own} waits for {}", key.escape_ascii());
                    daemon.world().note(Some(own), format!("VIOLATION {text}"));
                    LOST_ANSWERS.with(|lost| lost.borrow_mut().push(text));
                    return;
                }
            }
        }
    }

    fn write_if_here(&self, file: &SharedFile, own: Pnn, key: &[u8]) -> bool {
        let mut file = file.borrow_mut();
        let Some(value) = file.committed().get(key).cloned() else {
            return false;
        };
        let Ok((header, data)) = LtdbHeader::split(&value) else {
            return false;
        };
        if header.dmaster != own || header.flags.intersects(RecordFlags::RO_FLAGS) {
            return false;
        }
        let number = data.try_into().map(u64::from_le_bytes).unwrap_or(0) + 1;
        let value = header.join(&number.to_le_bytes());
        file.records_mut().insert(key.to_vec(), value.into());
        *self.counts.borrow_mut().entry(key.to_vec()).or_default() += 1;
        true
    }
}

thread_local! {
    /// Requests that were not answered within the patience of their client.
    pub static LOST_ANSWERS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

async fn attach(client: &Client) -> Option<DbId> {
    loop {
        match client
            .control::<DbAttach>(Pnn::CURRENT, &Text::new(DATABASE))
            .await
        {
            Ok(db) => return Some(db),
            Err(_) if client.is_closed() => return None,
            Err(_) => sleep(Duration::from_millis(500)).await,
        }
    }
}
