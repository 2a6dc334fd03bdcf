//! Nodes, their state, and processes on them.

use crate::id::Pnn;
use crate::srvid::Srvid;
use crate::types::SockAddr;
use crate::wire::Data;

wire_flags! {
    /// What keeps a node from serving. No bit: the node is OK.
    pub struct NodeFlags: u32 {
        /// Its daemon cannot be reached.
        const DISCONNECTED = 0x01;
        /// Its monitor event failed.
        const UNHEALTHY = 0x02;
        /// The administrator disabled it.
        const PERMANENTLY_DISABLED = 0x04;
        /// It misbehaved and is kept out for a while.
        const BANNED = 0x08;
        /// Its line in the nodes list is commented out.
        const DELETED = 0x10;
        /// The administrator stopped it.
        const STOPPED = 0x20;
        /// It hosts no addresses, but databases.
        const DISABLED = Self::UNHEALTHY.bits() | Self::PERMANENTLY_DISABLED.bits();
        /// It takes no part in the cluster.
        const INACTIVE = Self::DELETED.bits()
            | Self::DISCONNECTED.bits()
            | Self::BANNED.bits()
            | Self::STOPPED.bits();
    }

    /// What a node is willing and able to be.
    pub struct Capabilities: u32 {
        /// It may become leader.
        const RECMASTER = 0x1;
        /// It may be location master of records.
        const LMASTER = 0x2;
        /// Obsolete.
        const LVS = 0x4;
        /// Obsolete.
        const NATGW = 0x8;
        /// It recovers databases in parallel.
        const PARALLEL_RECOVERY = 0x0001_0000;
        /// It takes databases in pieces.
        const FRAGMENTED_CONTROLS = 0x0002_0000;
        /// What every present daemon can do.
        const FEATURES = Self::PARALLEL_RECOVERY.bits() | Self::FRAGMENTED_CONTROLS.bits();
    }

    /// Flags of a control request.
    pub struct ControlFlags: u32 {
        /// No answer is wanted.
        const NOREPLY = 0x1;
        /// The bits whose meaning depends on the control.
        const OPCODE_SPECIFIC = 0xFFFF_0000;
        /// GET_PUBLIC_IPS: only the addresses that the node could host now.
        const ONLY_AVAILABLE = 0x0001_0000;
        /// DB_ATTACH and kin: attach while recovery runs, for recovery's own use.
        const ATTACH_RECOVERY = 0x0002_0000;
    }

    /// Flags of a tunnel packet.
    pub struct TunnelFlags: u32 {
        /// A request.
        const REQUEST = 0x01;
        /// An answer.
        const REPLY = 0x02;
        /// A request that wants no answer.
        const NOREPLY = 0x10;
    }
}

wire_enum! {
    /// How far a daemon has come.
    pub struct RunState: u32 {
        /// Before everything.
        UNKNOWN = 0, "UNKNOWN";
        /// The event `init` runs.
        INIT = 1, "INIT";
        /// The event `setup` runs.
        SETUP = 2, "SETUP";
        /// Waiting for the first recovery.
        FIRST_RECOVERY = 3, "FIRST_RECOVERY";
        /// The event `startup` runs.
        STARTUP = 4, "STARTUP";
        /// All is up.
        RUNNING = 5, "RUNNING";
        /// Going down.
        SHUTDOWN = 6, "SHUTDOWN";
    }
}

wire_struct! {
    /// A point in wall time, or a span.
    #[derive(Copy, Default, PartialOrd, Ord, Hash)]
    pub struct Timeval {
        /// Seconds.
        sec: i64,
        /// Microseconds, below a million.
        usec: i64,
    }

    /// A node as another node sees it.
    #[derive(Copy)]
    pub struct NodeAndFlags {
        /// Its number.
        pnn: Pnn,
        /// Its state.
        flags: NodeFlags,
        /// Where its daemon listens.
        addr: SockAddr,
    }

    /// Every line of the nodes list.
    #[derive(Default)]
    pub struct NodeMap {
        /// In the order of the list.
        nodes: Vec<NodeAndFlags>,
    }

    /// A change of a node's state.
    #[derive(Copy)]
    pub struct NodeFlagChange {
        /// The node.
        pnn: Pnn,
        /// Its flags after.
        new_flags: NodeFlags,
        /// Its flags before.
        old_flags: NodeFlags,
    }

    /// A ban, wanted or in force.
    #[derive(Copy)]
    pub struct BanState {
        /// The node.
        pnn: Pnn,
        /// For how long, in seconds; 0 is no ban.
        time_s: u32,
    }

    /// When the daemon and its last recovery began and ended.
    #[derive(Copy, Default)]
    pub struct Uptime {
        /// The time of the answer.
        current_time: Timeval,
        /// When the daemon started.
        ctdbd_start_time: Timeval,
        /// When the last recovery started.
        last_recovery_started: Timeval,
        /// When the last recovery finished.
        last_recovery_finished: Timeval,
    }

    /// A message to be sent to all when the client is gone.
    pub struct NotifyData {
        /// Where to.
        srvid: Srvid,
        /// What.
        data: Data,
    }

    /// A process and a port of it. Packed: Samba sends it so, 12 bytes.
    #[derive(Copy)]
    pub struct PidSrvid {
        /// The process.
        pid: i32,
        /// The port.
        srvid: Srvid,
    }

    /// What ECHO_DATA sends back.
    pub struct EchoData {
        /// Milliseconds; the C daemon ignores them.
        timeout_ms: u32,
        /// Any bytes.
        data: Data,
    }
}

impl NodeFlags {
    /// Is the node out of the cluster?
    #[must_use]
    pub fn is_inactive(self) -> bool {
        self.intersects(Self::INACTIVE)
    }
}

impl NodeMap {
    /// The nodes that have none of these flags.
    pub fn without(&self, flags: NodeFlags) -> impl Iterator<Item = Pnn> + '_ {
        self.nodes
            .iter()
            .filter(move |node| !node.flags.intersects(flags))
            .map(|node| node.pnn)
    }
}

impl Capabilities {
    /// What a node has unless configured otherwise.
    pub const DEFAULT: Self = Self::RECMASTER.union(Self::LMASTER).union(Self::FEATURES);
}
