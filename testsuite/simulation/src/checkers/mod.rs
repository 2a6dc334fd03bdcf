//! Invariants. Each is in a file of its own; some are looked at after every turn of a daemon, some
//! every second, some once the cluster is quiet again.

pub mod addresses;
pub mod commits;
pub mod dmaster;
pub mod generation;
pub mod increments;
pub mod liveness;
pub mod one_leader;
pub mod repeats;
pub mod rsn;

use bytes::Bytes;

use crate::cluster_lock::ClusterLock;
use crate::daemon::Daemon;
use crate::world::World;

/// Number of packets that are kept.
const SAMPLES: usize = 400;

/// All invariants with what they remember.
#[derive(Debug, Default)]
pub struct Checkers {
    /// What did not hold, in words.
    pub violations: Vec<String>,
    /// Some of the packets that were sent, for tests that send them again, damaged.
    pub sampled: Vec<Bytes>,
    generation: generation::Agreement,
    rsn: rsn::Growth,
    /// Addresses on two nodes.
    pub hosting: addresses::Hosting,
    /// Who leads.
    pub leader: one_leader::Uniqueness,
}

impl Checkers {
    /// After each turn of a daemon.
    pub fn after_turn(&mut self, daemon: &Daemon) {
        let node = daemon.node.borrow();
        let mut found: Vec<String> = self.generation.after_turn(&node).into_iter().collect();
        drop(node);
        found.extend(chain_locks(daemon));
        self.report(&daemon.world(), found);
    }

    /// A daemon sends a packet to a peer.
    pub fn packet_sent(&mut self, daemon: &Daemon, lock: &ClusterLock, packet: &Bytes) {
        if self.sampled.len() < SAMPLES {
            self.sampled.push(packet.clone());
        }
        let found = self.leader.packet_sent(daemon, lock, packet);
        self.report(&daemon.world(), found.into_iter().collect());
    }

    /// Every second of virtual time.
    pub fn tick(&mut self, world: &World) {
        let mut found = dmaster::check(world);
        found.extend(self.rsn.check(world));
        found.extend(self.hosting.look(world));
        self.report(world, found);
    }

    /// A machine's addresses changed.
    pub fn addresses_changed(&mut self, world: &World) {
        let found = self.hosting.look(world);
        self.report(world, found);
    }

    fn report(&mut self, world: &World, found: Vec<String>) {
        for text in found {
            world.note(None, format!("VIOLATION {text}"));
            self.violations.push(text);
        }
    }
}

/// Between two turns a daemon holds no chain lock of its own: smbd waits for it otherwise.
fn chain_locks(daemon: &Daemon) -> Option<String> {
    let world = daemon.world();
    let disk = world.disks[daemon.pnn.0 as usize].borrow();
    let holding = disk.files().find(|file| file.borrow().daemon_holds())?;
    let name = holding.borrow().name.clone();
    Some(format!(
        "node {} keeps a chain lock of {name} over a turn",
        daemon.pnn
    ))
}
