//! Shows and checks `ctdb.conf`.

fn main() {
    ctdb_crash::install("ctdb-config");
    std::process::exit(ctdbd::config_tool::main());
}
