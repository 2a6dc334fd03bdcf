//! Leadership: regressions of upstream by number, and what is faster here.

use std::time::Duration;

use ctdb_client::procedure::election::BROADCAST_INTERVAL;
use ctdb_protocol::Pnn;
use ctdb_protocol::control::{SetRecmasterRole, Shutdown, StopNode};
use ctdb_protocol::message::TakeoverRun;
use ctdb_protocol::types::SrvidMessage;
use ctdb_protocol::{Srvid, all};
use ctdb_simulation::cluster::{Cluster, simulate};
use ctdb_simulation::cluster_lock::Mood;
use ctdb_simulation::world::Setup;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn without_lock(seed: u64) -> Setup {
    Setup {
        cluster_lock: false,
        ..Setup::new(seed)
    }
}

fn everything_on(seed: u64) -> [Setup; 2] {
    [Setup::new(seed), without_lock(seed)]
}

/// The other node numbers of three.
fn others(node: Pnn) -> Vec<u32> {
    (0..3).filter(|other| *other != node.0).collect()
}

fn leader(cluster: &Cluster) -> Pnn {
    cluster.leader().expect("a healthy cluster has a leader")
}

#[test]
fn three_daemons_are_all_right_within_three_seconds() {
    for setup in everything_on(1) {
        simulate(async || {
            let cluster = Cluster::new(setup);
            cluster.start_all();
            let took = cluster.expect_healthy(3 * SECOND).await;
            println!("all right after {took:?}");
        });
    }
}

#[test]
fn a_killed_leader_is_replaced_and_the_rest_recovered_within_two_seconds() {
    for seed in 0..10 {
        for setup in everything_on(seed) {
            simulate(async || {
                let cluster = Cluster::ready(setup).await;
                sleep(20 * SECOND).await;
                let leader = leader(&cluster);
                cluster.daemon(leader.0).kill(false);
                let took = cluster.expect_settled(&others(leader), 2 * SECOND).await;
                println!("recovered after {took:?}");
                cluster.expect_no_violation();
            });
        }
    }
}

/// `ctdb stop` on the leader: the request for a takeover run comes when the leader is about to go.
#[test]
fn who_waits_for_a_takeover_run_of_a_leader_that_is_stopped_is_answered_by_the_next() {
    for seed in 0..10 {
        for setup in everything_on(seed) {
            simulate(async || {
                let cluster = Cluster::ready(setup).await;
                sleep(20 * SECOND).await;
                let leader = leader(&cluster);
                let client = cluster.daemon(leader.0).connect(900);
                let pnn = client.pnn().await.expect("a number");
                let srvid = Srvid(0x1234);
                let mut port = client.register(srvid).await.expect("a port");
                let request = SrvidMessage::new(pnn, srvid);
                client.send_to::<TakeoverRun>(Pnn::BROADCAST_CONNECTED, &request);
                sleep(Duration::from_millis(seed)).await;
                let stop = client.request::<StopNode>(Pnn::CURRENT, &());
                stop.send().await.expect("stop");
                let answer = timeout(4 * SECOND, port.recv()).await;
                let answer = answer.expect("in time").expect("an open port");
                let status: i32 = all(&answer.data).expect("a status");
                assert!(status >= 0, "seed {seed}: status {status}");
            });
        }
    }
}

#[test]
fn a_stopped_leader_is_replaced_at_once() {
    for setup in everything_on(3) {
        simulate(async || {
            let cluster = Cluster::ready(setup).await;
            sleep(20 * SECOND).await;
            let leader = leader(&cluster);
            cluster
                .control::<StopNode>(leader.0, &())
                .await
                .expect("stop");
            cluster.expect_settled(&others(leader), 2 * SECOND).await;
            cluster.expect_no_violation();
        });
    }
}

