//! What the configuration fixes for the life of the daemon.

/// What the configuration fixes for the life of the daemon.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Pid that clients see as the daemon's.
    pub pid: i32,
    /// `[cluster] cluster lock`, as written; `None` when there is none.
    pub cluster_lock: Option<String>,
    /// `CTDB_TEST_MODE`: quick start, no look at real addresses.
    pub test_mode: bool,
    /// `[failover] disabled`.
    pub failover_disabled: bool,
    /// `[failover] shutdown failover timeout`, seconds.
    pub shutdown_failover_timeout_s: u32,
    /// `[failover] shutdown extra timeout`, seconds.
    pub shutdown_extra_timeout_s: u32,
    /// `[legacy] start as disabled`.
    pub start_as_disabled: bool,
    /// `[legacy] start as stopped`.
    pub start_as_stopped: bool,
    /// `[cluster] leader capability`.
    pub leader_capability: bool,
    /// `[legacy] lmaster capability`.
    pub lmaster_capability: bool,
    /// Version word of the keepalive: major << 16 | minor of Samba.
    pub samba_version: u32,
    /// The version was forced (CTDB_TEST_SAMBA_VERSION): any other one is a mismatch, as in C.
    pub strict_version: bool,
    /// Log level at start, as GET_DEBUG reports it.
    pub log_level: i32,
}
