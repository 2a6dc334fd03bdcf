// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb-load messages|migrations|hot`: load on one node, to be started on all nodes at once.
//! Prints `rate N` (per second), and for `hot` also `p50_ms`, `p99_ms` and `least` (the fewest
//! grants that any client had).

mod hot;
mod many;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use ctdb_client::Client;
use ctdb_config::Paths;
use ctdb_test_programs::Failure;
use ctdb_test_programs::run::run;

/// Puts load on the daemon of this node.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// What the clients do.
    #[arg(value_enum)]
    work: Work,
    /// How many clients.
    #[arg(long, default_value_t = 64)]
    clients: u32,
    /// How long.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How many nodes take part.
    #[arg(long, default_value_t = 3)]
    nodes: u32,
    /// The volatile database; it must be attached already.
    #[arg(long, default_value = "load.tdb")]
    database: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    /// Each client keeps messages to a client of the next node in flight.
    Messages,
    /// Each client fetches records of all nodes, one after the other.
    Migrations,
    /// Each client, a process of its own, takes and gives back one record's lock.
    Hot,
    /// One of the processes of `hot`.
    #[value(hide = true)]
    HotClient,
}

impl Options {
    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    async fn connect(&self) -> Result<Client, Failure> {
        let paths = Paths::from_env()?;
        Ok(Client::connect(paths.socket("ctdbd")).await?)
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    run("ctdb-load", || async move {
        match options.work {
            Work::Messages => many::messages(&options).await,
            Work::Migrations => many::migrations(&options).await,
            Work::Hot => hot::all(&options).await,
            Work::HotClient => hot::one(&options).await,
        }
    })
}
