//! One seed: a cluster under load and faults, then a look whether all is well.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::checkers::addresses::Times;
use crate::checkers::{commits, increments as increments_checker};
use crate::cluster::{Cluster, simulate};
use crate::nemesis::{Nemesis, Tempo};
use crate::seed::Seed;
use crate::workload::increments::{Increments, LOST_ANSWERS};
use crate::workload::pace::Pace;
use crate::workload::transactions::Transactions;
use crate::world::{Line, Setup};

/// Seeds from here on differ in tempo, load and tunables too; those below are all busy, under faults of at
/// most a minute.
const FRESH: u64 = 1_000_000;
/// How long the cluster may need until it works, at the begin and after the last fault.
const PATIENCE: Duration = Duration::from_secs(240);

/// What became of a seed.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Virtual time.
    pub time: Duration,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// What was wrong; nothing, one hopes.
    pub violations: Vec<String>,
    /// Packets between nodes.
    pub packets: u64,
    /// Increments of counters.
    pub increments: u64,
    /// Persistent transactions.
    pub commits: u64,
    /// How the seed was set up, in words.
    pub kind: String,
    /// Whether there was a cluster lock.
    pub cluster_lock: bool,
    /// How long addresses were on two nodes while nothing new happened.
    pub longest: BTreeMap<Times, Duration>,
    /// How long each time was from begin to end, in tenths of a second.
    pub windows_ds: Vec<u32>,
    /// The log.
    pub log: Vec<Line>,
}

/// The cluster that a seed stands for.
#[must_use]
pub fn setup(seed: u64) -> Setup {
    let mut dice = Seed::new(seed ^ 0x5e7);
    let plain = Setup {
        nodes: [3, 3, 4, 5][dice.index(4)],
        cluster_lock: dice.chance(75),
        fast_start: dice.chance(70),
        addresses: u8::try_from(2 + dice.below(6)).unwrap_or(2),
        tunables: vec![("RecoveryBanPeriod", 20), ("MonitorInterval", 5)],
        ..Setup::new(seed)
    };
    if seed < FRESH {
        return plain;
    }
    let mut setup = Setup {
        tunables: tunables(&mut dice),
        pace: match dice.below(10) {
            0 => Pace::Busy,
            1..5 => Pace::Bursts,
            _ => Pace::Steady,
        },
        tempo: [Tempo::Brisk, Tempo::Patient][dice.index(2)],
        ..plain
    };
    if setup.pace == Pace::Busy {
        // An hour of a busy cluster takes as long to simulate as five of another.
        setup.tempo = Tempo::Brisk;
    }
    setup
}

fn tunables(dice: &mut Seed) -> Vec<(&'static str, u32)> {
    let mut tunables = vec![
        ("RecoveryBanPeriod", 20),
        ("MonitorInterval", 5),
        ("RecoveryDropAllIPs", [120, 120, 30][dice.index(3)]),
        ("NoIPFailback", u32::from(dice.chance(20))),
    ];
    if dice.chance(35) {
        tunables.extend([("KeepaliveInterval", 1), ("KeepaliveLimit", 3)]);
    }
    tunables
}

/// Runs a seed; faults rage for `time`, or in patient seeds as many times longer as they are slower.
#[must_use]
pub fn run(setup: Setup, time: Duration) -> Report {
    simulate(async || {
        let cluster = Cluster::new(setup);
        cluster.start_all();
        let mut violations = Vec::new();
        if let Err(complaints) = cluster.wait_healthy(PATIENCE).await {
            violations.extend(
                complaints
                    .into_iter()
                    .map(|text| format!("never came up: {text}")),
            );
        }
        let (increments, transactions) = (Increments::default(), Transactions::new("ledger.tdb"));
        keep_clients(&cluster, &increments);
        let writer = transactions
            .clone()
            .work(Rc::clone(&cluster.world), cluster.world.dice());
        spawn_local(writer);
        let tempo = cluster.world.setup.tempo;
        let disturb = async || {
            let mut nemesis = Nemesis::new(cluster.clone());
            nemesis.rage(time * tempo.stretch()).await;
            nemesis.lost_data
        };
        let lost_data = match tempo {
            // Two of them, so that faults overlap.
            Tempo::Brisk => {
                let (first, second) = tokio::join!(disturb(), disturb());
                first || second
            }
            Tempo::Patient => disturb().await,
        };
        // The last fault may have been made in this moment, and nobody has noticed it yet.
        sleep(Duration::from_secs(1)).await;
        if let Err(complaints) = cluster.wait_healthy(PATIENCE).await {
            violations.extend(
                complaints
                    .into_iter()
                    .map(|text| format!("did not recover: {text}")),
            );
        }
        sleep(Duration::from_secs(5)).await;
        increments.stop.set(true);
        transactions.stop.set(true);
        sleep(Duration::from_secs(20)).await;
        let world = &cluster.world;
        violations.extend(cluster.violations());
        violations.extend(commits::check_quiet(world, &transactions.ledger.borrow()));
        let (counts, exact) = (increments.counts.borrow(), !lost_data);
        violations.extend(increments_checker::check_quiet(world, &counts, exact));
        violations.extend(LOST_ANSWERS.with(|lost| std::mem::take(&mut *lost.borrow_mut())));
        let report = Report {
            seed: world.setup.seed,
            time: world.elapsed(),
            faults: world.faults.borrow().clone(),
            violations,
            packets: world.network.packets(),
            increments: counts.values().sum(),
            commits: transactions.ledger.borrow().commits,
            kind: kind(&world.setup),
            cluster_lock: world.setup.cluster_lock,
            longest: world.checkers.borrow().hosting.longest.clone(),
            windows_ds: world.checkers.borrow().hosting.windows_ds.clone(),
            log: world.log.borrow().clone(),
        };
        for daemon in world.running() {
            daemon.kill(true);
        }
        report
    })
}

/// What kind of seed it is.
fn kind(setup: &Setup) -> String {
    let lock = if setup.cluster_lock {
        "with"
    } else {
        "without"
    };
    let (tempo, pace) = (setup.tempo, setup.pace);
    format!("{tempo:?}, {pace:?}, {lock} lock").to_lowercase()
}

/// Gives every daemon two clients, also those that begin later.
fn keep_clients(cluster: &Cluster, increments: &Increments) {
    let (world, increments) = (Rc::clone(&cluster.world), increments.clone());
    spawn_local(async move {
        let mut served = 0;
        while !increments.stop.get() {
            for daemon in world
                .running()
                .into_iter()
                .filter(|daemon| daemon.number > served)
            {
                for pid in [100, 101] {
                    let work = increments
                        .clone()
                        .work(Rc::clone(&daemon), pid, world.dice());
                    daemon.spawn(work);
                }
            }
            served = world
                .running()
                .iter()
                .map(|daemon| daemon.number)
                .max()
                .unwrap_or(0)
                .max(served);
            sleep(Duration::from_millis(200)).await;
        }
    });
}
