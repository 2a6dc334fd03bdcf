//! The daemon.

fn main() {
    std::process::exit(ctdbd::boot::main());
}