#[test]
fn a_new_leader_does_not_recover_what_has_not_changed() {
    for setup in everything_on(4) {
        simulate(async || {
            let cluster = Cluster::ready(setup).await;
            sleep(20 * SECOND).await;
            let (before, generation) = (leader(&cluster), cluster.generation(0));
            cluster
                .control::<SetRecmasterRole>(before.0, &0)
                .await
                .expect("no leader any more");
            sleep(5 * SECOND).await;
            assert_ne!(leader(&cluster), before);
            assert_eq!(
                cluster.generation(0),
                generation,
                "a recovery without reason"
            );
            cluster.expect_healthy(SECOND).await;
        });
    }
}

#[test]
fn r12_a_node_that_is_stopped_while_it_tries_the_lock_lets_it_go() {
    simulate(async || {
        let cluster = Cluster::ready(Setup::new(12)).await;
        let first = leader(&cluster);
        cluster.world.lock.set_mood(Mood::Hanging);
        cluster.daemon(first.0).kill(false);
        sleep(SECOND).await;
        let trying = others(first)[0];
        cluster
            .control::<StopNode>(trying, &())
            .await
            .expect("stop");
        cluster.world.lock.set_mood(Mood::Well);
        sleep(150 * SECOND).await;
        let holder = cluster.world.lock.holder().map(|(node, _)| node.0);
        assert_eq!(
            holder,
            Some(others(first)[1]),
            "the stopped node must not hold the lock"
        );
        cluster.expect_no_violation();
    });
}

#[test]
fn r13_a_hanging_lock_bans_nobody_and_ends_when_the_filesystem_is_back() {
    for mood in [Mood::Hanging, Mood::Failing] {
        simulate(async || {
            let cluster = Cluster::ready(Setup::new(13)).await;
            cluster.world.lock.set_mood(mood);
            cluster.world.checkers.borrow_mut().leader.lock_lost_at = Some(Instant::now());
            cluster.world.lock.lose();
            sleep(30 * SECOND).await;
            assert_eq!(cluster.leader(), None, "nobody leads without the lock");
            sleep(270 * SECOND).await;
            cluster.world.lock.set_mood(Mood::Well);
            cluster.expect_healthy(130 * SECOND).await;
            assert_eq!(cluster.count_in_log("Banning"), 0);
            cluster.expect_no_violation();
        });
    }
}

#[test]
fn r14_a_stalled_leader_leads_again_or_is_replaced() {
    for setup in everything_on(14) {
        simulate(async || {
            let cluster = Cluster::ready(setup).await;
            let stalled = cluster.daemon(leader(&cluster).0);
            stalled.pause(12 * SECOND);
            sleep(13 * SECOND).await;
            cluster.expect_healthy(MINUTE).await;
            sleep(5 * SECOND).await;
            assert!(cluster.leader().is_some());
            cluster.expect_no_violation();
        });
    }
}

#[test]
fn r18_a_node_without_the_lock_leaves_a_cluster_that_has_one() {
    simulate(async || {
        let setup = Setup {
            without_lock: vec![2],
            ..Setup::new(18)
        };
        let cluster = Cluster::new(setup);
        cluster.start(Pnn(0));
        cluster.start(Pnn(1));
        cluster.expect_settled(&[0, 1], 20 * SECOND).await;
        let wrong = cluster.start(Pnn(2));
        let gone = cluster
            .wait_until(MINUTE, |_| wrong.exit.get().is_some())
            .await;
        assert!(gone.is_some(), "it must end");
        assert_eq!(wrong.exit.get(), Some(1));
        cluster.expect_settled(&[0, 1], MINUTE).await;
    });
}

#[test]
fn r19_a_lost_lock_is_noticed_and_taken_again() {
    simulate(async || {
        let cluster = Cluster::ready(Setup::new(19)).await;
        for _ in 0..5 {
            sleep(15 * SECOND).await;
            cluster.world.checkers.borrow_mut().leader.lock_lost_at = Some(Instant::now());
            cluster.world.lock.lose();
            let taken = |world: &ctdb_simulation::world::World| world.lock.holder().is_some();
            let took = cluster.wait_until(10 * SECOND, taken).await;
            assert!(took.is_some(), "nobody took the lock");
        }
        cluster.expect_healthy(20 * SECOND).await;
        cluster.expect_no_violation();
    });
}

