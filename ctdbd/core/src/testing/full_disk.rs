// SPDX-License-Identifier: GPL-3.0-or-later
//! A node whose disk takes nothing, or whose files somebody has locked.

use bytes::Bytes;
use ctdb_protocol::control::{
    Control, DbAttach, DbAttachPersistent, DbFreeze, DbTransactionCommit, DbTransactionStart,
    GetBanState, SetBanState, SetRecmode, WipeDatabase,
};
use ctdb_protocol::id::{ClientId, DbId, Generation, Pnn};
use ctdb_protocol::packet::{Packet, ReqControl};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::text::Text;
use ctdb_protocol::types::{BanState, ControlFlags, NodeFlags, RecoveryMode, TransDb};
use ctdb_protocol::wire::{Pad, encode};

use super::{Cluster, pnn};

/// What a recovery, whoever runs it, has node 1 do to a database; the status of its last step.
fn rebuild(cluster: &mut Cluster, leader: (usize, ClientId), db: DbId) -> i32 {
    let transaction = TransDb {
        db_id: db,
        tid: Generation(77),
    };
    cluster.must::<SetRecmode>(leader, pnn(1), &RecoveryMode::ACTIVE);
    cluster.must::<DbFreeze>(leader, pnn(1), &db);
    cluster.must::<DbTransactionStart>(leader, pnn(1), &transaction);
    cluster.must::<WipeDatabase>(leader, pnn(1), &transaction);
    let data = Bytes::from(encode(&transaction));
    cluster
        .control_raw(leader, pnn(1), DbTransactionCommit::CODE, Srvid(0), data)
        .map_or(-100, |answer| answer.status)
}

fn is_banned(cluster: &Cluster) -> bool {
    let view = cluster.nodes[1].view();
    view.own_flags().contains(NodeFlags::BANNED)
}

fn with_a_full_disk() -> (Cluster, (usize, ClientId), DbId) {
    let mut cluster = Cluster::running(2);
    let leader = cluster.connect(0);
    let name = Text::from("p.tdb");
    let db = cluster.must::<DbAttachPersistent>(leader, Pnn::CURRENT, &name);
    cluster.files[1].full.set(true);
    for attempt in 1..=3 {
        assert!(!is_banned(&cluster), "before attempt {attempt}");
        assert_eq!(rebuild(&mut cluster, leader, db), -1);
    }
    assert!(is_banned(&cluster), "the third failure is no accident");
    (cluster, leader, db)
}

#[test]
fn a_node_that_cannot_store_leaves_by_itself_and_comes_back_when_it_can() {
    let (mut cluster, _, _) = with_a_full_disk();
    let reason = cluster.nodes[1].ban_reason().unwrap();
    assert!(reason.contains("p.tdb: cannot commit a recovery transaction"));
    assert!(reason.contains("No space left on device"));
    cluster.pass(400_000_000);
    assert!(
        is_banned(&cluster),
        "even when the ban itself would be over"
    );
    cluster.files[1].full.set(false);
    cluster.pass(6_000_000);
    assert!(!is_banned(&cluster));
}

#[test]
fn one_success_in_between_is_a_new_beginning() {
    let mut cluster = Cluster::running(2);
    let leader = cluster.connect(0);
    let name = Text::from("p.tdb");
    let db = cluster.must::<DbAttachPersistent>(leader, Pnn::CURRENT, &name);
    for full in [true, true, false, true, true] {
        cluster.files[1].full.set(full);
        assert_eq!(rebuild(&mut cluster, leader, db) == 0, !full);
    }
    assert!(!is_banned(&cluster));
}

#[test]
fn an_administrator_can_end_the_ban_and_a_second_fault_waits_longer() {
    let (mut cluster, leader, db) = with_a_full_disk();
    let unban = BanState {
        pnn: pnn(1),
        time_s: 0,
    };
    cluster.must::<SetBanState>(leader, pnn(1), &unban);
    assert!(!is_banned(&cluster));
    for _ in 1..=3 {
        rebuild(&mut cluster, leader, db);
    }
    let ban = cluster.must::<GetBanState>(leader, pnn(1), &());
    assert_eq!(ban.time_s, 300);
    cluster.files[1].full.set(false);
    cluster.pass(6_000_000);
    assert!(is_banned(&cluster), "not after five seconds again");
    cluster.pass(6_000_000);
    assert!(!is_banned(&cluster));
}

#[test]
fn a_node_whose_file_is_locked_leaves_only_when_a_recovery_wants_the_file() {
    let mut cluster = Cluster::running(2);
    let leader = cluster.connect(0);
    cluster.files[1].locked.set(true);
    cluster.must::<DbAttach>(leader, Pnn::CURRENT, &Text::from("v.tdb"));
    cluster.pass(10_000_000);
    assert!(!is_banned(&cluster), "the rest of the node goes on");
    let attach = Packet::ReqControl(ReqControl {
        opcode: DbAttach::CODE,
        pad: Pad::ZERO,
        srvid: Srvid(0),
        client_id: ClientId(0),
        flags: ControlFlags::ATTACH_RECOVERY,
        data: Bytes::from(encode(&Text::from("v.tdb"))),
    });
    for attempt in 1..=3 {
        assert!(!is_banned(&cluster), "before attempt {attempt}");
        cluster.send(leader, pnn(1), &attach);
    }
    assert!(is_banned(&cluster), "nobody waits for it any longer");
    let reason = cluster.nodes[1].ban_reason().unwrap();
    assert!(reason.contains("v.tdb is locked by process 7"), "{reason}");
    cluster.pass(400_000_000);
    assert!(is_banned(&cluster));
    cluster.files[1].locked.set(false);
    cluster.pass(7_000_000);
    assert!(!is_banned(&cluster));
    assert_eq!(cluster.nodes[1].databases().count(), 1);
}
