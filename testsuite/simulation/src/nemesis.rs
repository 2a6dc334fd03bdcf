//! Injects faults at random, one after the other, each of which ends by itself.

use std::rc::Rc;
use std::time::Duration;

use ctdb_protocol::Pnn;
use ctdb_protocol::control::{ContinueNode, DisableNode, EnableNode, SetBanState, StopNode};
use ctdb_protocol::types::BanState;
use tokio::time::{Instant, sleep, sleep_until};

use crate::cluster::Cluster;
use crate::cluster_lock::Mood;
use crate::seed::Seed;

/// What can go wrong.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Reset,
    Isolate,
    OneWay,
    Split,
    Slow,
    Crash,
    PowerLoss,
    Pause,
    LockLost,
    LockFailing,
    LockHanging,
    Stop,
    Ban,
    Disable,
    Sick,
}

const ALL: [Fault; 15] = [
    Fault::Reset,
    Fault::Isolate,
    Fault::OneWay,
    Fault::Split,
    Fault::Slow,
    Fault::Crash,
    Fault::PowerLoss,
    Fault::Pause,
    Fault::LockLost,
    Fault::LockFailing,
    Fault::LockHanging,
    Fault::Stop,
    Fault::Ban,
    Fault::Disable,
    Fault::Sick,
];

/// How quickly fault follows fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tempo {
    /// Faults overlap, and there is hardly a quiet moment.
    Brisk,
    /// One at a time; some last for minutes, and some quiet times are long enough to get over them.
    Patient,
}

impl Tempo {
    /// Patient seeds rage this many times as long, so that as much happens in them.
    #[must_use]
    pub fn stretch(self) -> u32 {
        match self {
            Self::Brisk => 1,
            Self::Patient => 4,
        }
    }
}

/// Who disturbs the cluster.
pub struct Nemesis {
    cluster: Cluster,
    dice: Seed,
    /// Some volatile data may be gone with a node: counters need not add up.
    pub lost_data: bool,
    /// When the last ban of its own ends.
    bans_end: Instant,
}

