//! Membership, recovery and databases: regressions of upstream by number.

use std::time::Duration;

use bytes::Bytes;
use ctdb_core::Input;
use ctdb_core::store::Kind;
use ctdb_protocol::control::{
    ContinueNode, GetDbMap, ModifyFlags, SetLmasterRole, Shutdown, StopNode,
};
use ctdb_protocol::types::{NodeFlagChange, NodeFlags};
use ctdb_protocol::{Control, Packet, Pnn};
use ctdb_simulation::cluster::{Cluster, simulate};
use ctdb_simulation::locks::Scope;
use ctdb_simulation::seed::Seed;
use ctdb_simulation::storage::File;
use ctdb_simulation::workload::records::Process;
use ctdb_simulation::world::Setup;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DATABASE: &str = "locking.tdb";

#[test]
fn r2_a_machine_that_comes_back_before_anybody_missed_it_joins_again() {
    simulate(async || {
        let cluster = Cluster::ready(Setup::new(2)).await;
        for _ in 0..5 {
            cluster.daemon(2).kill(true);
            sleep(Duration::from_millis(300)).await;
            cluster.start(Pnn(2));
            cluster.expect_healthy(20 * SECOND).await;
        }
        cluster.expect_no_violation();
    });
}

#[test]
fn r6_idle_nodes_are_connected_without_any_keepalive() {
    simulate(async || {
        let setup = Setup {
            tunables: vec![("KeepaliveInterval", 3600)],
            ..Setup::new(6)
        };
        Cluster::ready(setup).await.expect_no_violation();
    });
}

#[test]
fn r17_a_leader_that_is_stopped_in_the_middle_leaves_no_record_behind() {
    for delay_ms in [0, 30, 60, 90, 120, 150, 200, 300] {
        simulate(async || {
            let cluster = Cluster::ready(Setup::new(17 + delay_ms)).await;
            let processes = Process::one_per_node(&cluster, DATABASE).await;
            for number in 0..20 {
                assert!(
                    processes[number % 3]
                        .write(format!("key {number}").as_bytes(), b"x")
                        .await
                );
            }
            let leader = cluster.leader().expect("it leads");
            let others: Vec<u32> = (0..3).filter(|node| *node != leader.0).collect();
            // Any change of membership makes the leader recover; in the middle of that it is stopped.
            cluster
                .control::<SetLmasterRole>(others[0], &0)
                .await
                .expect("role");
            sleep(Duration::from_millis(delay_ms)).await;
            cluster
                .control::<StopNode>(leader.0, &())
                .await
                .expect("stop");
            sleep(5 * SECOND).await;
            for node in &others {
                for number in 0..20 {
                    let process = &processes[*node as usize];
                    let key = format!("key {number}");
                    let fetched = process.fetch(key.as_bytes(), 10 * SECOND).await;
                    assert!(
                        fetched.is_some(),
                        "{key} is stuck, node {node}, after {delay_ms} ms"
                    );
                }
            }
            cluster.expect_no_violation();
        });
    }
}

#[test]
fn r23_stop_returns_when_the_node_is_inactive_and_continue_may_follow_at_once() {
    simulate(async || {
        let cluster = Cluster::ready(Setup::new(23)).await;
        let _processes = Process::one_per_node(&cluster, DATABASE).await;
        for _ in 0..10 {
            cluster.control::<StopNode>(1, &()).await.expect("stop");
            {
                let daemon = cluster.daemon(1);
                let node = daemon.node.borrow();
                assert!(node.view().inactive());
                assert_eq!(node.view().generation(), ctdb_protocol::Generation::INVALID);
                assert!(node.databases().all(|db| db.has_invalid_records()));
            }
            cluster
                .control::<ContinueNode>(1, &())
                .await
                .expect("continue");
        }
        cluster.expect_healthy(MINUTE).await;
        cluster.expect_no_violation();
    });
}

