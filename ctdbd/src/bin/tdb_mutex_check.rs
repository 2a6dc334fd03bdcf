// SPDX-License-Identifier: GPL-3.0-or-later
//! Shows who holds the mutexes of a database; see [`ctdbd::tdb_mutex_check`].

use std::process::ExitCode;

use ctdbd::tdb_mutex_check::run;

fn main() -> ExitCode {
    ctdb_crash::install("tdb_mutex_check");
    ctdb_crash::rescue_bus_errors(tdb::rescue);
    let args: Vec<String> = std::env::args_os()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let [_, file, keys @ ..] = words.as_slice() else {
        let program = words.first().copied().unwrap_or("tdb_mutex_check");
        println!("Usage {program} <tdb file> [<key1> <key2>]");
        return ExitCode::FAILURE;
    };
    match run(file, keys, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("{message}");
            ExitCode::FAILURE
        }
    }
}
