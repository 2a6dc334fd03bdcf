//! The tunables that procedures look at, by their fixed places in GET_ALL_TUNABLES.

use std::time::Duration;

use ctdb_protocol::types::TunableList;

/// Declares accessors: name, place in the list, and what it is.
macro_rules! places {
    ($($(#[$meta:meta])* $name:ident $place:literal $kind:ident;)*) => {
        /// A daemon's tunables at one moment.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Tunables(pub TunableList);

        impl Tunables {
            $($(#[$meta])*
            #[must_use]
            pub fn $name(&self) -> places!(@type $kind) {
                places!(@value $kind, self.0.0[$place])
            })*
        }
    };
    (@type seconds) => { Duration };
    (@type number) => { u32 };
    (@type switch) => { bool };
    (@value seconds, $value:expr) => { Duration::from_secs(u64::from($value)) };
    (@value number, $value:expr) => { $value };
    (@value switch, $value:expr) => { $value != 0 };
}

places! {
    /// RecoverTimeout: limit of one control of a recovery or of the watch.
    recover_timeout 6 seconds;
    /// RecoverInterval: pause between two passes of the watch.
    recover_interval 7 seconds;
    /// ElectionTimeout: length of an election without cluster lock.
    election_timeout 8 seconds;
    /// TakeoverTimeout: limit of one control of a takeover run.
    takeover_timeout 9 seconds;
    /// RecoveryGracePeriod: how long a fault counts against a node.
    recovery_grace_period 15 seconds;
    /// RecoveryBanPeriod: length of a ban, seconds.
    recovery_ban_period_s 16 number;
    /// RerecoveryTimeout: how long after a recovery no other one begins.
    rerecovery_timeout 19 seconds;
    /// EnableBans: whether nodes are banned at all.
    enable_bans 20 switch;
    /// NoIPFailback: whether addresses stay where they are when a better place comes up.
    no_ip_failback 23 switch;
    /// RecLockLatencyMs: how slow the cluster lock may be, milliseconds.
    lock_latency_ms 29 number;
    /// NoIPTakeover: whether nodes take no further addresses.
    no_ip_takeover 49 switch;
    /// RecBufferSizeLimit: size of one message of records, bytes.
    record_buffer_bytes 58 number;
    /// IPAllocAlgorithm: 0 deterministic, 1 non-deterministic, 2 LCP2.
    address_algorithm 60 number;
}
