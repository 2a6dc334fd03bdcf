//! Connections between nodes, over real sockets: regression scenarios R1, R3, R4, R5, R7, R8, R9 and R30
//! of upstream's bugs.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test program has no readers of its interface, and stops at what fails"
)]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use ctdb_core::Input;
use ctdb_core::effect::Lane;
use ctdb_protocol::id::{Generation, Pnn, ReqId};
use ctdb_protocol::packet::{self, Header, Packet, ReqMessage};
use ctdb_protocol::srvid::Srvid;
use ctdbd::inbound::tcp;
use ctdbd::news::{News, ToLoop};
use ctdbd::outbound::connect;
use ctdbd::peers::Peers;
use ctdbd::socket::{Connection, Heard, Ready, Token};
use nix::sched::{CloneFlags, unshare};
use socket2::{Domain, Socket, Type};
use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

const OURS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const PEER: Pnn = Pnn(1);
const SOON: Duration = Duration::from_secs(15);

fn test<T>(body: impl Future<Output = T>) -> T {
    ctdbd::log::set_level(-1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async { timeout(4 * SOON, body).await.unwrap() })
}

/// In a network of its own, which only root may have: where it is not to be had, nothing is tested.
fn in_own_network(body: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        if unshare(CloneFlags::CLONE_NEWNET).is_err() {
            eprintln!("skipped: needs root");
            return;
        }
        ip("link set lo up");
        body();
    });
    thread.join().unwrap();
}

fn ip(command: &str) {
    let status = Command::new("ip").args(command.split(' ')).status();
    assert!(status.unwrap().success(), "ip {command}");
}

fn packet(number: u32, length: usize) -> Bytes {
    let header = Header::new(Generation(1), Pnn(0), PEER, ReqId(number));
    let message = ReqMessage {
        srvid: Srvid(7),
        data: vec![number as u8; length].into(),
    };
    packet::encode(&header, &Packet::ReqMessage(message))
}

/// The table of peers under test, with one peer that this test plays.
struct Node {
    peers: Peers,
    ready: Ready,
    news: mpsc::UnboundedReceiver<News>,
    scratch: Vec<u8>,
    inputs: Vec<Input>,
}

