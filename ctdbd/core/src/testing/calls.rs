//! Records move, wait, are copied and are deleted.

use bytes::Bytes;
use ctdb_protocol::control;
use ctdb_protocol::id::{ClientId, Generation, Pnn, ReqId};
use ctdb_protocol::packet::Packet;
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::text::Text;
use ctdb_protocol::types::{
    CallFunction, DbVacuum, LtdbHeader, MarshallBuffer, RecData, RecordFlags, TraverseStart, VnnMap,
};
use ctdb_protocol::wire::{all, encode};

use super::{Cluster, pnn};
use crate::input::Input;
use ctdb_protocol::types::{RecoveryMode, RunState};

const DB: &str = "test.tdb";

fn answers(cluster: &mut Cluster, client: (usize, ClientId)) -> Vec<(ReqId, Bytes)> {
    let received = cluster.received(client);
    received
        .into_iter()
        .filter_map(|(header, packet)| match packet {
            Packet::ReplyCall(reply) => Some((header.reqid, reply.data)),
            _ => None,
        })
        .collect()
}

fn owners(cluster: &Cluster, key: &[u8]) -> Vec<usize> {
    let owns = |&index: &usize| {
        cluster.files[index]
            .record(DB, key)
            .is_some_and(|(header, _)| header.dmaster == pnn(index))
    };
    (0..cluster.nodes.len()).filter(owns).collect()
}

#[test]
fn nodes_come_up() {
    let cluster = Cluster::running(3);
    for node in &cluster.nodes {
        assert_eq!(node.view().run_state(), RunState::RUNNING);
        assert_eq!(node.view().recovery_mode(), RecoveryMode::NORMAL);
        assert!(
            node.view().own_flags().is_empty(),
            "healthy after the first monitor event"
        );
    }
}

#[test]
fn a_record_goes_where_it_is_wanted_and_takes_its_data_along() {
    let mut cluster = Cluster::running(3);
    let db = cluster.attach(DB);
    for key in [b"a".as_slice(), b"b", b"c", b"d"] {
        let mut rsn = 0;
        for round in 0..9 {
            let index = round % 3;
            let client = cluster.connect(index);
            let reqid = cluster.call(client, db, key, CallFunction::NULL);
            assert_eq!(answers(&mut cluster, client), [(reqid, Bytes::new())]);
            assert_eq!(owners(&cluster, key), [index]);
            let (header, data) = cluster.files[index].record(DB, key).unwrap();
            if round > 0 {
                assert_eq!(data, format!("round {}", round - 1).as_bytes());
                assert!(header.rsn > rsn, "a move raises the rsn");
            }
            rsn = header.rsn;
            cluster.files[index].client_stores(DB, key, format!("round {round}").as_bytes());
        }
    }
}

#[test]
fn a_locked_record_is_awaited_once_for_all_who_want_it() {
    let mut cluster = Cluster::running(2);
    let db = cluster.attach(DB);
    let holder = cluster.connect(1);
    cluster.call(holder, db, b"key", CallFunction::NULL);
    cluster.files[1].client_locks(DB, b"key");
    cluster.grant = false;
    let clients: Vec<_> = (0..50).map(|_| cluster.connect(1)).collect();
    for &client in &clients {
        cluster.call(client, db, b"key", CallFunction::FETCH);
    }
    let remote = cluster.connect(0);
    cluster.call(remote, db, b"key", CallFunction::NULL);
    assert_eq!(cluster.awaited.len(), 1, "one waiter stands for all");
    cluster.files[1].client_unlocks(DB, b"key");
    let (index, ticket) = cluster.awaited.pop().unwrap();
    cluster.input(index, Input::LockGranted { ticket });
    for client in clients {
        assert_eq!(answers(&mut cluster, client).len(), 1);
    }
    assert_eq!(answers(&mut cluster, remote).len(), 1);
    assert_eq!(owners(&cluster, b"key"), [0]);
}

