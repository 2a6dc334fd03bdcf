//! Every checker finds what it is for: each test breaks one thing by hand.

use std::time::Duration;

use ctdb_protocol::Pnn;
use ctdb_protocol::types::{LtdbHeader, RecordFlags};
use ctdb_simulation::checkers::{addresses, commits, generation, increments, liveness};
use ctdb_simulation::cluster::{Cluster, simulate};
use ctdb_simulation::workload::increments::Counts;
use ctdb_simulation::workload::records::Process;
use ctdb_simulation::workload::transactions::{Ledger, PARTS};
use ctdb_simulation::world::Setup;
use tokio::time::sleep;

const DATABASE: &str = "counters.tdb";

/// A healthy cluster in which all nodes have the database and node 0 has a record.
async fn cluster() -> Cluster {
    let cluster = Cluster::ready(Setup::new(1)).await;
    let processes = Process::one_per_node(&cluster, DATABASE).await;
    assert!(processes[0].write(b"key", &7_u64.to_le_bytes()).await);
    sleep(Duration::from_secs(2)).await;
    cluster.expect_no_violation();
    cluster
}

fn forge(cluster: &Cluster, node: u32, rsn: u64, number: u64) {
    let header = LtdbHeader::new(rsn, Pnn(node), RecordFlags::empty());
    let file = cluster.daemon(node).file(DATABASE).expect("attached");
    let value = header.join(&number.to_le_bytes());
    file.borrow_mut()
        .records_mut()
        .insert(b"key".to_vec(), value.into());
}

fn assert_found(cluster: &Cluster, text: &str) {
    let violations = cluster.violations();
    assert!(
        violations.iter().any(|line| line.contains(text)),
        "{violations:?}"
    );
}

#[test]
fn two_data_masters_are_found() {
    simulate(async || {
        let cluster = cluster().await;
        forge(&cluster, 1, 1, 1);
        sleep(Duration::from_secs(2)).await;
        assert_found(&cluster, "are data master");
    });
}

#[test]
fn a_falling_rsn_is_found() {
    simulate(async || {
        let cluster = cluster().await;
        forge(&cluster, 0, 50, 1);
        sleep(Duration::from_secs(2)).await;
        forge(&cluster, 0, 49, 1);
        sleep(Duration::from_secs(2)).await;
        assert_found(&cluster, "fell from 50 to 49");
    });
}

#[test]
fn a_leader_without_the_lock_is_found() {
    simulate(async || {
        let cluster = cluster().await;
        cluster.world.lock.lose();
        assert!(cluster.world.lock.take((Pnn(9), 99)));
        sleep(Duration::from_secs(2)).await;
        assert_found(&cluster, "says it leads");
    });
}

#[test]
fn lost_doubled_and_halved_numbers_are_found() {
    simulate(async || {
        let cluster = cluster().await;
        let counts = Counts::from([(b"key".to_vec(), 8)]);
        assert_eq!(
            increments::check_quiet(&cluster.world, &counts, true).len(),
            1
        );
        assert_eq!(
            increments::check_quiet(&cluster.world, &counts, false).len(),
            0
        );
        let counts = Counts::from([(b"key".to_vec(), 6)]);
        assert_eq!(
            increments::check_quiet(&cluster.world, &counts, false).len(),
            1
        );

        let file = cluster.daemon(0).file(DATABASE).expect("attached");
        let header = LtdbHeader::new(1, Pnn(0), RecordFlags::empty());
        for (part, number) in PARTS.iter().zip([5_u64, 5, 4]) {
            let value = header.join(&number.to_le_bytes());
            file.borrow_mut()
                .records_mut()
                .insert(part.as_bytes().to_vec(), value.into());
        }
        let ledger = Ledger {
            database: DATABASE.to_owned(),
            acknowledged: 6,
            attempted: 6,
            ..Ledger::default()
        };
        let found = commits::check_quiet(&cluster.world, &ledger);
        assert!(
            found.iter().any(|line| line.contains("half a transaction")),
            "{found:?}"
        );
        assert!(
            found.iter().any(|line| line.contains("6 was promised")),
            "{found:?}"
        );
        let ledger = Ledger {
            acknowledged: 0,
            attempted: 4,
            ..ledger
        };
        let found = commits::check_quiet(&cluster.world, &ledger);
        assert!(
            found.iter().any(|line| line.contains("only 4 was tried")),
            "{found:?}"
        );
    });
}

#[test]
fn misplaced_addresses_and_dead_nodes_are_found() {
    simulate(async || {
        let cluster = cluster().await;
        let everywhere = cluster.world.public_addresses()[0].address;
        for node in 0..3 {
            cluster
                .daemon(node)
                .addresses
                .borrow_mut()
                .insert(everywhere);
        }
        assert_eq!(addresses::check_quiet(&cluster.world).len(), 1);
        assert_eq!(
            generation::check_quiet(&cluster.world),
            Vec::<String>::new()
        );
        cluster.daemon(2).kill(false);
        let complaints = liveness::complaints(&cluster.world);
        assert!(
            complaints.contains(&"node 2 does not run".to_owned()),
            "{complaints:?}"
        );
    });
}