impl Node {
    /// A node and the listener of its peer. Each test has an address of its own for it.
    fn new(peer: u8) -> (Self, TcpListener) {
        let address = Ipv4Addr::new(127, 7, std::process::id() as u8, peer);
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to_loop, news) = ToLoop::new();
        let ready = Ready::default();
        let mut peers = Peers::new(port, ready.clone(), to_loop);
        peers.set_own(OURS.into());
        peers.set(vec![(PEER, address.into())]);
        let node = Self {
            peers,
            ready,
            news,
            scratch: vec![0; 64 << 10],
            inputs: Vec::new(),
        };
        (node, listener)
    }

    /// The peer connects to this node.
    fn peer_comes(&mut self, listener: &TcpListener) -> TcpStream {
        self.address_comes(listener.local_addr().unwrap().ip())
    }

    fn address_comes(&mut self, address: IpAddr) -> TcpStream {
        let here = TcpListener::bind((OURS, 0)).unwrap();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(address, 0).into()).unwrap();
        socket.connect(&here.local_addr().unwrap().into()).unwrap();
        let (stream, from) = here.accept().unwrap();
        assert_eq!(from.ip(), address);
        self.peers.came(address, stream.into(), &mut self.inputs);
        socket.into()
    }

    /// One turn of the daemon's loop, but for what it does with the inputs.
    async fn turn(&mut self) {
        sleep(Duration::from_millis(5)).await;
        while let Ok(news) = self.news.try_recv() {
            let News::PeerReached {
                peer,
                address,
                socket,
            } = news
            else {
                panic!("{news:?}")
            };
            self.peers.reached(peer, address, socket, &mut self.inputs);
        }
        let mut tokens = Vec::new();
        self.ready.take(&mut tokens);
        for token in tokens {
            match token {
                Token::FromPeer(peer) => {
                    if self.peers.read(peer, &mut self.scratch, &mut self.inputs) {
                        self.ready.waker(token).wake();
                    }
                }
                Token::ToPeer(peer) => {
                    self.peers
                        .read_outgoing(peer, &mut self.scratch, &mut self.inputs);
                }
                Token::Client(client) => panic!("{client:?}"),
            }
        }
    }

    /// Accepts the connection that the node opens.
    async fn reached(&mut self, listener: &TcpListener) -> TcpStream {
        listener.set_nonblocking(true).unwrap();
        loop {
            if let Ok((stream, _)) = listener.accept() {
                self.turns(4).await;
                return stream;
            }
            self.turn().await;
        }
    }

    async fn turns(&mut self, count: usize) {
        for _ in 0..count {
            self.turn().await;
        }
    }

    async fn both(&mut self, listener: &TcpListener) -> (TcpStream, TcpStream) {
        let to_us = self.peer_comes(listener);
        let from_us = self.reached(listener).await;
        assert!(self.heard("connected"));
        (to_us, from_us)
    }

    /// Takes the inputs; whether one of them says so.
    fn heard(&mut self, what: &str) -> bool {
        self.inputs.drain(..).any(|input| match input {
            Input::PeerConnected { .. } => what == "connected",
            Input::PeerDisconnected { .. } => what == "disconnected",
            Input::PeerPacket { .. } => what == "packet",
            other => panic!("{other:?}"),
        })
    }

    async fn hears(&mut self, what: &str) {
        let mut turns = 0;
        while !self.heard(what) {
            turns += 1;
            assert!(turns < 1000, "never {what}");
            self.turn().await;
        }
    }
}

#[test]
fn r1_a_peer_is_connected_while_both_connections_stand_and_no_longer() {
    test(async {
        let (mut node, listener) = Node::new(1);
        let _from_us = node.reached(&listener).await;
        node.turns(20).await;
        assert!(node.inputs.is_empty(), "ours alone is not enough");
        let mut to_us = node.peer_comes(&listener);
        node.hears("connected").await;
        to_us.write_all(&packet(1, 10)).unwrap();
        node.hears("packet").await;
        drop(to_us);
        node.hears("disconnected").await;

        let (mut node, listener) = Node::new(2);
        let address = listener.local_addr().unwrap().ip();
        drop(listener);
        let mut to_us = node.address_comes(address);
        to_us.write_all(&packet(1, 10)).unwrap();
        node.turns(20).await;
        assert!(node.inputs.is_empty(), "theirs alone is not enough");
    });
}

#[test]
fn r2_a_second_connection_does_not_disturb_the_first() {
    test(async {
        let (mut node, listener) = Node::new(11);
        let (mut to_us, _from_us) = node.both(&listener).await;
        let mut second = node.peer_comes(&listener);
        let mut end = [0];
        assert_eq!(second.read(&mut end).unwrap(), 0, "it is refused");
        drop(second);
        to_us.write_all(&packet(1, 10)).unwrap();
        node.hears("packet").await;
        node.turns(20).await;
        assert!(!node.heard("disconnected"));
    });
}

#[test]
fn r3_children_have_no_connection_of_ours_so_that_peers_see_its_end() {
    test(async {
        let (mut node, listener) = Node::new(3);
        // One while the node still connects, one while connections stand.
        let mut early = Command::new("sleep").arg("60").spawn().unwrap();
        let (_to_us, mut from_us) = node.both(&listener).await;
        let mut late = Command::new("sleep").arg("60").spawn().unwrap();
        node.peers.close();
        node.turns(4).await;
        from_us.set_nonblocking(false).unwrap();
        from_us.set_read_timeout(Some(SOON)).unwrap();
        let mut end = [0];
        assert_eq!(from_us.read(&mut end).unwrap(), 0, "a child holds it open");
        for child in [&mut early, &mut late] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    });
}

