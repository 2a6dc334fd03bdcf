//! `fetch_loop -n NODES -t SECONDS`: all nodes fetch one record again and again, and write it.

use std::process::ExitCode;

use ctdb_protocol::types::DbFlags;
use ctdb_test_programs::Failure;
use ctdb_test_programs::cluster_wait::cluster_wait;
use ctdb_test_programs::fetch_loop::{Access, fetch_loop};
use ctdb_test_programs::options::Options;
use ctdb_test_programs::run::{connect, run};

fn main() -> ExitCode {
    run("fetch loop", test)
}

async fn test() -> Result<(), Failure> {
    let options = Options::from_command_line()?;
    let (client, pnn) = connect(&options).await?;
    let db = client.attach("fetch_loop.tdb", DbFlags::empty()).await?;
    cluster_wait(&client, pnn, options.num_nodes).await?;
    fetch_loop(&db, b"testkey", Access::Write, &options).await
}
