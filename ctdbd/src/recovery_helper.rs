//! `ctdb_recovery_helper FD SOCKET GENERATION`: one recovery in a process of its own. On success a
//! native `int` 0 goes to FD, on failure nothing.
//!
//! The daemon recovers inside its own process; this program is for whoever ran upstream's.

use ctdb_client::Client;
use ctdb_client::procedure::recovery;
use ctdb_protocol::id::Generation;

use crate::{log, sys};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Arguments {
    result_fd: i32,
    socket: String,
    generation: Generation,
}

impl Arguments {
    fn parse(args: &[String]) -> Option<Self> {
        let [fd, socket, generation] = args else {
            return None;
        };
        Some(Self {
            result_fd: fd.parse().ok()?,
            socket: socket.clone(),
            generation: Generation(generation.parse().ok()?),
        })
    }
}

/// Does the program's work and gives its exit code.
#[must_use]
pub fn main(program: &str, args: &[String]) -> i32 {
    let Some(arguments) = Arguments::parse(args) else {
        eprintln!("\nUsage: {program} <output-fd> <ctdb-socket-path> <generation>");
        return 1;
    };
    if let Err(problem) = log::init_from_environment("ctdb-recovery") {
        eprintln!("ctdb-recovery: Unable to initialize logging: {problem}");
        return 1;
    }
    match work(&arguments) {
        Ok(()) => 0,
        Err(problem) => {
            log::error!("{problem}");
            1
        }
    }
}

fn work(arguments: &Arguments) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start the runtime: {e}"))?;
    runtime.block_on(async {
        let client = Client::connect(&arguments.socket).await;
        let client = client.map_err(|e| e.to_string())?;
        recovery::run(&client, arguments.generation, &log::note)
            .await
            .map_err(|e| e.to_string())
    })?;
    sys::descriptor::write_to(arguments.result_fd, &0_i32.to_ne_bytes())
        .map_err(|e| format!("cannot report the result: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let parse = |line| Arguments::parse(&crate::cmdline::words(line));
        assert_eq!(parse("3 s"), None);
        assert_eq!(parse("3 s x"), None);
        let arguments = parse("3 s 77").unwrap();
        assert_eq!(arguments.generation, Generation(77));
    }
}
