//! One daemon, from its start to its end: the real core, fed with inputs, its effects carried out in the simulation.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;
use ctdb_client::Client;
use ctdb_client::procedure::cluster_watch;
use ctdb_core::effect::{LockScope, LogLevel, ScanFilter, Ticket};
use ctdb_core::{Delivery, Settings};
use ctdb_core::{Effect, Input, Node, NodeConfig, database};
use ctdb_protocol::LockAnswer;
use ctdb_protocol::{ClientId, Packet, Pnn};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use crate::cluster_lock::{ClusterLock, Mood};
use crate::environment::SimulatedEnvironment;
use crate::locks::{LockGuard, Scope};
use crate::network::Inbox;
use crate::seed::Seed;
use crate::stoppable::Stoppable;
use crate::storage::{File, MemStorage, MemTable, SharedFile};
use crate::world::{Scripts, World};

/// Pid that the daemon's own procedures have.
const DAEMON_PID: i32 = 1;
/// How long a process that goes on works off what came meanwhile.
const CATCHING_UP: Duration = Duration::from_secs(1);
/// Records of one piece of a scan.
const SCAN_PIECE: usize = 50;

/// A lock that the daemon waits for or has, through a helper.
enum Hold {
    Waiting(AbortHandle),
    Held(#[allow(dead_code, reason = "held until it is dropped")] LockGuard),
}

/// One daemon, from its start to its end.
pub struct Daemon {
    /// The node.
    pub pnn: Pnn,
    /// Which daemon; never used twice.
    pub number: u64,
    /// The core.
    pub node: RefCell<Node>,
    /// Addresses that the node's interfaces carry.
    pub addresses: RefCell<BTreeSet<IpAddr>>,
    /// Exit code, once the daemon has ended by itself.
    pub exit: Cell<Option<i32>>,
    /// The watch is to end.
    pub stop: Notify,
    /// Inputs and timers wait until then: the process is stopped.
    paused_until: Cell<Instant>,
    world: Weak<World>,
    inbox: Inbox,
    dice: RefCell<Seed>,
    clients: RefCell<BTreeMap<ClientId, mpsc::UnboundedSender<Bytes>>>,
    holds: RefCell<BTreeMap<Ticket, Hold>>,
    tasks: RefCell<Vec<AbortHandle>>,
    alive: Cell<bool>,
    accepting: Cell<bool>,
}

impl Daemon {
    /// Starts a daemon.
    pub fn begin(world: &Rc<World>, pnn: Pnn) -> Rc<Self> {
        let disk = Rc::clone(&world.disks[pnn.0 as usize]);
        let node = Node::new(NodeConfig {
            settings: settings(world, pnn),
            tunables: world.tunables(),
            nodes: world.nodes_list(),
            storage: Box::new(MemStorage(disk)),
            delivery: if world.setup.late_letters {
                Delivery::Late(world.dice().bits())
            } else {
                Delivery::AtOnce
            },
        });
        let (inbox, inputs) = mpsc::unbounded_channel();
        let daemon = Rc::new(Self {
            pnn,
            number: world.next_daemon(),
            node: RefCell::new(node),
            addresses: RefCell::default(),
            exit: Cell::new(None),
            stop: Notify::new(),
            paused_until: Cell::new(Instant::now()),
            world: Rc::downgrade(world),
            inbox,
            dice: RefCell::new(world.dice()),
            clients: RefCell::default(),
            holds: RefCell::default(),
            tasks: RefCell::default(),
            alive: Cell::new(true),
            accepting: Cell::new(false),
        });
        world.daemons.borrow_mut()[pnn.0 as usize] = Some(Rc::clone(&daemon));
        world.note(Some(pnn), format!("daemon {} begins", daemon.number));
        daemon.feed(Input::Start);
        daemon.spawn(Rc::clone(&daemon).drive(inputs));
        daemon
    }

