//! `storm_client -D DATABASE -k KEY -v hold|leave|fetch|grant|crowd [-t SECONDS]`: locks as smbd has them, to see what
//! the daemon makes of them. For `testsuite/interop/storm`. The database has to be attached.
//!
//! - `hold`: keeps the chain of a record locked for SECONDS while a thousand connections ask for records of
//!   that chain; prints `early N` (answers that came before the lock was let go) and `answered N`.
//! - `leave`: ends with the lock held in a way that the kernel does not notice, as a process does that
//!   unmaps the file first; prints the thread's number.
//! - `crowd`: a thousand connections that do nothing, for SECONDS.
//! - `fetch`: brings the record here, once.
//! - `grant`: for SECONDS, lets a lock go that the daemon waits for and measures how long the client takes
//!   to hear of it; prints `grants N`, `p50_us N` and `p99_us N`.

use std::process::ExitCode;
use std::time::Duration;

use ctdb_client::Client;
use ctdb_client::database::Database;
use ctdb_protocol::DbId;
use ctdb_protocol::types::{CallFlags, CallFunction, DbFlags};
use ctdb_test_programs::Failure;
use ctdb_test_programs::options::DatabaseOptions;
use ctdb_test_programs::run::{run, say};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

/// Connections that wait at the same time.
const WAITERS: usize = 1000;
/// Different records of the one chain.
const RECORDS: usize = 4;
/// How long answers may take once the lock is free. A bound for a hung test, not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the daemon needs to begin to wait for a lock.
const SETTLE: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    run("storm client", test)
}

async fn test() -> Result<(), Failure> {
    let options = DatabaseOptions::from_command_line()?;
    let client = Client::connect(&options.basic.socket).await?;
    let db = client.attach(&options.database, DbFlags::empty()).await?;
    match options.value.as_slice() {
        b"hold" => hold(&options, &db).await,
        b"leave" => leave(db, &options.key).await,
        b"fetch" => {
            drop(db.fetch_lock(&options.key, false).await?);
            Ok(())
        }
        b"crowd" => crowd(&options).await,
        b"grant" => grant(&options, &db).await,
        _ => Err("-v hold, leave, fetch, grant or crowd".into()),
    }
}

/// Keys of the chain of `key`, itself first.
fn same_chain(db: &Database, key: &[u8]) -> Vec<Vec<u8>> {
    let chain = db.tdb().chain(key);
    let others = (0_u32..)
        .map(|number| format!("storm {number}").into_bytes())
        .filter(|other| db.tdb().chain(other) == chain);
    std::iter::once(key.to_vec())
        .chain(others)
        .take(RECORDS)
        .collect()
}

/// Asks for a record to come here, as smbd does when the local copy is not its own.
async fn migrate(client: &Client, db: DbId, key: Vec<u8>) -> Result<Instant, Failure> {
    let flags = CallFlags::IMMEDIATE_MIGRATION;
    let call = client.call(db, key, CallFunction::NULL, flags);
    timeout(PATIENCE, call).await??;
    Ok(Instant::now())
}

async fn connect_all(options: &DatabaseOptions) -> Result<Vec<Client>, Failure> {
    let mut clients = Vec::new();
    for _ in 0..WAITERS {
        clients.push(Client::connect(&options.basic.socket).await?);
    }
    Ok(clients)
}

async fn crowd(options: &DatabaseOptions) -> Result<(), Failure> {
    let clients = connect_all(options).await?;
    say(&format!("connected {}", clients.len()));
    sleep(options.basic.timelimit).await;
    Ok(())
}

async fn hold(options: &DatabaseOptions, db: &Database) -> Result<(), Failure> {
    let keys = same_chain(db, &options.key);
    for key in &keys {
        drop(db.fetch_lock(key, false).await?);
    }
    let clients = connect_all(options).await?;
    let record = db.fetch_lock(&options.key, false).await?;
    let released = Instant::now() + options.basic.timelimit;
    let release = async {
        tokio::time::sleep_until(released).await;
        drop(record);
    };
    let asked = clients
        .iter()
        .zip(keys.iter().cycle())
        .map(|(client, key)| migrate(client, db.id(), key.clone()));
    let (answers, ()) = tokio::join!(join_all(asked), release);
    let times: Vec<Instant> = answers.into_iter().collect::<Result<_, _>>()?;
    let early = times.iter().filter(|time| **time < released).count();
    say(&format!("early {early}"));
    say(&format!("answered {}", times.len()));
    Ok(())
}

async fn leave(db: Database, key: &[u8]) -> Result<(), Failure> {
    // The record has to be there, so that whoever wants it has to lock its chain.
    drop(db.fetch_lock(key, false).await?);
    db.tdb().chain_lock(key)?.keep();
    say(&format!("{}", std::process::id()));
    drop(db);
    Ok(())
}

async fn grant(options: &DatabaseOptions, db: &Database) -> Result<(), Failure> {
    let waiter = Client::connect(&options.basic.socket).await?;
    let end = Instant::now() + options.basic.timelimit;
    let mut times_us = Vec::new();
    while Instant::now() < end {
        let record = db.fetch_lock(&options.key, false).await?;
        let release = async {
            sleep(SETTLE).await;
            drop(record);
            Instant::now()
        };
        let (answered, released) =
            tokio::join!(migrate(&waiter, db.id(), options.key.clone()), release);
        times_us.push(answered?.saturating_duration_since(released).as_micros());
    }
    times_us.sort_unstable();
    let at = |percent: usize| times_us.get(times_us.len() * percent / 100).copied();
    say(&format!("grants {}", times_us.len()));
    say(&format!("p50_us {}", at(50).ok_or("no grant")?));
    say(&format!("p99_us {}", at(99).ok_or("no grant")?));
    Ok(())
}
