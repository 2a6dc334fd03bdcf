//! `comm_server_test SOCKET CLIENTS`: see [`ctdb_test_programs::self_check::exchange::echo_server`].

use std::path::PathBuf;
use std::process::ExitCode;

use ctdb_test_programs::self_check::{asynchronous, exchange};

fn main() -> ExitCode {
    let socket = PathBuf::from(std::env::args_os().nth(1).unwrap_or_default());
    let clients = std::env::args()
        .nth(2)
        .and_then(|clients| clients.parse().ok());
    asynchronous(|| async move {
        exchange::echo_server(&socket, clients.ok_or("usage: SOCKET CLIENTS")?).await
    })
}
