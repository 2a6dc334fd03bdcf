//! `reqid_test`: see [`ctdb_test_programs::self_check::client::request_numbers`].

use std::process::ExitCode;

use ctdb_test_programs::self_check::{asynchronous, client};

fn main() -> ExitCode {
    asynchronous(client::request_numbers)
}
