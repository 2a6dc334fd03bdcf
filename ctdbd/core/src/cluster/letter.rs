//! What the cluster service is told, and what its timers, events and questions are for.

use std::fmt;

use ctdb_protocol::id::{ClientId, DbId, Generation, Pnn};

use super::{CannotStore, Cluster, nodes};
use crate::context::{About, Context};
use crate::control::Asker;
use crate::database;

/// Why recovery mode is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The node leaves the active set.
    Inactive,
    /// Packets to or from a node were lost with its connection.
    PacketsLost(Pnn),
    /// The last recovery had begun before something was lost that it should have found.
    Owed,
    /// A commit was not stored by every node.
    Commit(DbId),
    /// A client went away in the middle of a commit or of an update of the old kind.
    ClientGone(ClientId),
    /// Nodes do not agree on where a record is.
    Record(DbId),
    /// A database that was not to be trusted may become whole.
    Database,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inactive => f.write_str("this node is inactive"),
            Self::PacketsLost(node) => write!(f, "packets of node {node} may be lost"),
            Self::Owed => f.write_str("something was lost while the last recovery was under way"),
            Self::Commit(db) => write!(f, "a transaction on database {db} has to be decided"),
            Self::ClientGone(client) => {
                write!(f, "client {client} left something half done")
            }
            Self::Record(db) => write!(f, "nodes disagree about a record of database {db}"),
            Self::Database => f.write_str("an unhealthy database may be healed"),
        }
    }
}

/// What other services tell this one.
#[derive(Debug)]
pub enum Letter {
    /// Transport: a peer is connected.
    PeerUp {
        /// The peer.
        peer: Pnn,
        /// The generation in which packets to or from it were lost.
        lost_in: Option<Generation>,
    },
    /// Transport: its connection broke.
    PeerGone {
        /// The peer.
        peer: Pnn,
        /// In words.
        reason: String,
    },
    /// Anybody: a recovery has to put something right.
    RecoveryWanted(Reason),
    /// Failover: this node is in a state that only a ban of itself can mend.
    BanMe,
    /// Database: a recovery could not store or open one here several times in a row.
    CannotStore(CannotStore),
    /// Database: the answer to [`database::Letter::LookFor`]: what is well again, or why it is not.
    Looked(Result<String, String>),
    /// Anybody: something without which the daemon cannot run has failed.
    Fatal {
        /// Exit code of the process.
        code: i32,
        /// For the log.
        text: String,
    },
    /// Transport: this node is to go, in good order.
    ShutDown,
    /// Health: what the scripts said is news.
    HealthChanged {
        /// Whether the node is healthy.
        healthy: bool,
        /// What the event ended with.
        status: i32,
    },
    /// Database: the answer to [`database::Letter::OpenPersistent`].
    PersistentOpen(Result<(), database::OpenFailure>),
    /// Database: the answer to [`database::Letter::EndCommits`].
    CommitsEnded(Asker),
    /// Database: the answer to [`database::Letter::PrepareToLeave`]; what is in the way, if anything.
    MayLeaveRecovery(Asker, Result<(), String>),
    /// Database: the answer to [`database::Letter::LeaveRecovery`].
    LeftRecovery(Asker),
    /// Database: the answer to [`database::Letter::BecameInactive`].
    Inactive(Asker),
    /// Proxy: a client has begun to listen for who leads.
    LeaderAsked(ClientId),
}

/// What a timer of this service is for.
#[derive(Debug)]
pub enum Due {
    /// A ban ends.
    BanEnd,
    /// Look whether the disk takes data again.
    StorageLook,
    /// RecoveryDropAllIPs is over.
    DropAllAddresses,
    /// Databases at the start that somebody has locked.
    OpenPersistent,
    /// Poll whether the first recovery is over.
    FirstRecovery,
    /// Try the startup event (again).
    Startup,
    /// End of a wait of the shutdown sequence.
    Shutdown,
}

