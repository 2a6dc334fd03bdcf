// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb_takeover_helper FD SOCKET [PNN,PNN,...]`: one takeover run in a process of its own. The
//! result goes to FD as a native `int`, and is the exit code too.

use ctdb_client::procedure::takeover::Orders;
use ctdb_config::Paths;
use ctdb_protocol::Pnn;

use super::{EINVAL, failed, run, write_result};
use crate::{log, takeover};

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
    run("ctdb-takeover", &arguments.socket, async |client| {
        reopen_on_hangup();
        let paths = Paths::from_env().map_err(|problem| failed(&problem, EINVAL))?;
        let orders = Orders {
            rebalance: arguments.rebalance.clone(),
            failover_disabled: std::env::var_os("CTDB_DISABLE_IP_FAILOVER").is_some(),
        };
        let outcome = takeover::run(&client, &orders, paths.etcdir(), &log::note).await;
        outcome.map_err(|error| failed(&error, error.0))
    })
}

/// Opens the log anew on SIGHUP, as long as the runtime lives.
fn reopen_on_hangup() {
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
