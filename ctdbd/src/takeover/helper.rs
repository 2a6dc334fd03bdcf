// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb_takeover_helper FD SOCKET [PNN,PNN,...]`: one takeover run in a process of its own. The
//! result goes to FD as a native `int`, and is the exit code too.

use std::io;

use ctdb_client::Client;
use ctdb_client::procedure::takeover::Orders;
use ctdb_config::Paths;
use ctdb_protocol::Pnn;

use crate::log;

/// `errno` when the daemon cannot be reached or this program is called wrongly.
const EIO: i32 = 5;
const EINVAL: i32 = 22;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    result_fd: i32,
    socket: String,
    rebalance: Vec<Pnn>,
}

impl Arguments {
    /// Reads the command line, without the program's name; `None` if it makes no sense.
    #[must_use]
    pub fn parse(args: &[String]) -> Option<Self> {
        let (fd, socket, list) = match args {
            [fd, socket] => (fd, socket, ""),
            [fd, socket, list] => (fd, socket, list.as_str()),
            _ => return None,
        };
        // As C's atoi: what is no number is 0.
        let numbers = list.split(',').filter(|word| !word.is_empty());
        let rebalance = numbers.map(|word| Pnn(word.parse().unwrap_or(0)));
        Some(Self {
            result_fd: fd.parse().ok()?,
            socket: socket.clone(),
            rebalance: rebalance.collect(),
        })
    }
}

/// Does the program's work and gives its exit code.
#[must_use]
pub fn main(program: &str, args: &[String]) -> i32 {
    let Some(arguments) = Arguments::parse(args) else {
        eprintln!("\nUsage: {program} <output-fd> <ctdb-socket-path> [<force-rebalance-nodes>]");
        return 1;
    };
    let result = work(&arguments).err().unwrap_or(0);
    // Nobody left to read it means that nobody waits for it.
    let _ = write_result(arguments.result_fd, result);
    result
}

fn work(arguments: &Arguments) -> Result<(), i32> {
    log::init_from_environment("ctdb-takeover").map_err(|problem| {
        eprintln!("ctdb-takeover: Unable to initialize logging: {problem}");
        EINVAL
    })?;
    let paths = Paths::from_env().map_err(|problem| failed(&problem.to_string(), EINVAL))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|problem| failed(&problem.to_string(), EIO))?;
    runtime.block_on(async {
        watch_for_reopen();
        distribute(arguments, &paths).await
    })
}

async fn distribute(arguments: &Arguments, paths: &Paths) -> Result<(), i32> {
    let client = Client::connect(&arguments.socket).await;
    let client = client.map_err(|problem| failed(&problem.to_string(), EIO))?;
    let orders = Orders {
        rebalance: arguments.rebalance.clone(),
        failover_disabled: std::env::var_os("CTDB_DISABLE_IP_FAILOVER").is_some(),
    };
    let outcome = super::run(&client, &orders, paths.etcdir(), &log::note).await;
    outcome.map_err(|error| failed(&error.to_string(), error.0))
}

fn failed(text: &str, ret: i32) -> i32 {
    log::error!("{text}");
    ret
}

/// Opens the log anew on SIGHUP, as long as the runtime lives.
fn watch_for_reopen() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        return;
    };
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            log::reopen();
        }
    });
}

fn write_result(fd: i32, result: i32) -> io::Result<()> {
    crate::sys::descriptor::write_to(fd, &result.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let parse = |line| Arguments::parse(&crate::cmdline::words(line));
        assert_eq!(parse("3"), None);
        assert_eq!(parse("3 s 1 2"), None);
        assert_eq!(parse("x s"), None);
        assert!(parse("3 s").unwrap().rebalance.is_empty());
        assert_eq!(
            parse("3 s 2,0,2").unwrap().rebalance,
            [Pnn(2), Pnn(0), Pnn(2)]
        );
    }
}
