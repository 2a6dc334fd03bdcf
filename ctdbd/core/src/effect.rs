//! Everything that a node can ask its surroundings to do.

use std::net::IpAddr;

use bytes::Bytes;
use ctdb_protocol::id::{ClientId, Pnn};
use ctdb_protocol::types::LtdbHeader;

/// Names one request so that its answer finds the waiting state. Never reused within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Which of a peer's two queues a packet goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Keepalives and leader broadcasts: may overtake everything else.
    Urgent,
    /// All else keeps its order between two nodes.
    Ordered,
}

/// What a lock covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockScope {
    /// The hash chain of this key.
    Record(Bytes),
    /// The whole file.
    Database,
}

/// What a scan of a file reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanFilter {
    /// Every record.
    All,
    /// Records whose dmaster is this node and which have data beyond the header.
    OwnedBy(Pnn),
    /// Records whose dmaster is this node, with or without data.
    OwnedOrEmpty(Pnn),
    /// Header-only records whose dmaster is this node: candidates for deletion.
    DeletedBy(Pnn),
}

impl ScanFilter {
    /// Whether a record with this value (header and data) is reported. One that is too short for a header
    /// counts as missing.
    #[must_use]
    pub fn wants(self, value: &[u8]) -> bool {
        let (owner, with_data) = match self {
            Self::All => return true,
            Self::OwnedBy(owner) => (owner, Some(true)),
            Self::OwnedOrEmpty(owner) => (owner, None),
            Self::DeletedBy(owner) => (owner, Some(false)),
        };
        LtdbHeader::split(value).is_ok_and(|(header, data)| {
            header.dmaster == owner && with_data.is_none_or(|with| with != data.is_empty())
        })
    }
}

pub use ctdb_config::Level as LogLevel;

