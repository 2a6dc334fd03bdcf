//! `ctdb-db-test [-d LEVEL] [-n NODE] [-t SECONDS] COMMAND ...`: see [`ctdb_test_programs::db_test`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ctdb_test_programs::db_test::main()
}
