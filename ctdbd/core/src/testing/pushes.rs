//! PUSH_RECORD: copies of a client's record on all nodes before it is answered.

use bytes::Bytes;
use ctdb_protocol::control::{Control, PushRecord as Push, PushRecordStore};
use ctdb_protocol::id::{ClientId, DbId, Pnn};
use ctdb_protocol::packet::{Packet, ReplyControl, ReqControl, ReqKeepalive};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{
    CallFunction, ControlFlags, LtdbHeader, NodeFlags, PushRecord, RecordFlags,
};
use ctdb_protocol::wire::{Pad, encode};

use super::{Cluster, pnn};
use crate::cluster::testing::add_flag;
use crate::input::Input;

type Client = (usize, ClientId);
const KEY: &[u8] = b"key";
const FILE: &str = "v.tdb";

fn attached(count: usize) -> (Cluster, Client, DbId) {
    let mut cluster = Cluster::running(count);
    let client = cluster.connect(0);
    let db = cluster.attach(FILE);
    (cluster, client, db)
}

fn record(cluster: &Cluster, db: DbId, rsn: u64, value: &str) -> PushRecord {
    PushRecord {
        generation: cluster.nodes[0].view().generation(),
        db_id: db,
        header: LtdbHeader::new(rsn, pnn(0), RecordFlags::empty()),
        key: KEY.to_vec().into(),
        value: value.as_bytes().to_vec().into(),
    }
}

fn push(cluster: &mut Cluster, client: Client, push: &PushRecord) -> Option<ReplyControl> {
    let data = Bytes::from(encode(push));
    cluster.control_raw(client, Pnn::CURRENT, Push::CODE, Srvid(0), data)
}

fn status(answer: Option<&ReplyControl>) -> Option<i32> {
    answer.map(|answer| answer.status)
}

fn reason(answer: &Option<ReplyControl>) -> String {
    let answer = answer.as_ref().expect("an answer");
    String::from_utf8_lossy(&answer.errormsg).into_owned()
}

fn stored(cluster: &Cluster, node: usize) -> Option<Vec<u8>> {
    cluster.files[node].record(FILE, KEY).map(|(_, data)| data)
}

/// A peer's daemon is of this release of Samba 4, as it says itself.
fn says_version(cluster: &mut Cluster, node: usize, minor: u32) {
    let keepalive = Packet::ReqKeepalive(ReqKeepalive {
        version: 4 << 16 | minor,
        uptime_s: 1,
    });
    let header = ctdb_protocol::packet::Header::new(
        cluster.nodes[0].view().generation(),
        pnn(node),
        pnn(0),
        ctdb_protocol::id::ReqId(0),
    );
    let packet = ctdb_protocol::packet::encode(&header, &keepalive);
    cluster.input(
        0,
        Input::PeerPacket {
            from: pnn(node),
            packet,
        },
    );
}

#[test]
fn a_record_is_on_every_node_when_the_client_is_answered() {
    let (mut cluster, client, db) = attached(3);
    let wanted = record(&cluster, db, 2, "one");
    let answer = push(&mut cluster, client, &wanted);
    assert_eq!(status(answer.as_ref()), Some(0));
    for node in 1..3 {
        let (header, data) = cluster.files[node].record(FILE, KEY).expect("a copy");
        assert_eq!(data, b"one");
        assert_eq!((header.rsn, header.dmaster), (2, pnn(0)));
        assert!(header.flags.contains(RecordFlags::MIGRATED_WITH_DATA));
    }
    assert!(cluster.nodes[0].databases.pushes_nothing());
}

