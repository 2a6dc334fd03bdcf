//! `g_lock_loop -n NODES -t SECONDS`: all nodes take and release one cluster-wide lock again and
//! again.

use std::process::ExitCode;

use ctdb_client::database::GLocks;
use ctdb_protocol::types::GLockKind;
use ctdb_test_programs::Failure;
use ctdb_test_programs::cluster_wait::cluster_wait;
use ctdb_test_programs::options::Options;
use ctdb_test_programs::run::{connect, run, say};
use tokio::time::Instant;

fn main() -> ExitCode {
    run("g_lock loop", test)
}

async fn test() -> Result<(), Failure> {
    let options = Options::from_command_line()?;
    let (client, pnn) = connect(&options).await?;
    let locks = GLocks::open(&client).await?;
    cluster_wait(&client, pnn, options.num_nodes).await?;
    let holder = locks.holder(0);
    let start = Instant::now();
    let mut counter = 0_u32;
    while start.elapsed() < options.timelimit {
        locks.lock("testkey", holder, GLockKind::WRITE).await?;
        counter += 1;
        locks.unlock("testkey", &holder).await?;
    }
    say(&format!("PNN:{pnn} counter:{counter}"));
    Ok(())
}
