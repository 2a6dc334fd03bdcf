//! The controls: one table, by the service that answers them. A row gives a marker type with number, name,
//! request and reply; together the rows give [`Request`], [`Reply`] and [`TABLE`], and for each service an
//! enum of its own controls, so that a control without a handler does not compile.

use crate::id::DbId;
use crate::srvid::Srvid;
use crate::text::{CountedText, Text};
use crate::types::{
    self, AddrInfo, BanState, Capabilities, Connection, DbMap, DbStatistics, Iface, IfaceList,
    KeyData, MarshallBuffer, NodeFlagChange, NodeMap, NotifyData, PidSrvid, PublicIp, PublicIpInfo,
    PublicIpList, PullDbExt, RecData, RecoveryMode, RunState, SockAddr, StatisticsList, TickleList,
    TransDb, Tunable, TunableList, VarList, VnnMap,
};
use crate::wire::{Pad, Seconds, Wire, WireError, all, front};

/// A live control. Where the answer is the status word (PING, GET_PID, ...) the reply is `()`.
pub trait Control: 'static {
    /// Its number on the wire.
    const CODE: u32;
    /// Its name as upstream logs it.
    const NAME: &'static str;
    /// What is sent.
    type Request: Wire + Clone + std::fmt::Debug + Send;
    /// What comes back when the status is 0.
    type Reply: Wire + Clone + std::fmt::Debug + Send;

    /// Reads a request's payload, with C's tolerance of a longer one where C has it.
    ///
    /// # Errors
    /// What is wrong with it.
    fn take_request(body: &[u8]) -> Result<Self::Request, WireError>;

    /// The request among all.
    fn into_request(request: Self::Request) -> Request;
}

/// Is a control still carried out?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Yes.
    Live,
    /// No: answered with status -1 and a line in the log.
    Obsolete {
        /// The control that the log line points to.
        instead: Option<&'static str>,
    },
}

/// A control in [`TABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its number on the wire.
    pub code: u32,
    /// Its name as upstream logs it.
    pub name: &'static str,
    /// Is it still carried out?
    pub life: Life,
    /// Which service answers it. None where it is obsolete.
    pub service: Option<Service>,
    /// The type of its request, for documents. None where it is obsolete.
    pub request: &'static str,
    /// The type of its reply, for documents.
    pub reply: &'static str,
}

/// The control of a number. None: never assigned, or removed.
#[must_use]
pub fn find(code: u32) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.code == code)
}

/// What may follow a request's fields.
#[derive(Debug, Clone, Copy)]
enum Rest {
    /// Nothing: the size is checked.
    Exact,
    /// Anything: C does not look.
    Ignored,
}

impl Rest {
    fn take<T: Wire>(self, body: &[u8]) -> Result<T, WireError> {
        match self {
            Self::Exact => all(body),
            Self::Ignored => front(body),
        }
    }
}

wire_struct! {
    /// A database, in eight bytes.
    #[derive(Copy)]
    pub struct SeqnumRequest {
        /// The database.
        db_id: DbId,
        /// Unused.
        pad: Pad<4>,
    }
}

impl From<DbId> for SeqnumRequest {
    fn from(db_id: DbId) -> Self {
        Self {
            db_id,
            pad: Pad::ZERO,
        }
    }
}

