//! The daemon.

fn main() {
    ctdb_crash::install("ctdbd");
    ctdb_crash::rescue_bus_errors(tdb::rescue);
    std::process::exit(ctdbd::boot::main());
}