    /// Ends the process. `silent`: with its machine, so that nobody is told.
    pub fn kill(&self, silent: bool) {
        if !self.alive.replace(false) {
            return;
        }
        let world = self.world();
        world.note(
            Some(self.pnn),
            if silent {
                "machine lost"
            } else {
                "daemon ends"
            },
        );
        for task in self.tasks.borrow_mut().drain(..) {
            task.abort();
        }
        self.clients.borrow_mut().clear();
        let holds = std::mem::take(&mut *self.holds.borrow_mut());
        drop(holds);
        world.network.close(self.pnn, silent);
        world.disks[self.pnn.0 as usize].borrow_mut().crash();
        world.daemons.borrow_mut()[self.pnn.0 as usize] = None;
        self.leave_lock(&world);
    }

    /// The helper that holds the cluster lock notices the end of its daemon a little later.
    fn leave_lock(&self, world: &Rc<World>) {
        let (lock, who) = (world.lock.clone(), (self.pnn, self.number));
        let delay = self
            .dice
            .borrow_mut()
            .between(Duration::ZERO, Duration::from_millis(200));
        spawn_local(async move {
            sleep(delay).await;
            lock.release(who);
        });
    }

    /// Whether the process still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.alive.get()
    }

    /// Whether clients are let in.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.alive.get() && self.accepting.get()
    }

    /// Stops the process for a while, as SIGSTOP and SIGCONT do.
    pub fn pause(&self, time: Duration) {
        self.paused_until.set(Instant::now() + time);
    }

    /// Has it just begun, or does it work off at once what came while it was stopped?
    pub fn catches_up(&self) -> bool {
        Instant::now() < self.paused_until.get() + CATCHING_UP
    }

    /// When the process goes on, if it is stopped now.
    #[must_use]
    pub fn paused_until(&self) -> Option<Instant> {
        let until = self.paused_until.get();
        (until > Instant::now()).then_some(until)
    }

    /// The world.
    ///
    /// # Panics
    /// The world has ended before its daemons.
    #[must_use]
    pub fn world(&self) -> Rc<World> {
        self.world
            .upgrade()
            .expect("the world outlives its daemons")
    }

    /// Gives the core an input.
    pub fn feed(&self, input: Input) {
        // A daemon that has ended takes nothing in.
        let _ = self.inbox.send(input);
    }

    /// Runs a task that ends with the process.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) -> AbortHandle {
        let handle = spawn_local(task).abort_handle();
        let mut tasks = self.tasks.borrow_mut();
        tasks.retain(|task| !task.is_finished());
        tasks.push(handle.clone());
        handle
    }

    /// The file of a database.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<SharedFile> {
        self.world().disks[self.pnn.0 as usize].borrow().file(name)
    }

    /// A connection of a process of this machine.
    pub fn connect(&self, pid: i32) -> Client {
        let client = self.node.borrow_mut().next_client_id();
        let (to_daemon, mut from_client) = mpsc::unbounded_channel();
        let (to_client, from_daemon) = mpsc::unbounded_channel();
        self.clients.borrow_mut().insert(client, to_client);
        self.feed(Input::ClientConnected { client, pid });
        let inbox = self.inbox.clone();
        self.spawn(async move {
            while let Some(packet) = from_client.recv().await {
                let _ = inbox.send(Input::ClientPacket { client, packet });
            }
            let _ = inbox.send(Input::ClientGone { client });
        });
        Client::over(to_daemon, from_daemon)
    }

    async fn drive(self: Rc<Self>, mut inputs: mpsc::UnboundedReceiver<Input>) {
        let world = self.world();
        let mut effects = Vec::new();
        loop {
            let wake = self.node.borrow().next_wake_us();
            let input = tokio::select! {
                biased;
                input = inputs.recv() => input,
                () = wake_at(&world, wake) => Some(Input::Wake),
            };
            let Some(input) = input else { return };
            if let Some(until) = self.paused_until() {
                sleep_until(until).await;
            }
            if let Input::ClientGone { client } = &input {
                self.clients.borrow_mut().remove(client);
            }
            self.node
                .borrow_mut()
                .handle(world.now(), input, &mut effects);
            for effect in effects.drain(..) {
                self.carry_out(&world, effect);
            }
            world.checkers.borrow_mut().after_turn(&self);
            if !self.alive.get() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    fn carry_out(self: &Rc<Self>, world: &Rc<World>, effect: Effect) {
        match effect {
            Effect::Log { level, text } => {
                if level <= LogLevel::Notice {
                    world.note(Some(self.pnn), text);
                }
            }
            Effect::ToPeer { peer, lane, packet } => {
                world
                    .checkers
                    .borrow_mut()
                    .packet_sent(self, &world.lock, &packet);
                if world.setup.trace_records
                    && let Some(text) = about_record(&packet)
                {
                    world.note(Some(self.pnn), format!("to node {peer}: {text}"));
                }
                world.network.send(self.pnn, peer, lane, packet);
            }
            Effect::ToClient { client, packet, .. } => {
                if let Some(sender) = self.clients.borrow().get(&client) {
                    // A client that has just gone takes nothing in.
                    let _ = sender.send(packet);
                }
            }
            Effect::DropClient { client } => {
                self.clients.borrow_mut().remove(&client);
                self.feed(Input::ClientGone { client });
            }
            Effect::OpenTransport { .. } => {
                world.network.open(self.pnn, self.inbox.clone());
                self.feed(Input::TransportOpen {
                    result: Ok(self.pnn),
                });
            }
            Effect::SetPeers { peers } => {
                world
                    .network
                    .set_peers(self.pnn, peers.into_iter().map(|(peer, _)| peer));
            }
            Effect::DropPeer { peer } => world.network.drop_peer(self.pnn, peer),
            Effect::AcceptClients => self.accepting.set(true),
            Effect::StartClusterWatch => self.start_cluster_watch(world),
            Effect::StopClusterWatch => self.stop.notify_one(),
            Effect::CloseTransport => world.network.close(self.pnn, false),
            Effect::Exit { code } => {
                self.exit.set(Some(code));
                self.kill(false);
            }
            Effect::AwaitLock {
                ticket,
                path,
                scope,
                ..
            } => self.await_lock(ticket, &path, &scope),
            Effect::ReleaseLock { ticket } => self.release_lock(ticket),
            Effect::RunEvent {
                ticket,
                event,
                args,
                ..
            } => self.run_event(world, ticket, event, args),
            Effect::ReadNodes { ticket } => {
                self.feed(Input::NodesRead {
                    ticket,
                    nodes: Ok(world.nodes_list()),
                });
            }
            Effect::ReadPublicAddresses { ticket } => {
                let addresses = Ok(world.public_addresses());
                self.feed(Input::PublicAddressesRead { ticket, addresses });
            }
            Effect::TestClusterLock { ticket } => {
                self.test_cluster_lock(world.lock.clone(), ticket)
            }
            Effect::Scan {
                ticket,
                path,
                filter,
                ..
            } => self.scan(ticket, &path, filter),
            Effect::Update {
                ticket,
                path,
                rule,
                buffer,
                ..
            } => self.update(ticket, &path, rule, buffer),
            Effect::Repack { ticket, .. } => self.feed(Input::RepackDone { ticket }),
            Effect::ReadAddresses => {
                let addresses = self.addresses.borrow();
                let addresses = addresses
                    .iter()
                    .map(|ip| (*ip, "eth0".to_owned()))
                    .collect();
                let interfaces = vec!["eth0".to_owned()];
                self.feed(Input::SystemAddresses {
                    addresses,
                    interfaces,
                });
            }
            Effect::Notify { .. }
            | Effect::CancelScan { .. }
            | Effect::AnnounceAddress { .. }
            | Effect::Tickle { .. }
            | Effect::SetLogLevel { .. } => {}
        }
    }

    /// A time between two limits, in milliseconds.
    fn between_ms(&self, low: u64, high: u64) -> Duration {
        self.dice
            .borrow_mut()
            .between(Duration::from_millis(low), Duration::from_millis(high))
    }

    fn start_cluster_watch(self: &Rc<Self>, world: &Rc<World>) {
        let client = self.connect(DAEMON_PID);
        let environment = SimulatedEnvironment::new(Rc::clone(self), Rc::clone(world));
        let daemon = Rc::clone(self);
        self.spawn(async move {
            let world = daemon.world();
            let watch = Stoppable::new(Rc::clone(&daemon), cluster_watch::run(client, environment));
            match watch.await {
                Ok(()) => world.note(Some(daemon.pnn), "watch ended"),
                Err(error) => world.note(Some(daemon.pnn), format!("watch ended: {error}")),
            }
        });
    }

    fn file_at(&self, path: &str) -> Option<SharedFile> {
        self.file(path.strip_prefix("/sim/").unwrap_or(path))
    }

    fn await_lock(self: &Rc<Self>, ticket: Ticket, path: &str, scope: &LockScope) {
        let Some(file) = self.file_at(path) else {
            let reason = format!("{path}: no such file");
            return self.feed(Input::LockLost { ticket, reason });
        };
        let locks = file.borrow().locks.clone();
        let scope = match scope {
            LockScope::Record(key) => Scope::Chain(File::chain_of(key)),
            LockScope::Database => Scope::File,
        };
        let daemon = Rc::clone(self);
        let task = self.spawn(async move {
            let guard = locks.acquire(scope).await;
            // The helper's word takes a moment.
            sleep(Duration::from_micros(300)).await;
            daemon.holds.borrow_mut().insert(ticket, Hold::Held(guard));
            daemon.feed(Input::LockGranted { ticket });
        });
        self.holds.borrow_mut().insert(ticket, Hold::Waiting(task));
    }

    fn release_lock(&self, ticket: Ticket) {
        let hold = self.holds.borrow_mut().remove(&ticket);
        if let Some(Hold::Waiting(task)) = hold {
            task.abort();
        }
    }

    fn run_event(
        self: &Rc<Self>,
        world: &Rc<World>,
        ticket: Ticket,
        event: &'static str,
        args: Vec<String>,
    ) {
        let (daemon, world) = (Rc::clone(self), Rc::clone(world));
        world.happens(self.pnn, &format!("runs event {event} {args:?}"));
        let delay = self.between_ms(2, 60);
        let scripts = world.scripts.borrow()[self.pnn.0 as usize];
        if scripts == Scripts::Fail && event != "monitor" {
            return self.feed(Input::EventDone { ticket, status: 1 });
        }
        self.spawn(async move {
            sleep(delay).await;
            let args = if scripts == Scripts::Work {
                args
            } else {
                Vec::new()
            };
            let address = args.get(1).and_then(|word| word.parse().ok());
            if let (Some(address), "takeip") = (address, event) {
                daemon.addresses.borrow_mut().insert(address);
            }
            if let (Some(address), "releaseip") = (address, event) {
                daemon.addresses.borrow_mut().remove(&address);
            }
            if address.is_some() {
                world.checkers.borrow_mut().addresses_changed(&world);
            }
            let sick = event == "monitor" && world.sick.borrow()[daemon.pnn.0 as usize];
            daemon.feed(Input::EventDone {
                ticket,
                status: i32::from(sick),
            });
        });
    }

    fn test_cluster_lock(self: &Rc<Self>, lock: ClusterLock, ticket: Ticket) {
        let daemon = Rc::clone(self);
        self.spawn(async move {
            let latency_s = ClusterLock::LATENCY.as_secs_f64();
            let answer = match lock.mood() {
                Mood::Well => {
                    sleep(ClusterLock::LATENCY).await;
                    if lock.holder().is_some() {
                        LockAnswer::Contended
                    } else {
                        LockAnswer::Held
                    }
                }
                Mood::Failing => LockAnswer::Failed,
                Mood::Hanging => {
                    sleep(Duration::from_secs(5)).await;
                    LockAnswer::TimedOut
                }
            };
            daemon.feed(Input::ClusterLockTested {
                ticket,
                answer,
                latency_s,
            });
        });
    }

    fn scan(&self, ticket: Ticket, path: &str, filter: ScanFilter) {
        let Some(file) = self.file_at(path) else {
            return self.feed(Input::ScanDone {
                ticket,
                complete: false,
            });
        };
        let file = file.borrow();
        let wanted: Vec<(Bytes, Bytes)> = file
            .committed()
            .iter()
            .filter(|(_, value)| filter.wants(value))
            .map(|(key, value)| (Bytes::copy_from_slice(key), value.clone()))
            .collect();
        for piece in wanted.chunks(SCAN_PIECE) {
            self.feed(Input::ScanRecords {
                ticket,
                records: piece.to_vec(),
            });
        }
        self.feed(Input::ScanDone {
            ticket,
            complete: true,
        });
    }

    fn update(
        self: &Rc<Self>,
        ticket: Ticket,
        path: &str,
        rule: database::update::Rule,
        buffer: Bytes,
    ) {
        let Some(file) = self.file_at(path) else {
            return self.feed(Input::UpdateDone { ticket, status: -1 });
        };
        let daemon = Rc::clone(self);
        let delay = self.between_ms(1, 8);
        self.spawn(async move {
            let locks = file.borrow().locks.clone();
            // A transaction has the file for itself.
            let guard = locks.acquire(Scope::File).await;
            sleep(delay).await;
            let before = file.borrow().records().clone();
            let mut table = MemTable::over(Rc::clone(&file));
            let applied = database::update::apply(&mut table, rule, &buffer);
            if applied.is_err() {
                *file.borrow_mut().records_mut() = before;
            }
            drop(guard);
            let status = if applied.is_ok() { 0 } else { -1 };
            daemon.feed(Input::UpdateDone { ticket, status });
        });
    }
}

/// What a packet says about a record, in words.
fn about_record(packet: &Bytes) -> Option<String> {
    let (_, packet) = Packet::decode(packet.clone()).ok()?;
    let text = match packet {
        Packet::ReqCall(call) => {
            format!(
                "bring me {} (hop {})",
                call.key.escape_ascii(),
                call.hopcount
            )
        }
        Packet::ReqDmaster(request) => {
            let (key, owner) = (request.key.escape_ascii().to_string(), request.dmaster);
            format!("{key} goes to node {owner}, rsn {}", request.rsn)
        }
        Packet::ReplyDmaster(reply) => {
            format!("{} is yours, rsn {}", reply.key.escape_ascii(), reply.rsn)
        }
        Packet::ReplyCall(_) => "done".to_owned(),
        Packet::ReplyError(_) => "error".to_owned(),
        Packet::ReqMessage(_)
        | Packet::ReqControl(_)
        | Packet::ReplyControl(_)
        | Packet::ReqKeepalive(_)
        | Packet::ReqTunnel(_) => return None,
    };
    Some(text)
}

async fn wake_at(world: &World, wake_us: Option<u64>) {
    match wake_us {
        Some(0) => {}
        Some(at_us) => sleep_until(world.instant(at_us)).await,
        None => std::future::pending().await,
    }
}

fn settings(world: &World, pnn: Pnn) -> Settings {
    Settings {
        pid: DAEMON_PID,
        cluster_lock: world.uses_lock(pnn).then(|| "/sim/cluster.lock".to_owned()),
        test_mode: world.setup.fast_start,
        failover_disabled: false,
        shutdown_failover_timeout_s: 10,
        shutdown_extra_timeout_s: 0,
        start_as_disabled: false,
        start_as_stopped: false,
        leader_capability: true,
        lmaster_capability: true,
        samba_version: 0x0004_0016,
        strict_version: false,
        log_level: 2,
    }
}
