//! What packets carry, by subject.

pub mod database;
pub mod failover;
pub mod lock;
pub mod node;
pub mod recovery;
pub mod statistics;
pub mod tunable;

pub use database::{
    CallFlags, CallFunction, DbAndFlags, DbFlags, DbMap, DbVacuum, KeyData, LtdbHeader,
    MarshallBuffer, PushRecord, RecData, RecordFlags, RecordRef, Records, TraverseAll,
    TraverseAllExt, TraverseStart, TraverseStartExt,
};
pub use failover::{
    AddrInfo, Connection, Iface, IfaceList, PublicIp, PublicIpInfo, PublicIpList, SockAddr,
    TickleList,
};
pub use lock::{GLock, GLockKind, GLockList, ServerId};
pub use node::{
    BanState, Capabilities, ControlFlags, EchoData, NodeAndFlags, NodeFlagChange, NodeFlags,
    NodeMap, NotifyData, PidSrvid, RunState, Timeval, TunnelFlags, Uptime,
};
pub use recovery::{
    DisableMessage, ElectionMessage, PullDbExt, RecoveryMode, SrvidMessage, TransDb, VnnMap,
};
pub use statistics::{
    BUCKETS, ClientCounters, DbStatistics, HotKey, LatencyCounter, LockCounters, NodeCounters,
    Statistics, StatisticsList, TimeoutCounters,
};
pub use tunable::{Tunable, TunableList, VarList};
