//! `dummy_client [-s SOCKET] [-n CONNECTIONS] [-t SECONDS] [-S SRVID]`: connects and waits. A
//! message to the port ends it; without one it fails when the time is up.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, Command, value_parser};
use ctdb_client::Client;
use ctdb_config::level::Level;
use ctdb_protocol::Srvid;
use ctdb_test_programs::Failure;
use ctdb_test_programs::options::default_socket;
use ctdb_test_programs::run::run;

fn main() -> ExitCode {
    run("dummy client", test)
}

async fn test() -> Result<(), Failure> {
    let number = || value_parser!(u32);
    let options = Command::new("dummy_client")
        .arg(Arg::new("socket").short('s').long("socket"))
        .arg(
            Arg::new("debug")
                .short('d')
                .long("debug")
                .default_value("ERR"),
        )
        .arg(
            Arg::new("nconn")
                .short('n')
                .long("nconn")
                .value_parser(number()),
        )
        .arg(
            Arg::new("timelimit")
                .short('t')
                .long("timelimit")
                .value_parser(number()),
        )
        .arg(Arg::new("srvid").short('S').long("srvid"))
        .try_get_matches()?;
    let debug: Option<&String> = options.get_one("debug");
    debug
        .and_then(|debug| Level::parse(debug))
        .ok_or("Invalid debug level")?;
    let socket = match options.get_one::<String>("socket") {
        Some(socket) => socket.into(),
        None => default_socket()?,
    };
    let mut clients = Vec::new();
    for _ in 0..options.get_one::<u32>("nconn").copied().unwrap_or(1) {
        clients.push(Client::connect(&socket).await?);
    }
    let last = clients.last().ok_or("No connection is wanted")?;
    let mut messages = match options.get_one::<String>("srvid") {
        Some(srvid) => Some(last.register(port(srvid)?).await?),
        None => None,
    };
    let limit = options.get_one::<u32>("timelimit").copied().unwrap_or(60);
    let message = async {
        match &mut messages {
            Some(messages) => messages.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = message => Ok(()),
        () = last.closed() => Err("Connection to the daemon lost".into()),
        () = tokio::time::sleep(Duration::from_secs(limit.into())) => Err("Time is up".into()),
    }
}

/// A port in decimal or hexadecimal.
fn port(text: &str) -> Result<Srvid, Failure> {
    Ok(Srvid(match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16)?,
        None => text.parse()?,
    }))
}
