//! Persistent transactions: one writer per database, as the g_lock of Samba's library ensures, which
//! moves to another node when its own does not work.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use ctdb_client::Client;
use ctdb_protocol::control::{DbAttachPersistent, Trans3Commit};
use ctdb_protocol::text::Text;
use ctdb_protocol::types::{LtdbHeader, MarshallBuffer, RecordFlags};
use ctdb_protocol::{DbId, Pnn, ReqId};
use tokio::time::{sleep, timeout};

use crate::daemon::Daemon;
use crate::seed::Seed;
use crate::storage::SharedFile;
use crate::world::World;

/// Keys that every transaction sets to the same number.
pub const PARTS: [&str; 3] = ["left", "middle", "right"];
/// Where the database's sequence number is kept.
const SEQUENCE_KEY: &[u8] = b"__db_sequence_number__\0";
/// How long the writer waits before it tries another node.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the writer was told.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The database.
    pub database: String,
    /// The highest number whose commit was acknowledged.
    pub acknowledged: u64,
    /// The highest number that a commit was tried with.
    pub attempted: u64,
    /// Commits that were acknowledged.
    pub commits: u64,
}

/// A writer.
#[derive(Debug, Clone)]
pub struct Transactions {
    /// What it was told.
    pub ledger: Rc<RefCell<Ledger>>,
    /// It is to end after the running transaction.
    pub stop: Rc<Cell<bool>>,
}

impl Transactions {
    /// The writer of a database.
    #[must_use]
    pub fn new(database: &str) -> Self {
        let ledger = Ledger {
            database: database.to_owned(),
            ..Ledger::default()
        };
        Self {
            ledger: Rc::new(RefCell::new(ledger)),
            stop: Rc::default(),
        }
    }

    /// Writes until it is stopped.
    pub async fn work(self, world: Rc<World>, mut dice: Seed) {
        while !self.stop.get() {
            let daemons = world.running();
            let usable: Vec<&Rc<Daemon>> =
                daemons.iter().filter(|daemon| daemon.accepts()).collect();
            if usable.is_empty() {
                sleep(Duration::from_millis(500)).await;
                continue;
            }
            let daemon = Rc::clone(usable[dice.index(usable.len())]);
            self.write_on(&daemon, &mut dice).await;
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Writes on one node until that fails.
    async fn write_on(&self, daemon: &Rc<Daemon>, dice: &mut Seed) {
        let client = daemon.connect(500 + i32::try_from(dice.below(100)).unwrap_or(0));
        let name = self.ledger.borrow().database.clone();
        let wanted = Text::new(&name);
        let attached = client.control::<DbAttachPersistent>(Pnn::CURRENT, &wanted);
        let Ok(Ok(db)) = timeout(PATIENCE, attached).await else {
            return;
        };
        let Some(file) = daemon.file(&name) else {
            return;
        };
        for _ in 0..40 {
            if self.stop.get()
                || !daemon.is_alive()
                || !self.commit(&client, daemon, &file, db).await
            {
                return;
            }
            sleep(daemon.world().setup.pace.pause(dice)).await;
        }
    }

    /// One transaction: every part gets the next number.
    async fn commit(
        &self,
        client: &Client,
        daemon: &Rc<Daemon>,
        file: &SharedFile,
        db: DbId,
    ) -> bool {
        // A reader takes the lock that a recovery holds, so it never sees half of one.
        let locks = file.borrow().locks.clone();
        let guard = locks.acquire(crate::locks::Scope::File).await;
        let (buffer, number) = next(file, db, daemon.pnn);
        drop(guard);
        if number <= self.ledger.borrow().acknowledged {
            // This node is behind; it takes part in no recovery just now, and may not commit either.
            let text = format!("node {} would write {number} again", daemon.pnn);
            return self.stale(daemon, &text);
        }
        {
            let mut ledger = self.ledger.borrow_mut();
            ledger.attempted = ledger.attempted.max(number);
        }
        match timeout(
            PATIENCE,
            client.control::<Trans3Commit>(Pnn::CURRENT, &buffer),
        )
        .await
        {
            Ok(Ok(())) => {
                let mut ledger = self.ledger.borrow_mut();
                ledger.acknowledged = ledger.acknowledged.max(number);
                ledger.commits += 1;
                self.told(daemon, number, "committed");
                true
            }
            Ok(Err(_)) => {
                self.told(daemon, number, "refused");
                false
            }
            Err(_) => {
                self.told(daemon, number, "unanswered");
                false
            }
        }
    }

    /// Notes what became of a transaction, where records are traced.
    fn told(&self, daemon: &Rc<Daemon>, number: u64, outcome: &str) {
        if daemon.world().setup.trace_records {
            daemon
                .world()
                .note(Some(daemon.pnn), format!("transaction {number}: {outcome}"));
        }
    }

    fn stale(&self, daemon: &Rc<Daemon>, text: &str) -> bool {
        daemon.world().note(Some(daemon.pnn), text);
        false
    }
}

/// The records of the next transaction, and its number.
fn next(file: &SharedFile, db: DbId, own: Pnn) -> (MarshallBuffer, u64) {
    let file = file.borrow();
    let mut buffer = MarshallBuffer::new(db);
    let mut push = |key: &[u8], step: &dyn Fn(u64) -> u64| {
        let old = file.committed().get(key);
        let (header, number) = old
            .and_then(|value| {
                let (header, data) = LtdbHeader::split(value).ok()?;
                Some((header, data.try_into().map(u64::from_le_bytes).unwrap_or(0)))
            })
            .unwrap_or_default();
        let number = step(number);
        let header = LtdbHeader::new(header.rsn + 1, own, RecordFlags::empty());
        buffer.push_with_header(ReqId(0), &header, key, &number.to_le_bytes());
        number
    };
    let number = push(PARTS[0].as_bytes(), &|number| number + 1);
    for part in &PARTS[1..] {
        push(part.as_bytes(), &|_| number);
    }
    push(SEQUENCE_KEY, &|number| number + 1);
    (buffer, number)
}
