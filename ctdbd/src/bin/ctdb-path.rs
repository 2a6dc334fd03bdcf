//! Says where CTDB's files are.

fn main() {
    std::process::exit(ctdbd::path_tool::main());
}
