//! `pkt_write_test`: see [`ctdb_test_programs::self_check::exchange::write_to_slow_reader`].

use std::process::ExitCode;

use ctdb_test_programs::self_check::{asynchronous, exchange};

fn main() -> ExitCode {
    asynchronous(exchange::write_to_slow_reader)
}
