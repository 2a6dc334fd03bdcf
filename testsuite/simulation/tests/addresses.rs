//! Public addresses: moved before a node ends (R36), and never on two nodes for longer than the protocol
//! leaves.

use std::net::IpAddr;
use std::time::Duration;

use ctdb_protocol::Pnn;
use ctdb_protocol::control::{ContinueNode, SetTunable, StopNode};
use ctdb_protocol::text::CountedText;
use ctdb_protocol::types::RunState;
use ctdb_protocol::types::Tunable;
use ctdb_simulation::cluster::{Cluster, simulate};
use ctdb_simulation::world::{Setup, World};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// How many running nodes have each address.
fn hosts(world: &World) -> Vec<usize> {
    let count = |address: IpAddr| {
        let daemons = world.running().into_iter();
        daemons
            .filter(|daemon| daemon.addresses.borrow().contains(&address))
            .count()
    };
    let addresses = world.public_addresses().into_iter();
    addresses.map(|line| count(line.address)).collect()
}

fn cut_off(cluster: &Cluster, node: u32) {
    for other in (0..3).filter(|other| *other != node) {
        cluster.world.network.hold_back(Pnn(node), Pnn(other), true);
        cluster.world.network.hold_back(Pnn(other), Pnn(node), true);
    }
}

#[test]
fn r36_a_node_that_is_shut_down_has_given_its_addresses_away_when_it_ends() {
    for seed in 0..6 {
        for cluster_lock in [true, false] {
            simulate(async || {
                let cluster = Cluster::ready(Setup {
                    cluster_lock,
                    addresses: 6,
                    ..Setup::new(seed)
                })
                .await;
                sleep(10 * SECOND).await;
                let leaver = cluster.daemon(u32::try_from(seed % 3).expect("below 3"));
                assert!(!leaver.addresses.borrow().is_empty());
                cluster.shut_down(leaver.pnn.0);
                let ended = |_: &World| leaver.exit.get().is_some();
                cluster.wait_until(12 * SECOND, ended).await.expect("ends");
                assert_eq!(leaver.exit.get(), Some(0));
                assert!(leaver.addresses.borrow().is_empty(), "seed {seed}");
                assert_eq!(
                    hosts(&cluster.world),
                    [1; 6],
                    "seed {seed}: already elsewhere"
                );
                cluster.expect_no_violation();
            });
        }
    }
}

#[test]
fn r36_a_node_that_is_shut_down_while_it_starts_ends_in_order() {
    for after_ms in [1, 20, 60, 120, 250, 500, 900] {
        simulate(async || {
            let setup = Setup {
                fast_start: after_ms % 20 == 0,
                ..Setup::new(after_ms)
            };
            let cluster = Cluster::new(setup);
            let early = cluster.start(Pnn(0));
            let accepts = |_: &World| early.accepts();
            cluster.wait_until(5 * SECOND, accepts).await.expect("up");
            sleep(Duration::from_millis(after_ms)).await;
            cluster.shut_down(0);
            let ended = |_: &World| early.exit.get().is_some();
            cluster.wait_until(15 * SECOND, ended).await.expect("ends");
            assert_eq!(early.exit.get(), Some(0), "after {after_ms} ms");
            assert_eq!(early.node.borrow().view().run_state(), RunState::SHUTDOWN);
        });
    }
}

#[test]
fn a_follower_that_is_cut_off_lets_its_addresses_go() {
    for seed in 0..3 {
        simulate(async || {
            let cluster = Cluster::ready(Setup::new(seed)).await;
            sleep(10 * SECOND).await;
            let leader = cluster.leader().expect("it leads");
            let lost = (0..3).find(|node| *node != leader.0).expect("three nodes");
            cut_off(&cluster, lost);
            sleep(60 * SECOND).await;
            assert!(
                hosts(&cluster.world).contains(&2),
                "the others have them too"
            );
            sleep(90 * SECOND).await;
            assert_eq!(hosts(&cluster.world), [1; 4]);
            assert!(cluster.daemon(lost).addresses.borrow().is_empty());
            sleep(MINUTE).await;
            cluster.world.network.heal();
            cluster.expect_healthy(MINUTE).await;
            cluster.expect_no_violation();
        });
    }
}

