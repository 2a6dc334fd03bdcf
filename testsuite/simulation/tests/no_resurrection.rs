//! What was deleted stays deleted, whoever was away meanwhile.

use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::control::{ContinueNode, DbVacuum, StopNode};
use ctdb_protocol::types;
use ctdb_simulation::cluster::{Cluster, simulate};
use ctdb_simulation::workload::records::Process;
use ctdb_simulation::world::Setup;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn r22_a_record_that_was_deleted_while_a_node_was_stopped_stays_deleted() {
    for seed in 0..6 {
        simulate(async || {
            let cluster = Cluster::ready(Setup::new(seed)).await;
            let processes = Process::one_per_node(&cluster, "locking.tdb").await;
            // Every node has had it, so that every node has a copy.
            for process in &processes {
                assert!(process.write(b"doomed", b"data").await);
            }
            cluster.control::<StopNode>(2, &()).await.expect("stop");
            cluster.expect_settled(&[0, 1], MINUTE).await;
            assert!(processes[0].delete(b"doomed").await);
            for _ in 0..6 {
                for node in [0, 1] {
                    let request = types::DbVacuum {
                        db_id: processes[0].db,
                        full: true,
                    };
                    cluster
                        .control::<DbVacuum>(node, &request)
                        .await
                        .expect("vacuum");
                }
            }
            cluster
                .control::<ContinueNode>(2, &())
                .await
                .expect("continue");
            cluster.expect_settled(&[0, 1, 2], MINUTE).await;
            for process in &processes {
                let data = process.read(b"doomed").await.expect("no record is stuck");
                assert_eq!(data, Bytes::new(), "it came back from the dead");
            }
            cluster.expect_no_violation();
        });
    }
}
