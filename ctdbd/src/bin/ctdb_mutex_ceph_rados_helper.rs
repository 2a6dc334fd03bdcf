//! Holds the cluster lock as a lock on an object in a Ceph pool.

fn main() -> std::process::ExitCode {
    ctdbd::mutex::rados_helper::main()
}
