//! What every service may look at: time, the own number, tunables, membership, recovery state; and the
//! ways out: effects, packets to nodes, replies to controls, timers, requests that await an answer.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use ctdb_config::tunables::Tunables;
use ctdb_protocol::control::Control;
use ctdb_protocol::id::{ClientId, DbId, Generation, Pnn, ReqId};
use ctdb_protocol::packet::{self, Header, Packet, ReplyControl, ReqControl, ReqMessage};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{ControlFlags, NodeFlags, VnnMap};
use ctdb_protocol::wire::{Pad, Wire, encode};

use crate::cluster::member::{Member, Members};
use crate::cluster::storage::CannotStore;
use crate::database::wait::Parked;
use crate::effect::{Effect, Lane, LogLevel, Ticket};
use crate::requests::{About, Requests};
use crate::statistics::Keeper;
use crate::store::Storage;
use crate::time::Now;
use crate::timer::{TimerId, Timers};

/// Whether a recovery is under way (or needed), as SET_RECMODE knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryMode {
    /// Databases are usable.
    Normal,
    /// Databases are, or are about to be, frozen and rebuilt.
    Active,
}

/// How far the daemon has come; only ever increases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunState {
    /// The `init` event runs; nobody is served.
    Init = 1,
    /// Peers and clients are served; the `setup` event runs.
    Setup = 2,
    /// The first recovery is awaited.
    FirstRecovery = 3,
    /// The `startup` event runs; databases are usable.
    Startup = 4,
    /// Everything works; addresses can be hosted.
    Running = 5,
    /// The way out.
    Shutdown = 6,
}

impl RunState {
    /// Upstream's word, as `ctdb runstate` prints it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Setup => "SETUP",
            Self::FirstRecovery => "FIRST_RECOVERY",
            Self::Startup => "STARTUP",
            Self::Running => "RUNNING",
            Self::Shutdown => "SHUTDOWN",
        }
    }
}

/// What the configuration fixes for the life of the daemon.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Pid that clients see as the daemon's.
    pub pid: i32,
    /// `[cluster] cluster lock`, as written; `None` when there is none.
    pub cluster_lock: Option<String>,
    /// `CTDB_TEST_MODE`: quick start, no look at real addresses.
    pub test_mode: bool,
    /// `[failover] disabled`.
    pub failover_disabled: bool,
    /// `[failover] shutdown failover timeout`, seconds.
    pub shutdown_failover_timeout_s: u32,
    /// `[failover] shutdown extra timeout`, seconds.
    pub shutdown_extra_timeout_s: u32,
    /// `[legacy] start as disabled`.
    pub start_as_disabled: bool,
    /// `[legacy] start as stopped`.
    pub start_as_stopped: bool,
    /// `[cluster] leader capability`.
    pub leader_capability: bool,
    /// `[legacy] lmaster capability`.
    pub lmaster_capability: bool,
    /// Version word of the keepalive: major << 16 | minor of Samba.
    pub samba_version: u32,
    /// The version was forced (CTDB_TEST_SAMBA_VERSION): any other one is a mismatch, as in C.
    pub strict_version: bool,
    /// Log level at start, as GET_DEBUG reports it.
    pub log_level: i32,
}

/// Who sent a control, and how its answer finds the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// Node that sent it.
    pub node: Pnn,
    /// Request id to answer with.
    pub reqid: ReqId,
    /// Connection on that node; 0 when a daemon sent it by itself.
    pub client: ClientId,
    /// No answer is wanted.
    pub no_reply: bool,
}

/// What a control sent to a node is waiting for.
#[derive(Debug)]
pub enum Pending {
    /// A record call of a local client, sent to another node.
    Call(DbId),
    /// A client's control: the answer goes back to it.
    Client {
        /// Its connection.
        client: ClientId,
        /// Its own request id.
        reqid: ReqId,
        /// Node that was asked.
        node: Pnn,
        /// Gives up after ControlTimeout.
        timer: Option<TimerId>,
    },
    /// A part of a transaction commit: UPDATE_RECORD to one node.
    Commit {
        /// Database that the commit is for.
        db: DbId,
        /// Number of the commit in that database.
        commit: u64,
        /// Node that was asked.
        node: Pnn,
    },
    /// A part of a revoke: UPDATE_RECORD to one holder of a read-only copy.
    Revoke {
        /// Database.
        db: DbId,
        /// Number of the revoke in that database.
        revoke: u64,
        /// Node that was asked.
        node: Pnn,
    },
    /// A part of a vacuum run: TRY_DELETE_RECORDS to one node.
    VacuumDelete {
        /// Database.
        db: DbId,
        /// Node that was asked.
        node: Pnn,
    },
    /// A part of a client's PUSH_RECORD: PUSH_RECORD_STORE to one node.
    PushRecord {
        /// Number of the push.
        push: u64,
        /// Node that was asked.
        node: Pnn,
    },
    /// GET_RECLOCK_FILE to the leader, during START_RECOVERY.
    LockCheck {
        /// Who waits for START_RECOVERY.
        asker: Asker,
        /// Node that was asked.
        node: Pnn,
    },
}