controls! {
    live {
        /// The daemon as a whole answers: counters, log level, tunables.
        Daemon DaemonRequest {
            /// The daemon's counters.
            1 Statistics "STATISTICS": () => types::Statistics, Exact;
            /// The log level.
            7 GetDebug "GET_DEBUG": () => i32, Exact;
            /// Sets the log level.
            8 SetDebug "SET_DEBUG": i32 => (), Exact;
            /// Zeroes the counters.
            17 StatisticsReset "STATISTICS_RESET": () => (), Exact;
            /// A report on memory. The text has no NUL.
            29 DumpMemory "DUMP_MEMORY": () => Text, Exact;
            /// The status is the daemon's process id.
            30 GetPid "GET_PID": () => (), Ignored;
            /// Sets a tunable.
            48 SetTunable "SET_TUNABLE": Tunable => (), Ignored;
            /// A tunable's value.
            49 GetTunable "GET_TUNABLE": CountedText => u32, Ignored;
            /// Names of the tunables.
            50 ListTunables "LIST_TUNABLES": () => VarList, Ignored;
            /// Values of all tunables.
            53 GetAllTunables "GET_ALL_TUNABLES": () => TunableList, Exact;
            /// Counters of past intervals.
            127 GetStatHistory "GET_STAT_HISTORY": () => StatisticsList, Exact;
            /// Sends its data back.
            156 EchoData "ECHO_DATA": types::EchoData => types::EchoData, Exact;
        }
        /// About the clients of the Unix socket.
        Proxy ProxyRequest {
            /// Does a client with this process id live? Status 0 or -1.
            0 ProcessExists "PROCESS_EXISTS": i32 => (), Exact;
            /// The status is the number of clients.
            3 Ping "PING": () => (), Exact;
            /// Subscribes to the port in the header.
            23 RegisterSrvid "REGISTER_SRVID": () => (), Ignored;
            /// Ends a subscription.
            24 DeregisterSrvid "DEREGISTER_SRVID": () => (), Ignored;
            /// Legacy: a client begins to change a persistent database.
            81 StartPersistentUpdate "START_PERSISTENT_UPDATE": () => (), Ignored;
            /// Legacy: it did not.
            82 CancelPersistentUpdate "CANCEL_PERSISTENT_UPDATE": () => (), Ignored;
            /// A message to all when this client is gone.
            114 RegisterNotify "REGISTER_NOTIFY": NotifyData => (), Exact;
            /// No such message after all.
            115 DeregisterNotify "DEREGISTER_NOTIFY": Srvid => (), Exact;
            /// Does a client with this process id and port live? Status 0 or -1.
            151 CheckPidSrvid "CHECK_PID_SRVID": PidSrvid => (), Exact;
            /// Opens the tunnel in the header.
            152 TunnelRegister "TUNNEL_REGISTER": () => (), Ignored;
            /// Closes it.
            153 TunnelDeregister "TUNNEL_DEREGISTER": () => (), Ignored;
        }
        /// Membership, flags, bans, recovery mode, the nodes list.
        Cluster ClusterRequest {
            /// Which nodes share the records.
            5 GetVnnMap "GETVNNMAP": () => VnnMap, Exact;
            /// Sets which nodes share the records.
            6 SetVnnMap "SETVNNMAP": VnnMap => (), Ignored;
            /// The status is the recovery mode.
            15 GetRecmode "GET_RECMODE": () => (), Ignored;
            /// Sets the recovery mode.
            16 SetRecmode "SET_RECMODE": RecoveryMode => (), Exact;
            /// The status is the node's number.
            35 GetPnn "GET_PNN": () => (), Ignored;
            /// Ends the daemon.
            36 Shutdown "SHUTDOWN": () => (), Ignored;
            /// Changes a node's flags.
            52 ModifyFlags "MODIFY_FLAGS": NodeFlagChange => (), Exact;
            /// When the daemon and its last recovery began and ended.
            69 Uptime "UPTIME": () => types::Uptime, Ignored;
            /// Recovery begins.
            70 StartRecovery "START_RECOVERY": () => (), Ignored;
            /// Recovery ends.
            71 EndRecovery "END_RECOVERY": () => (), Ignored;
            /// Reads the nodes list again.
            72 ReloadNodesFile "RELOAD_NODES_FILE": () => (), Exact;
            /// What the node can do.
            80 GetCapabilities "GET_CAPABILITIES": () => Capabilities, Ignored;
            /// The recovery daemon lives.
            87 RecdPing "RECD_PING": () => (), Exact;
            /// All nodes and their flags.
            91 GetNodeMap "GET_NODEMAP": () => NodeMap, Exact;
            /// How long the cluster lock took.
            98 RecdReclockLatency "RECD_RECLOCK_LATENCY": Seconds => (), Exact;
            /// The cluster lock's setting. No data: there is none.
            99 GetReclockFile "GET_RECLOCK_FILE": () => Text, Exact;
            /// Stops the node.
            101 StopNode "STOP_NODE": () => (), Exact;
            /// Lets it go on.
            102 ContinueNode "CONTINUE_NODE": () => (), Exact;
            /// May the node be location master?
            104 SetLmasterRole "SET_LMASTERROLE": u32 => (), Exact;
            /// May the node be leader?
            105 SetRecmasterRole "SET_RECMASTERROLE": u32 => (), Exact;
            /// Bans the node, or ends its ban.
            109 SetBanState "SET_BAN_STATE": BanState => (), Exact;
            /// The node's ban.
            110 GetBanState "GET_BAN_STATE": () => BanState, Exact;
            /// How far the daemon has come.
            138 GetRunstate "GET_RUNSTATE": () => RunState, Exact;
            /// The nodes list as it is on disk.
            140 GetNodesFile "GET_NODES_FILE": () => NodeMap, Exact;
            /// Disables the node.
            157 DisableNode "DISABLE_NODE": () => (), Exact;
            /// Enables it.
            158 EnableNode "ENABLE_NODE": () => (), Exact;
        }
        /// Databases and their records.
        Database DatabaseRequest {
            /// Where a database's file is.
            4 GetDbPath "GETDBPATH": DbId => Text, Exact;
            /// All databases.
            9 GetDbMap "GET_DBMAP": () => DbMap, Exact;
            /// Attaches a volatile database.
            18 DbAttach "DB_ATTACH": Text => DbId, Exact;
            /// All records of a database, to a port of the client.
            20 TraverseStart "TRAVERSE_START": types::TraverseStart => (), Exact;
            /// Between daemons: sends the records of one node.
            21 TraverseAll "TRAVERSE_ALL": types::TraverseAll => (), Exact;
            /// Between daemons: a record.
            22 TraverseData "TRAVERSE_DATA": RecData => (), Exact;
            /// A database's name.
            25 GetDbName "GET_DBNAME": DbId => Text, Exact;
            /// Makes changes of a database's file visible to all nodes.
            26 EnableSeqnum "ENABLE_SEQNUM": DbId => (), Exact;
            /// Between daemons: a database's file changed.
            27 UpdateSeqnum "UPDATE_SEQNUM": DbId => (), Exact;
            /// Freezes all databases.
            33 Freeze "FREEZE": () => (), Exact;
            /// Attaches a persistent database.
            61 DbAttachPersistent "DB_ATTACH_PERSISTENT": Text => DbId, Exact;
            /// Between daemons: stores records of a persistent database.
            63 UpdateRecord "UPDATE_RECORD": MarshallBuffer => (), Ignored;
            /// Empties a database inside the recovery transaction.
            67 WipeDatabase "WIPE_DATABASE": TransDb => (), Exact;
            /// Deletes records if nobody needs them; the reply holds those that stay.
            74 TryDeleteRecords "TRY_DELETE_RECORDS": MarshallBuffer => MarshallBuffer, Ignored;
            /// Between daemons: ends a walk.
            97 TraverseKill "TRAVERSE_KILL": types::TraverseStart => (), Exact;
            /// Commits records to a persistent database on all nodes.
            119 Trans3Commit "TRANS3_COMMIT": MarshallBuffer => (), Ignored;
            /// The sequence number of a persistent database.
            120 GetDbSeqnum "GET_DB_SEQNUM": SeqnumRequest => u64, Exact;
            /// A database is healthy again.
            121 DbSetHealthy "DB_SET_HEALTHY": DbId => (), Exact;
            /// What is wrong with a database. No data: nothing.
            122 DbGetHealth "DB_GET_HEALTH": DbId => Text, Exact;
            /// A record may be vacuumed.
            128 ScheduleForDeletion "SCHEDULE_FOR_DELETION": KeyData => (), Exact;
            /// Allows read-only delegations.
            129 SetDbReadonly "SET_DB_READONLY": DbId => (), Exact;
            /// All records of a database, to a port of the client, with a choice.
            131 TraverseStartExt "TRAVERSE_START_EXT": types::TraverseStartExt => (), Exact;
            /// A database's counters.
            132 GetDbStatistics "GET_DB_STATISTICS": DbId => DbStatistics, Exact;
            /// Holds hot records.
            133 SetDbSticky "SET_DB_STICKY": DbId => (), Exact;
            /// Between daemons: sends the records of one node, with a choice.
            135 TraverseAllExt "TRAVERSE_ALL_EXT": types::TraverseAllExt => (), Exact;
            /// Detaches a database.
            139 DbDetach "DB_DETACH": DbId => (), Exact;
            /// Freezes a database.
            141 DbFreeze "DB_FREEZE": DbId => (), Exact;
            /// Thaws a database.
            142 DbThaw "DB_THAW": DbId => (), Exact;
            /// Begins a recovery transaction.
            143 DbTransactionStart "DB_TRANSACTION_START": TransDb => (), Exact;
            /// Commits a recovery transaction.
            144 DbTransactionCommit "DB_TRANSACTION_COMMIT": TransDb => (), Exact;
            /// Drops a recovery transaction.
            145 DbTransactionCancel "DB_TRANSACTION_CANCEL": DbId => (), Exact;
            /// All records as messages; the reply is their number.
            146 DbPull "DB_PULL": PullDbExt => u32, Exact;
            /// Records will come as messages.
            147 DbPushStart "DB_PUSH_START": PullDbExt => (), Exact;
            /// How many came.
            148 DbPushConfirm "DB_PUSH_CONFIRM": DbId => u32, Exact;
            /// The flags to open a database's file with.
            149 DbOpenFlags "DB_OPEN_FLAGS": DbId => i32, Exact;
            /// Attaches a replicated database.
            150 DbAttachReplicated "DB_ATTACH_REPLICATED": Text => DbId, Exact;
            /// Between daemons: records to bring home and vacuum.
            154 VacuumFetch "VACUUM_FETCH": MarshallBuffer => (), Ignored;
            /// Vacuums a database now.
            155 DbVacuum "DB_VACUUM": types::DbVacuum => (), Exact;
            /// A client's record is to be on every node before this is answered. From 4.25 on.
            162 PushRecord "PUSH_RECORD": types::PushRecord => (), Exact;
            /// Between daemons: stores such a record. From 4.25 on.
            163 PushRecordStore "PUSH_RECORD_STORE": types::PushRecord => (), Exact;
        }
        /// Public addresses and the connections to them.
        Failover FailoverRequest {
            /// A client's connection, to be tickled when its address moves.
            44 TcpClient "TCP_CLIENT": Connection => (), Exact;
            /// Between daemons: adds a connection.
            45 TcpAdd "TCP_ADD": Connection => (), Exact;
            /// Removes a connection.
            46 TcpRemove "TCP_REMOVE": Connection => (), Exact;
            /// Between daemons: a node is up.
            47 Startup "STARTUP": () => (), Exact;
            /// Connections to an address.
            55 GetTcpTickleList "GET_TCP_TICKLE_LIST": SockAddr => TickleList, Exact;
            /// Replaces the connections to an address.
            56 SetTcpTickleList "SET_TCP_TICKLE_LIST": TickleList => (), Ignored;
            /// Announces an address.
            64 SendGratuitousArp "SEND_GRATUITOUS_ARP": AddrInfo => (), Exact;
            /// Adds a public address.
            77 AddPublicIp "ADD_PUBLIC_IP": AddrInfo => (), Exact;
            /// Removes a public address.
            78 DelPublicIp "DEL_PUBLIC_IP": AddrInfo => (), Exact;
            /// Gives up an address.
            88 ReleaseIp "RELEASE_IP": PublicIp => (), Exact;
            /// Takes an address.
            89 TakeoverIp "TAKEOVER_IP": PublicIp => (), Exact;
            /// Public addresses.
            90 GetPublicIps "GET_PUBLIC_IPS": () => PublicIpList, Exact;
            /// All about a public address.
            123 GetPublicIpInfo "GET_PUBLIC_IP_INFO": SockAddr => PublicIpInfo, Exact;
            /// The interfaces of the public addresses.
            124 GetIfaces "GET_IFACES": () => IfaceList, Exact;
            /// Has an interface a link?
            125 SetIfaceLinkState "SET_IFACE_LINK_STATE": Iface => (), Exact;
            /// Adds a connection, told to the others later.
            126 TcpAddDelayedUpdate "TCP_ADD_DELAYED_UPDATE": Connection => (), Exact;
            /// Reads the public addresses again.
            134 ReloadPublicIps "RELOAD_PUBLIC_IPS": () => (), Exact;
            /// A takeover run ended.
            137 Ipreallocated "IPREALLOCATED": () => (), Exact;
            /// A client's connection ended.
            159 TcpClientDisconnected "TCP_CLIENT_DISCONNECTED": Connection => (), Exact;
            /// A client's connection went to another process.
            160 TcpClientPassed "TCP_CLIENT_PASSED": Connection => (), Exact;
            /// A takeover run begins.
            161 StartIpreallocate "START_IPREALLOCATE": () => (), Exact;
        }
    }
    obsolete {
        10 "GET_NODEMAPv4" instead "GET_NODEMAP";
        11 "SET_DMASTER";
        13 "PULL_DB";
        14 "PUSH_DB";
        19 "SET_CALL";
        31 "GET_RECMASTER";
        32 "SET_RECMASTER";
        34 "THAW";
        37 "GET_MONMODE";
        42 "TAKEOVER_IPv4" instead "TAKEOVER_IP";
        43 "RELEASE_IPv4" instead "RELEASE_IP";
        51 "GET_PUBLIC_IPSv4" instead "GET_PUBLIC_IPS";
        54 "KILL_TCP";
        57 "REGISTER_SERVER_ID";
        58 "UNREGISTER_SERVER_ID";
        59 "CHECK_SERVER_ID";
        60 "SERVER_ID_LIST";
        62 "PERSISTENT_STORE";
        65 "TRANSACTION_START";
        66 "TRANSACTION_COMMIT";
        75 "ENABLE_MONITOR";
        76 "DISABLE_MONITOR";
        79 "RUN_EVENTSCRIPTS";
        83 "TRANS2_COMMIT" instead "TRANS3_COMMIT";
        84 "TRANS2_FINISHED";
        85 "TRANS2_ERROR";
        86 "TRANS2_COMMIT" instead "TRANS3_COMMIT";
        96 "GET_EVENT_SCRIPT_STATUS";
        100 "SET_RECLOCK";
        103 "SET_NATGWSTATE";
        107 "ENABLE_SCRIPT";
        108 "DISABLE_SCRIPT";
        111 "SET_DB_PRIORITY";
        112 "GET_DB_PRIORITY";
        113 "TRANSACTION_CANCEL";
        116 "TRANS2_ACTIVE";
        117 "GET_LOG";
        118 "CLEAR_LOG";
        130 "CHECK_SRVIDS";
        136 "RECEIVE_RECORDS";
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_named_opcode_has_one_row() {
        let codes: BTreeSet<u32> = TABLE.iter().map(|row| row.code).collect();
        assert_eq!(codes.len(), TABLE.len());
        let live = TABLE.iter().filter(|row| row.life == Life::Live).count();
        assert_eq!((live, TABLE.len() - live), (110, 40));
        let missing: Vec<u32> = (0..=163).filter(|code| !codes.contains(code)).collect();
        assert_eq!(
            missing,
            [2, 12, 28, 38, 39, 40, 41, 68, 73, 92, 93, 94, 95, 106]
        );
    }

    #[test]
    fn sizes_are_checked_as_c_does() {
        assert_eq!(Request::take(35, b"any"), Ok(Request::GetPnn(())));
        assert_eq!(Request::take(91, b"any"), Err(WireError::Trailing(3)));
        assert_eq!(Request::take(10, b""), Err(WireError::Opcode(10)));
        assert_eq!(
            Request::take(16, &[1, 0, 0]),
            Err(WireError::Short {
                wanted: 4,
                found: 3
            })
        );
    }

    #[test]
    fn recovery_mode_is_kept() {
        let request = SetRecmode::into_request(RecoveryMode::ACTIVE);
        let mut bytes = Vec::new();
        request.put(&mut bytes);
        assert_eq!(Request::take(request.code(), &bytes), Ok(request));
    }
}