impl Nemesis {
    /// A nemesis of a cluster.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        let dice = cluster.world.dice();
        Self {
            cluster,
            dice,
            lost_data: false,
            bans_end: Instant::now(),
        }
    }

    /// Disturbs the cluster for a while; afterwards all is mended.
    pub async fn rage(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let pause_s = match self.cluster.world.setup.tempo {
                Tempo::Brisk => 12,
                Tempo::Patient => [12, 60, 150][self.dice.index(3)],
            };
            let high = Duration::from_secs(pause_s);
            sleep(self.dice.between(Duration::from_millis(100), high)).await;
            let fault = ALL[self.dice.index(ALL.len())];
            self.inject(fault).await;
        }
        self.mend().await;
    }

    fn node(&mut self) -> Pnn {
        let nodes = u64::from(self.cluster.world.setup.nodes);
        Pnn(u32::try_from(self.dice.below(nodes)).unwrap_or(0))
    }

    fn while_long(&mut self) -> Duration {
        // Most faults are short; some outlast every timeout.
        let high = match (self.cluster.world.setup.tempo, self.dice.below(100)) {
            (Tempo::Brisk, 0..75) | (Tempo::Patient, 0..40) => 6,
            (Tempo::Brisk, _) | (Tempo::Patient, 40..75) => 60,
            (Tempo::Patient, _) => 300,
        };
        self.dice
            .between(Duration::from_millis(50), Duration::from_secs(high))
    }

    async fn inject(&mut self, fault: Fault) {
        let node = self.node();
        let time = self.while_long();
        let world = Rc::clone(&self.cluster.world);
        let about = format!("node {node} for {time:?}");
        match fault {
            Fault::Reset => {
                let peer = self.node();
                world.fault("connection reset", &format!("{node} and {peer}"));
                if node != peer {
                    world.network.reset(node, peer);
                }
            }
            Fault::Isolate => {
                world.fault("isolation", &about);
                self.lost_data = true;
                self.hold_back(&[node], true, true);
                sleep(time).await;
                world.network.heal();
            }
            Fault::OneWay => {
                world.fault("one-way silence", &about);
                self.lost_data = true;
                self.hold_back(&[node], true, false);
                sleep(time).await;
                world.network.heal();
            }
            Fault::Split => {
                let side: Vec<Pnn> = world.numbers().filter(|_| self.dice.chance(50)).collect();
                world.fault(
                    "partition",
                    &format!("{side:?} against the rest for {time:?}"),
                );
                self.lost_data = true;
                self.hold_back(&side, true, true);
                sleep(time).await;
                world.network.heal();
            }
            Fault::Slow => {
                let delay = self
                    .dice
                    .between(Duration::from_millis(5), Duration::from_millis(900));
                world.fault("slow network", &format!("{delay:?} for {time:?}"));
                world.network.slow_down(delay);
                sleep(time).await;
                world.network.heal();
            }
            Fault::Crash | Fault::PowerLoss => {
                let silent = matches!(fault, Fault::PowerLoss);
                world.fault(if silent { "power loss" } else { "crash" }, &about);
                self.lost_data = true;
                if let Some(daemon) = world.daemon(node) {
                    daemon.kill(silent);
                }
                sleep(time).await;
                self.cluster.start(node);
            }
            Fault::Pause => {
                world.fault("stopped process", &about);
                self.lost_data = true;
                if let Some(daemon) = world.daemon(node) {
                    daemon.pause(time);
                }
                sleep(time).await;
            }
            Fault::LockLost => {
                world.fault("cluster lock lost", "");
                world.checkers.borrow_mut().leader.lock_lost_at = Some(Instant::now());
                world.lock.lose();
            }
            Fault::LockFailing => {
                self.spoil_lock("cluster lock failing", Mood::Failing, time)
                    .await
            }
            Fault::LockHanging => {
                self.spoil_lock("cluster lock hanging", Mood::Hanging, time)
                    .await
            }
            Fault::Stop => {
                world.fault("node stopped", &about);
                self.lost_data = true;
                self.try_control::<StopNode>(node, &()).await;
                sleep(time).await;
                self.try_control::<ContinueNode>(node, &()).await;
            }
            Fault::Ban => {
                world.fault("node banned", &about);
                self.lost_data = true;
                let time_s = u32::try_from(time.as_secs()).unwrap_or(0) + 1;
                let end = Instant::now() + Duration::from_secs(u64::from(time_s));
                self.bans_end = self.bans_end.max(end);
                self.try_control::<SetBanState>(node, &BanState { pnn: node, time_s })
                    .await;
            }
            Fault::Disable => {
                world.fault("node disabled", &about);
                self.try_control::<DisableNode>(node, &()).await;
                sleep(time).await;
                self.try_control::<EnableNode>(node, &()).await;
            }
            Fault::Sick => {
                world.fault("monitor failing", &about);
                world.sick.borrow_mut()[node.0 as usize] = true;
                sleep(time).await;
                world.sick.borrow_mut()[node.0 as usize] = false;
            }
        }
    }

    async fn spoil_lock(&self, kind: &'static str, mood: Mood, time: Duration) {
        let world = &self.cluster.world;
        world.fault(kind, &format!("for {time:?}"));
        world.lock.set_mood(mood);
        sleep(time).await;
        world.lock.set_mood(Mood::Well);
    }

    fn hold_back(&self, side: &[Pnn], out: bool, back: bool) {
        let world = &self.cluster.world;
        for node in side {
            for other in world.numbers().filter(|other| !side.contains(other)) {
                if out {
                    world.network.hold_back(*node, other, true);
                }
                if back {
                    world.network.hold_back(other, *node, true);
                }
            }
        }
    }

    /// Sends a control; a node that does not run does not mind.
    async fn try_control<C: ctdb_protocol::Control>(&self, node: Pnn, request: &C::Request) {
        if self
            .cluster
            .world
            .daemon(node)
            .is_some_and(|daemon| daemon.accepts())
        {
            // What a disturbed node answers is its own business.
            let _ = self.cluster.control::<C>(node.0, request).await;
        }
    }

    /// Undoes all that is not undone yet.
    async fn mend(&self) {
        sleep_until(self.bans_end).await;
        let world = &self.cluster.world;
        world.note(None, "all faults are over");
        world.network.heal();
        world.lock.set_mood(Mood::Well);
        world.sick.borrow_mut().fill(false);
        self.cluster.start_all();
        for node in world.numbers() {
            self.try_control::<ContinueNode>(node, &()).await;
            self.try_control::<EnableNode>(node, &()).await;
        }
    }
}