/// What an answer of the shell, named by its ticket, is for.
#[derive(Debug)]
pub enum Waiting {
    /// The lock of one chain, for the packets parked behind it.
    ChainLock(DbId, u32),
    /// The lock of a whole file, for a freeze.
    FileLock(DbId),
    /// An event.
    Event(crate::event::Then),
    /// The nodes list, for RELOAD_NODES_FILE or GET_NODES_FILE.
    Nodes(crate::cluster::nodes::Wanted),
    /// The public addresses file.
    PublicAddresses(crate::failover::service::AddressesWanted),
    /// A try for the cluster lock, for SET_RECMODE.
    ClusterLock(Asker),
    /// A walk over a file for a traverse that some node has started.
    TraverseScan(DbId),
    /// A walk over a file for a full vacuum run.
    VacuumScan(DbId),
    /// A transaction for UPDATE_RECORD.
    Update(crate::database::persistent::Updating),
    /// A repack after a vacuum run.
    Repack(DbId),
}

/// Why the core wants to be woken.
#[derive(Debug)]
pub enum Timer {
    /// A control was not answered in time.
    Control(ReqId),
    /// Time for keepalives.
    Keepalive,
    /// A peer has perhaps been silent for too long.
    Silence(Pnn),
    /// The tick of a second: statistics history, sequence numbers.
    Second,
    /// A parked attach has waited long enough.
    DeferredAttach(u64),
    /// Replay parked attaches: recovery has ended.
    ReplayAttaches,
    /// Try databases again whose files somebody has locked.
    BusyFiles,
    /// Databases at the start that somebody has locked.
    AttachPersistent,
    /// A fetch-collapse queue has waited long enough.
    Collapse(DbId, ReqId),
    /// TraverseTimeout.
    Traverse(u64),
    /// Look whether the sequence number of a database has changed.
    Sequence(DbId),
    /// A vacuum run is due.
    Vacuum(DbId),
    /// VacuumMaxRunTime is over.
    VacuumLimit(DbId),
    /// Take up a vacuum or another sliced job again.
    Job,
    /// A revoke took too long.
    Revoke(DbId, u64),
    /// Replay calls that a failed revoke left waiting.
    RevokeReplay(DbId, u64),
    /// A pinned sticky record may leave.
    Unpin(DbId, Bytes),
    /// A sticky record is an ordinary one again.
    Unstick(DbId, Bytes),
    /// A commit was not answered in time.
    Commit(DbId, u64),
    /// A node that refused its part of a commit is asked again.
    CommitAgain(DbId, u64, Pnn),
    /// A record was not stored by every node in time.
    PushRecord(u64),
    /// An UPDATE_RECORD that waits for the end of a recovery has waited long enough.
    LateUpdate(u64),
    /// The end of a recovery has waited long enough for updates that were kept.
    LeaveRecovery,
    /// A transaction of UPDATE_RECORD took too long.
    Update(Ticket),
    /// A ban ends.
    BanEnd,
    /// Look whether the disk takes data again.
    StorageLook,
    /// RecoveryDropAllIPs is over.
    DropAllAddresses,
    /// The next monitor event.
    Monitor,
    /// Poll whether the first recovery is over.
    FirstRecovery,
    /// Try the startup event (again).
    Startup,
    /// End of a wait of the shutdown sequence.
    Shutdown,
    /// Tell a client, that has just begun to listen, who leads.
    TellLeader(ClientId),
    /// Something of the failover service.
    Failover(crate::failover::service::Due),
}

