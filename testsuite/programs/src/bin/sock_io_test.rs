//! `sock_io_test SOCKET`: see [`ctdb_test_programs::self_check::exchange::named_socket`].

use std::path::PathBuf;
use std::process::ExitCode;

use ctdb_test_programs::self_check::{asynchronous, exchange};

fn main() -> ExitCode {
    let socket = PathBuf::from(std::env::args_os().nth(1).unwrap_or_default());
    asynchronous(|| async move { exchange::named_socket(&socket).await })
}
