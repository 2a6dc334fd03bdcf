//! A client whose daemon is this test, under a clock that only the tests move.

use std::time::Duration;

use bytes::Bytes;
use ctdb_client::{Client, Failure};
use ctdb_protocol::control::{GetPid, GetVnnMap, Ping, SetRecmode, Shutdown, TunnelRegister};
use ctdb_protocol::packet::{ReplyCall, ReplyControl, ReplyError, ReqControl, ReqTunnel};
use ctdb_protocol::types::{
    CallFlags, CallFunction, ControlFlags, RecoveryMode, TunnelFlags, VnnMap,
};
use ctdb_protocol::{Control, DbId, Generation, Header, Packet, Pnn, ReqId, Srvid, encode};
use tokio::sync::mpsc;
use tokio::time::Instant;

struct Daemon {
    to_client: mpsc::UnboundedSender<Bytes>,
    from_client: mpsc::UnboundedReceiver<Bytes>,
}

fn connect() -> (Client, Daemon) {
    let (to_daemon, from_client) = mpsc::unbounded_channel();
    let (to_client, from_daemon) = mpsc::unbounded_channel();
    let daemon = Daemon {
        to_client,
        from_client,
    };
    (Client::over(to_daemon, from_daemon), daemon)
}

impl Daemon {
    async fn next(&mut self) -> (Header, Packet) {
        let packet = self.from_client.recv().await.expect("the client lives");
        Packet::decode(packet).expect("the client makes good packets")
    }

    async fn control(&mut self) -> (Header, ReqControl) {
        match self.next().await {
            (header, Packet::ReqControl(control)) => (header, control),
            other => panic!("no control: {other:?}"),
        }
    }

    fn send(&self, reqid: ReqId, from: Pnn, packet: &Packet) {
        let header = Header::new(Generation(1), from, Pnn(0), reqid);
        self.to_client
            .send(packet.encode(&header))
            .expect("the client lives");
    }

    fn answer(&self, header: &Header, status: i32, data: &[u8], words: &'static str) {
        let reply = ReplyControl {
            status,
            data: Bytes::copy_from_slice(data),
            errormsg: Bytes::from_static(words.as_bytes()),
        };
        self.send(header.reqid, header.destnode, &Packet::ReplyControl(reply));
    }
}

#[tokio::test(start_paused = true)]
async fn replies_are_typed() {
    let (client, mut daemon) = connect();
    let map = VnnMap {
        generation: Generation(9),
        nodes: vec![Pnn(0), Pnn(2)],
    };
    let asked = client.control::<GetVnnMap>(Pnn(2), &());
    let answered = async {
        let (header, control) = daemon.control().await;
        assert_eq!((header.destnode, control.opcode), (Pnn(2), GetVnnMap::CODE));
        daemon.answer(&header, 0, &encode(&map), "");
    };
    let (reply, ()) = tokio::join!(asked, answered);
    assert_eq!(reply, Ok(map));
}

#[tokio::test(start_paused = true)]
async fn refusals_carry_status_and_words() {
    let (client, mut daemon) = connect();
    let asked = client.control::<SetRecmode>(Pnn(1), &RecoveryMode::NORMAL);
    let answered = async {
        let (header, _) = daemon.control().await;
        daemon.answer(&header, -1, b"", "no");
    };
    let (reply, ()) = tokio::join!(asked, answered);
    let error = reply.expect_err("it was refused");
    assert_eq!(error.status(), Some(-1));
    assert_eq!(
        error.to_string(),
        "control SET_RECMODE to node 1: status -1: no"
    );
}

#[tokio::test(start_paused = true)]
async fn a_status_can_be_the_answer() {
    let (client, mut daemon) = connect();
    let asked = client.control_status::<GetPid>(Pnn(0), &());
    let answered = async {
        let (header, _) = daemon.control().await;
        daemon.answer(&header, 4711, b"", "");
    };
    let (reply, ()) = tokio::join!(asked, answered);
    assert_eq!(reply.map(|(status, _)| status), Ok(4711));
}

