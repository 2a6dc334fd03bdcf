// SPDX-License-Identifier: GPL-3.0-or-later
//! Measures byte-range locks of a cluster file system; see [`ctdbd::ping_pong`].

use std::process::ExitCode;

use ctdbd::ping_pong::{Failure, USAGE, run};

fn main() -> ExitCode {
    ctdb_crash::install("ping_pong");
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    match run(&words) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage) => print!("{USAGE}"),
        Err(Failure::UnknownOption(letter)) => eprintln!("Unknown option '{letter}'"),
        Err(Failure::Failed(message)) if message.is_empty() => {}
        Err(Failure::Failed(message)) => println!("{message}"),
    }
    ExitCode::FAILURE
}