#[test]
fn r20_nodes_that_start_one_after_the_other_elect_once() {
    for setup in everything_on(20) {
        simulate(async || {
            let cluster = Cluster::new(setup);
            for node in 0..3 {
                cluster.start(Pnn(node));
                sleep(Duration::from_millis(700)).await;
            }
            cluster.expect_healthy(20 * SECOND).await;
            let (leader, generation) = (leader(&cluster), cluster.generation(0));
            sleep(30 * SECOND).await;
            assert_eq!(cluster.leader(), Some(leader));
            assert_eq!(
                cluster.generation(0),
                generation,
                "a recovery without reason"
            );
            if cluster.count_in_log("Recovery complete") != 1 {
                cluster.print_log();
            }
            assert_eq!(cluster.count_in_log("Recovery complete"), 1);
        });
    }
}

#[test]
fn a_leader_that_is_cut_off_lets_the_larger_side_have_the_lock() {
    for seed in 0..5 {
        simulate(async || {
            let tunables = vec![("KeepaliveInterval", 1), ("KeepaliveLimit", 3)];
            let cluster = Cluster::ready(Setup {
                tunables,
                ..Setup::new(seed)
            })
            .await;
            sleep(15 * SECOND).await;
            let cut_off = leader(&cluster);
            for other in others(cut_off) {
                cluster.world.network.hold_back(cut_off, Pnn(other), true);
                cluster.world.network.hold_back(Pnn(other), cut_off, true);
            }
            cluster.expect_settled(&others(cut_off), 30 * SECOND).await;
            let holder = cluster.world.lock.holder().map(|(node, _)| node);
            assert_ne!(holder, Some(cut_off));
            sleep(60 * SECOND).await;
            cluster.world.network.heal();
            cluster.expect_healthy(MINUTE).await;
            cluster.expect_no_violation();
        });
    }
}

#[test]
fn a_last_survivor_serves() {
    simulate(async || {
        let cluster = Cluster::ready(Setup::new(5)).await;
        let survivor = others(leader(&cluster))[0];
        for node in (0..3).filter(|node| *node != survivor) {
            cluster.daemon(node).kill(false);
        }
        cluster.expect_settled(&[survivor], 15 * SECOND).await;
        cluster.expect_no_violation();
    });
}

#[test]
fn leaders_keep_telling_that_they_lead() {
    simulate(async || {
        let cluster = Cluster::ready(Setup::new(6)).await;
        let leader = leader(&cluster);
        for _ in 0..100 {
            sleep(BROADCAST_INTERVAL).await;
            let (last, at) = cluster
                .world
                .checkers
                .borrow()
                .leader
                .last
                .expect("it broadcasts");
            assert_eq!(last, leader);
            assert!(at.elapsed() <= BROADCAST_INTERVAL + Duration::from_millis(50));
        }
    });
}

#[test]
fn a_whole_cluster_that_is_shut_down_at_once_ends_quickly() {
    for seed in 0..6 {
        for setup in everything_on(seed) {
            simulate(async || {
                let cluster = Cluster::ready(setup).await;
                sleep(5 * SECOND).await;
                let leader = leader(&cluster);
                cluster
                    .control::<SetRecmasterRole>(leader.0, &0)
                    .await
                    .expect("role");
                sleep(Duration::from_millis(150)).await;
                let daemons = cluster.world.running();
                let clients: Vec<_> = daemons.iter().map(|daemon| daemon.connect(900)).collect();
                for client in &clients {
                    client
                        .request::<Shutdown>(Pnn::CURRENT, &())
                        .no_reply()
                        .send();
                }
                let ended = cluster
                    .wait_until(20 * SECOND, |world| world.running().is_empty())
                    .await;
                let took = ended.expect("all end");
                if took > 4 * SECOND {
                    cluster.print_log();
                }
                assert!(took <= 4 * SECOND, "seed {seed}: {took:?}");
            });
        }
    }
}