#[tokio::test(start_paused = true)]
async fn time_runs_out_once_for_all() {
    let (client, mut daemon) = connect();
    let start = Instant::now();
    let limit = Duration::from_secs(5);
    let dests = [Pnn(0), Pnn(1), Pnn(2)];
    let asked = client.control_all::<Ping>(&dests, &(), Some(limit));
    let answered = async {
        let mut headers = Vec::new();
        for _ in &dests {
            headers.push(daemon.control().await.0);
        }
        // All were sent before the first was answered, and answers come in any order.
        daemon.answer(&headers[2], 0, b"", "");
        daemon.answer(&headers[1], -1, b"", "");
    };
    let (replies, ()) = tokio::join!(asked, answered);
    let failures: Vec<Option<Failure>> = replies
        .into_iter()
        .map(|(_, reply)| reply.err().map(|error| error.failure))
        .collect();
    let refused = Failure::Status {
        status: -1,
        message: String::new(),
    };
    assert_eq!(failures, [Some(Failure::TimedOut), Some(refused), None]);
    assert_eq!(start.elapsed(), limit);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_disturbs_nobody() {
    let (client, mut daemon) = connect();
    let asked = client
        .request::<Ping>(Pnn(0), &())
        .timeout(Duration::from_secs(1))
        .send();
    let (reply, late) = tokio::join!(asked, daemon.control());
    assert!(reply.is_err_and(|error| error.is_timeout()));
    daemon.answer(&late.0, 0, b"", "");
    let asked = client.control_status::<Ping>(Pnn(0), &());
    let answered = async {
        let (header, _) = daemon.control().await;
        assert_ne!(header.reqid, late.0.reqid);
        daemon.answer(&header, 3, b"", "");
    };
    let (reply, ()) = tokio::join!(asked, answered);
    assert_eq!(reply.map(|(status, _)| status), Ok(3));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_awaited_without_a_reply() {
    let (client, mut daemon) = connect();
    client
        .request::<Shutdown>(Pnn::BROADCAST_ALL, &())
        .no_reply()
        .send();
    let (header, control) = daemon.control().await;
    assert_eq!(header.destnode, Pnn::BROADCAST_ALL);
    assert_eq!(control.flags, ControlFlags::NOREPLY);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_daemon_ends_requests() {
    let (client, daemon) = connect();
    let asked = client.control::<Ping>(Pnn(0), &());
    let (reply, ()) = tokio::join!(asked, async { drop(daemon) });
    assert_eq!(reply.map_err(|error| error.failure), Err(Failure::Closed));
    client.closed().await;
    assert!(client.is_closed());
    let reply = client.control::<Ping>(Pnn(0), &()).await;
    assert_eq!(reply.map_err(|error| error.failure), Err(Failure::Closed));
}

#[tokio::test(start_paused = true)]
async fn calls_succeed_or_fail() {
    let (client, mut daemon) = connect();
    for fails in [false, true] {
        let asked = client.call(
            DbId(7),
            b"key".as_slice(),
            CallFunction::NULL,
            CallFlags::IMMEDIATE_MIGRATION,
        );
        let answered = async {
            let (header, packet) = daemon.next().await;
            let Packet::ReqCall(call) = packet else {
                panic!("no call: {packet:?}")
            };
            assert_eq!(
                (call.db_id, call.key),
                (DbId(7), Bytes::from_static(b"key"))
            );
            let reply = match fails {
                true => Packet::ReplyError(ReplyError {
                    status: -2,
                    msg: Bytes::new(),
                }),
                false => Packet::ReplyCall(ReplyCall {
                    status: 0,
                    data: Bytes::new(),
                }),
            };
            daemon.send(header.reqid, Pnn(0), &reply);
        };
        let (reply, ()) = tokio::join!(asked, answered);
        assert_eq!(reply.is_err(), fails);
    }
}

#[tokio::test(start_paused = true)]
async fn tunnels_ask_and_answer() {
    let (client, mut daemon) = connect();
    let opened = async {
        let (header, control) = daemon.control().await;
        assert_eq!(
            (control.opcode, control.srvid),
            (TunnelRegister::CODE, Srvid(5))
        );
        daemon.answer(&header, 0, b"", "");
    };
    let (tunnel, ()) = tokio::join!(client.tunnel(Srvid(5)), opened);
    let mut tunnel = tunnel.expect("the daemon agreed");

    // A request from elsewhere comes in, and is answered with its own number.
    let ask = ReqTunnel {
        tunnel_id: Srvid(5),
        flags: TunnelFlags::REQUEST,
        data: Bytes::from_static(b"question"),
    };
    daemon.send(ReqId(99), Pnn(3), &Packet::ReqTunnel(ask));
    let request = tunnel.next().await.expect("the daemon lives");
    assert!(request.wants_reply);
    tunnel.reply(&request, b"answer".as_slice());
    let (header, packet) = daemon.next().await;
    let Packet::ReqTunnel(reply) = packet else {
        panic!("no tunnel packet: {packet:?}")
    };
    assert_eq!((header.destnode, header.reqid), (Pnn(3), ReqId(99)));
    assert_eq!(
        (reply.flags, &reply.data[..]),
        (TunnelFlags::REPLY, b"answer".as_slice())
    );

    // And one from here finds its answer.
    let answered = async {
        let (header, packet) = daemon.next().await;
        let Packet::ReqTunnel(ask) = packet else {
            panic!("no tunnel packet: {packet:?}")
        };
        let reply = ReqTunnel {
            flags: TunnelFlags::REPLY,
            ..ask
        };
        daemon.send(header.reqid, header.destnode, &Packet::ReqTunnel(reply));
    };
    let (reply, ()) = tokio::join!(tunnel.request(Pnn(2), b"echo".as_slice()), answered);
    assert_eq!(reply.as_deref(), Ok(b"echo".as_slice()));
}

#[tokio::test(start_paused = true)]
async fn malformed_packets_are_dropped() {
    let (client, mut daemon) = connect();
    daemon
        .to_client
        .send(Bytes::from_static(b"noise"))
        .expect("the client lives");
    let asked = client.control_status::<Ping>(Pnn(0), &());
    let answered = async {
        let (header, _) = daemon.control().await;
        daemon.answer(&header, 1, b"", "");
    };
    let (reply, ()) = tokio::join!(asked, answered);
    assert_eq!(reply.map(|(status, _)| status), Ok(1));
}