/// What an answer of the shell is for.
#[derive(Debug)]
pub enum Awaited {
    /// The nodes list, for RELOAD_NODES_FILE or GET_NODES_FILE.
    Nodes(nodes::Wanted),
    /// A try for the cluster lock, for SET_RECMODE.
    ClusterLock(Asker),
}

/// What the end of an event is for.
#[derive(Debug)]
pub enum AfterEvent {
    /// Boot goes on after `init`.
    Init,
    /// Boot goes on after `setup`.
    Setup,
    /// Boot goes on after `startup`.
    Startup,
    /// START_RECOVERY is answered.
    StartRecovery(Asker),
    /// END_RECOVERY is answered.
    EndRecovery(Asker),
    /// The daemon ends.
    Shutdown,
}

/// What another node was asked for.
#[derive(Debug)]
pub enum Asked {
    /// GET_RECLOCK_FILE of the leader, during START_RECOVERY.
    LockCheck {
        /// Who waits for START_RECOVERY.
        asker: Asker,
        /// Node that was asked.
        node: Pnn,
    },
}

impl Asked {
    /// What it is to be found by.
    pub(crate) fn subjects(&self) -> [Option<About>; 2] {
        match self {
            Self::LockCheck { node, .. } => [Some(About::Node(*node)), None],
        }
    }
}

impl Cluster {
    /// Reads a letter.
    pub(crate) fn read(&mut self, cx: &mut Context, letter: Letter) {
        match letter {
            Letter::PeerUp { peer, lost_in } => self.peer_up(cx, peer, lost_in),
            Letter::PeerGone { peer, reason } => self.peer_gone(cx, peer, &reason),
            Letter::RecoveryWanted(reason) => self.enter_recovery(cx, &reason),
            Letter::BanMe => {
                let time_s = cx.tunables().recovery_ban_period();
                let reason = "another node has an address that should be here alone";
                self.set_ban(cx, None, time_s, reason);
            }
            Letter::CannotStore(what) => self.cannot_store(cx, what),
            Letter::Looked(found) => self.looked_at_storage(cx, found),
            Letter::Fatal { code, text } => super::boot::fatal(cx, code, text),
            Letter::ShutDown => drop(self.shut_down(cx, 0)),
            Letter::HealthChanged { healthy, status } => {
                Self::health_changed(cx, healthy, status);
            }
            Letter::PersistentOpen(result) => self.persistent_open(cx, result),
            Letter::CommitsEnded(asker) => Self::run_recovered(cx, asker),
            Letter::MayLeaveRecovery(asker, result) => self.may_leave(cx, asker, result),
            Letter::LeftRecovery(asker) | Letter::Inactive(asker) => cx.reply_status(asker, 0),
            Letter::LeaderAsked(client) => self.tell_leader(cx, client),
        }
    }

    /// A timer.
    pub(crate) fn due(&mut self, cx: &mut Context, due: Due) {
        match due {
            Due::BanEnd => self.ban_ended(cx),
            Due::StorageLook => self.look_at_storage(cx),
            Due::DropAllAddresses => {
                // The timer is kept, as over, so that it does not begin again while this lasts.
                cx.error("Been in recovery mode for too long. Dropping all IPS");
                cx.post(crate::failover::Letter::DropAll);
            }
            Due::OpenPersistent => cx.post(database::Letter::OpenPersistent),
            Due::FirstRecovery => self.first_recovery_poll(cx),
            Due::Startup => self.startup(cx),
            Due::Shutdown => self.shutdown_wait_over(cx),
        }
    }

    /// An event has ended.
    pub(crate) fn after_event(&mut self, cx: &mut Context, then: AfterEvent, status: i32) {
        match then {
            AfterEvent::Init => Self::init_done(cx, status),
            AfterEvent::Setup => self.setup_done(cx, status),
            AfterEvent::Startup => self.startup_done(cx, status),
            AfterEvent::StartRecovery(asker) => Self::recovery_begun(cx, asker, status),
            AfterEvent::EndRecovery(asker) => self.recovery_ended(cx, asker, status),
            AfterEvent::Shutdown => self.shutdown_event_done(cx),
        }
    }
}
