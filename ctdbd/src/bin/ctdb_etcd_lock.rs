//! Holds the cluster lock as a key in etcd.

fn main() -> std::process::ExitCode {
    ctdb_crash::install("ctdb_etcd_lock");
    ctdbd::cluster_lock::etcd_lock::main()
}
