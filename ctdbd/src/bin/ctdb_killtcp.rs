// SPDX-License-Identifier: GPL-3.0-or-later
//! Resets TCP connections; see [`ctdbd::killtcp`].

use std::process::ExitCode;

use ctdbd::killtcp::{Failure, run};

fn main() -> ExitCode {
    ctdb_crash::install("ctdb_killtcp");
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage) => {
            let program = args.first().map_or("ctdb_killtcp", String::as_str);
            println!("usage: {program} <interface> [ <srcip:port> <dstip:port> ]");
            ExitCode::from(1)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("{message}");
            ExitCode::from(255)
        }
    }
}
