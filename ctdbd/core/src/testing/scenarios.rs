//! Regression scenarios of upstream, by number, that fit a few nodes in one test. The list of all is
//! in `testsuite/README.md`.

use bytes::Bytes;
use ctdb_protocol::control::{self, Control};
use ctdb_protocol::hash::hash;
use ctdb_protocol::id::{ClientId, DbId, Generation, Pnn, ReqId};
use ctdb_protocol::packet::Packet;
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::text::{CountedText, Text};
use ctdb_protocol::types::{
    CallFunction, DbVacuum, LtdbHeader, MarshallBuffer, RecordFlags, Tunable,
};
use ctdb_protocol::wire::encode;

use super::{Cluster, pnn};
use crate::cluster::testing::{set_generation, set_run_state};
use crate::cluster::{Letter, Reason};
use crate::database::Asked;
use crate::input::Input;
use ctdb_protocol::types::RecoveryMode;

const DB: &str = "test.tdb";

fn calls_answered(cluster: &mut Cluster, client: (usize, ClientId)) -> usize {
    let received = cluster.received(client).into_iter();
    received
        .filter(|(_, packet)| matches!(packet, Packet::ReplyCall(_)))
        .count()
}

/// A record of node 0 that only this node has.
fn record_on(cluster: &mut Cluster, db: DbId, index: usize, key: &[u8], data: &[u8]) {
    let client = cluster.connect(index);
    cluster.call(client, db, key, CallFunction::NULL);
    assert_eq!(calls_answered(cluster, client), 1);
    cluster.files[index].client_stores(DB, key, data);
}

#[test]
fn r11_numbers_of_requests_and_clients_wrap_without_zero_or_double() {
    let mut cluster = Cluster::running(1);
    let node = &mut cluster.nodes[0];
    let in_use = node.next_client_id();
    cluster.input(
        0,
        Input::ClientConnected {
            client: in_use,
            pid: 1,
        },
    );
    let node = &mut cluster.nodes[0];
    let last = node.cx.next_reqid();
    node.cx.remember(last, Asked::Call(DbId(1)));
    node.cx.set_last_reqid(0x7fff_fffe);
    let ids: Vec<u32> = (0..4).map(|_| node.cx.next_reqid().0).collect();
    assert_eq!(ids[0], 0x7fff_ffff);
    assert!(!ids.contains(&0) && !ids.contains(&last.0), "{ids:?}");
    node.proxy.set_last_id(0x7fff_fffe);
    let ids: Vec<u32> = (0..4).map(|_| node.next_client_id().0).collect();
    assert!(!ids.contains(&0), "0 stands for a daemon: {ids:?}");
    assert!(
        !ids.contains(&in_use.0),
        "{ids:?} has {in_use:?}, which lives"
    );
}

#[test]
fn r28_a_record_that_cannot_be_deleted_is_told_of_even_if_it_is_the_last() {
    let mut cluster = Cluster::running(2);
    let db = cluster.attach(DB);
    let keys: [&[u8]; 3] = [b"first", b"second", b"last"];
    // Node 1 has emptied copies of all; of the last it has something newer.
    let mut buffer = MarshallBuffer::new(db);
    for key in keys {
        record_on(&mut cluster, db, 1, key, b"");
        record_on(&mut cluster, db, 0, key, b"");
        let (header, _) = cluster.files[0].record(DB, key).unwrap();
        buffer.push(ReqId(0), key, &header.join(b""));
    }
    record_on(&mut cluster, db, 1, b"last", b"new");
    let client = cluster.connect(0);
    let kept = cluster.must::<control::TryDeleteRecords>(client, Pnn(1), &buffer);
    let kept: Vec<&[u8]> = kept.records().map(|record| record.key).collect();
    assert_eq!(kept, [b"last"]);
    assert!(cluster.files[1].record(DB, b"first").is_none());
    assert!(cluster.files[1].record(DB, b"second").is_none());
    assert_eq!(cluster.files[1].record(DB, b"last").unwrap().1, b"new");
}

#[test]
fn r28_a_run_whose_answer_is_lost_deletes_nothing() {
    let mut cluster = Cluster::running(2);
    let db = cluster.attach(DB);
    // Emptied on its lmaster, with a copy on the other node.
    let key: &[u8] = b"key";
    let lmaster = usize::try_from(hash(key) % 2).unwrap();
    record_on(&mut cluster, db, 1 - lmaster, key, b"data");
    record_on(&mut cluster, db, lmaster, key, b"");
    let (header, _) = cluster.files[lmaster].record(DB, key).unwrap();
    cluster.nodes[lmaster].databases.schedule(db, key, header);
    cluster.mute = Some(1 - lmaster);
    let client = cluster.connect(lmaster);
    let request = DbVacuum {
        db_id: db,
        full: false,
    };
    let data = Bytes::from(encode(&request));
    let code = control::DbVacuum::CODE;
    let reply = cluster.control_raw(client, Pnn::CURRENT, code, Srvid(0), data);
    assert!(reply.is_none(), "it waits for the other node");
    cluster.pass(130_000_000);
    assert!(
        cluster.files[lmaster].record(DB, key).is_some(),
        "nobody knows whether the copy is gone"
    );
}

