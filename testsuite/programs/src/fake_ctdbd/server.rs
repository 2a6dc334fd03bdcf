//! The socket and those at its other end.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ctdb_protocol::message::Message;
use ctdb_protocol::packet::{ReplyCall, ReplyControl, ReqCall, ReqControl, ReqMessage};
use ctdb_protocol::types::NodeFlags;
use ctdb_protocol::{Header, Packet, Pnn, ReqId, Srvid, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use super::cluster::Cluster;
use super::control::{Answer, ClientQuestion, Outcome};

/// How often the leader says that it lives, and how long a recovery takes.
const SECOND: Duration = Duration::from_secs(1);

/// A connected client.
#[derive(Debug)]
struct Guest {
    pid: i32,
    outgoing: mpsc::UnboundedSender<Bytes>,
    ports: Vec<Srvid>,
    /// The daemon ends when this client leaves.
    last: bool,
}

#[derive(Debug)]
struct State {
    cluster: Cluster,
    guests: BTreeMap<u64, Guest>,
    met: u64,
}

/// What every task holds.
#[derive(Debug, Clone)]
struct Server {
    state: Arc<Mutex<State>>,
    end: Arc<Notify>,
}

/// Serves until a client shut it down or SIGTERM came. `ready` is called when it serves.
pub(super) fn serve(
    cluster: Cluster,
    listener: StdListener,
    ready: impl FnOnce(),
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = UnixListener::from_std(listener)?;
        let mut terminated = signal(SignalKind::terminate())?;
        let state = State {
            cluster,
            guests: BTreeMap::new(),
            met: 0,
        };
        let server = Server {
            state: Arc::new(Mutex::new(state)),
            end: Arc::default(),
        };
        tokio::spawn(server.clone().broadcast_leader());
        ready();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    tokio::spawn(server.clone().greet(accepted?.0));
                }
                _ = terminated.recv() => return Ok(()),
                () = server.end.notified() => return Ok(()),
            }
        }
    })
}

impl Server {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn broadcast_leader(self) {
        loop {
            self.lock().tell_leader();
            sleep(SECOND).await;
        }
    }

    /// A client from its first to its last packet.
    async fn greet(self, stream: UnixStream) {
        let pid = stream
            .peer_cred()
            .ok()
            .and_then(|peer| peer.pid())
            .unwrap_or(0);
        let (reader, writer) = stream.into_split();
        let (outgoing, queue) = mpsc::unbounded_channel();
        tokio::spawn(write(writer, queue));
        let number = self.lock().enter(Guest {
            pid,
            outgoing,
            ports: Vec::new(),
            last: false,
        });
        // However the connection ended, it is over.
        let _ = self.read(number, reader).await;
        let guest = self.lock().guests.remove(&number);
        if guest.is_some_and(|guest| guest.last) {
            self.end.notify_one();
        }
    }

    async fn read(&self, number: u64, mut reader: OwnedReadHalf) -> io::Result<()> {
        let mut received = BytesMut::new();
        while reader.read_buf(&mut received).await? > 0 {
            while let Some(packet) = frame::next(&mut received).map_err(io::Error::other)? {
                // What is malformed is not answered.
                if let Ok((header, packet)) = Packet::decode(packet) {
                    self.take(number, header, &packet);
                }
            }
        }
        Ok(())
    }

    /// A packet, to one node or to many.
    fn take(&self, number: u64, mut header: Header, packet: &Packet) {
        let mut state = self.lock();
        let own = state.cluster.own;
        for node in [&mut header.srcnode, &mut header.destnode] {
            if *node == Pnn::CURRENT {
                *node = own;
            }
        }
        for dest in state.destinations(header.destnode) {
            let header = Header {
                destnode: dest,
                ..header
            };
            match packet {
                Packet::ReqCall(call) => state.call(number, &header, call),
                Packet::ReqMessage(message) => self.message(&mut state, number, &header, message),
                Packet::ReqControl(control) => self.control(&mut state, number, &header, control),
                _ => {}
            }
        }
    }