#[test]
fn r24_a_database_that_only_some_nodes_have_is_attached_on_all_by_recovery() {
    simulate(async || {
        let cluster = Cluster::new(Setup::new(24));
        cluster.start(Pnn(0));
        cluster.start(Pnn(1));
        cluster.expect_settled(&[0, 1], 20 * SECOND).await;
        let process = Process::attach(cluster.daemon(0), DATABASE).await;
        assert!(process.write(b"key", b"before").await);
        cluster.start(Pnn(2));
        cluster.expect_healthy(MINUTE).await;
        let map = cluster
            .control::<GetDbMap>(2, &())
            .await
            .expect("it answers");
        assert!(map.dbs.iter().any(|db| db.db_id == process.db), "{map:?}");
        let late = Process::attach(cluster.daemon(2), DATABASE).await;
        assert_eq!(late.read(b"key").await, Some(Bytes::from_static(b"before")));
        cluster.expect_no_violation();
    });
}

#[test]
fn r25_a_node_that_cannot_freeze_is_banned_and_the_others_go_on() {
    simulate(async || {
        let tunables = vec![("RecoverTimeout", 5), ("RecoveryBanPeriod", 600)];
        let cluster = Cluster::ready(Setup {
            tunables,
            ..Setup::new(25)
        })
        .await;
        let _processes = Process::one_per_node(&cluster, DATABASE).await;
        let leader = cluster.leader().expect("it leads");
        let stuck = (0..3).find(|node| *node != leader.0).expect("three nodes");
        let healthy: Vec<u32> = (0..3).filter(|node| *node != stuck).collect();
        // A client that never gives a record's lock back.
        let file = cluster.daemon(stuck).file(DATABASE).expect("attached");
        let locks = file.borrow().locks.clone();
        let _held = locks.acquire(Scope::Chain(File::chain_of(b"held"))).await;
        cluster
            .control::<SetLmasterRole>(stuck, &0)
            .await
            .expect("role");
        cluster.expect_settled(&healthy, 2 * MINUTE).await;
        assert!(
            cluster
                .daemon(stuck)
                .node
                .borrow()
                .view()
                .own_flags()
                .contains(NodeFlags::BANNED)
        );
        cluster.expect_no_violation();
    });
}

#[test]
fn r26_a_node_that_may_not_be_lmaster_leaves_the_map_and_comes_back() {
    simulate(async || {
        let cluster = Cluster::ready(Setup::new(26)).await;
        let processes = Process::one_per_node(&cluster, DATABASE).await;
        cluster
            .control::<SetLmasterRole>(1, &0)
            .await
            .expect("role");
        let without = |world: &ctdb_simulation::world::World| {
            world
                .running()
                .iter()
                .all(|daemon| daemon.node.borrow().view().vnn_map().nodes == [Pnn(0), Pnn(2)])
        };
        assert!(cluster.wait_until(10 * SECOND, without).await.is_some());
        for (number, process) in processes.iter().enumerate() {
            assert!(
                process
                    .write(format!("key {number}").as_bytes(), b"x")
                    .await
            );
        }
        cluster
            .control::<SetLmasterRole>(1, &1)
            .await
            .expect("role");
        cluster.expect_settled(&[0, 1, 2], 20 * SECOND).await;
        cluster.expect_no_violation();
    });
}

#[test]
fn r27_flags_that_any_node_has_wrong_are_put_right() {
    simulate(async || {
        let cluster = Cluster::ready(Setup::new(27)).await;
        let leader = cluster.leader().expect("it leads");
        let misled = (0..3).find(|node| *node != leader.0).expect("three nodes");
        for victim in (0..3).filter(|node| *node != misled) {
            let change = NodeFlagChange {
                pnn: Pnn(victim),
                new_flags: NodeFlags::UNHEALTHY,
                old_flags: NodeFlags::empty(),
            };
            cluster
                .control::<ModifyFlags>(misled, &change)
                .await
                .expect("flags");
            cluster.expect_healthy(5 * SECOND).await;
        }
    });
}