/// After how many seconds full runs, which walk over the file, begin.
fn full_runs(cluster: &mut Cluster, seconds: u64) -> Vec<u64> {
    let mut found = Vec::new();
    for second in 1..=seconds {
        let before = cluster.scans;
        cluster.pass(1_000_000);
        if cluster.scans > before {
            found.push(second);
        }
    }
    found
}

fn tune(cluster: &mut Cluster, name: &str, value: u32) {
    let client = cluster.connect(0);
    let name = CountedText::from(name);
    let tunable = Tunable { value, name };
    cluster.must::<control::SetTunable>(client, Pnn::CURRENT, &tunable);
}

#[test]
fn r29_vacuum_runs_begin_fast_follow_their_interval_and_rest_in_recovery() {
    let mut cluster = Cluster::running(1);
    tune(&mut cluster, "VacuumInterval", 10);
    tune(&mut cluster, "VacuumFastPathCount", 3);
    cluster.attach(DB);
    // Three fast runs, then a full one.
    assert_eq!(full_runs(&mut cluster, 45), [40]);
    // The interval that is armed passes; from then on it is the new one.
    tune(&mut cluster, "VacuumInterval", 2);
    let next = full_runs(&mut cluster, 30);
    assert!(next.len() >= 2 && next[1] - next[0] == 8, "{next:?}");
    let client = cluster.connect(0);
    let active = RecoveryMode::ACTIVE;
    cluster.must::<control::SetRecmode>(client, Pnn::CURRENT, &active);
    assert_eq!(full_runs(&mut cluster, 40), [0_u64; 0], "none in recovery");
}

#[test]
fn r29_one_database_after_the_other_is_vacuumed() {
    let mut cluster = Cluster::running(1);
    tune(&mut cluster, "VacuumInterval", 5);
    tune(&mut cluster, "VacuumFastPathCount", 1);
    for name in ["one.tdb", "two.tdb", "three.tdb"] {
        cluster.attach(name);
    }
    cluster.hold_scans = true;
    cluster.pass(30_000_000);
    let mut done = 0;
    for _ in 0..10 {
        assert!(cluster.held_scans.len() <= 1, "two at a time");
        if let Some((index, ticket)) = cluster.held_scans.pop() {
            done += 1;
            let complete = true;
            cluster.input(index, Input::ScanDone { ticket, complete });
        }
        // Half a second later the next one looks again.
        cluster.pass(500_000);
    }
    assert!(done >= 3, "only {done} runs");
}

#[test]
fn free_areas_are_counted_after_runs_that_made_some_and_after_full_ones() {
    let mut cluster = Cluster::running(1);
    let db = cluster.attach(DB);
    let client = cluster.connect(0);
    let runs = |cluster: &mut Cluster, full| {
        let request = DbVacuum { db_id: db, full };
        let (data, code) = (Bytes::from(encode(&request)), control::DbVacuum::CODE);
        cluster.control_raw(client, Pnn::CURRENT, code, Srvid(0), data);
        cluster.pass(1_000_000);
        std::mem::take(&mut cluster.repacks)
    };
    assert_eq!(runs(&mut cluster, false), [10_000], "asked for");
    assert_eq!(runs(&mut cluster, true), [10_000], "full");
    cluster.pass(25_000_000);
    assert_eq!(cluster.repacks, [0_u32; 0], "nothing was deleted");
    record_on(&mut cluster, db, 0, b"key", b"");
    let (header, _) = cluster.files[0].record(DB, b"key").unwrap();
    cluster.nodes[0].databases.schedule(db, b"key", header);
    cluster.pass(25_000_000);
    assert_eq!(cluster.repacks, [10_000], "a record was deleted");
}

