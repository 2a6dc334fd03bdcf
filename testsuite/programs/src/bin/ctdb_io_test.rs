//! `ctdb_io_test NUMBER`: see [`ctdb_test_programs::self_check::exchange::connection`].

use std::process::ExitCode;

use ctdb_test_programs::self_check::{asynchronous, exchange};

fn main() -> ExitCode {
    let number = std::env::args()
        .nth(1)
        .and_then(|number| number.parse().ok());
    asynchronous(|| exchange::connection(number.unwrap_or(0)))
}
