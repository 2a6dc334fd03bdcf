//! What happens, in the nodes' own words, for a person to read. The files are in `tests/transcripts`.
//!
//! A change of behaviour shows as a difference; `UPDATE_TRANSCRIPTS=1 cargo test -p ctdb-simulation
//! --test transcripts` writes the files anew. Virtual time is given in tenths of a second, and only
//! lines of the cluster watch, of recovery mode, of faults and of record packets are kept.

use std::path::Path;
use std::time::Duration;

use ctdb_protocol::Pnn;
use ctdb_protocol::control::StopNode;
use ctdb_simulation::cluster::{Cluster, simulate};
use ctdb_simulation::workload::records::Process;
use ctdb_simulation::world::{Line, Setup};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Begins of lines that are kept.
const KEPT: [&str; 6] = [
    "watch: ",
    "Recovery mode set",
    "to node ",
    "FAULT",
    "daemon",
    "node ",
];

fn render(line: &Line) -> Option<String> {
    if !KEPT.iter().any(|begin| line.text.starts_with(begin)) || line.text.contains("generation") {
        return None;
    }
    let who = line
        .node
        .map_or_else(|| "--".to_owned(), |node| format!("n{node}"));
    let tenths = line.at.as_millis() / 100;
    Some(format!(
        "{:>4}.{} {who} {}\n",
        tenths / 10,
        tenths % 10,
        line.text
    ))
}

fn compare(name: &str, cluster: &Cluster, from: Duration) {
    let log = cluster.world.log.borrow();
    let text: String = log
        .iter()
        .filter(|line| line.at >= from)
        .filter_map(render)
        .collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/transcripts")
        .join(name);
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        std::fs::write(&path, text).expect("the folder can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path).expect("the transcript exists");
    assert!(text == expected, "{name} is different now:\n{text}");
}

#[test]
fn leader() {
    for (name, cluster_lock) in [
        ("leader_stopped.txt", true),
        ("leader_stopped_no_lock.txt", false),
    ] {
        simulate(async || {
            let cluster = Cluster::ready(Setup {
                cluster_lock,
                ..Setup::new(1)
            })
            .await;
            sleep(15 * SECOND).await;
            let (from, leader) = (cluster.world.elapsed(), cluster.leader().expect("it leads"));
            cluster.world.fault("stop", &format!("node {leader}"));
            cluster
                .control::<StopNode>(leader.0, &())
                .await
                .expect("stop");
            sleep(5 * SECOND).await;
            compare(name, &cluster, from);
        });
    }
}

#[test]
fn lock() {
    simulate(async || {
        let cluster = Cluster::ready(Setup::new(2)).await;
        sleep(15 * SECOND).await;
        let from = cluster.world.elapsed();
        cluster.world.checkers.borrow_mut().leader.lock_lost_at = Some(Instant::now());
        cluster.world.fault("lock", "its file is removed");
        cluster.world.lock.lose();
        sleep(10 * SECOND).await;
        compare("lock_lost.txt", &cluster, from);
    });
}

#[test]
fn recovery() {
    simulate(async || {
        let cluster = Cluster::ready(Setup::new(3)).await;
        let process = Process::attach(cluster.daemon(0), "locking.tdb").await;
        assert!(process.write(b"key", b"value").await);
        sleep(15 * SECOND).await;
        let from = cluster.world.elapsed();
        let gone = (0..3)
            .map(Pnn)
            .find(|node| cluster.leader() != Some(*node))
            .expect("three nodes");
        cluster.daemon(gone.0).kill(false);
        sleep(5 * SECOND).await;
        cluster.start(gone);
        sleep(5 * SECOND).await;
        compare("node_dies_and_returns.txt", &cluster, from);
    });
}

#[test]
fn migration() {
    simulate(async || {
        let cluster = Cluster::ready(Setup {
            trace_records: true,
            ..Setup::new(4)
        })
        .await;
        let mut processes = Vec::new();
        for node in 0..3 {
            processes.push(Process::attach(cluster.daemon(node), "locking.tdb").await);
        }
        sleep(15 * SECOND).await;
        let from = cluster.world.elapsed();
        for round in 0..2 {
            for (node, process) in processes.iter().enumerate() {
                cluster
                    .world
                    .note(None, format!("node {node} writes key, round {round}"));
                assert!(process.write(b"key", b"value").await);
                sleep(SECOND).await;
            }
        }
        compare("migration.txt", &cluster, from);
    });
}