#[test]
fn calls_for_one_key_share_one_fetch() {
    let mut cluster = Cluster::running(2);
    let db = cluster.attach(DB);
    let holder = cluster.connect(1);
    cluster.call(holder, db, b"key", CallFunction::NULL);
    cluster.files[1].client_stores(DB, b"key", b"value");
    cluster.files[1].client_locks(DB, b"key");
    cluster.grant = false;
    let clients: Vec<_> = (0..10).map(|_| cluster.connect(0)).collect();
    for &client in &clients {
        cluster.call(client, db, b"key", CallFunction::FETCH);
    }
    let sent = cluster.nodes[0].cx.lengths().2;
    assert_eq!(sent, 1);
    cluster.files[1].client_unlocks(DB, b"key");
    let (index, ticket) = cluster.awaited.pop().unwrap();
    cluster.input(index, Input::LockGranted { ticket });
    for client in clients {
        let got = answers(&mut cluster, client);
        assert_eq!(
            got.iter()
                .map(|(_, data)| data.as_ref())
                .collect::<Vec<_>>(),
            [b"value"]
        );
    }
}

#[test]
fn read_only_copies_are_given_out_and_called_back() {
    let mut cluster = Cluster::running(3);
    let db = cluster.attach(DB);
    cluster.track_copies(db);
    let writer = cluster.connect(0);
    cluster.call(writer, db, b"key", CallFunction::NULL);
    cluster.files[0].client_stores(DB, b"key", b"one");
    for index in [1, 2] {
        let reader = cluster.connect(index);
        cluster.want_copy(reader, db, b"key");
        let got = answers(&mut cluster, reader);
        assert_eq!(got[0].1.as_ref(), b"one");
        let (header, data) = cluster.files[index].record(DB, b"key").unwrap();
        assert_eq!(data, b"one");
        assert!(header.flags.contains(RecordFlags::RO_HAVE_READONLY));
        assert_eq!(header.dmaster, Pnn(0));
    }
    let (header, _) = cluster.files[0].record(DB, b"key").unwrap();
    assert!(header.flags.contains(RecordFlags::RO_HAVE_DELEGATIONS));
    let again = cluster.connect(1);
    cluster.call(again, db, b"key", CallFunction::NULL);
    assert_eq!(
        answers(&mut cluster, again).len(),
        1,
        "the writer gets it once all copies are back"
    );
    assert_eq!(owners(&cluster, b"key"), [1]);
    for index in 0..3 {
        let (header, _) = cluster.files[index].record(DB, b"key").unwrap();
        assert!(
            !header.flags.intersects(RecordFlags::RO_FLAGS),
            "node {index}: {:?}",
            header.flags
        );
    }
}

#[test]
fn emptied_records_are_deleted_everywhere() {
    let mut cluster = Cluster::running(3);
    let db = cluster.attach(DB);
    for round in 0..3 {
        for key in 0..20_u8 {
            let client = cluster.connect(round);
            cluster.call(client, db, &[key], CallFunction::NULL);
            cluster.files[round].client_stores(DB, &[key], b"data");
        }
    }
    for key in 0..20_u8 {
        cluster.files[2].client_stores(DB, &[key], b"");
        let (header, _) = cluster.files[2].record(DB, &[key]).unwrap();
        cluster.nodes[2].databases.schedule(db, &[key], header);
    }
    let admin = cluster.connect(0);
    for _ in 0..3 {
        for node in (0..3).map(pnn) {
            let request = DbVacuum {
                db_id: db,
                full: false,
            };
            let data = Bytes::from(encode(&request));
            cluster.control_raw(
                admin,
                node,
                <control::DbVacuum as control::Control>::CODE,
                Srvid(0),
                data,
            );
            cluster.pass(100_000);
        }
    }
    for index in 0..3 {
        let left: Vec<u8> = (0..20)
            .filter(|&key| cluster.files[index].record(DB, &[key]).is_some())
            .collect();
        assert!(left.is_empty(), "node {index} still has {left:?}");
    }
}

