//! `chaos_counter -D DATABASE -k NAME -t SECONDS`: raises counters of a volatile database through faults and writes
//! down each step. For `testsuite/interop/chaos`.
//!
//! All clients share a few counters. Each step locks one, adds one and prints `TIME KEY VALUE` with the
//! monotonic time in microseconds, read while the record was locked: sorted by time, the lines of all
//! clients are the history of each counter, in which every value must follow the one before it.

use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use ctdb_client::Client;
use ctdb_protocol::types::DbFlags;
use ctdb_test_programs::Failure;
use ctdb_test_programs::counter::counter;
use ctdb_test_programs::options::DatabaseOptions;
use ctdb_test_programs::run::run;
use nix::time::{ClockId, clock_gettime};
use tokio::time::{Instant, sleep, timeout};

/// Different counters have different lmasters.
const COUNTERS: u32 = 4;
/// A daemon that does not answer for this long is left: it may be stopped for good.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries to connect.
const RETRY: Duration = Duration::from_millis(200);
/// Between two steps.
const PAUSE: Duration = Duration::from_millis(5);

fn main() -> ExitCode {
    run("chaos counter", test)
}

async fn test() -> Result<(), Failure> {
    let options = DatabaseOptions::from_command_line()?;
    let end = Instant::now() + options.basic.timelimit;
    let mut out = BufWriter::new(std::io::stdout());
    while Instant::now() < end {
        if let Err(why) = count(&options, end, &mut out).await {
            eprintln!("{why}");
        }
        sleep(RETRY).await;
    }
    out.flush()?;
    Ok(())
}

/// Counts until the time is over or something fails.
async fn count(
    options: &DatabaseOptions,
    end: Instant,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = timeout(PATIENCE, Client::connect(&options.basic.socket)).await??;
    let attach = client.attach(&options.database, DbFlags::empty());
    let db = timeout(PATIENCE, attach).await??;
    let mut step = 0_u32;
    // A record that is here needs no daemon; whoever has none any more must not count.
    while Instant::now() < end && !client.is_closed() {
        let mut key = options.key.clone();
        key.extend_from_slice((step % COUNTERS).to_string().as_bytes());
        step = step.wrapping_add(1);
        let mut record = timeout(PATIENCE, db.fetch_lock(&key, false)).await??;
        let value = counter(record.data()) + 1;
        record.store(value.to_string().as_bytes())?;
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
        drop(record);
        writeln!(
            out,
            "{} {} {value}",
            now.tv_sec() * 1_000_000 + now.tv_nsec() / 1_000,
            String::from_utf8_lossy(&key)
        )?;
        sleep(PAUSE).await;
    }
    Ok(())
}
