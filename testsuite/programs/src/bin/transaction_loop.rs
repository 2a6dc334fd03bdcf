//! `transaction_loop -n NODES -t SECONDS -D DATABASE -k KEY -T persistent|replicated`: counts in
//! transactions on one record that has a counter for each node. No counter may ever go down.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use ctdb_client::database::{Database, GLocks};
use ctdb_protocol::Pnn;
use ctdb_test_programs::Failure;
use ctdb_test_programs::cluster_wait::cluster_wait;
use ctdb_test_programs::options::DatabaseOptions;
use ctdb_test_programs::run::{connect, run, say};
use tokio::time::Instant;

fn main() -> ExitCode {
    run("transaction loop", test)
}

async fn test() -> Result<(), Failure> {
    let options = DatabaseOptions::from_command_line()?;
    let (client, pnn) = connect(&options.basic).await?;
    if options.kind.is_empty() {
        return Err("Database must be persistent or replicated".into());
    }
    let db = client.attach(&options.database, options.kind).await?;
    let locks = GLocks::open(&client).await?;
    let num_nodes = options.basic.num_nodes as usize;
    cluster_wait(&client, pnn, options.basic.num_nodes).await?;

    let start = Instant::now();
    let mut told = start;
    let mut before = vec![0; num_nodes];
    loop {
        let counters = count(&db, &locks, &options.key, pnn, num_nodes).await?;
        if pnn == Pnn(0) {
            compare(&before, &counters)?;
        }
        before = counters;
        if start.elapsed() >= options.basic.timelimit {
            say(&line(pnn, &before));
            return Ok(());
        }
        if options.basic.interactive && told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            say(&line(pnn, &before));
        }
    }
}

/// One transaction: this node's counter goes up.
async fn count(
    db: &Database,
    locks: &GLocks,
    key: &[u8],
    pnn: Pnn,
    num_nodes: usize,
) -> Result<Vec<u32>, Failure> {
    let mut transaction = db.transaction(locks, false).await?;
    let data = transaction.fetch(key)?;
    let (chunks, _) = data.as_chunks::<4>();
    let mut counters: Vec<u32> = chunks
        .iter()
        .map(|chunk| u32::from_ne_bytes(*chunk))
        .collect();
    counters.resize(num_nodes, 0);
    let own = counters
        .get_mut(pnn.0 as usize)
        .ok_or("More nodes than -n says")?;
    *own += 1;
    let data: Vec<u8> = counters
        .iter()
        .flat_map(|counter| counter.to_ne_bytes())
        .collect();
    transaction.store(key, &data)?;
    transaction.commit().await?;
    Ok(counters)
}

fn compare(before: &[u32], after: &[u32]) -> Result<(), Failure> {
    for (node, (before, after)) in before.iter().zip(after).enumerate() {
        if after < before {
            let why = format!("Counter reduced for node {node}: {before} -> {after}");
            return Err(why.into());
        }
    }
    Ok(())
}

fn line(pnn: Pnn, counters: &[u32]) -> String {
    let mut line = format!("Transaction[{pnn}]: ");
    for counter in counters {
        let _ = write!(line, "{counter:6} ");
    }
    line
}
