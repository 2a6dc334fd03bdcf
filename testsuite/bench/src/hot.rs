// SPDX-License-Identifier: GPL-3.0-or-later
//! One record that every client of every node wants. A client is a process: the locks of the
//! database file belong to processes.

use std::process::{Command, Stdio};
use std::time::Duration;

use ctdb_protocol::Pnn;
use ctdb_protocol::types::DbFlags;
use ctdb_test_programs::Failure;
use ctdb_test_programs::cluster_wait::cluster_wait;
use tokio::time::Instant;

use crate::Options;

const KEY: &[u8] = b"hot";

/// Starts the clients, adds up what they say.
pub(crate) async fn all(options: &Options) -> Result<(), Failure> {
    let client = options.connect().await?;
    let pnn: Pnn = client.pnn().await?;
    cluster_wait(&client, pnn, options.nodes).await?;
    let program = std::env::current_exe()?;
    let mut children = Vec::new();
    for _ in 0..options.clients {
        let child = Command::new(&program)
            .args(["hot-client", "--seconds", &options.seconds.to_string()])
            .args(["--database", &options.database])
            .stdout(Stdio::piped())
            .spawn()?;
        children.push(child);
    }
    let mut waits: Vec<f64> = Vec::new();
    let mut least = usize::MAX;
    for child in children {
        let output = child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let own: Vec<f64> = text.lines().filter_map(|line| line.parse().ok()).collect();
        if !output.status.success() {
            return Err("a client failed".into());
        }
        least = least.min(own.len());
        waits.extend(own);
    }
    waits.sort_by(f64::total_cmp);
    println!(
        "rate {:.1}",
        waits.len() as f64 / options.time().as_secs_f64()
    );
    println!("p50_ms {:.3}", percentile(&waits, 50));
    println!("p99_ms {:.3}", percentile(&waits, 99));
    println!("least {least}");
    Ok(())
}

/// Takes the record, holds it a moment, gives it back; prints each wait in milliseconds.
pub(crate) async fn one(options: &Options) -> Result<(), Failure> {
    let client = options.connect().await?;
    let database = client.attach(&options.database, DbFlags::empty()).await?;
    let end = Instant::now() + options.time();
    let mut waits_ms = Vec::new();
    while Instant::now() < end {
        let began = Instant::now();
        let mut record = database.fetch_lock(KEY, false).await?;
        let wait = began.elapsed();
        let count = record
            .data()
            .first_chunk::<8>()
            .map_or(0, |word| u64::from_ne_bytes(*word));
        record.store(&(count + 1).to_ne_bytes())?;
        drop(record);
        waits_ms.push(wait.as_secs_f64() * 1000.0);
        // Somebody else's turn: without a pause a client takes the lock back before others see it free.
        // The thread sleeps, not the task: the runtime's timers cost more than the grant does.
        std::thread::sleep(Duration::from_millis(1));
    }
    let lines: Vec<String> = waits_ms.iter().map(|ms| format!("{ms:.4}\n")).collect();
    print!("{}", lines.concat());
    Ok(())
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted
        .get(sorted.len().saturating_sub(1) * percent / 100)
        .copied()
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_members_of_the_list() {
        let list: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&list, 99), 99.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }
}