#[test]
fn r4_data_or_the_end_on_our_own_connection_ends_the_link_and_a_new_one_is_opened() {
    test(async {
        let (mut node, listener) = Node::new(4);
        let (_to_us, mut from_us) = node.both(&listener).await;
        from_us.write_all(&packet(1, 10)).unwrap();
        node.hears("disconnected").await;
        let (_to_us, from_us) = node.both(&listener).await;
        drop(from_us);
        node.hears("disconnected").await;
        // The same while only ours stands: nobody is told, since nobody was connected.
        let from_us = node.reached(&listener).await;
        drop(from_us);
        let from_us = node.reached(&listener).await;
        assert!(node.inputs.is_empty());
        drop(from_us);
        node.both(&listener).await;
    });
}

#[test]
fn a_peer_of_the_other_byte_order_is_refused_and_the_reason_told() {
    test(async {
        let (mut node, listener) = Node::new(12);
        let (mut to_us, _from_us) = node.both(&listener).await;
        // Every number of the header the other way round; the body does not matter any more.
        let other: Vec<u8> = packet(1, 16)
            .chunks(4)
            .flat_map(|number| number.iter().rev().copied())
            .collect();
        to_us.write_all(&other[..12]).unwrap();
        let mut turns = 0;
        let told = loop {
            match node.inputs.pop() {
                Some(Input::PeerDisconnected { reason, .. }) => break reason,
                Some(other) => panic!("{other:?}"),
                None => node.turn().await,
            }
            turns += 1;
            assert!(turns < 1000, "never refused");
        };
        assert!(told.contains("other byte order"), "{told}");
    });
}