#[test]
fn r31_calls_that_wait_for_a_revoke_go_on_when_its_writer_is_gone() {
    let mut cluster = Cluster::running(3);
    let db = cluster.attach(DB);
    cluster.track_copies(db);
    record_on(&mut cluster, db, 0, b"key", b"one");
    let reader = cluster.connect(1);
    cluster.want_copy(reader, db, b"key");
    assert_eq!(calls_answered(&mut cluster, reader), 1);
    // The holder of the copy is silent, so the revoke takes until its time-out.
    cluster.mute = Some(1);
    let (gone, stays) = (cluster.connect(0), cluster.connect(0));
    cluster.call(gone, db, b"key", CallFunction::NULL);
    cluster.call(stays, db, b"key", CallFunction::NULL);
    assert_eq!(calls_answered(&mut cluster, gone), 0, "the revoke runs");
    let (index, client) = gone;
    cluster.input(index, Input::ClientGone { client });
    cluster.pass(1_000_000);
    cluster.mute = None;
    cluster.pass(130_000_000);
    assert_eq!(
        calls_answered(&mut cluster, stays),
        1,
        "it must not wait for ever"
    );
    let (header, _) = cluster.files[0].record(DB, b"key").unwrap();
    assert!(!header.flags.intersects(RecordFlags::RO_FLAGS));
    let other = cluster.connect(2);
    cluster.call(other, db, b"key", CallFunction::NULL);
    assert_eq!(calls_answered(&mut cluster, other), 1);
    assert!(
        cluster.files[2]
            .record(DB, b"key")
            .is_some_and(|(header, _)| header.dmaster == pnn(2))
    );
}

#[test]
fn r31_a_revoke_from_a_holder_that_is_gone_is_tried_once_a_second() {
    let mut cluster = Cluster::running(3);
    let db = cluster.attach(DB);
    cluster.track_copies(db);
    record_on(&mut cluster, db, 0, b"key", b"one");
    let reader = cluster.connect(1);
    cluster.want_copy(reader, db, b"key");
    cluster.mute = Some(1);
    let writer = cluster.connect(0);
    cluster.call(writer, db, b"key", CallFunction::NULL);
    cluster.input(
        0,
        Input::PeerDisconnected {
            peer: Pnn(1),
            reason: "gone".to_owned(),
        },
    );
    // It once was tried again and again in the same moment.
    cluster.pass(10_000_000);
    assert_eq!(calls_answered(&mut cluster, writer), 0);
    cluster.mute = None;
    cluster.input(0, Input::PeerConnected { peer: Pnn(1) });
    cluster.pass(2_000_000);
    assert_eq!(calls_answered(&mut cluster, writer), 1);
    let header: LtdbHeader = cluster.files[0].record(DB, b"key").unwrap().0;
    assert_eq!(header.dmaster, Pnn(0));
}

/// A commit that fails puts its node into recovery mode without SET_RECMODE. Such a node, cut off, once
/// kept its addresses for ever.
#[test]
fn recovery_mode_that_a_commit_began_limits_addresses_too() {
    let mut cluster = Cluster::running(1);
    let client = cluster.connect(0);
    let active = RecoveryMode::ACTIVE;
    assert!(cluster.nodes[0].cluster.address_limit().is_none());
    let failed = Letter::RecoveryWanted(Reason::Commit(DbId(1)));
    cluster.nodes[0].cx.post(failed);
    cluster.input(0, Input::Wake);
    let timer = cluster.nodes[0].cluster.address_limit();
    assert!(timer.is_some());
    cluster.pass(60_000_000);
    cluster.must::<control::SetRecmode>(client, Pnn::CURRENT, &active);
    let again = cluster.nodes[0].cluster.address_limit();
    assert_eq!(again, timer, "it does not begin anew");
}

/// Recoveries that fail at their end, one after the other, once made the limit begin anew each time: an
/// address that was on two nodes stayed there (seed 6001395).
#[test]
fn an_end_of_recovery_that_is_refused_does_not_make_the_limit_longer() {
    let mut cluster = Cluster::running(1);
    let client = cluster.connect(0);
    let name = Text::from("p.tdb");
    cluster.must::<control::DbAttachPersistent>(client, Pnn::CURRENT, &name);
    let mode = RecoveryMode::ACTIVE;
    cluster.must::<control::SetRecmode>(client, Pnn::CURRENT, &mode);
    let timer = cluster.nodes[0].cluster.address_limit();
    assert!(timer.is_some());
    set_generation(&mut cluster.nodes[0].cx, Generation(77));
    cluster.pass(60_000_000);
    let normal = Bytes::from(encode(&RecoveryMode::NORMAL));
    let code = control::SetRecmode::CODE;
    let answer = cluster.control_raw(client, Pnn::CURRENT, code, Srvid(0), normal);
    assert_eq!(answer.map(|answer| answer.status), Some(-1));
    assert_eq!(cluster.nodes[0].cluster.address_limit(), timer);
}

