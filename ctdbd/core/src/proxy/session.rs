//! What is remembered for one client connection.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ctdb_protocol::id::DbId;
use ctdb_protocol::srvid::Srvid;

/// One connection of a process.
#[derive(Debug)]
pub struct Session {
    /// Its pid by SO_PEERCRED.
    pub pid: i32,
    /// What it listens to, with the numbers of its registrations, oldest first.
    pub srvids: BTreeMap<Srvid, Vec<u64>>,
    /// Tunnels that it owns.
    pub(super) tunnels: BTreeSet<Srvid>,
    /// Messages to be sent to all connected nodes when it goes (REGISTER_NOTIFY).
    pub notifies: BTreeMap<Srvid, Bytes>,
    /// START_PERSISTENT_UPDATE without CANCEL; leaving with any open forces a recovery.
    pub open_updates: u32,
    /// Database of its running TRANS3_COMMIT.
    pub committing: Option<DbId>,
}

impl Session {
    /// A fresh connection.
    #[must_use]
    pub fn new(pid: i32) -> Self {
        Self {
            pid,
            srvids: BTreeMap::new(),
            tunnels: BTreeSet::new(),
            notifies: BTreeMap::new(),
            open_updates: 0,
            committing: None,
        }
    }
}