/// Not SET_RECMODE began this recovery mode, but a connection that broke and came back; the limit is the
/// same.
#[test]
fn a_follower_that_is_cut_off_in_a_recovery_mode_of_its_own_lets_its_addresses_go() {
    for seed in 0..3 {
        simulate(async || {
            let cluster = Cluster::ready(Setup::new(seed)).await;
            sleep(10 * SECOND).await;
            let leader = cluster.leader().expect("it leads");
            let mut followers = (0..3).filter(|node| *node != leader.0);
            let (lost, other) = (followers.next(), followers.next());
            let (lost, other) = (lost.expect("three nodes"), other.expect("three nodes"));
            cluster.world.network.reset(Pnn(lost), Pnn(other));
            let daemon = cluster.daemon(lost);
            let in_recovery = |_: &World| daemon.node.borrow().view().recovering();
            let began = cluster.wait_until(3 * SECOND, in_recovery).await;
            began.expect("in recovery");
            cut_off(&cluster, lost);
            sleep(150 * SECOND).await;
            assert!(daemon.addresses.borrow().is_empty(), "seed {seed}");
            assert_eq!(hosts(&cluster.world), [1; 4], "seed {seed}");
            cluster.world.network.heal();
            cluster.expect_healthy(MINUTE).await;
            cluster.expect_no_violation();
        });
    }
}

/// The limit of a recovery ends with it, also when the cluster lock is tried in between.
#[test]
fn after_recoveries_addresses_stay_where_they_are() {
    for cluster_lock in [true, false] {
        simulate(async || {
            let cluster = Cluster::ready(Setup {
                cluster_lock,
                ..Setup::new(1)
            })
            .await;
            sleep(10 * SECOND).await;
            for _ in 0..3 {
                cluster.control::<StopNode>(2, &()).await.expect("stop");
                cluster.expect_settled(&[0, 1], MINUTE).await;
                cluster
                    .control::<ContinueNode>(2, &())
                    .await
                    .expect("goes on");
                cluster.expect_healthy(MINUTE).await;
                sleep(5 * SECOND).await;
            }
            sleep(5 * MINUTE).await;
            assert_eq!(cluster.count_in_log("Dropping all IPS"), 0);
            assert_eq!(hosts(&cluster.world), [1; 4]);
            cluster.expect_no_violation();
        });
    }
}

/// It has told the others to leave the addresses alone for a minute, and cannot take that back.
#[test]
fn a_leader_that_is_killed_in_the_middle_of_a_takeover_run_holds_nobody_up() {
    for delay_ms in (0..400).step_by(20) {
        simulate(async || {
            let cluster = Cluster::ready(Setup::new(delay_ms)).await;
            sleep(10 * SECOND).await;
            let leader = cluster.leader().expect("it leads");
            let follower = (0..3).find(|node| *node != leader.0).expect("three nodes");
            cluster
                .control::<StopNode>(follower, &())
                .await
                .expect("stop");
            sleep(Duration::from_millis(delay_ms)).await;
            cluster.daemon(leader.0).kill(false);
            let served = |world: &World| hosts(world) == [1; 4];
            let after = cluster.wait_until(20 * SECOND, served).await;
            assert!(after.is_some(), "killed {delay_ms} ms after the stop");
            cluster.expect_no_violation();
        });
    }
}

/// The checker that looks for this fails when a node does not let go.
#[test]
fn an_address_that_stays_on_two_nodes_is_found() {
    simulate(async || {
        let cluster = Cluster::ready(Setup::new(1)).await;
        for node in 0..3 {
            let tunable = Tunable {
                value: 3_600,
                name: CountedText::from("RecoveryDropAllIPs"),
            };
            cluster
                .control::<SetTunable>(node, &tunable)
                .await
                .expect("set");
        }
        sleep(10 * SECOND).await;
        let leader = cluster.leader().expect("it leads");
        let lost = (0..3).find(|node| *node != leader.0).expect("three nodes");
        cut_off(&cluster, lost);
        sleep(200 * SECOND).await;
        let found = cluster.violations();
        assert!(
            found.iter().any(|line| line.contains("is on nodes")),
            "{found:?}"
        );
    });
}

#[test]
fn an_address_that_comes_back_by_itself_is_found() {
    simulate(async || {
        let cluster = Cluster::ready(Setup::new(1)).await;
        let address = cluster.world.public_addresses()[0].address;
        for _ in 0..600 {
            for node in 0..3 {
                cluster.daemon(node).addresses.borrow_mut().insert(address);
            }
            sleep(Duration::from_millis(100)).await;
        }
        let found = cluster.violations();
        assert!(
            found.iter().any(|line| line.contains("undisturbed")),
            "{found:?}"
        );
    });
}