/// What the services share. See the module's documentation.
pub struct Shared {
    /// The instant of the input that is being handled.
    pub now: Now,
    /// Own number; unknown until the transport is open.
    pub pnn: Pnn,
    /// Fixed configuration.
    pub settings: Settings,
    /// Tunables.
    pub tunables: Tunables,
    /// Nodes that share keys, and the generation.
    pub vnn_map: VnnMap,
    /// Whether a recovery is under way.
    pub recovery_mode: RecoveryMode,
    /// The generation in which packets were lost to a peer that came back while a recovery was under way,
    /// too late for it to find what was in them: another one has to follow.
    pub recovery_owed: Option<Generation>,
    /// How far the daemon has come.
    pub run_state: RunState,
    /// All nodes of the nodes list.
    pub members: Members,
    /// Counters.
    pub statistics: Keeper,
    /// Record storage.
    pub storage: Box<dyn Storage>,
    /// Current debug level.
    pub log_level: i32,
    /// When the daemon started, monotonic microseconds.
    pub started_us: u64,
    /// A peer came or went: the cluster watch is told.
    pub membership_changed: bool,
    /// A database could not be stored: the cluster service is told.
    pub cannot_store: Option<CannotStore>,
    /// Armed timers.
    pub timers: Timers<Timer>,
    /// Packets to the own node, processed after the current input.
    pub loopback: VecDeque<Bytes>,
    /// What is to be done.
    pub out: Vec<Effect>,
    /// Packets that had waited for something in a database and are to be processed again.
    pub ready: VecDeque<(DbId, Parked)>,
    /// Controls that await an answer.
    requests: Requests,
    /// Requests to the shell that await an answer.
    waiting: BTreeMap<Ticket, Waiting>,
    pub(crate) last_reqid: u32,
    last_ticket: u64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("pnn", &self.pnn)
            .field("run_state", &self.run_state)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// A node that has not started yet.
    #[must_use]
    pub fn new(
        settings: Settings,
        tunables: Tunables,
        members: Members,
        storage: Box<dyn Storage>,
    ) -> Self {
        Self {
            now: Now::default(),
            pnn: Pnn::UNKNOWN,
            log_level: settings.log_level,
            settings,
            tunables,
            vnn_map: VnnMap {
                generation: Generation::INVALID,
                nodes: Vec::new(),
            },
            recovery_mode: RecoveryMode::Active,
            recovery_owed: None,
            run_state: RunState::Init,
            members,
            statistics: Keeper::default(),
            storage,
            started_us: 0,
            membership_changed: false,
            cannot_store: None,
            timers: Timers::default(),
            loopback: VecDeque::new(),
            out: Vec::new(),
            ready: VecDeque::new(),
            requests: Requests::default(),
            waiting: BTreeMap::new(),
            last_reqid: 0,
            last_ticket: 0,
        }
    }

    // ---- words to the log ------------------------------------------------------------------------

    /// Writes a line to the log.
    pub fn log(&mut self, level: LogLevel, text: impl Into<String>) {
        self.out.push(Effect::Log {
            level,
            text: text.into(),
        });
    }

    /// Something failed.
    pub fn error(&mut self, text: impl Into<String>) {
        self.log(LogLevel::Error, text);
    }

    /// Something an operator should look at.
    pub fn warning(&mut self, text: impl Into<String>) {
        self.log(LogLevel::Warning, text);
    }

    /// A change of state.
    pub fn notice(&mut self, text: impl Into<String>) {
        self.log(LogLevel::Notice, text);
    }

    /// Detail.
    pub fn info(&mut self, text: impl Into<String>) {
        self.log(LogLevel::Info, text);
    }

    /// Something about a database took `seconds`: a line in the log when that is longer than LogLatencyMs. The
    /// operation has upstream's name.
    pub fn note_latency(&mut self, level: LogLevel, seconds: f64, operation: &str, database: &str) {
        let limit_ms = self.tunables.log_latency_ms();
        if limit_ms > 0 && seconds * 1000.0 > f64::from(limit_ms) {
            self.log(
                level,
                format!(
                    "High latency {seconds:.6}s for operation {operation} on database {database}"
                ),
            );
        }
    }

    /// The cluster lock took `seconds` to be tried: a line in the log when that is longer than
    /// RecLockLatencyMs.
    pub fn note_lock_latency(&mut self, seconds: f64, operation: &str) {
        let limit_ms = self.tunables.rec_lock_latency_ms();
        if limit_ms > 0 && seconds * 1000.0 > f64::from(limit_ms) {
            self.error(format!(
                "High RECLOCK latency {seconds:.6}s for operation {operation}"
            ));
        }
    }

