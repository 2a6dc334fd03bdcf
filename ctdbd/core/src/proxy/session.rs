//! What is remembered for one client connection.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ctdb_protocol::srvid::Srvid;

/// One connection of a process.
#[derive(Debug)]
pub(super) struct Session {
    /// Its pid by SO_PEERCRED.
    pub(super) pid: i32,
    /// What it listens to, with the numbers of its registrations, oldest first.
    pub(super) srvids: BTreeMap<Srvid, Vec<u64>>,
    /// Tunnels that it owns.
    pub(super) tunnels: BTreeSet<Srvid>,
    /// Messages to be sent to all connected nodes when it goes (REGISTER_NOTIFY).
    pub(super) notifies: BTreeMap<Srvid, Bytes>,
    /// START_PERSISTENT_UPDATE without CANCEL; leaving with any open forces a recovery.
    pub(super) open_updates: u32,
}

impl Session {
    /// A fresh connection.
    pub(super) fn new(pid: i32) -> Self {
        Self {
            pid,
            srvids: BTreeMap::new(),
            tunnels: BTreeSet::new(),
            notifies: BTreeMap::new(),
            open_updates: 0,
        }
    }
}
