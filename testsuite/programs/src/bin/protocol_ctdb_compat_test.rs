//! `protocol_ctdb_compat_test FIRST_SEED [LAST_SEED]`: see [`ctdb_test_programs::self_check::layout::check`].

use std::process::ExitCode;

use ctdb_test_programs::self_check::{layout, seeded};

fn main() -> ExitCode {
    seeded(layout::check)
}
