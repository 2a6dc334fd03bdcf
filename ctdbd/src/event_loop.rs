//! The loop: what happened goes into the core, what the core wants is done.
//!
//! One future owns all packet sockets. A turn reads what is ready, feeds the core packet by packet,
//! queues what it sends, and writes all of it with one system call per connection at the end.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use ctdb_config::Paths;
use ctdb_core::effect::Effect;
use ctdb_core::{Input, Node, Now};
use ctdb_protocol::id::{ClientId, Pnn};
use socket2::Socket;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::busy_poll::BusyPoll;
use crate::clients::{Clients, Queued};
use crate::cluster_watch::{ClusterWatch, DaemonEnvironment};
use crate::inbound::{inside, tcp, unix};
use crate::inquiry::{self, snapshot::Snapshot};
use crate::log;
use crate::news::{News, ToLoop};
use crate::outbound::events::Events;
use crate::outbound::locks::{self, Locks};
use crate::outbound::records::Records;
use crate::outbound::{addresses, cluster_lock, files, gratuitous_arp, script};
use crate::peers::Peers;
use crate::record_helper::frame::{Job, Work};
use crate::socket::{Ready, Token};
use crate::sys::clock;

/// Bytes that one read takes.
const READ_BYTES: usize = 128 << 10;
/// News taken in one turn.
const NEWS_PER_TURN: usize = 256;
/// Times that the core is woken for leftovers in one turn.
const WAKES_PER_TURN: usize = 8;
/// Turns before other tasks get the thread.
const TURNS: usize = 4;

/// What boot prepares for the loop.
pub struct Parts {
    /// The core.
    pub node: Node,
    /// News for the loop.
    pub news: mpsc::UnboundedReceiver<News>,
    /// Where tasks put news.
    pub to_loop: ToLoop,
    /// The event daemon, running.
    pub events: Events,
    /// Waiting for locks.
    pub locks: Locks,
    /// Work on files.
    pub records: Records,
    /// Own node number for the storage.
    pub own: Rc<Cell<u32>>,
    /// Files that the storage closed.
    pub closed: Rc<RefCell<Vec<String>>>,
    /// Fixed facts.
    pub facts: Facts,
}

/// What does not change while the daemon runs.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Where everything is.
    pub paths: Paths,
    /// `[cluster] node address`.
    pub node_address: Option<IpAddr>,
    /// `[cluster] cluster lock`.
    pub cluster_lock: Option<String>,
    /// `[cluster] leader timeout`.
    pub leader_timeout: Duration,
    /// `[failover] disabled`.
    pub failover_disabled: bool,
    /// Where the nodes list is read from.
    pub nodes_list: String,
    /// The notification script.
    pub notification_script: PathBuf,
    /// The port of all nodes.
    pub port: u16,
    /// Most microseconds that the loop stays awake for the next packet.
    pub busy_poll_us: u32,
}

/// The running loop; ends with the daemon's exit code.
pub struct EventLoop {
    parts: Parts,
    ready: Ready,
    peers: Peers,
    clients: Clients,
    cluster_watch: Option<ClusterWatch>,
    listener: Option<AbortHandle>,
    /// The Unix socket until clients are accepted.
    unix: Option<Socket>,
    timer: Pin<Box<Sleep>>,
    /// Instant that `timer` is set to.
    timer_us: u64,
    busy_poll: BusyPoll,
    scratch: Box<[u8]>,
    tokens: Vec<Token>,
    inputs: Vec<Input>,
    effects: Vec<Effect>,
    /// Connections with packets to write at the end of the turn.
    dirty_peers: Vec<Pnn>,
    dirty_clients: Vec<ClientId>,
    exit: Option<i32>,
}

impl EventLoop {
    /// A loop that begins with the core's start.
    #[must_use]
    pub fn new(parts: Parts, unix: Socket) -> Self {
        let ready = Ready::default();
        parts.closed.borrow_mut().clear();
        Self {
            peers: Peers::new(parts.facts.port, ready.clone(), parts.to_loop.clone()),
            clients: Clients::new(ready.clone()),
            busy_poll: BusyPoll::new(parts.facts.busy_poll_us),
            parts,
            ready,
            cluster_watch: None,
            listener: None,
            unix: Some(unix),
            timer: Box::pin(sleep_until(Instant::now())),
            timer_us: 0,
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
            tokens: Vec::new(),
            inputs: vec![Input::Start],
            effects: Vec::new(),
            dirty_peers: Vec::new(),
            dirty_clients: Vec::new(),
            exit: None,
        }
    }
}

