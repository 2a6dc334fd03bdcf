//! `ctdb_recovery_helper FD SOCKET GENERATION`: one recovery in a process of its own. On success a
//! native `int` 0 goes to FD, on failure nothing.

use ctdb_client::procedure::recovery;
use ctdb_protocol::id::Generation;

use super::{EIO, failed, run, write_result};
use crate::log;

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
    match work(&arguments) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn work(arguments: &Arguments) -> Result<(), i32> {
    run("ctdb-recovery", &arguments.socket, async |client| {
        recovery::run(&client, arguments.generation, &log::note)
            .await
            .map_err(|problem| failed(&problem, EIO))
    })?;
    write_result(arguments.result_fd, 0)
        .map_err(|e| failed(&format!("cannot report the result: {e}"), EIO))
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
