//! `event_protocol_test FIRST_SEED [LAST_SEED]`: see [`ctdb_test_programs::self_check::values::events`].

use std::process::ExitCode;

use ctdb_test_programs::self_check::{seeded, values};

fn main() -> ExitCode {
    seeded(values::events)
}
