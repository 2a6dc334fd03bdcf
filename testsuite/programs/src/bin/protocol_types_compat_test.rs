//! `protocol_types_compat_test FIRST_SEED [LAST_SEED]`: see [`ctdb_test_programs::self_check::sizes::check`].

use std::process::ExitCode;

use ctdb_test_programs::self_check::{seeded, sizes};

fn main() -> ExitCode {
    seeded(sizes::check)
}
