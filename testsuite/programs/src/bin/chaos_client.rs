//! `chaos_client -D DATABASE -k NAME -t SECONDS`: writes through faults and keeps account of what was
//! acknowledged. For `testsuite/interop/chaos`.
//!
//! In one transaction each it raises the counter that all clients share, and its own counter `NAME`.
//! When the daemon goes away it connects again; what a commit that was cut off has come to is read from
//! its own counter, which nobody else writes. At the end it prints `NAME acknowledged=N unsure=N`: how
//! many commits were acknowledged, and how many were cut off and are not known to have failed.

use std::process::ExitCode;
use std::time::Duration;

use ctdb_client::database::GLocks;
use ctdb_protocol::types::DbFlags;
use ctdb_test_programs::Failure;
use ctdb_test_programs::counter::counter;
use ctdb_test_programs::options::DatabaseOptions;
use ctdb_test_programs::run::{connect, run, say};
use tokio::time::{Instant, sleep, timeout};

/// The counter of all clients.
const SHARED: &[u8] = b"shared";
/// A daemon that does not answer for this long is left: it may be stopped for good.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    run("chaos client", test)
}

/// What this client knows about its commits.
#[derive(Debug, Default)]
struct Account {
    acknowledged: u64,
    unsure: u64,
}

async fn test() -> Result<(), Failure> {
    let options = DatabaseOptions::from_command_line()?;
    let end = Instant::now() + options.basic.timelimit;
    let mut account = Account::default();
    while Instant::now() < end {
        let session = write(&options, end, &mut account);
        if timeout(PATIENCE, session).await.is_err() {
            account.unsure += 1;
        }
        sleep(PAUSE).await;
    }
    say(&format!(
        "{} acknowledged={} unsure={}",
        String::from_utf8_lossy(&options.key),
        account.acknowledged,
        account.unsure
    ));
    Ok(())
}

/// Writes until the time is over or something fails.
async fn write(
    options: &DatabaseOptions,
    end: Instant,
    account: &mut Account,
) -> Result<(), Failure> {
    let (client, _) = connect(&options.basic).await?;
    let db = client
        .attach(&options.database, DbFlags::PERSISTENT)
        .await?;
    let locks = GLocks::open(&client).await?;
    while Instant::now() < end {
        let mut transaction = db.transaction(&locks, false).await?;
        for key in [SHARED, options.key.as_slice()] {
            let value = counter(&transaction.fetch(key)?) + 1;
            transaction.store(key, value.to_string().as_bytes())?;
        }
        // From here on the commit may have happened even if no answer comes.
        account.unsure += 1;
        transaction.commit().await?;
        account.unsure -= 1;
        account.acknowledged += 1;
    }
    Ok(())
}
