//! What keeps failing is tried again after a pause that grows, and keeps nobody else from their work. The
//! checker for repetition looks at these too.

use std::time::Duration;

use ctdb_simulation::cluster::{Cluster, simulate};
use ctdb_simulation::cluster_lock::Mood;
use ctdb_simulation::world::{Scripts, Setup, World};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A cluster one of whose followers has scripts that do not do what they should.
async fn with_broken_scripts(seed: u64, scripts: Scripts) -> (Cluster, u32, u32) {
    let cluster = Cluster::ready(Setup {
        addresses: 6,
        ..Setup::new(seed)
    })
    .await;
    sleep(10 * SECOND).await;
    let leader = cluster.leader().expect("it leads").0;
    let broken = (0..3).find(|node| *node != leader).expect("three nodes");
    cluster.world.scripts.borrow_mut()[broken as usize] = scripts;
    cluster.daemon(broken).addresses.borrow_mut().clear();
    (cluster, leader, broken)
}

#[test]
fn an_address_that_does_not_come_keeps_nobody_busy() {
    for seed in 0..4 {
        simulate(async || {
            let (cluster, _, broken) = with_broken_scripts(seed, Scripts::DoNothing).await;
            let before = cluster.count_in_log("Takeover run wanted");
            sleep(5 * MINUTE).await;
            let wanted = cluster.count_in_log("Takeover run wanted") - before;
            assert!(
                (8..30).contains(&wanted),
                "seed {seed}: {wanted} in five minutes"
            );
            cluster.expect_no_violation();
            // It heals without help.
            cluster.world.scripts.borrow_mut()[broken as usize] = Scripts::Work;
            cluster.expect_healthy(MINUTE).await;
        });
    }
}

#[test]
fn a_healthy_leader_shuts_down_while_an_address_does_not_come() {
    for seed in 0..4 {
        for after_ms in [1, 700, 3_100, 20_000] {
            simulate(async || {
                let (cluster, leader, _) = with_broken_scripts(seed, Scripts::DoNothing).await;
                sleep(Duration::from_millis(after_ms)).await;
                let leaver = cluster.daemon(leader);
                cluster.shut_down(leader);
                let ended = |_: &World| leaver.exit.get().is_some();
                let took = cluster.wait_until(5 * SECOND, ended).await;
                assert!(took.is_some(), "seed {seed}, after {after_ms} ms");
                assert_eq!(cluster.count_in_log("Takeover run before shutdown"), 0);
            });
        }
    }
}

#[test]
fn scripts_that_fail_at_once_are_not_run_all_the_time() {
    for seed in 0..4 {
        simulate(async || {
            let (cluster, ..) = with_broken_scripts(seed, Scripts::Fail).await;
            sleep(2 * MINUTE).await;
            cluster.expect_no_violation();
        });
    }
}

/// Takes the cluster lock away, of which the leader hears a little later.
fn lose_lock(cluster: &Cluster) {
    cluster.world.checkers.borrow_mut().leader.lock_lost_at = Some(Instant::now());
    cluster.world.lock.lose();
}

#[test]
fn a_lock_that_is_refused_at_once_is_not_tried_all_the_time() {
    for seed in 0..4 {
        simulate(async || {
            let cluster = Cluster::ready(Setup::new(seed)).await;
            cluster.world.lock.set_mood(Mood::Failing);
            lose_lock(&cluster);
            sleep(MINUTE).await;
            cluster.expect_no_violation();
            // A helper that gets the lock and dies of it right away.
            cluster.world.lock.set_mood(Mood::Well);
            for _ in 0..300 {
                lose_lock(&cluster);
                sleep(Duration::from_millis(200)).await;
            }
            cluster.expect_no_violation();
        });
    }
}
