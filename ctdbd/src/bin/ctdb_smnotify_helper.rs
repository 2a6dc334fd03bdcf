// SPDX-License-Identifier: GPL-3.0-or-later
//! Prints the files of sm-notify; see [`ctdbd::statd::smnotify`].

use std::io::{self, Write};
use std::process::ExitCode;

use ctdbd::statd::smnotify;

fn main() -> ExitCode {
    ctdb_crash::install("ctdb_smnotify_helper");
    let args: Vec<String> = std::env::args_os()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let program = args.first().map_or("ctdb_smnotify_helper", String::as_str);
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    let Ok(output) = smnotify::output(&words) else {
        println!("usage: {program} {{ monitor <client-ip> <source-ip> | state <state> }}");
        return ExitCode::FAILURE;
    };
    match io::stdout().write_all(&output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}
