//! Holds the cluster lock as an fcntl lock on a file.

fn main() -> std::process::ExitCode {
    ctdbd::mutex::fcntl_helper::main()
}
