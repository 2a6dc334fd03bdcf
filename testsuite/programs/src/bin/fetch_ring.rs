//! `fetch_ring -n NODES -t SECONDS -D DATABASE -k KEY`: moves one record around the cluster: each
//! node fetches it, adds a line, and sends the next one a message.

use std::process::ExitCode;

use ctdb_client::Client;
use ctdb_client::database::Database;
use ctdb_protocol::{Pnn, Srvid};
use ctdb_test_programs::Failure;
use ctdb_test_programs::cluster_wait::cluster_wait;
use ctdb_test_programs::options::DatabaseOptions;
use ctdb_test_programs::run::{connect, run, say};

/// Where the messages go.
const PORT: Srvid = Srvid(0);
/// A longer record begins anew.
const SIZE_LIMIT: usize = 1000;

fn main() -> ExitCode {
    run("fetch ring", test)
}

async fn test() -> Result<(), Failure> {
    let options = DatabaseOptions::from_command_line()?;
    let num_nodes = options.basic.num_nodes;
    let (client, pnn) = connect(&options.basic).await?;
    let db = client.attach(&options.database, options.kind).await?;
    let mut messages = client.register(PORT).await?;
    cluster_wait(&client, pnn, num_nodes).await?;

    let next = Pnn((pnn.0 + 1) % num_nodes);
    let mut count = 0_u32;
    if pnn.0 == num_nodes - 1 {
        step(&client, &db, &options.key, count, next).await?;
    }
    let end = tokio::time::sleep(options.basic.timelimit);
    tokio::pin!(end);
    loop {
        tokio::select! {
            biased;
            () = &mut end => break,
            message = messages.recv() => {
                message.ok_or("Connection to the daemon lost")?;
                count += 1;
                step(&client, &db, &options.key, count, next).await?;
            }
        }
    }
    let rate = f64::from(count) / options.basic.timelimit.as_secs_f64();
    say(&format!("Fetch[{pnn}]: {rate:.2} msgs/sec"));

    let record = db.fetch_lock(&options.key, false).await?;
    if options.basic.interactive {
        let data = record.data();
        let text = data.strip_suffix(b"\0").unwrap_or(data);
        say(&format!("DATA:\n{}", String::from_utf8_lossy(text)));
    }
    Ok(())
}

/// Adds a line to the record and tells the next node.
async fn step(
    client: &Client,
    db: &Database,
    key: &[u8],
    count: u32,
    next: Pnn,
) -> Result<(), Failure> {
    let pnn = client.pnn().await?;
    let mut record = db.fetch_lock(key, false).await?;
    let mut text = match record.data() {
        data if data.is_empty() || data.len() > SIZE_LIMIT => b"Test data\n".to_vec(),
        data => data.strip_suffix(b"\0").unwrap_or(data).to_vec(),
    };
    text.extend_from_slice(format!("msg_count={count} on node {pnn}\n\0").as_bytes());
    record.store(&text)?;
    drop(record);
    client.send_message(next, PORT, Vec::new());
    Ok(())
}