impl Future for EventLoop {
    type Output = i32;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<i32> {
        let this = &mut *self;
        this.ready.set_main(context.waker());
        for _ in 0..TURNS {
            let busy = this.turn(context);
            if let Some(code) = this.exit {
                return Poll::Ready(code);
            }
            if !busy && this.wait(context) {
                if this.busy_poll.look_again(clock::monotonic_us()) {
                    std::thread::yield_now();
                    context.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
        }
        // Other tasks and the kernel's news first, then more turns.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl EventLoop {
    /// Ends what goes on beside the loop; returns the cluster watch, which may need a moment to resign.
    pub fn end(&mut self) -> Option<ClusterWatch> {
        self.flush();
        self.peers.close();
        self.parts.events.stop();
        if let Some(watch) = &self.cluster_watch {
            watch.stop();
        }
        // The next daemon must not find a socket that nobody serves.
        let _ = std::fs::remove_file(self.parts.facts.paths.socket("ctdbd"));
        self.cluster_watch.take()
    }

    /// One turn; true if something was left for the next.
    fn turn(&mut self, context: &mut Context<'_>) -> bool {
        let mut tokens = std::mem::take(&mut self.tokens);
        self.ready.take(&mut tokens);
        if !tokens.is_empty() {
            self.busy_poll.worked(clock::monotonic_us());
        }
        self.feed_core();
        let mut busy = false;
        for token in tokens.drain(..) {
            if self.serve(token) {
                self.tokens.push(token);
                busy = true;
            }
            self.feed_core();
        }
        if self.tokens.is_empty() {
            self.tokens = tokens;
        }
        for _ in 0..NEWS_PER_TURN {
            let Poll::Ready(Some(news)) = self.parts.news.poll_recv(context) else {
                break;
            };
            self.hear(news);
            self.feed_core();
        }
        for _ in 0..WAKES_PER_TURN {
            match self.parts.node.next_wake_us() {
                Some(at_us) if at_us <= clock::monotonic_us() => self.inputs.push(Input::Wake),
                _ => break,
            }
            self.feed_core();
        }
        self.flush();
        self.close_files();
        busy || !self.inputs.is_empty()
    }

    /// Sets the timer to the core's next instant; false if that is now.
    fn wait(&mut self, context: &mut Context<'_>) -> bool {
        let Some(at_us) = self.parts.node.next_wake_us() else {
            return true;
        };
        loop {
            let now_us = clock::monotonic_us();
            if at_us <= now_us {
                return false;
            }
            // A timer that rings too early costs one turn; setting it each turn would cost more.
            if self.timer_us > at_us || self.timer_us <= now_us {
                self.timer_us = at_us;
                let rest = Duration::from_micros(at_us - now_us);
                self.timer.as_mut().reset(Instant::now() + rest);
            }
            if self.timer.as_mut().poll(context).is_pending() {
                return true;
            }
            self.timer_us = 0;
        }
    }

    /// Serves one ready socket; true if it has more.
    fn serve(&mut self, token: Token) -> bool {
        match token {
            Token::FromPeer(pnn) => self.peers.read(pnn, &mut self.scratch, &mut self.inputs),
            Token::ToPeer(pnn) => {
                self.peers
                    .read_outgoing(pnn, &mut self.scratch, &mut self.inputs);
                false
            }
            Token::Client(id) => {
                self.clients.flush(id, &mut self.inputs);
                self.clients.read(id, &mut self.scratch, &mut self.inputs)
            }
        }
    }

    /// Feeds the core all that has come up, and does what it wants.
    fn feed_core(&mut self) {
        while !self.inputs.is_empty() {
            let mut inputs = std::mem::take(&mut self.inputs);
            for input in inputs.drain(..) {
                let now = now();
                let mut effects = std::mem::take(&mut self.effects);
                self.parts.node.handle(now, input, &mut effects);
                for effect in effects.drain(..) {
                    self.perform(effect);
                }
                self.effects = effects;
            }
            // Effects may have led to inputs at once; they come after what was there before.
            if self.inputs.is_empty() {
                self.inputs = inputs;
                return;
            }
        }
    }

    fn flush(&mut self) {
        while !self.dirty_peers.is_empty() || !self.dirty_clients.is_empty() {
            for pnn in std::mem::take(&mut self.dirty_peers) {
                self.peers.flush(pnn, &mut self.inputs);
            }
            for id in std::mem::take(&mut self.dirty_clients) {
                self.clients.flush(id, &mut self.inputs);
            }
            self.feed_core();
        }
    }

    fn hear(&mut self, news: News) {
        let inputs = &mut self.inputs;
        match news {
            News::Input(input) => inputs.push(input),
            News::PeerCame { address, socket } => self.peers.came(address, socket, inputs),
            News::PeerReached {
                peer,
                address,
                socket,
            } => {
                self.peers.reached(peer, address, socket, inputs);
            }
            News::Bound { own, address } => {
                self.parts.own.set(own.0);
                self.peers.set_own(address);
                inputs.push(Input::TransportOpen { result: Ok(own) });
            }
            News::ClientCame { pid, socket } => {
                let client = self.parts.node.next_client_id();
                match self.clients.add_process(client, socket) {
                    Ok(()) => inputs.push(Input::ClientConnected { client, pid }),
                    Err(e) => log::error!("Cannot serve client with pid {pid}: {e}"),
                }
            }
            News::InsideCame { to, from } => {
                let client = self.parts.node.next_client_id();
                self.clients.add_inside(client, to, from);
                let pid = std::process::id().cast_signed();
                inputs.push(Input::ClientConnected { client, pid });
            }
            News::Lock(id, said) => self.parts.locks.said(id, said, inputs),
            News::LookAtLocks => self.parts.locks.report_long_waits(),
            News::Records(id, said) => self.parts.records.said(id, said, inputs),
            News::Inquiry(answer) => {
                // who asked may be gone
                let _ = answer.send(Snapshot::take(&self.parts.node, now()));
            }
            News::Die(code) => self.exit = Some(code),
            News::StdinEnded(code) => inputs.push(Input::Shutdown { code }),
        }
    }

    fn perform(&mut self, effect: Effect) {
        let to_loop = || self.parts.to_loop.clone();
        match effect {
            Effect::Log { level, text } => log::write(level.number(), &text),
            Effect::ToPeer { peer, lane, packet } => {
                if self.peers.send(peer, lane, packet, &mut self.inputs) {
                    self.dirty_peers.push(peer);
                }
            }
            Effect::ToClient {
                client,
                packet,
                queue_limit,
            } => self.send_to_client(client, &packet, queue_limit),
            Effect::DropClient { client } => self.clients.remove(client, &mut self.inputs),
            Effect::OpenTransport { nodes } => self.open_transport(nodes),
            Effect::SetPeers { peers } => self.peers.set(peers),
            Effect::DropPeer { peer } => self.peers.restart(peer),
            Effect::AcceptClients => {
                if let Some(socket) = self.unix.take() {
                    tokio::task::spawn_local(unix::accept(to_loop(), socket));
                }
            }
            Effect::StartClusterWatch => self.start_cluster_watch(),
            Effect::StopClusterWatch => {
                if let Some(watch) = &self.cluster_watch {
                    watch.stop();
                }
            }
            Effect::CloseTransport => {
                self.peers.close();
                if let Some(listener) = self.listener.take() {
                    listener.abort();
                }
            }
            Effect::Exit { code } => self.exit = Some(code),
            Effect::AwaitLock {
                ticket,
                path,
                open_flags,
                scope,
                at_most,
            } => {
                let job = locks::Job {
                    ticket,
                    path,
                    open_flags,
                    scope,
                    at_most: usize::try_from(at_most.max(1)).unwrap_or(usize::MAX),
                };
                self.parts.locks.await_lock(job, &mut self.inputs);
            }
            Effect::ReleaseLock { ticket } => {
                self.parts.locks.release(ticket, &mut self.inputs);
            }
            Effect::RunEvent {
                ticket,
                event,
                args,
                timeout_s,
            } => {
                self.parts.events.run(ticket, event, &args, timeout_s);
            }
            Effect::Notify { what } => script::run(&self.parts.facts.notification_script, &[what]),
            Effect::ReadNodes { ticket } => {
                files::read_nodes(to_loop(), ticket, self.parts.facts.nodes_list.clone());
            }
            Effect::ReadPublicAddresses { ticket } => {
                let path = self.parts.facts.paths.public_addresses_file();
                files::read_public_addresses(to_loop(), ticket, path);
            }
            Effect::TestClusterLock { ticket } => {
                let facts = &self.parts.facts;
                let (lock, paths) = (facts.cluster_lock.clone(), facts.paths.clone());
                tokio::task::spawn_local(cluster_lock::test(to_loop(), ticket, lock, paths));
            }
            Effect::Scan {
                ticket,
                path,
                open_flags,
                filter,
            } => {
                let job = Job {
                    path,
                    open_flags,
                    work: Work::Scan(filter),
                };
                self.parts.records.start(ticket, job, &mut self.inputs);
            }
            Effect::CancelScan { ticket } => {
                self.parts.records.cancel(ticket, &mut self.inputs);
            }
            Effect::Update {
                ticket,
                path,
                open_flags,
                rule,
                buffer,
            } => {
                let job = Job {
                    path,
                    open_flags,
                    work: Work::Update(rule, buffer),
                };
                self.parts.records.start(ticket, job, &mut self.inputs);
            }
            Effect::Repack {
                ticket,
                path,
                open_flags,
                limit,
            } => {
                let job = Job {
                    path,
                    open_flags,
                    work: Work::Repack(limit),
                };
                self.parts.records.start(ticket, job, &mut self.inputs);
            }
            Effect::ReadAddresses => {
                let (addresses, interfaces) = (addresses::local(), addresses::interfaces());
                self.inputs.push(Input::SystemAddresses {
                    addresses,
                    interfaces,
                });
            }
            Effect::AnnounceAddress { address, interface } => {
                gratuitous_arp::send(address, &interface);
            }
            Effect::Tickle { connections } => gratuitous_arp::tickle(&connections),
            Effect::SetLogLevel { level } => log::set_level(level),
        }
    }

    fn open_transport(&mut self, nodes: Vec<(Pnn, IpAddr)>) {
        let facts = &self.parts.facts;
        let choice = tcp::Choice {
            configured: facts.node_address,
            nodes,
            port: facts.port,
            lock_file: facts.paths.in_lockdir(".socket_lock"),
        };
        let to_loop = self.parts.to_loop.clone();
        let task = tokio::task::spawn_local(async move {
            match tcp::bind(choice).await {
                Ok(bound) => {
                    to_loop.tell(News::Bound {
                        own: bound.own,
                        address: bound.address,
                    });
                    tcp::accept(to_loop, bound.listener).await;
                }
                Err(reason) => to_loop.input(Input::TransportOpen {
                    result: Err(reason),
                }),
            }
        });
        self.listener = Some(task.abort_handle());
    }

    /// Queues a packet; whoever has let too much pile up goes, which need not be its receiver.
    fn send_to_client(&mut self, client: ClientId, packet: &bytes::Bytes, limit: Option<u32>) {
        loop {
            match self.clients.send(client, packet.clone(), limit) {
                Queued::Flush => return self.dirty_clients.push(client),
                Queued::Nothing => return,
                Queued::Overflow(other, reason) => {
                    let pid = self.parts.node.pid_of(other).unwrap_or_default();
                    log::error!("Drop client {other} (process {pid}): {reason}");
                    self.clients.remove(other, &mut self.inputs);
                }
            }
        }
    }

    fn start_cluster_watch(&mut self) {
        let to_loop = self.parts.to_loop.clone();
        let paths = &self.parts.facts.paths;
        let lock_helper = paths.helper("CTDB_LOCK_HELPER", "ctdb_lock_helper");
        let eventd = paths.socket("eventd");
        let client = inside::connect(&to_loop);
        tokio::task::spawn_local(inquiry::serve(client, to_loop, lock_helper, eventd));
        let facts = self.parts.facts.clone();
        let client = inside::connect(&self.parts.to_loop);
        let configuration = ctdb_client::procedure::Configuration {
            leader_timeout: facts.leader_timeout,
            cluster_lock: facts.cluster_lock.is_some(),
            fast_start: facts.paths.test_mode(),
            test_mode: facts.paths.test_mode(),
            failover_disabled: facts.failover_disabled,
        };
        self.cluster_watch = Some(ClusterWatch::start(client, |stop| {
            DaemonEnvironment::new(configuration, facts.paths, facts.cluster_lock, stop)
        }));
    }

    /// Lets lock helpers close files that the core has closed.
    fn close_files(&mut self) {
        for path in self.parts.closed.borrow_mut().drain(..) {
            self.parts.locks.close(&path);
        }
    }
}

fn now() -> Now {
    Now {
        monotonic_us: clock::monotonic_us(),
        wall_us: clock::wall_us(),
    }
}
