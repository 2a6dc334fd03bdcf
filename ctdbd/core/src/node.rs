//! One cluster node: holds the services and brings each input, packet, timer, answer and letter to the one that it is
//! for. Nothing is decided here.

use std::time::Duration;

use ctdb_config::nodes::NodeLine;
use ctdb_config::tunables::Tunables;
use ctdb_protocol::id::{ClientId, Pnn};
use ctdb_protocol::types::Capabilities;

use crate::cluster::Cluster;
use crate::cluster::view::View;
use crate::context::{Asked, Awaited, Context, Due, Then};
use crate::database::{self, Databases, DbState};
use crate::effect::{Effect, Ticket};
use crate::failover::{Failover, Hosted};
use crate::health::Health;
use crate::input::Input;
use crate::letter::{Delivery, Letter, Mailbox};
use crate::proxy::Proxy;
use crate::settings::Settings;
use crate::statistics::Count as _;
use crate::store::Storage;
use crate::time::Now;
use crate::transport::{PeerState, Transport};

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
    /// When services read what others have written to them.
    pub delivery: Delivery,
}

/// One cluster node. See the crate's documentation for the contract.
#[derive(Debug)]
pub struct Node {
    pub(crate) cx: Context,
    pub(crate) proxy: Proxy,
    pub(crate) databases: Databases,
    pub(crate) cluster: Cluster,
    pub(crate) failover: Failover,
    pub(crate) health: Health,
    pub(crate) transport: Transport,
    /// Current debug level, as GET_DEBUG reports it.
    pub(crate) log_level: i32,
}

impl Node {
    /// A node that has not started yet: feed it [`Input::Start`].
    #[must_use]
    pub fn new(config: NodeConfig) -> Self {
        let mut capabilities = Capabilities::DEFAULT;
        capabilities.set(Capabilities::RECMASTER, config.settings.leader_capability);
        capabilities.set(Capabilities::LMASTER, config.settings.lmaster_capability);
        let letters = Mailbox::new(config.delivery);
        Self {
            log_level: config.settings.log_level,
            cx: Context::new(
                config.settings,
                config.tunables,
                View::new(&config.nodes),
                letters,
            ),
            proxy: Proxy::default(),
            databases: Databases::new(config.storage),
            cluster: Cluster::new(capabilities),
            failover: Failover::default(),
            health: Health::default(),
            transport: Transport::default(),
        }
    }

    /// Own node number; unknown before the transport is open.
    #[must_use]
    pub fn pnn(&self) -> Pnn {
        self.cx.pnn()
    }

    /// Membership, run state, recovery mode, generation.
    #[must_use]
    pub fn view(&self) -> &View {
        self.cx.view()
    }

