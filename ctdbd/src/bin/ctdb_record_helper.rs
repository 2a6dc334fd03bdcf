//! Works on database files in place of the daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    ctdb_crash::install("ctdb_record_helper");
    ctdb_crash::rescue_bus_errors(tdb::rescue);
    ctdbd::record_helper::main()
}
