//! Runs event scripts for the daemon.

fn main() {
    std::process::exit(ctdbd::eventd::daemon_main());
}
