// SPDX-License-Identifier: GPL-3.0-or-later
//! rpc.statd's ha-callout; see [`ctdbd::statd::callout`].

use std::process::ExitCode;

use ctdbd::statd::{Failure, callout};

fn main() -> ExitCode {
    ctdb_crash::install("statd_callout");
    let args: Vec<String> = std::env::args_os()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let program = args.first().map_or("statd_callout", String::as_str);
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    match callout::run(&words) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Failed(message)) => eprintln!("{program}: {message}"),
        Err(Failure::Usage) => {
            println!("usage: {program} {{ add-client | del-client }} <client-ip>");
            println!("       {program} sm-notify mon_name ip_addr state");
        }
    }
    ExitCode::FAILURE
}