    // ---- numbers ---------------------------------------------------------------------------------

    /// A request id that is not in use. Never 0.
    pub fn next_reqid(&mut self) -> ReqId {
        loop {
            self.last_reqid = if self.last_reqid >= 0x7fff_ffff {
                1
            } else {
                self.last_reqid + 1
            };
            let reqid = ReqId(self.last_reqid);
            if self.requests.get(reqid).is_none() {
                return reqid;
            }
        }
    }

    /// A fresh name for a request to the shell, whose answer is for `waiting`.
    pub fn expect(&mut self, waiting: Waiting) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.waiting.insert(ticket, waiting);
        ticket
    }

    /// What the answer with this name is for; the name stays known.
    #[must_use]
    pub fn waiting(&self, ticket: Ticket) -> Option<&Waiting> {
        self.waiting.get(&ticket)
    }

    /// Takes what the answer with this name is for: no further answer is expected.
    pub fn settle(&mut self, ticket: Ticket) -> Option<Waiting> {
        self.waiting.remove(&ticket)
    }

    /// Arms a timer `delay` from now.
    pub fn arm(&mut self, delay: Duration, what: Timer) -> TimerId {
        self.timers.arm(self.now.after(delay), what)
    }

    // ---- membership ------------------------------------------------------------------------------

    /// The own entry of the nodes list, once the own number is known.
    #[must_use]
    pub fn myself(&self) -> Option<&Member> {
        self.members.find(self.pnn)
    }

    /// Own flags; DISCONNECTED before the own number is known.
    #[must_use]
    pub fn own_flags(&self) -> NodeFlags {
        self.myself()
            .map_or(NodeFlags::DISCONNECTED, |member| member.flags)
    }

    /// Whether the own node is banned, stopped, deleted or not yet there.
    #[must_use]
    pub fn inactive(&self) -> bool {
        self.own_flags().intersects(NodeFlags::INACTIVE)
    }

    /// The nodes that a destination stands for, in ascending order; empty when it names no node.
    #[must_use]
    pub fn expand(&self, dest: Pnn) -> Vec<Pnn> {
        let chosen = |excluded: NodeFlags| {
            self.members
                .iter()
                .filter(|m| !m.flags.intersects(excluded))
                .map(|m| m.pnn)
                .collect()
        };
        match dest {
            Pnn::BROADCAST_ALL => chosen(NodeFlags::DELETED),
            Pnn::BROADCAST_ACTIVE => chosen(NodeFlags::INACTIVE),
            Pnn::BROADCAST_CONNECTED => chosen(NodeFlags::DELETED | NodeFlags::DISCONNECTED),
            Pnn::CURRENT => vec![self.pnn],
            other => vec![other],
        }
    }

    /// The lmaster of a key with this hash; `None` while the vnn map is empty.
    #[must_use]
    pub fn lmaster(&self, hash: u32) -> Option<Pnn> {
        let size = u32::try_from(self.vnn_map.nodes.len())
            .ok()
            .filter(|&size| size > 0)?;
        self.vnn_map.nodes.get((hash % size) as usize).copied()
    }

    // ---- packets ---------------------------------------------------------------------------------

    /// Sends a packet to one node; to the own node it arrives after the current input.
    pub fn send(&mut self, dest: Pnn, reqid: ReqId, generation: Generation, packet: &Packet) {
        let header = Header::new(generation, self.pnn, dest, reqid);
        self.forward(dest, packet::encode(&header, packet));
    }

    /// Something for a node of this generation goes past it because it is not connected: a recovery has
    /// to follow when it is again.
    pub fn note_missing(&mut self, node: Pnn) {
        let generation = self.vnn_map.generation;
        let member = self.members.find_mut(node).filter(|m| !m.connected());
        if let Some(member) = member
            && self.vnn_map.nodes.contains(&node)
        {
            member.lost_in = Some(generation);
        }
    }

    /// Sends encoded bytes to one node.
    pub fn forward(&mut self, dest: Pnn, packet: Bytes) {
        self.statistics.count(|s| s.node_packets_sent += 1);
        if dest == self.pnn {
            self.loopback.push_back(packet);
            return;
        }
        self.note_missing(dest);
        if self
            .members
            .find(dest)
            .is_some_and(|m| !m.flags.contains(NodeFlags::DELETED))
        {
            self.out.push(Effect::ToPeer {
                peer: dest,
                lane: Lane::Ordered,
                packet,
            });
        }
    }

    /// Sends a message that the daemon itself has to say.
    pub fn message(&mut self, dest: Pnn, srvid: Srvid, data: Bytes) {
        let packet = Packet::ReqMessage(ReqMessage { srvid, data });
        let generation = self.vnn_map.generation;
        for node in self.expand(dest) {
            self.send(node, ReqId(0), generation, &packet);
        }
    }

    /// Sends a control that the daemon itself has to ask, and remembers what its answer is for.
    /// Returns false when the node cannot be asked; then no answer comes.
    pub fn control<C: Control>(
        &mut self,
        dest: Pnn,
        request: &C::Request,
        client: ClientId,
        pending: Pending,
    ) -> bool {
        if self
            .members
            .find(dest)
            .is_none_or(|m| m.flags.contains(NodeFlags::DISCONNECTED))
        {
            return false;
        }
        let reqid = self.next_reqid();
        let packet = control_packet(
            C::CODE,
            client,
            ControlFlags::empty(),
            Bytes::from(encode(request)),
        );
        self.requests.insert(reqid, pending);
        let timeout_s = self.tunables.control_timeout();
        if timeout_s > 0 {
            self.arm(
                Duration::from_secs(u64::from(timeout_s)),
                Timer::Control(reqid),
            );
        }
        let generation = self.vnn_map.generation;
        self.send(dest, reqid, generation, &packet);
        true
    }

    /// Broadcasts a control to which no answer is wanted.
    pub fn announce<C: Control>(&mut self, dest: Pnn, request: &C::Request) {
        let packet = control_packet(
            C::CODE,
            ClientId(0),
            ControlFlags::NOREPLY,
            Bytes::from(encode(request)),
        );
        let generation = self.vnn_map.generation;
        for node in self.expand(dest) {
            self.send(node, ReqId(0), generation, &packet);
        }
    }

    /// Remembers what the answer to `reqid` is for.
    pub fn remember(&mut self, reqid: ReqId, pending: Pending) {
        self.requests.insert(reqid, pending);
    }

    /// What the answer to `reqid` is for; it stays known.
    #[must_use]
    pub fn pending(&self, reqid: ReqId) -> Option<&Pending> {
        self.requests.get(reqid)
    }

    /// Takes what the answer to `reqid` is for.
    pub fn recall(&mut self, reqid: ReqId) -> Option<Pending> {
        self.requests.remove(reqid)
    }

    /// Number of controls that await an answer.
    #[must_use]
    pub fn requests_pending(&self) -> usize {
        self.requests.len()
    }

    /// Takes the pending controls about something for which `chosen` says yes.
    pub fn recall_about(
        &mut self,
        about: About,
        chosen: impl FnMut(&Pending) -> bool,
    ) -> Vec<(ReqId, Pending)> {
        self.requests.remove_about(about, chosen)
    }

    // ---- answers ---------------------------------------------------------------------------------

    /// Answers a control with a status and data.
    pub fn reply(&mut self, asker: Asker, status: i32, data: Bytes) {
        self.answer(asker, status, data, Bytes::new());
    }

    /// Answers a control with a typed value and status 0.
    pub fn reply_with<T: Wire>(&mut self, asker: Asker, value: &T) {
        self.reply(asker, 0, Bytes::from(encode(value)));
    }

    /// Answers a control with a status alone.
    pub fn reply_status(&mut self, asker: Asker, status: i32) {
        self.reply(asker, status, Bytes::new());
    }

    /// Refuses a control with a text that goes over the wire.
    pub fn refuse(&mut self, asker: Asker, status: i32, text: &str) {
        self.answer(
            asker,
            status,
            Bytes::new(),
            Bytes::copy_from_slice(text.as_bytes()),
        );
    }

    fn answer(&mut self, asker: Asker, status: i32, data: Bytes, error: Bytes) {
        if asker.no_reply {
            return;
        }
        let packet = Packet::ReplyControl(ReplyControl {
            status,
            data,
            errormsg: error,
        });
        let generation = self.vnn_map.generation;
        self.send(asker.node, asker.reqid, generation, &packet);
    }
}

/// A control packet as a daemon sends it.
fn control_packet(opcode: u32, client: ClientId, flags: ControlFlags, data: Bytes) -> Packet {
    Packet::ReqControl(ReqControl {
        opcode,
        pad: Pad::ZERO,
        srvid: Srvid(0),
        client_id: client,
        flags,
        data,
    })
}
