//! `srvid_test`: see [`ctdb_test_programs::self_check::client::ports`].

use std::process::ExitCode;

use ctdb_test_programs::self_check::{asynchronous, client};

fn main() -> ExitCode {
    asynchronous(client::ports)
}