#[test]
fn a_node_that_does_not_answer_is_waited_for_and_then_reported() {
    let (mut cluster, client, db) = attached(3);
    let wanted = record(&cluster, db, 2, "one");
    cluster.mute = Some(2);
    assert_eq!(push(&mut cluster, client, &wanted), None);
    // It lives, but its answer is lost.
    cluster.mute = None;
    cluster.pass(59_000_000);
    assert_eq!(cluster.statuses(client), []);
    cluster.pass(2_000_000);
    assert_eq!(cluster.statuses(client), [-1]);
    let line = "v.tdb: Timed out waiting for 1 PUSH_RECORD_STORE replies";
    assert!(cluster.logged.iter().any(|logged| logged == line));
    assert!(cluster.nodes[0].databases.pushes_nothing());
}

#[test]
fn a_node_that_is_lost_meanwhile_fails_the_push_at_once() {
    let (mut cluster, client, db) = attached(3);
    let wanted = record(&cluster, db, 2, "one");
    cluster.mute = Some(2);
    assert_eq!(push(&mut cluster, client, &wanted), None);
    let lost = Input::PeerDisconnected {
        peer: pnn(2),
        reason: "test".to_owned(),
    };
    cluster.input(0, lost);
    assert_eq!(cluster.statuses(client), [-1]);
    assert_eq!(stored(&cluster, 1).as_deref(), Some(&b"one"[..]));
}

#[test]
fn inactive_nodes_are_not_asked_and_a_node_alone_need_not_ask() {
    for flag in [
        NodeFlags::STOPPED,
        NodeFlags::BANNED,
        NodeFlags::DISCONNECTED,
    ] {
        let (mut cluster, client, db) = attached(2);
        let wanted = record(&cluster, db, 2, "one");
        add_flag(&mut cluster.nodes[0].cx, pnn(1), flag);
        let answer = push(&mut cluster, client, &wanted);
        assert_eq!(status(answer.as_ref()), Some(0));
        assert_eq!(stored(&cluster, 1), None);
    }
}

/// smbd asks for the generation again when a push fails, and pushes again if it has changed.
#[test]
fn a_record_of_another_generation_is_refused_by_pusher_and_receiver() {
    let (mut cluster, client, db) = attached(2);
    let mut wanted = record(&cluster, db, 2, "one");
    wanted.generation.0 += 1;
    let answer = push(&mut cluster, client, &wanted);
    assert!(reason(&answer).contains("outdated"));
    let data = Bytes::from(encode(&wanted));
    let answer = cluster.control_raw(client, pnn(1), PushRecordStore::CODE, Srvid(0), data);
    assert!(reason(&answer).contains("outdated"));
    assert_eq!(stored(&cluster, 1), None);
}

/// Nodes that say no without a reason, as C before 4.25 does: two of three, then all.
#[test]
fn old_nodes_are_passed_over_but_one_copy_there_must_be() {
    let (mut cluster, client, db) = attached(3);
    let wanted = record(&cluster, db, 2, "one");
    let answer = pushed_beside_old_nodes(&mut cluster, client, &wanted, &[(1, 22)]);
    assert_eq!(status(answer.as_ref()), Some(0), "node 2 has it");
    let answer = pushed_beside_old_nodes(&mut cluster, client, &wanted, &[(1, 22), (2, 24)]);
    assert_eq!(reason(&answer), "none of 2 nodes can keep a record");
    // 4.25 has no excuse.
    let answer = pushed_beside_old_nodes(&mut cluster, client, &wanted, &[(1, 25)]);
    assert_eq!(reason(&answer), "node 1 did not store a record: status -1");
}

/// Pushes while some nodes, of these releases, refuse the control without a word.
fn pushed_beside_old_nodes(
    cluster: &mut Cluster,
    client: Client,
    wanted: &PushRecord,
    old: &[(usize, u32)],
) -> Option<ReplyControl> {
    for &(node, minor) in old {
        says_version(cluster, node, minor);
        cluster.refuse_without_word.insert(node);
    }
    let answer = push(cluster, client, wanted);
    cluster.refuse_without_word.clear();
    answer
}