#[test]
fn a_traverse_answers_first_and_ends_with_an_empty_record() {
    let mut cluster = Cluster::running(3);
    let db = cluster.attach(DB);
    for key in 0..9_u8 {
        let index = usize::from(key) % 3;
        let client = cluster.connect(index);
        cluster.call(client, db, &[key], CallFunction::NULL);
        cluster.files[index].client_stores(DB, &[key], &[key, key]);
    }
    let client = cluster.connect(1);
    let srvid = Srvid(0xBE00_0000_0000_0001);
    cluster
        .control_raw(client, Pnn::CURRENT, 23, srvid, Bytes::new())
        .expect("registered");
    let start = TraverseStart {
        db_id: db,
        reqid: ReqId(77),
        srvid,
    };
    let code = <control::TraverseStart as control::Control>::CODE;
    let reply = cluster.control_raw(
        client,
        Pnn::CURRENT,
        code,
        srvid,
        Bytes::from(encode(&start)),
    );
    assert_eq!(reply.expect("an answer").status, 0);
    let mut keys = Vec::new();
    let mut ended = 0;
    for (_, packet) in cluster.received(client) {
        let Packet::ReqMessage(message) = packet else {
            panic!("only messages follow")
        };
        let record: RecData = all(&message.data).unwrap();
        assert_eq!(record.reqid, ReqId(77));
        if record.key.is_empty() {
            ended += 1
        } else {
            keys.push(record.key[0])
        }
    }
    keys.sort_unstable();
    assert_eq!((keys, ended), ((0..9).collect(), 1));
}

#[test]
fn a_transaction_reaches_every_node_or_is_left_to_a_recovery() {
    let mut cluster = Cluster::running(3);
    let client = cluster.connect(1);
    let db =
        cluster.must::<control::DbAttachPersistent>(client, Pnn::CURRENT, &Text::from("p.tdb"));
    let value =
        |rsn: u64, data: &[u8]| LtdbHeader::new(rsn, Pnn(1), RecordFlags::empty()).join(data);
    let mut buffer = MarshallBuffer::new(db);
    buffer.push(ReqId(0), b"k", &value(1, b"v1"));
    cluster.must::<control::Trans3Commit>(client, Pnn::CURRENT, &buffer);
    for index in 0..3 {
        assert_eq!(cluster.files[index].record("p.tdb", b"k").unwrap().1, b"v1");
    }
    // Older than what is stored, with other data: refused by all nodes, a recovery decides.
    let mut buffer = MarshallBuffer::new(db);
    buffer.push(ReqId(0), b"k", &value(1, b"other"));
    let data = Bytes::from(encode(&buffer));
    assert!(
        cluster
            .control_raw(client, Pnn::CURRENT, 119, Srvid(0), data)
            .is_none(),
        "no answer yet"
    );
    assert_eq!(
        cluster.nodes[1].view().recovery_mode(),
        RecoveryMode::NORMAL,
        "nodes that refuse are asked again first"
    );
    cluster.pass(2_000_000);
    assert_eq!(
        cluster.nodes[1].view().recovery_mode(),
        RecoveryMode::ACTIVE
    );
    cluster.recover();
    let statuses = cluster.statuses(client);
    assert_eq!(statuses, [2], "answered when the recovery has ended");
}

/// When a recovery ends, nodes leave it one after the other, C nodes late. A commit in that moment
/// once was taken for a failure: it forced the next recovery upon the cluster.
#[test]
fn a_node_that_leaves_a_recovery_late_is_asked_again() {
    let mut cluster = Cluster::running(3);
    let client = cluster.connect(1);
    let db =
        cluster.must::<control::DbAttachPersistent>(client, Pnn::CURRENT, &Text::from("p.tdb"));
    cluster.must::<control::SetRecmode>(client, Pnn(2), &RecoveryMode::ACTIVE);
    let mut buffer = MarshallBuffer::new(db);
    let value = LtdbHeader::new(1, Pnn(1), RecordFlags::empty()).join(b"v1");
    buffer.push(ReqId(0), b"k", &value);
    let data = Bytes::from(encode(&buffer));
    let reply = cluster.control_raw(client, Pnn::CURRENT, 119, Srvid(0), data);
    assert!(reply.is_none(), "node 2 is not ready for it");
    let other = cluster.connect(0);
    cluster.must::<control::SetRecmode>(other, Pnn(2), &RecoveryMode::NORMAL);
    cluster.pass(200_000);
    let statuses = cluster.statuses(client);
    assert_eq!(statuses, [0]);
    assert_eq!(
        cluster.nodes[1].view().recovery_mode(),
        RecoveryMode::NORMAL
    );
    assert_eq!(cluster.files[2].record("p.tdb", b"k").unwrap().1, b"v1");
}

