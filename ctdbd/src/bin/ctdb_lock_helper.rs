//! Waits for database locks in place of the daemon.

fn main() -> std::process::ExitCode {
    ctdb_crash::install("ctdb_lock_helper");
    ctdb_crash::rescue_bus_errors(tdb::rescue);
    ctdbd::lock_helper::main()
}
