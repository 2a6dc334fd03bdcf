//! Shows and checks `ctdb.conf`.

fn main() {
    std::process::exit(ctdbd::config_tool::main());
}
