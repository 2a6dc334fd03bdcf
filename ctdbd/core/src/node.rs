//! One cluster node: holds the services and routes each input to the one that it is for.

use bytes::Bytes;
use ctdb_config::nodes::NodeLine;
use ctdb_config::tunables::Tunables;
use ctdb_protocol::id::{ClientId, Pnn, ReqId};
use ctdb_protocol::packet::{Packet, ReplyControl, ReqMessage};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::Capabilities;

use crate::cluster::member::Members;
use crate::cluster::{Cluster, flags, nodes};
use crate::database::Databases;
use crate::database::persistent::{update_done, update_timed_out};
use crate::effect::{Effect, Ticket};
use crate::event::monitor::Monitor;
use crate::event::{self, Then};
use crate::failover::service::Failover;
use crate::input::Input;
use crate::proxy::Proxy;
use crate::requests::About;
use crate::shared::{Pending, Settings, Shared, Timer, Waiting};
use crate::store::Storage;
use crate::time::Now;
use crate::transport;

/// Packets and leftovers that one input may lead to before the shell gets its turn again.
const WORK_PER_TURN: usize = 512;

/// What a node is made from.
pub struct NodeConfig {
    /// Fixed configuration.
    pub settings: Settings,
    /// Tunables as loaded at start.
    pub tunables: Tunables,
    /// The nodes list.
    pub nodes: Vec<NodeLine>,
    /// Record storage.
    pub storage: Box<dyn Storage>,
}

/// One cluster node. See the crate's documentation for the contract.
#[derive(Debug)]
pub struct Node {
    pub(crate) shared: Shared,
    pub(crate) proxy: Proxy,
    pub(crate) databases: Databases,
    pub(crate) cluster: Cluster,
    pub(crate) failover: Failover,
    pub(crate) monitor: Monitor,
}

impl Node {
    /// A node that has not started yet: feed it [`Input::Start`].
    #[must_use]
    pub fn new(config: NodeConfig) -> Self {
        let mut capabilities = Capabilities::DEFAULT;
        capabilities.set(Capabilities::RECMASTER, config.settings.leader_capability);
        capabilities.set(Capabilities::LMASTER, config.settings.lmaster_capability);
        let members = Members::new(&config.nodes);
        Self {
            shared: Shared::new(config.settings, config.tunables, members, config.storage),
            proxy: Proxy::default(),
            databases: Databases::default(),
            cluster: Cluster {
                capabilities,
                ..Cluster::default()
            },
            failover: Failover::default(),
            monitor: Monitor::default(),
        }
    }

    /// Own node number; unknown before the transport is open.
    #[must_use]
    pub fn pnn(&self) -> Pnn {
        self.shared.pnn
    }

    /// What all services share, for the simulator's checkers.
    #[must_use]
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Who banned this node and why, while it is banned.
    #[must_use]
    pub fn ban_reason(&self) -> Option<&str> {
        self.cluster.ban.as_ref().map(|ban| ban.reason.as_str())
    }

    /// The public addresses that are to be on this node now.
    #[must_use]
    pub fn hosted_addresses(&self) -> Vec<crate::failover::report::Hosted> {
        self.failover.hosted(self.shared.pnn)
    }

    /// The process of a client.
    #[must_use]
    pub fn pid_of(&self, client: ClientId) -> Option<i32> {
        Some(self.proxy.session(client)?.pid)
    }

    /// The databases, for the simulator's checkers.
    #[must_use]
    pub fn databases(&self) -> &Databases {
        &self.databases
    }

    /// A number for a connection that is about to be announced with [`Input::ClientConnected`].
    pub fn next_client_id(&mut self) -> ClientId {
        self.proxy.next_client_id()
    }

    /// The monotonic instant at which [`Input::Wake`] is due; 0 when there is work left.
    #[must_use]
    pub fn next_wake_us(&self) -> Option<u64> {
        let left = !self.shared.loopback.is_empty()
            || !self.shared.ready.is_empty()
            || self.databases.pulling();
        if left {
            Some(0)
        } else {
            self.shared.timers.next_us()
        }
    }