#[test]
fn messages_reach_all_listeners_the_sender_included() {
    let mut cluster = Cluster::running(3);
    let srvid = Srvid(0xFE00_0000_0000_0002);
    let clients: Vec<_> = (0..3).map(|index| cluster.connect(index)).collect();
    for &client in &clients {
        cluster.control_raw(client, Pnn::CURRENT, 23, srvid, Bytes::new());
    }
    cluster.message(clients[0], Pnn::BROADCAST_CONNECTED, srvid, b"hello");
    for &client in &clients {
        assert_eq!(cluster.received(client).len(), 1);
    }
}

/// A C daemon that hears another version than its own before it has told its own ends itself: on
/// every new connection it is left to speak first.
#[test]
fn a_peer_that_comes_back_is_left_to_speak_first() {
    let mut cluster = Cluster::running(2);
    let keepalives = |cluster: &mut Cluster, seconds: u64| {
        let before = cluster.nodes[0]
            .cx
            .statistics()
            .total()
            .keepalive_packets_sent;
        cluster.pass(seconds * 1_000_000);
        cluster.nodes[0]
            .cx
            .statistics()
            .total()
            .keepalive_packets_sent
            - before
    };
    // The peer says nothing at all: it is spoken to only after a while.
    cluster.mute = Some(1);
    for _ in 0..3 {
        cluster.input(
            0,
            Input::PeerDisconnected {
                peer: Pnn(1),
                reason: "test".to_owned(),
            },
        );
        cluster.input(0, Input::PeerConnected { peer: Pnn(1) });
        assert_eq!(keepalives(&mut cluster, 9), 0);
    }
    assert!(keepalives(&mut cluster, 10) > 0);
}

/// Found by `testsuite/interop/chaos`: packets of one direction between two nodes were lost for so long that
/// the two broke their connections. The leader saw both all the time. The record that had been under way
/// was nowhere any more, and calls for it went round for hours.
#[test]
fn who_meets_a_peer_again_within_a_generation_wants_a_recovery() {
    let mut cluster = Cluster::running(3);
    let lose = |cluster: &mut Cluster| {
        let reason = "silent".to_owned();
        let peer = Pnn(1);
        cluster.input(0, Input::PeerDisconnected { peer, reason });
    };
    let mode = |cluster: &Cluster| cluster.nodes[0].view().recovery_mode();
    lose(&mut cluster);
    assert_eq!(mode(&cluster), RecoveryMode::NORMAL, "the peer may be dead");
    cluster.input(0, Input::PeerConnected { peer: Pnn(1) });
    assert_eq!(mode(&cluster), RecoveryMode::ACTIVE);
    cluster.recover();
    assert_eq!(mode(&cluster), RecoveryMode::NORMAL);
    // A recovery in between has found everything.
    lose(&mut cluster);
    let client = cluster.connect(0);
    let map = VnnMap {
        generation: Generation(99),
        nodes: vec![Pnn(0), Pnn(2)],
    };
    let (active, normal) = (RecoveryMode::ACTIVE, RecoveryMode::NORMAL);
    cluster.must::<control::SetRecmode>(client, Pnn::CURRENT, &active);
    cluster.must::<control::SetVnnMap>(client, Pnn::CURRENT, &map);
    cluster.must::<control::SetRecmode>(client, Pnn::CURRENT, &normal);
    cluster.input(0, Input::PeerConnected { peer: Pnn(1) });
    assert_eq!(mode(&cluster), RecoveryMode::NORMAL);
}
