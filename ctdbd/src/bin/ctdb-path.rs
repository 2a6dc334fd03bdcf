//! Says where CTDB's files are.

fn main() {
    ctdb_crash::install("ctdb-path");
    std::process::exit(ctdbd::path_tool::main());
}
