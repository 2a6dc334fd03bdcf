//! Waits for database locks in place of the daemon.

fn main() -> std::process::ExitCode {
    ctdbd::lock::helper::main()
}