    /// What the configuration fixes.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        self.cx.settings()
    }

    /// The peers that are connected.
    pub fn peers(&self) -> impl Iterator<Item = PeerState> {
        self.transport.connected(&self.cx)
    }

    /// The public addresses that are to be on this node now.
    #[must_use]
    pub fn hosted_addresses(&self) -> Vec<Hosted> {
        self.failover.hosted(self.cx.pnn())
    }

    /// The process of a client.
    #[must_use]
    pub fn pid_of(&self, client: ClientId) -> Option<i32> {
        self.proxy.pid_of(client)
    }

    /// Who banned this node and why, while it is banned.
    #[must_use]
    pub fn ban_reason(&self) -> Option<&str> {
        self.cluster.ban_reason()
    }

    /// The databases.
    pub fn databases(&self) -> impl Iterator<Item = DbState<'_>> {
        self.databases.states()
    }

    /// What keeps databases from being opened, in a line for each.
    pub fn database_problems(&self) -> impl Iterator<Item = String> {
        self.databases.problems()
    }

    /// A number for a connection that is about to be announced with [`Input::ClientConnected`].
    pub fn next_client_id(&mut self) -> ClientId {
        self.proxy.next_client_id()
    }

    /// The monotonic instant at which [`Input::Wake`] is due; 0 when there is work left.
    #[must_use]
    pub fn next_wake_us(&self) -> Option<u64> {
        if self.databases.pulling() {
            Some(0)
        } else {
            self.cx.next_wake_us()
        }
    }

    /// One step: takes in what happened, gives out what is to be done.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Effect>) {
        self.cx.begin(now, out);
        self.deliver();
        self.take_in(input);
        self.deliver();
        self.work_off();
        self.proxy.turn_ends(&mut self.cx);
        self.cx.end(out);
    }

    fn take_in(&mut self, input: Input) {
        let cx = &mut self.cx;
        match input {
            Input::Start => {
                let now = cx.now();
                cx.statistics().reset(now);
                cx.statistics().roll(now);
                self.transport.start(cx);
                self.cluster.boot(cx);
            }
            Input::TransportOpen { result } => self.cluster.transport_open(cx, result),
            Input::PeerConnected { peer } => self.transport.link_up(cx, peer),
            Input::PeerDisconnected { peer, reason } => self.transport.link_down(cx, peer, reason),
            Input::PeerPacket { from, packet } => self.packet_from_peer(from, packet),
            Input::ClientConnected { client, pid } => self.proxy.connected(cx, client, pid),
            Input::ClientPacket { client, packet } => self.packet_from_client(client, packet),
            Input::ClientGone { client } => {
                self.failover.client_gone(cx, client);
                self.databases.client_gone(cx, client);
                self.proxy.client_gone(cx, client);
            }
            Input::Wake => {}
            Input::Shutdown { code } => drop(self.cluster.shut_down(cx, code)),
            Input::LockGranted { ticket } => self.databases.lock_granted(cx, ticket),
            Input::LockLost { ticket, reason } => self.databases.lock_lost(cx, ticket, &reason),
            Input::EventDone { ticket, status } => self.event_done(ticket, status),
            Input::NodesRead { ticket, nodes } => {
                if let Some(Awaited::Cluster(awaited)) = cx.settle(ticket) {
                    Cluster::nodes_read(cx, awaited, nodes);
                }
            }
            Input::PublicAddressesRead { ticket, addresses } => {
                if let Some(Awaited::Failover(wanted)) = cx.settle(ticket) {
                    self.failover.addresses_read(cx, wanted, addresses);
                }
            }
            Input::ClusterLockTested {
                ticket,
                answer,
                latency_s,
            } => {
                if let Some(Awaited::Cluster(awaited)) = cx.settle(ticket) {
                    let cluster = &mut self.cluster;
                    cluster.cluster_lock_tested(cx, awaited, answer, latency_s);
                }
            }
            Input::ScanRecords { ticket, records } => {
                self.databases.scan_found(cx, ticket, records)
            }
            Input::ScanDone { ticket, complete } => self.databases.scan_done(cx, ticket, complete),
            Input::UpdateDone { ticket, status } => self.databases.update_done(cx, ticket, status),
            Input::RepackDone { ticket } => {
                if let Some(Awaited::Database(database::Awaited::Repack)) = cx.settle(ticket) {
                    self.databases.vacuum_repacked(cx);
                }
            }
            Input::SystemAddresses {
                addresses,
                interfaces,
            } => {
                let addresses = addresses.into_iter().map(|(address, _)| address);
                self.failover.system_addresses(cx, addresses, interfaces);
            }
        }
    }

    /// Letters between the services, and those that they lead to.
    fn deliver(&mut self) {
        while let Some(letter) = self.cx.take_letter() {
            let cx = &mut self.cx;
            match letter {
                Letter::Cluster(letter) => self.cluster.read(cx, letter),
                Letter::Database(letter) => self.databases.read(cx, letter),
                Letter::Failover(letter) => self.failover.read(cx, letter),
                Letter::Health(letter) => self.health.read(cx, letter),
                Letter::Proxy(letter) => self.proxy.read(cx, letter),
                Letter::Transport(letter) => self.transport.read(cx, letter),
            }
        }
    }

    /// Timers that are due, packets to the own node, packets that need wait no longer, slices of long
    /// work: as much as one turn allows.
    fn work_off(&mut self) {
        while let Some(due) = self.cx.take_due() {
            self.due(due);
            self.deliver();
        }
        for _ in 0..WORK_PER_TURN {
            if let Some(packet) = self.cx.take_loopback() {
                self.packet_from_self(packet);
            } else if let Some((id, parked)) = self.cx.take_later() {
                self.databases.go_on(&mut self.cx, id, parked);
            } else {
                break;
            }
            self.deliver();
        }
        if self.databases.pulling() {
            self.databases.pull_slice(&mut self.cx);
        }
    }

    fn due(&mut self, due: Due) {
        let cx = &mut self.cx;
        match due {
            Due::Cluster(due) => self.cluster.due(cx, due),
            Due::Database(due) => self.databases.due(cx, due),
            Due::Failover(due) => self.failover.due(cx, due),
            Due::Health(due) => self.health.due(cx, due),
            Due::Proxy(due) => self.proxy.due(cx, due),
            Due::Transport(due) => self.transport.due(cx, due),
            Due::Request(reqid) => {
                if let Some(asked) = cx.recall(reqid) {
                    cx.count(|s| s.timeouts.control.up());
                    self.question_timed_out(asked);
                }
            }
            Due::Second => {
                let now = cx.now();
                cx.statistics().roll(now);
                let interval_s = cx.tunables().stat_history_interval().max(1);
                cx.arm(Duration::from_secs(u64::from(interval_s)), Due::Second);
            }
        }
    }

    fn question_timed_out(&mut self, asked: Asked) {
        let cx = &mut self.cx;
        match asked {
            Asked::Proxy(asked) => Proxy::timed_out(cx, &asked),
            Asked::Database(asked) => self.databases.question_timed_out(cx, asked),
            Asked::Cluster(asked) => self.cluster.question_timed_out(cx, asked),
        }
    }

    fn event_done(&mut self, ticket: Ticket, status: i32) {
        let cx = &mut self.cx;
        let Some(Awaited::Event(then)) = cx.settle(ticket) else {
            return;
        };
        match then {
            Then::Cluster(then) => self.cluster.after_event(cx, then, status),
            Then::Failover(then) => self.failover.after_event(cx, then, status),
            Then::Health(then) => self.health.after_event(cx, then, status),
        }
    }
}
