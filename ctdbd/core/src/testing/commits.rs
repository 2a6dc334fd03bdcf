//! Commits beside recoveries.

use bytes::Bytes;
use ctdb_protocol::control::{
    Control, DbAttachPersistent, EndRecovery, SetRecmode, SetVnnMap, Trans3Commit, UpdateRecord,
};
use ctdb_protocol::id::{ClientId, DbId, Generation, Pnn, ReqId};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::text::Text;
use ctdb_protocol::types::{LtdbHeader, MarshallBuffer, NodeFlags, RecordFlags, VnnMap};
use ctdb_protocol::wire::encode;

use super::{Cluster, pnn};
use crate::cluster::testing::{add_flag, set_generation, set_recovery_mode};
use ctdb_protocol::types::RecoveryMode;

type Client = (usize, ClientId);

/// Node 0 of two begins a commit that node 1 does not answer.
fn begin_commit(cluster: &mut Cluster, client: Client, db: DbId) {
    let mut buffer = MarshallBuffer::new(db);
    let value = LtdbHeader::new(1, pnn(0), RecordFlags::empty()).join(b"value");
    buffer.push(ReqId(0), b"key", &value);
    cluster.mute = Some(1);
    let data = Bytes::from(encode(&buffer));
    let answer = cluster.control_raw(client, Pnn::CURRENT, Trans3Commit::CODE, Srvid(0), data);
    cluster.mute = None;
    assert_eq!(answer, None);
}

fn new_generation(cluster: &mut Cluster, client: Client) {
    let map = VnnMap {
        generation: Generation(77),
        nodes: vec![pnn(0), pnn(1)],
    };
    set_recovery_mode(&mut cluster.nodes[0].cx, RecoveryMode::ACTIVE);
    cluster.must::<SetVnnMap>(client, pnn(0), &map);
    set_recovery_mode(&mut cluster.nodes[0].cx, RecoveryMode::NORMAL);
}

fn attached() -> (Cluster, Client, Client, DbId) {
    let mut cluster = Cluster::running(2);
    let (client, leader) = (cluster.connect(0), cluster.connect(0));
    let name = Text::from("p.tdb");
    let db = cluster.must::<DbAttachPersistent>(client, Pnn::CURRENT, &name);
    (cluster, client, leader, db)
}

#[test]
fn a_commit_from_before_the_recovery_is_ended_by_it() {
    let (mut cluster, client, leader, db) = attached();
    begin_commit(&mut cluster, client, db);
    new_generation(&mut cluster, leader);
    cluster.must::<EndRecovery>(leader, pnn(0), &());
    assert_eq!(cluster.statuses(client), [2]);
}

/// A node that leaves the recovery first can be asked to commit before END_RECOVERY comes, while others
/// still refuse their part.
#[test]
fn a_commit_from_after_the_recovery_is_not_ended_by_it() {
    let (mut cluster, client, leader, db) = attached();
    new_generation(&mut cluster, leader);
    begin_commit(&mut cluster, client, db);
    cluster.must::<EndRecovery>(leader, pnn(0), &());
    assert_eq!(cluster.statuses(client), []);
}

/// What a node last heard of another's flags may be old: it was out of touch when that one's ban ended, and
/// came into the recovery that brought both together (seed 6003137). Who is in the map gets the records.
#[test]
fn a_commit_reaches_a_node_that_is_still_thought_to_be_banned() {
    let (mut cluster, client, _, db) = attached();
    add_flag(&mut cluster.nodes[0].cx, pnn(1), NodeFlags::BANNED);
    let mut buffer = MarshallBuffer::new(db);
    let value = LtdbHeader::new(1, pnn(0), RecordFlags::empty()).join(b"value");
    buffer.push(ReqId(0), b"key", &value);
    let data = Bytes::from(encode(&buffer));
    let answer = cluster.control_raw(client, Pnn::CURRENT, Trans3Commit::CODE, Srvid(0), data);
    assert_eq!(answer.map(|answer| answer.status), Some(0));
    assert!(cluster.files[1].record("p.tdb", b"key").is_some());
}