#[test]
fn r5_an_own_address_that_is_not_there_yet_is_tried_until_it_is() {
    in_own_network(|| {
        test(async {
            let listener = TcpListener::bind((OURS, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let own: IpAddr = Ipv4Addr::new(10, 55, 0, 1).into();
            let (to_loop, mut news) = ToLoop::new();
            let hurry = Rc::new(Notify::new());
            let attempts = connect::keep_trying(to_loop, PEER, own, OURS.into(), port, hurry);
            let task = tokio::task::spawn_local(attempts);
            sleep(Duration::from_millis(2_500)).await;
            assert!(!task.is_finished(), "it gave up");
            assert!(news.try_recv().is_err());
            ip("addr add 10.55.0.1/32 dev lo");
            let reached = timeout(SOON, news.recv()).await.unwrap();
            assert!(matches!(reached, Some(News::PeerReached { .. })));
            assert_eq!(listener.accept().unwrap().1.ip(), own);
        });
    });
}

#[test]
fn r7_a_peer_that_floods_us_still_gets_its_answers() {
    test(async {
        let (mut node, listener) = Node::new(7);
        let (mut to_us, mut from_us) = node.both(&listener).await;
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let flood = std::thread::spawn(move || {
            let many: Vec<u8> = (0..2_000).flat_map(|number| packet(number, 40)).collect();
            while stopped.try_recv().is_err() && to_us.write_all(&many).is_ok() {}
        });
        from_us.set_nonblocking(true).unwrap();
        let mut answered = 0;
        for turn in 0..200 {
            node.turn().await;
            let packets = node.inputs.len();
            node.inputs.clear();
            if packets > 0 {
                let _ = node
                    .peers
                    .send(PEER, Lane::Ordered, packet(turn, 10), &mut Vec::new());
                node.peers.flush(PEER, &mut node.inputs);
            }
            let mut bytes = [0; 4096];
            if let Ok(count) = from_us.read(&mut bytes) {
                answered += count;
            }
        }
        assert!(answered > 50 * packet(0, 10).len(), "{answered} bytes");
        stop.send(()).unwrap();
        drop(node);
        flood.join().unwrap();
    });
}

#[test]
fn r8_packets_may_be_cut_and_joined_anywhere() {
    test(async {
        // Sizes around those of buffers, among them exactly the scratch buffer's.
        let lengths = [0, 1, 7, 8, 900, 1024 - 48, 4096 - 48, 4096, 70_000];
        let sent: Vec<Bytes> = (0_u32..)
            .zip(lengths)
            .map(|(number, length)| packet(number, length))
            .collect();
        let stream: Vec<u8> = sent.concat();
        for step in [
            1,
            2,
            3,
            5,
            31,
            32,
            33,
            1023,
            1024,
            4095,
            4096,
            4097,
            65_536,
            stream.len(),
        ] {
            for scratch in [1024, 4096] {
                let (mut ours, theirs) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
                theirs.set_nonblocking(true).unwrap();
                let waker = Waker::noop().clone();
                let mut theirs = Connection::new(theirs, waker, Header::SIZE).unwrap();
                let (mut scratch, mut got) = (vec![0; scratch], Vec::new());
                for piece in stream.chunks(step.max(stream.len() / 4_000)) {
                    ours.set_nonblocking(true).unwrap();
                    let mut left = piece;
                    while !left.is_empty() {
                        left = &left[ours.write(left).unwrap_or(0)..];
                        loop {
                            match theirs.read(&mut scratch, &mut got) {
                                Heard::All => break,
                                Heard::More => {}
                                Heard::End(reason) => panic!("{reason}"),
                            }
                        }
                        tokio::task::yield_now().await;
                    }
                }
                while got.len() < sent.len() {
                    tokio::task::yield_now().await;
                    assert!(!matches!(
                        theirs.read(&mut scratch, &mut got),
                        Heard::End(_)
                    ));
                }
                assert!(got == sent, "pieces of {step} bytes");
            }
        }
    });
}

#[test]
fn r9_an_address_that_can_be_bound_but_is_not_here_is_not_ours() {
    in_own_network(|| {
        std::fs::write("/proc/sys/net/ipv4/ip_nonlocal_bind", "1").unwrap();
        test(async {
            let foreign: IpAddr = Ipv4Addr::new(10, 99, 0, 1).into();
            assert!(TcpListener::bind((foreign, 0)).is_ok(), "it can be bound");
            let lock_file = PathBuf::from(format!("/tmp/r9-{}.lock", std::process::id()));
            let choice = tcp::Choice {
                configured: None,
                nodes: vec![(Pnn(0), foreign), (Pnn(1), OURS.into())],
                port: 14_379,
                lock_file: lock_file.clone(),
            };
            let bound = tcp::bind(choice).await.unwrap();
            assert_eq!((bound.own, bound.address), (Pnn(1), OURS.into()));
            assert!(bound.listener.as_raw_fd() >= 0);
            let _ = std::fs::remove_file(lock_file);
        });
    });
}

#[test]
fn r30_without_a_database_directory_the_daemon_says_so_and_ends() {
    let base = std::env::temp_dir().join(format!("r30-{}", std::process::id()));
    std::fs::create_dir_all(&base).unwrap();
    std::fs::write(base.join("nodes"), "127.0.0.1\n").unwrap();
    let missing = base.join("missing");
    let configuration = format!(
        "[logging]\nlocation = file:{0}/log\n[database]\nvolatile database directory = {1}\n\
         persistent database directory = {0}\nstate database directory = {0}\n",
        base.display(),
        missing.display()
    );
    std::fs::write(base.join("ctdb.conf"), configuration).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_ctdbd"))
        .arg("-i")
        .env("CTDB_TEST_MODE", "yes")
        .env("CTDB_BASE", &base)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let log = std::fs::read_to_string(base.join("log")).unwrap_or_default();
    let all = format!(
        "{}{}{log}",
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr)
    );
    std::fs::remove_dir_all(&base).unwrap();
    assert!(!child.status.success());
    assert!(all.contains(&missing.display().to_string()), "{all}");
}
