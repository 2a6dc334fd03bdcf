//! Runs event scripts for the daemon.

fn main() {
    ctdb_crash::install("ctdb-eventd");
    std::process::exit(ctdbd::eventd::daemon_main());
}
