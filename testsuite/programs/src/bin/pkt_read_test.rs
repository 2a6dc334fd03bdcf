//! `pkt_read_test`: see [`ctdb_test_programs::self_check::exchange::read_pieces`].

use std::process::ExitCode;

use ctdb_test_programs::self_check::{asynchronous, exchange};

fn main() -> ExitCode {
    asynchronous(exchange::read_pieces)
}
