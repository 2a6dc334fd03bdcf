//! `fetch_loop_key -t SECONDS -D DATABASE -k KEY`: fetches a record again and again, and writes it.

use std::process::ExitCode;

use ctdb_test_programs::Failure;
use ctdb_test_programs::fetch_loop::{Access, fetch_loop};
use ctdb_test_programs::options::DatabaseOptions;
use ctdb_test_programs::run::{connect, run};

fn main() -> ExitCode {
    run("fetch loop", test)
}

async fn test() -> Result<(), Failure> {
    let options = DatabaseOptions::from_command_line()?;
    let (client, _) = connect(&options.basic).await?;
    let db = client.attach(&options.database, options.kind).await?;
    fetch_loop(&db, &options.key, Access::Write, &options.basic).await
}
