//! Messages to well-known ports: one table. Ports without a row carry what their users like.

use crate::id::{DbId, Pnn};
use crate::srvid::Srvid;
use crate::text::Text;
use crate::types::{
    DisableMessage, ElectionMessage, MarshallBuffer, NodeFlagChange, PublicIp, SrvidMessage,
};
use crate::wire::{Blob, Wire, WireError, all};

/// A port whose payload has a type.
pub trait Port: 'static {
    /// The port.
    const SRVID: Srvid;
    /// What is sent to it.
    type Payload: Wire;
}

macro_rules! messages {
    ($($(#[$meta:meta])* $name:ident = $srvid:ident: $payload:ty;)*) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub struct $name;

            impl Port for $name {
                const SRVID: Srvid = Srvid::$srvid;
                type Payload = $payload;
            }
        )*

        /// A message's payload, by port.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the marker types of the same names carry the text")]
        pub enum Message {
            $($name($payload),)*
            /// To a port without a row here.
            Other(Srvid, Blob),
        }

        #[cfg(any(test, feature = "sample"))]
        impl Message {
            /// Every port with a type.
            pub const PORTS: &'static [Srvid] = &[$(Srvid::$srvid),*];

            /// A random message to a port.
            pub fn sample(srvid: Srvid, random: &mut $crate::sample::Random) -> Self {
                match srvid {
                    $(Srvid::$srvid => Self::$name($crate::sample::Sample::sample(random)),)*
                    _ => Self::Other(srvid, $crate::sample::Sample::sample(random)),
                }
            }
        }

        impl Message {
            /// Reads the payload of a message to `srvid`.
            ///
            /// # Errors
            /// What is wrong with it.
            pub fn take(srvid: Srvid, payload: &[u8]) -> Result<Self, WireError> {
                match srvid {
                    $(Srvid::$srvid => all::<$payload>(payload).map(Self::$name),)*
                    _ => Ok(Self::Other(srvid, payload.into())),
                }
            }

            /// Where the message goes.
            #[must_use]
            pub fn srvid(&self) -> Srvid {
                match self { $(Self::$name(_) => Srvid::$srvid,)* Self::Other(srvid, _) => *srvid }
            }

            /// Appends the payload.
            pub fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$name(payload) => payload.put(out),)*
                    Self::Other(_, payload) => payload.put(out),
                }
            }
        }
    };
}

messages! {
    /// Count a fault against this node.
    Banning = BANNING: Pnn;
    /// A candidate.
    Election = ELECTION: ElectionMessage;
    /// The leader lives.
    Leader = LEADER: Pnn;
    /// The cluster was reconfigured.
    Reconfigure = RECONFIGURE: ();
    /// An address left.
    ReleaseIp = RELEASE_IP: Text;
    /// An address came.
    TakeIp = TAKE_IP: Text;
    /// A takeover run ended on this node.
    Ipreallocated = IPREALLOCATED: ();
    /// A takeover run begins on this node.
    StartIpreallocate = START_IPREALLOCATE: ();
    /// Obsolete.
    SetNodeFlags = SET_NODE_FLAGS: NodeFlagChange;
    /// Obsolete.
    RecdUpdateIp = RECD_UPDATE_IP: PublicIp;
    /// Obsolete.
    VacuumFetch = VACUUM_FETCH: MarshallBuffer;
    /// Obsolete.
    DetachDatabase = DETACH_DATABASE: DbId;
    /// A memory report is wanted.
    MemDump = MEM_DUMP: SrvidMessage;
    /// Obsolete.
    Getlog = GETLOG: ();
    /// Obsolete.
    Clearlog = CLEARLOG: ();
    /// Tell everyone of a node's flags.
    PushNodeFlags = PUSH_NODE_FLAGS: NodeFlagChange;
    /// The nodes list was read again.
    ReloadNodes = RELOAD_NODES: ();
    /// A takeover run is wanted.
    TakeoverRun = TAKEOVER_RUN: SrvidMessage;
    /// Move addresses to this node.
    RebalanceNode = REBALANCE_NODE: Pnn;
    /// No takeover runs for a while.
    DisableTakeoverRuns = DISABLE_TAKEOVER_RUNS: DisableMessage;
    /// No recoveries for a while.
    DisableRecoveries = DISABLE_RECOVERIES: DisableMessage;
    /// Obsolete; seconds.
    DisableIpCheck = DISABLE_IP_CHECK: u32;
}
