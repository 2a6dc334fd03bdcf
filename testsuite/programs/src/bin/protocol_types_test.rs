//! `protocol_types_test FIRST_SEED [LAST_SEED]`: see [`ctdb_test_programs::self_check::values::structures`].

use std::process::ExitCode;

use ctdb_test_programs::self_check::{seeded, values};

fn main() -> ExitCode {
    seeded(values::structures)
}
