//! What the three programs have in common that fetch one record again and again.

use std::time::Duration;

use ctdb_client::database::Database;
use tokio::time::Instant;

use crate::Failure;
use crate::options::Options;
use crate::run::say;

/// How a record is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To be written: it gets the number of fetches as its value.
    Write,
    /// To be read: a copy will do.
    Read,
}

/// Fetches until the time is up and prints how often.
///
/// # Errors
/// When the record cannot be had.
pub async fn fetch_loop(
    db: &Database,
    key: &[u8],
    access: Access,
    options: &Options,
) -> Result<(), Failure> {
    let start = Instant::now();
    let mut told = start;
    let mut count = 0_u32;
    while start.elapsed() < options.timelimit {
        let mut record = db.fetch_lock(key, access == Access::Read).await?;
        if access == Access::Write {
            record.store(&count.to_ne_bytes())?;
        }
        drop(record);
        count += 1;
        if options.interactive && told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            print!("Locks:{count}\r");
        }
    }
    say(&format!("Locks:{count}"));
    Ok(())
}
