//! Commits beside recoveries.

use bytes::Bytes;
use ctdb_protocol::control::{Control, DbAttachPersistent, EndRecovery, SetVnnMap, Trans3Commit};
use ctdb_protocol::id::{ClientId, DbId, Generation, Pnn, ReqId};
use ctdb_protocol::packet::Packet;
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::text::Text;
use ctdb_protocol::types::{LtdbHeader, MarshallBuffer, RecordFlags, VnnMap};
use ctdb_protocol::wire::encode;

use super::{Cluster, pnn};

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
    cluster.nodes[0].shared.recovery_mode = crate::shared::RecoveryMode::Active;
    cluster.must::<SetVnnMap>(client, pnn(0), &map);
    cluster.nodes[0].shared.recovery_mode = crate::shared::RecoveryMode::Normal;
}

fn statuses(cluster: &mut Cluster, client: Client) -> Vec<i32> {
    let received = cluster.received(client).into_iter();
    received
        .filter_map(|(_, packet)| match packet {
            Packet::ReplyControl(reply) => Some(reply.status),
            _ => None,
        })
        .collect()
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
    assert_eq!(statuses(&mut cluster, client), [2]);
}

/// A node that leaves the recovery first can be asked to commit before END_RECOVERY comes, while others
/// still refuse their part.
#[test]
fn a_commit_from_after_the_recovery_is_not_ended_by_it() {
    let (mut cluster, client, leader, db) = attached();
    new_generation(&mut cluster, leader);
    begin_commit(&mut cluster, client, db);
    cluster.must::<EndRecovery>(leader, pnn(0), &());
    assert_eq!(statuses(&mut cluster, client), []);
}