/// Node 0, out of a recovery already, tells node 1 to store its part of a commit.
/// Its answer, if it answers at once.
fn tell_node_1(cluster: &mut Cluster, sender: Client, db: DbId) -> Option<i32> {
    let mut buffer = MarshallBuffer::new(db);
    let value = LtdbHeader::new(1, pnn(0), RecordFlags::empty()).join(b"value");
    buffer.push(ReqId(0), b"key", &value);
    let data = Bytes::from(encode(&buffer));
    let answer = cluster.control_raw(sender, pnn(1), UpdateRecord::CODE, Srvid(0), data);
    answer.map(|answer| answer.status)
}

fn node_1_is_leaving_a_recovery() -> (Cluster, Client, DbId) {
    let (mut cluster, client, _, db) = attached();
    set_recovery_mode(&mut cluster.nodes[1].cx, RecoveryMode::ACTIVE);
    cluster.nodes[1].databases.set_rebuilt();
    (cluster, client, db)
}

fn leave(cluster: &mut Cluster) {
    let leader = cluster.connect(0);
    cluster.must::<SetRecmode>(leader, pnn(1), &RecoveryMode::NORMAL);
}

#[test]
fn an_update_that_comes_a_moment_too_early_is_kept_until_the_recovery_is_left() {
    let (mut cluster, client, db) = node_1_is_leaving_a_recovery();
    let answer = tell_node_1(&mut cluster, client, db);
    assert_eq!(answer, None, "neither stored nor refused");
    leave(&mut cluster);
    assert_eq!(cluster.statuses(client), [0]);
    let (_, data) = cluster.files[1].record("p.tdb", b"key").unwrap();
    assert_eq!(data, b"value");
}

/// C's nodes end their commits when the recovery ends everywhere, and it does when this node is out.
#[test]
fn a_recovery_is_left_only_when_what_was_kept_is_stored() {
    let (mut cluster, client, db) = node_1_is_leaving_a_recovery();
    assert_eq!(tell_node_1(&mut cluster, client, db), None);
    cluster.hold_updates = true;
    let leader = cluster.connect(0);
    let data = Bytes::from(encode(&RecoveryMode::NORMAL));
    let left = cluster.control_raw(leader, pnn(1), SetRecmode::CODE, Srvid(0), data);
    assert_eq!(left, None, "the update is being stored");
    let (index, done) = cluster.held_updates.pop().expect("an update");
    cluster.input(index, done);
    cluster.pass(1);
    assert_eq!(cluster.statuses(client), [0]);
    assert_eq!(cluster.statuses(leader), [0]);
}

#[test]
fn a_recovery_is_left_after_a_while_even_if_what_was_kept_hangs() {
    let (mut cluster, client, db) = node_1_is_leaving_a_recovery();
    assert_eq!(tell_node_1(&mut cluster, client, db), None);
    cluster.hold_updates = true;
    let leader = cluster.connect(0);
    let data = Bytes::from(encode(&RecoveryMode::NORMAL));
    cluster.control_raw(leader, pnn(1), SetRecmode::CODE, Srvid(0), data);
    cluster.pass(3_000_000);
    assert_eq!(cluster.statuses(leader), [0]);
    assert_eq!(cluster.statuses(client), []);
}

#[test]
fn an_update_is_not_kept_for_a_database_that_is_not_rebuilt_yet() {
    let (mut cluster, client, db) = node_1_is_leaving_a_recovery();
    set_generation(&mut cluster.nodes[1].cx, Generation(77));
    assert_eq!(tell_node_1(&mut cluster, client, db), Some(-1));
}

#[test]
fn an_update_that_was_kept_does_not_outlive_another_recovery() {
    let (mut cluster, client, db) = node_1_is_leaving_a_recovery();
    assert_eq!(tell_node_1(&mut cluster, client, db), None);
    set_generation(&mut cluster.nodes[1].cx, Generation(77));
    cluster.nodes[1].databases.set_generation(Generation(77));
    leave(&mut cluster);
    assert_eq!(cluster.statuses(client), [-1]);
    assert!(cluster.files[1].record("p.tdb", b"key").is_none());
}

#[test]
fn an_update_is_not_kept_for_ever() {
    let (mut cluster, client, db) = node_1_is_leaving_a_recovery();
    assert_eq!(tell_node_1(&mut cluster, client, db), None);
    cluster.pass(6_000_000);
    assert_eq!(cluster.statuses(client), [-1]);
}
