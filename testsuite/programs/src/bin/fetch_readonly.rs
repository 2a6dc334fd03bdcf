//! `fetch_readonly -D DATABASE -k KEY`: fetches a read-only copy of a record, once.

use std::process::ExitCode;

use ctdb_test_programs::Failure;
use ctdb_test_programs::options::DatabaseOptions;
use ctdb_test_programs::run::{connect, run};

fn main() -> ExitCode {
    run("fetch readonly", test)
}

async fn test() -> Result<(), Failure> {
    let options = DatabaseOptions::from_command_line()?;
    let (client, _) = connect(&options.basic).await?;
    let db = client.attach(&options.database, options.kind).await?;
    db.fetch_lock(&options.key, true).await?;
    Ok(())
}
