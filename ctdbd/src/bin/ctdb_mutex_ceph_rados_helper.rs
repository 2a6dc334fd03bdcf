//! Holds the cluster lock as a lock on an object in a Ceph pool.

fn main() -> std::process::ExitCode {
    ctdb_crash::install("ctdb_mutex_ceph_rados_helper");
    ctdbd::cluster_lock::rados_helper::main()
}
