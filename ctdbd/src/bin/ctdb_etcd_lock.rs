//! Holds the cluster lock as a key in etcd.

fn main() -> std::process::ExitCode {
    ctdbd::mutex::etcd_lock::main()
}
