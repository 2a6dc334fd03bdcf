//! Everything that can happen to a node.

use bytes::Bytes;
use ctdb_config::nodes::NodeLine;
use ctdb_config::public_addresses::PublicAddressLine;
use ctdb_protocol::LockAnswer;
use ctdb_protocol::id::{ClientId, Pnn};

use crate::effect::Ticket;

/// One thing that happened, as the shell (or the simulator) saw it.
#[derive(Debug)]
pub enum Input {
    /// The daemon begins: run the boot sequence. Sent once, first.
    Start,
    /// The TCP listener is bound: answers [`crate::Effect::OpenTransport`].
    TransportOpen {
        /// Own node number as the listening address showed it, or why no address could be bound.
        result: Result<Pnn, String>,
    },
    /// Both one-way connections to a peer are up.
    PeerConnected {
        /// The peer.
        peer: Pnn,
    },
    /// A connection to a peer broke, with the reason for the log.
    PeerDisconnected {
        /// The peer.
        peer: Pnn,
        /// What broke it, in words.
        reason: String,
    },
    /// One whole packet from a peer, framing already checked (length, magic, version).
    PeerPacket {
        /// The node that owns the connection.
        from: Pnn,
        /// Header and body.
        packet: Bytes,
    },
    /// A process (or a procedure inside the daemon) connected.
    ClientConnected {
        /// Number of the connection, never 0, chosen by [`crate::Node::next_client_id`].
        client: ClientId,
        /// Peer pid by SO_PEERCRED; the daemon's own pid for procedures inside it.
        pid: i32,
    },
    /// One whole packet from a client.
    ClientPacket {
        /// Its connection.
        client: ClientId,
        /// Header and body.
        packet: Bytes,
    },
    /// A client's connection ended, by either side.
    ClientGone {
        /// Its connection.
        client: ClientId,
    },
    /// Time has reached [`crate::Node::next_wake_us`], or there is work left from the last turn.
    Wake,
    /// A lock asked for with [`crate::Effect::AwaitLock`] is held on our behalf.
    LockGranted {
        /// As given in the effect.
        ticket: Ticket,
    },
    /// A lock could not be had, or its helper died while it held it.
    LockLost {
        /// As given in the effect.
        ticket: Ticket,
        /// In words.
        reason: String,
    },
    /// An event that was asked for has ended.
    EventDone {
        /// As given in the effect.
        ticket: Ticket,
        /// 0, or a positive errno-like value as upstream's event daemon reports it.
        status: i32,
    },
    /// The nodes list was read.
    NodesRead {
        /// As given in the effect.
        ticket: Ticket,
        /// One entry per line that counts, or why the list cannot be used.
        nodes: Result<Vec<NodeLine>, String>,
    },
    /// The public addresses file was read.
    PublicAddressesRead {
        /// As given in the effect.
        ticket: Ticket,
        /// One entry per address, or why the file cannot be used.
        addresses: Result<Vec<PublicAddressLine>, String>,
    },
    /// The cluster lock was tried on behalf of SET_RECMODE.
    ClusterLockTested {
        /// As given in the effect.
        ticket: Ticket,
        /// How it went.
        answer: LockAnswer,
        /// Seconds from start to answer.
        latency_s: f64,
    },
    /// Some records of a scan, in the order of the file.
    ScanRecords {
        /// As given in the effect.
        ticket: Ticket,
        /// Key and value (with its record header).
        records: Vec<(Bytes, Bytes)>,
    },
    /// A scan ended.
    ScanDone {
        /// As given in the effect.
        ticket: Ticket,
        /// Whether the whole file was seen.
        complete: bool,
    },
    /// A batch of records was committed to a file in one transaction, or was not.
    UpdateDone {
        /// As given in the effect.
        ticket: Ticket,
        /// 0 committed, anything else refused or failed.
        status: i32,
    },
    /// A repack of a file ended.
    RepackDone {
        /// As given in the effect.
        ticket: Ticket,
    },
    /// Interfaces and addresses of the machine, as asked for with [`crate::Effect::ReadAddresses`] and
    /// again whenever they changed.
    SystemAddresses {
        /// Addresses that some interface carries now, with the interface's name. To be read when it is
        /// handed in, not before: an event that has ended must be visible here.
        addresses: Vec<(std::net::IpAddr, String)>,
        /// Names of all interfaces, with and without addresses.
        interfaces: Vec<String>,
    },
    /// Something outside of the cluster wants the daemon to end in good order: in test mode, the end
    /// of standard input.
    Shutdown {
        /// Exit code of the process.
        code: i32,
    },
}
