//! Holds the cluster lock as an fcntl lock on a file.

fn main() -> std::process::ExitCode {
    ctdb_crash::install("ctdb_mutex_fcntl_helper");
    ctdbd::cluster_lock::fcntl_helper::main()
}