/// One thing to be done. Effects are to be carried out in the order in which they are given.
#[derive(Debug)]
pub enum Effect {
    /// Write a line to the log.
    Log {
        /// How loud.
        level: LogLevel,
        /// The line, without a newline.
        text: String,
    },
    /// Send a whole packet to a peer; silently dropped where there is no connection towards it.
    ToPeer {
        /// The peer, never the own node.
        peer: Pnn,
        /// Which queue.
        lane: Lane,
        /// Header and body, padded.
        packet: Bytes,
    },
    /// Send a whole packet to a client.
    ToClient {
        /// Its connection.
        client: ClientId,
        /// Header and body, padded.
        packet: Bytes,
        /// Drop the client instead when its queue is longer than this many packets
        /// (tunable MaxQueueDropMsg; messages only).
        queue_limit: Option<u32>,
    },
    /// Close a client's connection. [`crate::Input::ClientGone`] follows.
    DropClient {
        /// Its connection.
        client: ClientId,
    },
    /// Bind the TCP listener and learn the own node number; answered by `TransportOpen`.
    OpenTransport {
        /// Addresses by node number, deleted ones left out.
        nodes: Vec<(Pnn, IpAddr)>,
    },
    /// Keep connections to exactly these peers from now on (at boot and after a reload of the nodes list).
    SetPeers {
        /// Addresses by node number, without the own node and deleted ones.
        peers: Vec<(Pnn, IpAddr)>,
    },
    /// Close both connections to a peer and connect again. `PeerDisconnected` does not follow.
    DropPeer {
        /// The peer.
        peer: Pnn,
    },
    /// Accept clients on the Unix socket from now on.
    AcceptClients,
    /// Start the procedures that run beside the core: the cluster watch (upstream's recovery daemon).
    StartClusterWatch,
    /// Stop the cluster watch and give up the cluster lock.
    StopClusterWatch,
    /// Close all peer connections and the listener.
    CloseTransport,
    /// Stop the event daemon, remove pid file and socket, end the process.
    Exit {
        /// Exit code of the process.
        code: i32,
    },
    /// Wait, elsewhere, until a lock is had; answered by `LockGranted` or `LockLost`.
    AwaitLock {
        /// Names the wait.
        ticket: Ticket,
        /// Path of the database's file.
        path: String,
        /// Flags that the file is to be opened with.
        open_flags: i32,
        /// What to lock.
        scope: LockScope,
        /// LockProcessesPerDB: how many records of this database may be waited for at the same time.
        at_most: u32,
    },
    /// Give a lock back, or stop waiting for it.
    ReleaseLock {
        /// As in `AwaitLock`.
        ticket: Ticket,
    },
    /// Run the scripts of an event; answered by `EventDone`.
    RunEvent {
        /// Names the run.
        ticket: Ticket,
        /// Event name, such as `startup`.
        event: &'static str,
        /// Arguments.
        args: Vec<String>,
        /// Time limit for all scripts together, in seconds.
        timeout_s: u32,
    },
    /// Run the notification script.
    Notify {
        /// Its one argument, such as `healthy`.
        what: &'static str,
    },
    /// Read the nodes list; answered by `NodesRead`.
    ReadNodes {
        /// Names the request.
        ticket: Ticket,
    },
    /// Read the public addresses file; answered by `PublicAddressesRead`.
    ReadPublicAddresses {
        /// Names the request.
        ticket: Ticket,
    },
    /// Try the cluster lock for at most five seconds and let it go; answered by `ClusterLockTested`.
    TestClusterLock {
        /// Names the request.
        ticket: Ticket,
    },
    /// Walk a whole file outside of the loop; answered by `ScanRecords` and `ScanDone`.
    Scan {
        /// Names the scan.
        ticket: Ticket,
        /// Path of the file.
        path: String,
        /// Flags that the file is to be opened with.
        open_flags: i32,
        /// What to report.
        filter: ScanFilter,
    },
    /// Stop a scan; no further input for it is wanted.
    CancelScan {
        /// As in `Scan`.
        ticket: Ticket,
    },
    /// Apply a marshalled buffer of records to a file in one durable transaction, by the rule of
    /// [`crate::database::update::apply`]; answered by `UpdateDone`.
    Update {
        /// Names the request.
        ticket: Ticket,
        /// Path of the file.
        path: String,
        /// Flags that the file is to be opened with.
        open_flags: i32,
        /// Rules of this kind of database.
        rule: crate::database::update::Rule,
        /// `u32 db_id, u32 count, records`.
        buffer: Bytes,
    },
    /// Repack a file that has many free areas, outside of the loop; answered by `RepackDone`.
    Repack {
        /// Names the request.
        ticket: Ticket,
        /// Path of the file.
        path: String,
        /// Flags that the file is to be opened with.
        open_flags: i32,
        /// So many free areas are too many (RepackLimit).
        limit: u32,
    },
    /// Read the machine's addresses; answered by `SystemAddresses`.
    ReadAddresses,
    /// Announce an address that has moved here: gratuitous ARP or unsolicited neighbour advertisement.
    AnnounceAddress {
        /// The address.
        address: IpAddr,
        /// Interface to send on.
        interface: String,
    },
    /// Send tickle ACKs for these connections.
    Tickle {
        /// (client, server) pairs.
        connections: Vec<(std::net::SocketAddr, std::net::SocketAddr)>,
    },
    /// The debug level changed (SET_DEBUG).
    SetLogLevel {
        /// The new level.
        level: i32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_look_at_owner_and_data() {
        let value = |dmaster, data: &[u8]| {
            let header = LtdbHeader {
                dmaster: Pnn(dmaster),
                ..LtdbHeader::default()
            };
            header.join(data)
        };
        let (mine, mine_deleted, theirs) = (value(1, b"x"), value(1, b""), value(2, b"x"));
        let own = Pnn(1);
        let reported =
            |filter: ScanFilter| [&mine, &mine_deleted, &theirs].map(|value| filter.wants(value));
        assert_eq!(reported(ScanFilter::All), [true, true, true]);
        assert_eq!(reported(ScanFilter::OwnedBy(own)), [true, false, false]);
        assert_eq!(reported(ScanFilter::OwnedOrEmpty(own)), [true, true, false]);
        assert_eq!(reported(ScanFilter::DeletedBy(own)), [false, true, false]);
        assert!(!ScanFilter::OwnedOrEmpty(own).wants(b"short"));
    }
}