    fn message(&self, state: &mut State, number: u64, header: &Header, message: &ReqMessage) {
        let Ok(message) = Message::take(message.srvid, &message.data) else {
            return;
        };
        if header.destnode.0 as usize >= state.cluster.nodes.len() {
            eprintln!("Invalid node {}", header.destnode);
            return;
        }
        let consequence = state.cluster.message(header.destnode, &message);
        if let Some((srvid, data)) = consequence.reply {
            state.send_message(number, header, srvid, data);
        }
        if let Some((pnn, order, seconds)) = consequence.quiet_ends {
            let server = self.clone();
            tokio::spawn(async move {
                sleep(SECOND * seconds).await;
                server.lock().cluster.end_quiet(pnn, order);
            });
        }
    }

    fn control(&self, state: &mut State, number: u64, header: &Header, control: &ReqControl) {
        match state.cluster.control(header.destnode, control) {
            Outcome::Answer(answer) => state.answer(number, header, answer),
            Outcome::Silence => {}
            Outcome::Client(question) => {
                let answer = state.ask(number, &question);
                state.answer(number, header, answer);
            }
            Outcome::Records(srvid, records, end) => {
                for record in records {
                    state.send_message(number, header, srvid, record);
                }
                state.answer(number, header, Answer::default());
                state.send_message(number, header, srvid, end);
            }
            Outcome::Ban(pnn, seconds) => {
                state.answer(number, header, Answer::default());
                tokio::spawn(self.clone().unban(pnn, seconds));
            }
            Outcome::Recovery => {
                tokio::spawn(self.clone().recover(number, *header));
            }
            Outcome::Shutdown => {
                if let Some(guest) = state.guests.get_mut(&number) {
                    guest.last = true;
                }
            }
        }
    }

    async fn unban(self, pnn: Pnn, seconds: u32) {
        sleep(SECOND * seconds).await;
        if let Some(node) = self.lock().cluster.node_mut(pnn) {
            node.flags -= NodeFlags::BANNED;
        }
    }

    /// A recovery: a second long, and not before everybody allows it.
    async fn recover(self, number: u64, header: Header) {
        while self.lock().cluster.is_quiet() {
            sleep(SECOND).await;
        }
        self.lock().cluster.start_recovery();
        sleep(SECOND).await;
        let mut state = self.lock();
        state.cluster.end_recovery();
        state.answer(number, &header, Answer::default());
    }
}

async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::UnboundedReceiver<Bytes>) {
    while let Some(packet) = queue.recv().await {
        if writer.write_all(&packet).await.is_err() {
            return;
        }
    }
}

impl State {
    fn enter(&mut self, guest: Guest) -> u64 {
        self.met += 1;
        self.guests.insert(self.met, guest);
        self.met
    }

    /// Who a packet is for.
    fn destinations(&self, dest: Pnn) -> Vec<Pnn> {
        let nodes = &self.cluster.nodes;
        let connected = |pnn: &Pnn| {
            let node = self.cluster.node(*pnn);
            node.is_none_or(|node| !node.flags.contains(NodeFlags::DISCONNECTED))
        };
        if dest == Pnn::BROADCAST_ALL {
            return nodes.iter().map(|node| node.pnn).collect();
        }
        if dest == Pnn::BROADCAST_CONNECTED {
            return nodes
                .iter()
                .map(|node| node.pnn)
                .filter(connected)
                .collect();
        }
        if dest.0 as usize > nodes.len() {
            eprintln!("Invalid destination pnn 0x{:x}", dest.0);
            return Vec::new();
        }
        if !connected(&dest) {
            eprintln!("Packet for disconnected node pnn {dest}");
            return Vec::new();
        }
        vec![dest]
    }

    fn send(&self, number: u64, header: &Header, packet: &Packet) {
        if let Some(guest) = self.guests.get(&number) {
            let _ = guest.outgoing.send(packet.encode(header));
        }
    }

