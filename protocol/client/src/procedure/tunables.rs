//! The tunables that procedures look at, with their units. Names, places and defaults are those of
//! `ctdb-config`'s table.

use std::time::Duration;

use ctdb_protocol::types::TunableList;

/// Declares accessors: the name of `ctdb-config`'s, and what it is.
macro_rules! units {
    ($($(#[$meta:meta])* $name:ident: $kind:ident;)*) => {
        impl Tunables {
            $($(#[$meta])*
            #[must_use]
            pub fn $name(&self) -> units!(@type $kind) {
                units!(@value $kind, self.0.$name())
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

/// A daemon's tunables at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunables(ctdb_config::Tunables);

impl From<TunableList> for Tunables {
    fn from(list: TunableList) -> Self {
        Self(ctdb_config::Tunables::from_list(list.0))
    }
}

units! {
    /// RecoverTimeout: limit of one control of a recovery or of the watch.
    recover_timeout: seconds;
    /// RecoverInterval: pause between two passes of the watch.
    recover_interval: seconds;
    /// ElectionTimeout: length of an election without cluster lock.
    election_timeout: seconds;
    /// TakeoverTimeout: limit of one control of a takeover run.
    takeover_timeout: seconds;
    /// RecoveryGracePeriod: how long a fault counts against a node.
    recovery_grace_period: seconds;
    /// RecoveryBanPeriod: length of a ban, seconds.
    recovery_ban_period: number;
    /// RerecoveryTimeout: how long after a recovery no other one begins.
    rerecovery_timeout: seconds;
    /// EnableBans: whether nodes are banned at all.
    enable_bans: switch;
    /// NoIPFailback: whether addresses stay where they are when a better place comes up.
    no_ip_failback: switch;
    /// NoIPTakeover: whether nodes take no further addresses.
    no_ip_takeover: switch;
    /// RecBufferSizeLimit: size of one message of records, bytes.
    rec_buffer_size_limit: number;
    /// IPAllocAlgorithm: 0 deterministic, 1 non-deterministic, 2 LCP2.
    ip_alloc_algorithm: number;
}
