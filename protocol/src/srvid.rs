//! Message ports. A port is 64 bits: the top bits are a range, the rest is its owner's business.

use std::fmt;

use crate::id::ids;
use crate::wire::{Parsed, Wire};

ids! {
    /// A message port.
    Srvid(u64) = "0x{:x}";
}

/// Declares the ports that the protocol gives a meaning, and their list.
macro_rules! srvids {
    ($($(#[$meta:meta])* $name:ident = $value:literal;)*) => {
        impl Srvid {
            $($(#[$meta])* pub const $name: Self = Self($value);)*

            /// Every port and range with a name, for logs and tests.
            pub const NAMED: &'static [(Self, &'static str)] =
                &[$((Self::$name, stringify!($name))),*];
        }
    };
}

srvids! {
    /// Registering here receives every message.
    ALL = 0xFFFF_FFFF_FFFF_FFFF;
    /// Base of the ports over which recovery pulls and pushes databases.
    RECOVERY = 0xF001_0000_0000_0000;
    /// Asks the leader to count a fault against a node.
    BANNING = 0xF002_0000_0000_0000;
    /// A candidate of an election.
    ELECTION = 0xF100_0000_0000_0000;
    /// The leader says that it lives.
    LEADER = 0xF101_0000_0000_0000;
    /// The cluster was reconfigured.
    RECONFIGURE = 0xF200_0000_0000_0000;
    /// A public address left this node.
    RELEASE_IP = 0xF300_0000_0000_0000;
    /// A public address came to this node.
    TAKE_IP = 0xF301_0000_0000_0000;
    /// The event `ipreallocated` finished.
    IPREALLOCATED = 0xF302_0000_0000_0000;
    /// The event `startipreallocate` finished.
    START_IPREALLOCATE = 0xF303_0000_0000_0000;
    /// Obsolete: a node's flags changed.
    SET_NODE_FLAGS = 0xF400_0000_0000_0000;
    /// Obsolete: where a public address is now.
    RECD_UPDATE_IP = 0xF500_0000_0000_0000;
    /// Obsolete: records to be fetched for vacuuming.
    VACUUM_FETCH = 0xF700_0000_0000_0000;
    /// Obsolete: a database to detach.
    DETACH_DATABASE = 0xF701_0000_0000_0000;
    /// Asks the recovery daemon for a memory report.
    MEM_DUMP = 0xF800_0000_0000_0000;
    /// Obsolete: asks for the log.
    GETLOG = 0xF801_0000_0000_0000;
    /// Obsolete: clears the log.
    CLEARLOG = 0xF802_0000_0000_0000;
    /// Asks the recovery daemon to tell everyone of a node's flags.
    PUSH_NODE_FLAGS = 0xF900_0000_0000_0000;
    /// The nodes file was read again.
    RELOAD_NODES = 0xFA00_0000_0000_0000;
    /// Asks the leader for a takeover run.
    TAKEOVER_RUN = 0xFB00_0000_0000_0000;
    /// Asks the leader to move addresses to a node when it next can.
    REBALANCE_NODE = 0xFB01_0000_0000_0000;
    /// Asks the leader to start no takeover run for a while.
    DISABLE_TAKEOVER_RUNS = 0xFB03_0000_0000_0000;
    /// Asks the leader to start no recovery for a while.
    DISABLE_RECOVERIES = 0xFB04_0000_0000_0000;
    /// Obsolete: no address checks for a while.
    DISABLE_IP_CHECK = 0xFC00_0000_0000_0000;
    /// Samba's change notification; the range of Samba's ports begins here too.
    SAMBA_NOTIFY = 0xFE00_0000_0000_0000;
    /// Range of an NFS server's ports.
    NFSD_RANGE = 0xEE00_0000_0000_0000;
    /// Range of an iSCSI server's ports.
    ISCSID_RANGE = 0xDE00_0000_0000_0000;
    /// Range of the ctdb tool's ports.
    TOOL_RANGE = 0xCE00_0000_0000_0000;
    /// Range of client libraries' ports.
    CLIENT_RANGE = 0xBE00_0000_0000_0000;
    /// Range of test programs' ports.
    TEST_RANGE = 0xAE00_0000_0000_0000;
    /// Range of the daemons' own ports.
    SERVER_RANGE = 0x9E00_0000_0000_0000;
    /// Ours alone, from a daemon to its own watch: node flags, capabilities, the recovery mode or the nodes list
    /// changed. No payload; never sent to another node.
    NODE_CHANGED = 0x9EFF_0000_0000_0001;
    /// Ours alone: questions that no control answers, of the tool to a daemon. A C daemon does not listen there.
    INQUIRY = 0x9EFF_0000_0000_0002;
    /// Ours alone: why the node that hears this is about to be banned by the sender; the payload is text. C nodes do not
    /// listen there.
    BAN_REASON = 0x9EFF_0000_0000_0003;
    /// Ours alone: "I accept you as leader", to the sender of an ELECTION message; payload: u32 own node number. When
    /// all connected nodes have said so, an election without lock need not run its full time. C nodes ignore it.
    ELECTION_YIELD = 0xF1F0_0000_0000_0000;
    /// The tunnel of the test programs; tunnels are numbered like ports.
    TUNNEL_TEST = 0xFFFF_FFFF_0000_0000;
}

impl Srvid {
    /// The bits that name a range.
    pub const RANGE_MASK: u64 = 0xFF00_0000_0000_0000;
}