    /// The header of what goes back.
    fn back(&self, header: &Header, reqid: ReqId) -> Header {
        let generation = self.cluster.vnn_map.generation;
        Header::new(generation, header.destnode, header.srcnode, reqid)
    }

    fn answer(&self, number: u64, header: &Header, answer: Answer) {
        let back = self.back(header, header.reqid);
        let reply = ReplyControl {
            status: answer.status,
            data: answer.data,
            errormsg: answer.words.into(),
        };
        self.send(number, &back, &Packet::ReplyControl(reply));
    }

    fn send_message(&self, number: u64, header: &Header, srvid: Srvid, data: Bytes) {
        let back = self.back(header, ReqId(0));
        self.send(
            number,
            &back,
            &Packet::ReqMessage(ReqMessage { srvid, data }),
        );
    }

    fn call(&self, number: u64, header: &Header, call: &ReqCall) {
        let own = self.cluster.own;
        let db = self.cluster.database(call.db_id);
        let migrated = db.and_then(|db| db.migrate(&call.key, own));
        let status = if migrated.is_some() { 0 } else { -1 };
        let reply = ReplyCall {
            status,
            data: Bytes::new(),
        };
        self.send(
            number,
            &self.back(header, header.reqid),
            &Packet::ReplyCall(reply),
        );
    }

    fn tell_leader(&self) {
        let leader = self.cluster.leader;
        if leader == Pnn::UNKNOWN {
            return;
        }
        let generation = self.cluster.vnn_map.generation;
        let header = Header::new(generation, leader, self.cluster.own, ReqId(0));
        let data = Bytes::copy_from_slice(&leader.0.to_ne_bytes());
        let message = Packet::ReqMessage(ReqMessage {
            srvid: Srvid::LEADER,
            data,
        });
        for (number, guest) in &self.guests {
            for _ in guest.ports.iter().filter(|port| **port == Srvid::LEADER) {
                self.send(*number, &header, &message);
            }
        }
    }

    fn ask(&mut self, number: u64, question: &ClientQuestion) -> Answer {
        let refuse = |words: &str| Answer {
            status: -1,
            words: words.to_owned(),
            ..Answer::default()
        };
        match *question {
            ClientQuestion::Count => Answer {
                status: i32::try_from(self.guests.len()).unwrap_or(i32::MAX),
                ..Answer::default()
            },
            ClientQuestion::Process(pid) => match self.of_process(pid).next() {
                Some(_) => lives(pid),
                None => refuse("No client for PID"),
            },
            ClientQuestion::Port(pid, port) => {
                if self.of_process(pid).next().is_none() {
                    refuse("No client for PID")
                } else if self
                    .of_process(pid)
                    .any(|guest| guest.ports.contains(&port))
                {
                    lives(pid)
                } else {
                    refuse("No client for PID and SRVID")
                }
            }
            ClientQuestion::Register(port) => {
                if let Some(guest) = self.guests.get_mut(&number) {
                    guest.ports.push(port);
                }
                Answer::default()
            }
            ClientQuestion::Deregister(port) => {
                let ports = self.guests.get_mut(&number).map(|guest| &mut guest.ports);
                let at = ports
                    .as_ref()
                    .and_then(|ports| ports.iter().position(|p| *p == port));
                match (ports, at) {
                    (Some(ports), Some(at)) => {
                        ports.remove(at);
                        Answer::default()
                    }
                    _ => refuse("srvid not registered"),
                }
            }
        }
    }

    fn of_process(&self, pid: i32) -> impl Iterator<Item = &Guest> {
        self.guests.values().filter(move |guest| guest.pid == pid)
    }
}

/// Is there such a process?
fn lives(pid: i32) -> Answer {
    let alive = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok();
    Answer {
        status: if alive { 0 } else { -1 },
        ..Answer::default()
    }
}
