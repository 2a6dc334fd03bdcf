//! Recovery, leadership and the leader's instructions.

use crate::id::{DbId, Generation, Pnn};
use crate::srvid::Srvid;
use crate::types::{NodeFlags, Timeval};
use crate::wire::Pad;

wire_enum! {
    /// Is recovery under way?
    pub struct RecoveryMode: u32 {
        /// No.
        NORMAL = 0, "NORMAL";
        /// Yes: databases may be frozen.
        ACTIVE = 1, "RECOVERY";
    }
}

wire_struct! {
    /// Which nodes share the records, and the recovery that agreed on it.
    pub struct VnnMap {
        /// The recovery.
        generation: Generation,
        /// A record's location master is the entry at its hash modulo the length.
        nodes: Vec<Pnn>,
    }

    /// Asks for a database's records as messages, or announces them.
    #[derive(Copy)]
    pub struct PullDbExt {
        /// The database.
        db_id: DbId,
        /// Ignored; all-ones.
        lmaster: u32,
        /// Where the records are sent.
        srvid: Srvid,
    }

    /// A database and the recovery transaction on it.
    #[derive(Copy)]
    pub struct TransDb {
        /// The database.
        db_id: DbId,
        /// The transaction: the generation that it leads to.
        tid: Generation,
    }

    /// A candidate's claim to leadership.
    #[derive(Copy)]
    pub struct ElectionMessage {
        /// How many nodes it is connected to.
        num_connected: u32,
        /// A hole.
        pad: Pad<4>,
        /// When its daemon started: the older wins.
        priority_time: Timeval,
        /// The candidate.
        pnn: Pnn,
        /// Its flags.
        node_flags: NodeFlags,
    }

    /// A request whose answer is a message.
    #[derive(Copy)]
    pub struct SrvidMessage {
        /// Who asks.
        pnn: Pnn,
        /// A hole.
        pad: Pad<4>,
        /// Where the answer goes; 0: none is wanted.
        srvid: Srvid,
    }

    /// Asks the leader to leave something alone for a while.
    #[derive(Copy)]
    pub struct DisableMessage {
        /// Who asks.
        pnn: Pnn,
        /// A hole.
        pad: Pad<4>,
        /// Where the answer goes.
        srvid: Srvid,
        /// For how long, in seconds; 0: no longer.
        timeout_s: u32,
        /// A hole.
        pad_end: Pad<4>,
    }
}

impl SrvidMessage {
    /// Asks for an answer from `pnn` at `srvid`.
    #[must_use]
    pub fn new(pnn: Pnn, srvid: Srvid) -> Self {
        Self {
            pnn,
            pad: Pad::ZERO,
            srvid,
        }
    }
}

impl DisableMessage {
    /// Asks for quiet for `timeout_s` seconds.
    #[must_use]
    pub fn new(pnn: Pnn, srvid: Srvid, timeout_s: u32) -> Self {
        Self {
            pnn,
            pad: Pad::ZERO,
            srvid,
            timeout_s,
            pad_end: Pad::ZERO,
        }
    }
}

impl ElectionMessage {
    /// A candidate's claim.
    #[must_use]
    pub fn new(
        num_connected: u32,
        priority_time: Timeval,
        pnn: Pnn,
        node_flags: NodeFlags,
    ) -> Self {
        Self {
            num_connected,
            pad: Pad::ZERO,
            priority_time,
            pnn,
            node_flags,
        }
    }
}
