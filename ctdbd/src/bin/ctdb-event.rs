//! Asks the event daemon, and links event scripts in and out.

fn main() {
    ctdb_crash::install("ctdb-event");
    std::process::exit(ctdbd::eventd::tool_main());
}