/// A peer that is met again within a generation begins recovery mode as well. If nobody hears this node
/// while it hears the leader, no SET_RECMODE comes for a long time.
#[test]
fn recovery_mode_that_a_connection_began_limits_addresses_at_once() {
    let mut cluster = Cluster::running(2);
    let (peer, reason) = (Pnn(1), "gone".to_owned());
    assert!(cluster.nodes[0].cluster.address_limit().is_none());
    cluster.input(0, Input::PeerDisconnected { peer, reason });
    cluster.input(0, Input::PeerConnected { peer });
    assert!(cluster.nodes[0].cluster.address_limit().is_some());
    cluster.recover();
    assert!(cluster.nodes[0].cluster.address_limit().is_none());
}

/// Between the end of the first recovery and the end of its scripts an attach is parked. The recovery
/// that would have served it was over already: it waited for the next one, in a quiet cluster two minutes.
#[test]
fn an_attach_during_the_scripts_of_the_first_recovery_is_served_after_them() {
    let mut cluster = Cluster::running(1);
    let client = cluster.connect(0);
    set_run_state(
        &mut cluster.nodes[0].cx,
        ctdb_protocol::types::RunState::FIRST_RECOVERY,
    );
    let attach = control::DbAttach::CODE;
    let name = Bytes::from_static(b"early.tdb\0");
    let reply = cluster.control_raw(client, Pnn::CURRENT, attach, Srvid(0), name);
    assert!(reply.is_none(), "not before the node has started");
    cluster.must::<control::EndRecovery>(client, Pnn::CURRENT, &());
    cluster.pass(2_000_000);
    let statuses = cluster.statuses(client);
    assert_eq!(statuses, [0]);
}

/// Two nodes of a generation do not hear each other, and the leader, who hears both, has just recovered: a
/// commit goes past one of them. When they meet again, a recovery has to bring it there.
#[test]
fn a_commit_that_goes_past_a_node_is_made_good_when_it_is_seen_again() {
    let mut cluster = Cluster::running(3);
    let client = cluster.connect(1);
    let name = Text::from("p.tdb");
    let db = cluster.must::<control::DbAttachPersistent>(client, Pnn::CURRENT, &name);
    let reason = "gone".to_owned();
    let peer = Pnn(2);
    cluster.input(1, Input::PeerDisconnected { peer, reason });
    cluster.recover();
    let mut buffer = MarshallBuffer::new(db);
    let value = LtdbHeader::new(1, Pnn(1), RecordFlags::empty()).join(b"value");
    buffer.push(ReqId(0), b"key", &value);
    cluster.must::<control::Trans3Commit>(client, Pnn::CURRENT, &buffer);
    assert!(cluster.files[0].record("p.tdb", b"key").is_some());
    assert!(cluster.files[2].record("p.tdb", b"key").is_none());
    let mode = |cluster: &Cluster| cluster.nodes[1].view().recovery_mode();
    assert_eq!(mode(&cluster), RecoveryMode::NORMAL);
    cluster.input(1, Input::PeerConnected { peer });
    assert_eq!(mode(&cluster), RecoveryMode::ACTIVE);
}

/// A record goes to a node that has just been recovered, which the sender does not see yet: it is lost. They
/// meet a moment later, when the same recovery has still to end; its end once hid that another is needed.
#[test]
fn a_peer_that_comes_back_before_the_recovery_ends_is_not_forgotten_with_its_end() {
    let mut cluster = Cluster::running(2);
    let leader = cluster.connect(0);
    let (peer, reason) = (Pnn(1), "gone".to_owned());
    let (active, normal) = (RecoveryMode::ACTIVE, RecoveryMode::NORMAL);
    let mode = |cluster: &Cluster| cluster.nodes[0].view().recovery_mode();
    cluster.input(0, Input::PeerDisconnected { peer, reason });
    cluster.must::<control::SetRecmode>(leader, Pnn::CURRENT, &active);
    cluster.input(0, Input::PeerConnected { peer });
    cluster.must::<control::SetRecmode>(leader, Pnn::CURRENT, &normal);
    assert_eq!(mode(&cluster), RecoveryMode::NORMAL, "so that it can end");
    cluster.must::<control::EndRecovery>(leader, Pnn::CURRENT, &());
    assert_eq!(mode(&cluster), RecoveryMode::ACTIVE);
    cluster.recover();
    assert_eq!(mode(&cluster), RecoveryMode::NORMAL);
}

#[test]
fn r46_the_report_on_memory_is_text_to_its_end() {
    let mut cluster = Cluster::running(1);
    let client = cluster.connect(0);
    let code = control::DumpMemory::CODE;
    let answer = cluster.control_raw(client, pnn(0), code, Srvid(0), Bytes::new());
    let report = answer.expect("it answers at once").data;
    assert!(report.ends_with(b"\n") && !report.contains(&0));
}