#[test]
fn r32_odd_keys_and_empty_values_survive_recovery() {
    simulate(async || {
        let cluster = Cluster::ready(Setup::new(32)).await;
        let processes = Process::one_per_node(&cluster, DATABASE).await;
        let keys: [&[u8]; 4] = [b"\0", b"a\0b\0", b"\xff\xfe\0\x80", &[7; 5000]];
        for (number, key) in keys.iter().enumerate() {
            assert!(
                processes[number % 3]
                    .write(key, &[9; 4000][..number * 1000])
                    .await
            );
        }
        cluster.daemon(2).kill(false);
        cluster.expect_settled(&[0, 1], 5 * SECOND).await;
        for (number, key) in keys
            .iter()
            .enumerate()
            .filter(|(number, _)| number % 3 != 2)
        {
            let data = processes[0].read(key).await.expect("no record is stuck");
            assert_eq!(data.len(), number * 1000);
        }
        cluster.expect_no_violation();
    });
}

#[test]
fn a_replicated_copy_with_the_higher_sequence_number_wins_as_a_whole() {
    simulate(async || {
        let cluster = Cluster::ready(Setup::new(10)).await;
        let transactions = ctdb_simulation::workload::transactions::Transactions::new("p.tdb");
        let world = std::rc::Rc::clone(&cluster.world);
        let dice = world.dice();
        tokio::task::spawn_local(transactions.clone().work(world, dice));
        sleep(20 * SECOND).await;
        cluster.daemon(1).kill(false);
        sleep(20 * SECOND).await;
        cluster.start(Pnn(1));
        cluster.expect_healthy(MINUTE).await;
        transactions.stop.set(true);
        sleep(20 * SECOND).await;
        let ledger = transactions.ledger.borrow();
        assert!(ledger.commits > 100, "{ledger:?}");
        let found = ctdb_simulation::checkers::commits::check_quiet(&cluster.world, &ledger);
        assert_eq!(found, Vec::<String>::new());
        let file = cluster
            .daemon(1)
            .file("p.tdb")
            .expect("it was attached again");
        assert_eq!(file.borrow().kind, Kind::Persistent);
    });
}

#[test]
fn r10_damaged_packets_cost_nothing_but_themselves() {
    for seed in 0..10 {
        simulate(async || {
            let cluster = Cluster::ready(Setup::new(seed)).await;
            let processes = Process::one_per_node(&cluster, DATABASE).await;
            assert!(processes[0].write(b"key", b"data").await);
            let mut dice = Seed::new(seed);
            let samples = cluster.world.checkers.borrow().sampled.clone();
            assert!(samples.len() > 20);
            for _ in 0..3_000 {
                let mut packet = samples[dice.index(samples.len())].to_vec();
                damage(&mut packet, &mut dice);
                if asks_to_leave(&packet) {
                    continue;
                }
                let victim = cluster.daemon(u32::try_from(dice.below(3)).expect("below 3"));
                let from = Pnn((victim.pnn.0 + 1) % 3);
                victim.feed(Input::PeerPacket {
                    from,
                    packet: packet.into(),
                });
                if dice.chance(2) {
                    sleep(Duration::from_millis(10)).await;
                }
            }
            sleep(MINUTE).await;
            for node in cluster.world.numbers() {
                assert!(
                    cluster.world.daemon(node).is_some(),
                    "node {node} died, seed {seed}"
                );
            }
        });
    }
}

/// Whether a packet is a reason to shut down: the control of that name, or another version's keepalive.
fn asks_to_leave(packet: &[u8]) -> bool {
    match Packet::decode(Bytes::copy_from_slice(packet)) {
        Ok((_, Packet::ReqControl(control))) => control.opcode == Shutdown::CODE,
        Ok((_, Packet::ReqKeepalive(_))) => true,
        Ok(_) | Err(_) => false,
    }
}

/// Changes anything behind the length, magic and version, which the transport has checked.
fn damage(packet: &mut Vec<u8>, dice: &mut Seed) {
    const CHECKED: usize = 12;
    for _ in 0..=dice.below(4) {
        let at = CHECKED + dice.index(packet.len() - CHECKED);
        packet[at] = u8::try_from(dice.below(256)).expect("below 256");
    }
    if dice.chance(30) {
        let words = 4 + dice.index(packet.len() / 8 - 3);
        packet.truncate(words * 8);
        let length = u32::try_from(packet.len()).expect("short");
        packet[..4].copy_from_slice(&length.to_ne_bytes());
    }
}
