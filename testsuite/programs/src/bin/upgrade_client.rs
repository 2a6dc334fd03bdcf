//! `upgrade_client -D DATABASE -k NAME -t SECONDS`: takes locks and commits transactions on one node
//! while its daemon is exchanged, and writes down what happened when. For
//! `testsuite/interop/rolling-upgrade`.
//!
//! In turn it takes a lock of the cluster (g_lock), locks one record that all clients want, and commits
//! a transaction that raises a shared counter and its own counter `NAME`. One line per event; times are
//! seconds since 1970:
//! - `held g_lock|record FROM TO`: the lock was certainly held in between: it had been granted, and the
//!   daemon answered to something that was sent later than `TO`;
//! - `commit TIME`: acknowledged;
//! - `again TIME`: connected;
//! - `error TIME WHY`: there is no daemon, or it went away; with that the program ends. Who wants to go on
//!   starts it again: what a process holds must end with it, as it does with smbd.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ctdb_client::Client;
use ctdb_client::database::{Database, GLocks};
use ctdb_protocol::types::{DbFlags, GLockKind};
use ctdb_test_programs::Failure;
use ctdb_test_programs::counter::counter;
use ctdb_test_programs::options::DatabaseOptions;
use ctdb_test_programs::run::{connect, run, say};
use tokio::time::{Instant, sleep, timeout};

/// The cluster's lock, the record and the counter that all clients want.
const SHARED: &str = "shared";
/// The volatile database of the record.
const RECORDS: &str = "upgrade_records.tdb";
/// How long a lock is held.
const HOLD: Duration = Duration::from_millis(5);
/// Between two rounds: the load is to be there, not to be heavy.
const PAUSE: Duration = Duration::from_millis(25);
/// A round that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    run("upgrade client", test)
}

async fn test() -> Result<(), Failure> {
    let options = DatabaseOptions::from_command_line()?;
    let end = Instant::now() + options.basic.timelimit;
    let ended = work(&options, end).await;
    if let Err(why) = &ended {
        say(&format!("error {} {why}", now()));
    }
    ended
}

/// Works until the time is over or something fails.
async fn work(options: &DatabaseOptions, end: Instant) -> Result<(), Failure> {
    let (client, _) = connect(&options.basic).await?;
    let records = client.attach(RECORDS, DbFlags::empty()).await?;
    let db = client
        .attach(&options.database, DbFlags::PERSISTENT)
        .await?;
    let locks = GLocks::open(&client).await?;
    say(&format!("again {}", now()));
    while Instant::now() < end {
        let round = async {
            cluster_lock(&client, &locks).await?;
            record_lock(&client, &records).await?;
            transaction(&db, &locks, &options.key).await
        };
        timeout(PATIENCE, round)
            .await
            .map_err(|_| format!("hangs for {PATIENCE:?}"))??;
        sleep(PAUSE).await;
    }
    Ok(())
}

async fn cluster_lock(client: &Client, locks: &GLocks) -> Result<(), Failure> {
    let holder = locks.holder(1);
    locks.lock(SHARED, holder, GLockKind::WRITE).await?;
    hold(client, "g_lock").await?;
    Ok(locks.unlock(SHARED, &holder).await?)
}

async fn record_lock(client: &Client, records: &Database) -> Result<(), Failure> {
    let mut record = records.fetch_lock(SHARED.as_bytes(), false).await?;
    let value = counter(record.data()) + 1;
    record.store(value.to_string().as_bytes())?;
    hold(client, "record").await
}

/// Keeps what was granted just now for a moment, and writes down how long that was certain.
async fn hold(client: &Client, what: &str) -> Result<(), Failure> {
    let from = now();
    sleep(HOLD).await;
    let to = now();
    client.pnn().await?;
    say(&format!("held {what} {from} {to}"));
    Ok(())
}

async fn transaction(db: &Database, locks: &GLocks, own: &[u8]) -> Result<(), Failure> {
    let mut transaction = db.transaction(locks, false).await?;
    for key in [SHARED.as_bytes(), own] {
        let value = counter(&transaction.fetch(key)?) + 1;
        transaction.store(key, value.to_string().as_bytes())?;
    }
    transaction.commit().await?;
    say(&format!("commit {}", now()));
    Ok(())
}

/// The time as all clients of the machine see it.
fn now() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("{:.6}", since.as_secs_f64())
}