#[test]
fn an_old_node_is_named_in_the_log_once_until_it_comes_back() {
    let (mut cluster, client, db) = attached(3);
    let wanted = record(&cluster, db, 2, "one");
    let named = |cluster: &mut Cluster| {
        let lines = std::mem::take(&mut cluster.logged);
        let about = |line: &&String| line.contains("does not know PUSH_RECORD_STORE");
        lines.iter().filter(about).count()
    };
    for expected in [1, 0] {
        pushed_beside_old_nodes(&mut cluster, client, &wanted, &[(1, 22)]);
        assert_eq!(named(&mut cluster), expected);
    }
    let lost = Input::PeerDisconnected {
        peer: pnn(1),
        reason: "test".to_owned(),
    };
    cluster.input(0, lost);
    cluster.input(0, Input::PeerConnected { peer: pnn(1) });
    pushed_beside_old_nodes(&mut cluster, client, &wanted, &[(1, 22)]);
    assert_eq!(named(&mut cluster), 1);
}

/// libtdb would block the whole daemon on the lock of a client there.
#[test]
fn a_receiver_waits_for_a_busy_record_outside_of_its_loop() {
    let (mut cluster, client, db) = attached(2);
    let wanted = record(&cluster, db, 2, "one");
    cluster.grant = false;
    cluster.files[1].client_locks(FILE, KEY);
    assert_eq!(push(&mut cluster, client, &wanted), None);
    assert_eq!(stored(&cluster, 1), None);
    cluster.files[1].client_unlocks(FILE, KEY);
    let (node, ticket) = cluster.awaited.pop().expect("a wait for the lock");
    assert_eq!(node, 1);
    cluster.input(node, Input::LockGranted { ticket });
    assert_eq!(cluster.statuses(client), [0]);
    assert_eq!(stored(&cluster, 1).as_deref(), Some(&b"one"[..]));
}

/// The recovery waits for the lock of the client, which waits for this answer.
#[test]
fn a_frozen_receiver_stores_at_once() {
    let (mut cluster, client, db) = attached(2);
    let wanted = record(&cluster, db, 2, "one");
    let leader = cluster.connect(1);
    cluster.must::<ctdb_protocol::control::DbFreeze>(leader, pnn(1), &db);
    let answer = push(&mut cluster, client, &wanted);
    assert_eq!(status(answer.as_ref()), Some(0));
    assert_eq!(stored(&cluster, 1).as_deref(), Some(&b"one"[..]));
}

/// A push that waited too long: its client has given up, and the record has moved on.
#[test]
fn a_late_push_does_not_undo_what_is_newer() {
    let (mut cluster, client, db) = attached(2);
    let late = record(&cluster, db, 1, "old");
    let there = cluster.connect(1);
    for who in [client, there] {
        cluster.call(who, db, KEY, CallFunction::FETCH);
    }
    cluster.files[1].client_stores(FILE, KEY, b"new");
    let (header, _) = cluster.files[1].record(FILE, KEY).expect("it is here");
    assert_eq!(header.dmaster, pnn(1));
    let mut late_too = late.clone();
    late_too.header.rsn = header.rsn;
    for late in [late, late_too] {
        let answer = push(&mut cluster, client, &late);
        assert_eq!(status(answer.as_ref()), Some(0));
        assert_eq!(stored(&cluster, 1).as_deref(), Some(&b"new"[..]));
    }
}

/// The control that clients broadcast before 4.25 was released: every node that hears it stores the record.
#[test]
fn a_broadcast_is_stored_as_before() {
    let (mut cluster, client, db) = attached(3);
    let wanted = record(&cluster, db, 2, "one");
    let control = ReqControl {
        opcode: Push::CODE,
        pad: Pad::ZERO,
        srvid: Srvid(0),
        client_id: ClientId(0),
        flags: ControlFlags::NOREPLY,
        data: Bytes::from(encode(&wanted)),
    };
    cluster.send(client, Pnn::BROADCAST_ACTIVE, &Packet::ReqControl(control));
    for node in 1..3 {
        assert_eq!(stored(&cluster, node).as_deref(), Some(&b"one"[..]));
    }
}