    /// One step: takes in what happened, gives out what is to be done.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Effect>) {
        self.shared.now = now;
        std::mem::swap(&mut self.shared.out, out);
        self.take_in(input);
        self.work_off();
        if self.failover.take_ban_request() {
            let time_s = self.shared.tunables.recovery_ban_period();
            self.cluster.set_ban(
                &mut self.shared,
                &mut self.databases,
                &mut self.failover,
                time_s,
                "another node has an address that should be here alone",
            );
        }
        if let Some(what) = self.shared.cannot_store.take() {
            self.cluster.cannot_store(
                &mut self.shared,
                &mut self.databases,
                &mut self.failover,
                what,
            );
        }
        self.cluster.watch_recovery_mode(&mut self.shared);
        if std::mem::take(&mut self.shared.membership_changed) {
            self.proxy
                .deliver_exactly(&mut self.shared, Srvid::NODE_CHANGED, &Bytes::new());
        }
        std::mem::swap(&mut self.shared.out, out);
    }

    fn take_in(&mut self, input: Input) {
        let Self {
            shared: cx,
            proxy,
            databases,
            cluster,
            failover,
            ..
        } = self;
        match input {
            Input::Start => cluster.boot(cx),
            Input::TransportOpen { result } => {
                if cluster.transport_open(cx, databases, result) {
                    failover.boot(cx);
                    failover.start_periodic(cx);
                }
            }
            Input::PeerConnected { peer } => transport::connected(cx, peer),
            Input::PeerDisconnected { peer, reason } => self.peer_gone(peer, &reason),
            Input::PeerPacket { from, packet } => self.packet_from_peer(from, packet),
            Input::ClientConnected { client, pid } => proxy.connected(client, pid),
            Input::ClientPacket { client, packet } => self.packet_from_client(client, packet),
            Input::ClientGone { client } => self.client_gone(client),
            Input::Wake => {}
            Input::Shutdown { code } => {
                cluster.shut_down(cx, code);
            }
            Input::LockGranted { ticket } => self.lock_granted(ticket),
            Input::LockLost { ticket, reason } => self.lock_lost(ticket, &reason),
            Input::EventDone { ticket, status } => {
                if let Some(Waiting::Event(then)) = cx.settle(ticket) {
                    self.event_done(then, status);
                }
            }
            Input::NodesRead { ticket, nodes } => {
                if let Some(Waiting::Nodes(wanted)) = cx.settle(ticket) {
                    self.nodes_read(wanted, nodes);
                }
            }
            Input::PublicAddressesRead { ticket, addresses } => {
                if let Some(Waiting::PublicAddresses(wanted)) = cx.settle(ticket) {
                    failover.addresses_read(cx, wanted, addresses);
                }
            }
            Input::ClusterLockTested {
                ticket,
                answer,
                latency_s,
            } => {
                if let Some(Waiting::ClusterLock(asker)) = cx.settle(ticket) {
                    cluster.cluster_lock_tested(cx, databases, asker, answer, latency_s);
                }
            }
            Input::ScanRecords { ticket, records } => match cx.waiting(ticket) {
                Some(Waiting::TraverseScan(_)) => {
                    databases.traverse_found(cx, proxy, ticket, records)
                }
                Some(Waiting::VacuumScan(_)) => databases.vacuum_found(&records),
                _ => {}
            },
            Input::ScanDone { ticket, complete } => match cx.settle(ticket) {
                Some(Waiting::TraverseScan(_)) => databases.traverse_walked(cx, proxy, ticket),
                Some(Waiting::VacuumScan(_)) => databases.vacuum_scanned(cx, complete),
                _ => {}
            },
            Input::UpdateDone { ticket, status } => {
                if let Some(Waiting::Update(updating)) = cx.settle(ticket) {
                    update_done(cx, &updating, status);
                    databases.update_ended(cx, ticket);
                }
            }
            Input::RepackDone { ticket } => {
                if let Some(Waiting::Repack(_)) = cx.settle(ticket) {
                    databases.vacuum_repacked(cx);
                }
            }
            Input::SystemAddresses {
                addresses,
                interfaces,
            } => {
                failover.system_addresses(
                    cx,
                    addresses.into_iter().map(|(address, _)| address),
                    interfaces,
                );
            }
        }
    }

    /// Timers that are due, packets to the own node, packets that need wait no longer, slices of long
    /// work: as much as one turn allows.
    fn work_off(&mut self) {
        while let Some(timer) = self.shared.timers.take_due(self.shared.now.monotonic_us) {
            self.timer(timer);
        }
        for _ in 0..WORK_PER_TURN {
            if let Some(packet) = self.shared.loopback.pop_front() {
                self.packet_from_self(packet);
            } else if let Some((id, parked)) = self.shared.ready.pop_front() {
                self.replay(id, parked);
            } else {
                break;
            }
        }
        if self.databases.pulling() {
            self.databases.pull_slice(&mut self.shared);
        }
    }

    fn timer(&mut self, timer: Timer) {
        let Self {
            shared: cx,
            proxy,
            databases,
            cluster,
            failover,
            monitor,
        } = self;
        match timer {
            Timer::Control(reqid) => self.control_timed_out(reqid),
            Timer::Keepalive => {
                for peer in transport::keepalive_tick(cx) {
                    self.shared.out.push(Effect::DropPeer { peer });
                    self.peer_gone(peer, "no packet was heard from it for too long");
                }
            }
            Timer::Silence(peer) => {
                if transport::is_silent(cx, peer) {
                    self.shared.out.push(Effect::DropPeer { peer });
                    self.peer_gone(peer, "no packet was heard from it for too long");
                }
            }
            Timer::Second => {
                cx.statistics.roll(cx.now);
                let interval_s = cx.tunables.stat_history_interval().max(1);
                cx.arm(
                    std::time::Duration::from_secs(u64::from(interval_s)),
                    Timer::Second,
                );
            }
            Timer::DeferredAttach(number) => databases.deferred_expired(cx, number),
            Timer::ReplayAttaches => self.replay_attaches(),
            Timer::Collapse(db, reqid) => {
                if let Some(db) = databases.find(db) {
                    db.collapse_expired(cx, reqid);
                }
            }
            Timer::Traverse(number) => databases.traverse_timed_out(cx, proxy, number),
            Timer::Sequence(db) => databases.sequence_tick(cx, db),
            Timer::Vacuum(db) => databases.vacuum_due(cx, db),
            Timer::VacuumLimit(db) => databases.stop_vacuum(cx, db),
            Timer::Job => databases.vacuum_continue(cx),
            Timer::Revoke(db, id) => {
                if let Some(db) = databases.find(db) {
                    db.revoke_timed_out(cx, id);
                }
            }
            Timer::RevokeReplay(db, id) => {
                if let Some(db) = databases.find(db) {
                    db.revoke_replay(cx, id);
                }
            }
            Timer::Unpin(db, key) => {
                if let Some(db) = databases.find(db) {
                    db.unpin(cx, &key);
                }
            }
            Timer::Unstick(db, key) => {
                if let Some(db) = databases.find(db) {
                    db.unstick(&key);
                }
            }
            Timer::Commit(db, id) => {
                if let Some(client) = databases.commit_timed_out(cx, db, id)
                    && let Some(session) = proxy.session_mut(client)
                {
                    session.committing = None;
                }
            }
            Timer::CommitAgain(db, id, node) => {
                self.databases.commit_again(cx, db, id, node);
            }
            Timer::PushRecord(push) => databases.push_timed_out(cx, push),
            Timer::LateUpdate(number) => databases.late_expired(cx, number),
            Timer::LeaveRecovery => databases.late_stored(cx),
            Timer::Update(ticket) => {
                update_timed_out(cx, ticket);
                databases.update_ended(cx, ticket);
            }
            Timer::StorageLook => cluster.look_at_storage(cx, databases),
            Timer::BanEnd => cluster.ban_ended(cx, databases, failover),
            Timer::DropAllAddresses => {
                // The timer is kept, as over, so that it does not begin again while this lasts.
                cx.error("Been in recovery mode for too long. Dropping all IPS");
                failover.drop_all(cx);
            }
            Timer::Monitor => monitor.due(cx),
            Timer::FirstRecovery => cluster.first_recovery_poll(cx, databases),
            Timer::BusyFiles => databases.open_busy(cx),
            Timer::AttachPersistent => {
                if cluster.open_persistent(cx, databases) {
                    failover.boot(cx);
                    failover.start_periodic(cx);
                }
            }
            Timer::Startup => cluster.startup(cx),
            Timer::Shutdown => cluster.shutdown_wait_over(cx),
            Timer::TellLeader(client) => cluster.tell_leader(cx, proxy, client),
            Timer::Failover(due) => failover.due(cx, due),
        }
    }

    fn control_timed_out(&mut self, reqid: ReqId) {
        let Some(pending) = self.shared.recall(reqid) else {
            return;
        };
        self.shared.statistics.count(|s| s.timeouts.control += 1);
        match pending {
            Pending::Client { client, reqid, .. } => {
                self.proxy
                    .control_timed_out(&mut self.shared, client, reqid)
            }
            // These have a limit of their own.
            Pending::Call(_) | Pending::Commit { .. } | Pending::PushRecord { .. } => {}
            other @ (Pending::Revoke { .. }
            | Pending::VacuumDelete { .. }
            | Pending::LockCheck { .. }) => {
                self.pending_answered(other, failed("ctdb_control timed out"));
            }
        }
    }

    /// A peer's connection broke: whoever waits for it is told at once.
    fn peer_gone(&mut self, peer: Pnn, reason: &str) {
        let cx = &mut self.shared;
        if !transport::disconnected(cx, peer, reason) {
            return;
        }
        self.cluster.leader_gone(peer);
        self.databases.pushes.forget(peer);
        self.proxy.node_gone(cx, peer);
        // Those of clients were answered by the proxy.
        let daemons_own = cx.recall_about(About::Node(peer), |_| true);
        for (_, pending) in daemons_own {
            self.pending_answered(pending, failed("node is disconnected"));
        }
    }

    fn client_gone(&mut self, client: ClientId) {
        let Self {
            shared: cx,
            proxy,
            databases,
            failover,
            ..
        } = self;
        failover.client_gone(cx, client);
        let Some(session) = proxy.gone(client) else {
            return;
        };
        if session.open_updates > 0 {
            cx.error(format!(
                "client {client} went away with {} open updates",
                session.open_updates
            ));
            cx.recovery_mode = crate::shared::RecoveryMode::Active;
        }
        Proxy::forget_requests(cx, client);
        databases.deferred_gone(cx, client);
        databases.traverse_gone(cx, client);
        for db in databases.map.values_mut() {
            db.abandon_commit(cx, client);
            db.forget_calls(cx, client);
        }
        let generation = cx.vnn_map.generation;
        for (srvid, data) in session.notifies {
            for node in cx.expand(Pnn::BROADCAST_CONNECTED) {
                let message = Packet::ReqMessage(ReqMessage {
                    srvid,
                    data: data.clone(),
                });
                cx.send(node, ReqId(0), generation, &message);
            }
        }
    }

    fn lock_granted(&mut self, ticket: Ticket) {
        match self.shared.waiting(ticket) {
            Some(&Waiting::ChainLock(id, chain)) => {
                let Some(db) = self.databases.find(id) else {
                    return;
                };
                let queue = db.begin_serving(&mut self.shared, chain);
                for parked in queue {
                    self.replay(id, parked);
                }
                if let Some(db) = self.databases.find(id) {
                    db.end_serving(&mut self.shared, chain);
                }
            }
            Some(&Waiting::FileLock(id)) => {
                self.databases.file_locked(&mut self.shared, id, ticket)
            }
            _ => self.shared.out.push(Effect::ReleaseLock { ticket }),
        }
    }

    fn lock_lost(&mut self, ticket: Ticket, reason: &str) {
        match self.shared.settle(ticket) {
            Some(Waiting::ChainLock(id, chain)) => {
                let Some(db) = self.databases.find(id) else {
                    return;
                };
                let text = format!("{}: a record could not be locked: {reason}", db.name);
                self.shared.error(text);
                let queue = db.wait_failed(&mut self.shared, chain);
                self.shared
                    .ready
                    .extend(queue.into_iter().map(|parked| (id, parked)));
            }
            Some(Waiting::FileLock(id)) => {
                self.databases.file_lock_lost(&mut self.shared, id, reason)
            }
            _ => {}
        }
    }

    fn event_done(&mut self, then: Then, status: i32) {
        let Self {
            shared: cx,
            databases,
            cluster,
            failover,
            monitor,
            ..
        } = self;
        match then {
            Then::Init => cluster.init_done(cx, status),
            Then::Setup => cluster.setup_done(cx, status),
            Then::Startup => cluster.startup_done(cx, monitor, status),
            Then::Monitor => monitor.done(cx, status),
            Then::StartRecovery(asker) => {
                cx.reply_status(asker, event::verdict("startrecovery", status))
            }
            Then::EndRecovery(asker) => cluster.recovery_ended(cx, databases, asker, status),
            Then::Failover(after) => failover.after_event(cx, after, status),
            Then::Shutdown => cluster.shutdown_event_done(cx),
        }
    }

    fn nodes_read(&mut self, wanted: nodes::Wanted, lines: Result<Vec<NodeLine>, String>) {
        let cx = &mut self.shared;
        match (wanted, lines) {
            (nodes::Wanted::Tell(asker), Ok(lines)) => {
                cx.reply_with(asker, &nodes::file_map(&lines))
            }
            (nodes::Wanted::Tell(asker), Err(error)) => {
                cx.error(format!("Failed to read nodes list: {error}"));
                cx.reply_status(asker, -1);
            }
            (nodes::Wanted::Reload(asker), Ok(lines)) => {
                let gone = nodes::reload(cx, &lines);
                cx.reply_status(asker, 0);
                let own = cx.pnn;
                let generation = cx.vnn_map.generation;
                let message = ReqMessage {
                    srvid: Srvid::RELOAD_NODES,
                    data: Bytes::new(),
                };
                cx.send(own, ReqId(0), generation, &Packet::ReqMessage(message));
                for peer in gone {
                    self.proxy.node_gone(&mut self.shared, peer);
                }
            }
            (nodes::Wanted::Reload(asker), Err(error)) => {
                // Upstream ends the daemon here; nothing is lost by keeping the list that works.
                cx.error(format!(
                    "Failed to reload nodes list, the old one stays: {error}"
                ));
                cx.reply_status(asker, -1);
            }
        }
    }

    fn replay_attaches(&mut self) {
        for request in self.databases.deferred_take(&mut self.shared) {
            let alive = self.proxy.session(request.asker.client).is_some();
            if alive {
                self.databases.attach(&mut self.shared, request, true);
            }
        }
    }

    /// Own flags are set and the node leaves the active set (STOP_NODE).
    pub(crate) fn stop(&mut self) {
        let Self {
            shared: cx,
            databases,
            failover,
            ..
        } = self;
        flags::set_own(cx, ctdb_protocol::types::NodeFlags::STOPPED, true);
        flags::become_inactive(cx, databases, failover);
    }
}

/// The answer that a control gets when there is none.
fn failed(text: &'static str) -> ReplyControl {
    ReplyControl {
        status: -1,
        data: Bytes::new(),
        errormsg: Bytes::from_static(text.as_bytes()),
    }
}
