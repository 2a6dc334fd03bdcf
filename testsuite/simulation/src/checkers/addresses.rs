//! A public address is on one node. In a quiet cluster that is exact; while nodes cannot talk to each
//! other, or have just begun to, the protocol leaves a window in which two have it. How long that may
//! be, and why, is in `ctdbd/docs/decisions/0011-address-on-two-nodes.md`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ctdb_protocol::Pnn;
use tokio::time::{Duration, Instant};

use crate::cluster_lock::Mood;
use crate::daemon::Daemon;
use crate::world::World;

/// A node that is cut off has let its addresses go `RecoveryDropAllIPs` after the cluster lost it, and
/// this: the others need as long to miss a node as it needs to miss them, but for the keepalive
/// interval and the time of the scripts.
const APART_SLACK: Duration = Duration::from_secs(15);
/// Once all nodes hear each other and nothing new happens.
const TOGETHER: Duration = Duration::from_secs(45);

/// What the cluster was like while an address was on two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Times {
    /// Packets are held back or late, the cluster lock does not answer or a daemon is stopped.
    ApartWithLock,
    /// The same without cluster lock: each side of a partition is a cluster of its own.
    ApartWithoutLock,
    /// Nothing of that.
    Together,
}

impl Times {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ApartWithLock => "disturbed, with cluster lock",
            Self::ApartWithoutLock => "disturbed, without cluster lock",
            Self::Together => "undisturbed",
        }
    }
}

/// An address that is on more than one node just now.
#[derive(Debug)]
struct Window {
    began: Instant,
    /// Since when nothing new has happened to the cluster.
    since: Instant,
    times: Times,
    reported: bool,
}

/// How long addresses were on two nodes.
#[derive(Debug, Default)]
pub struct Hosting {
    windows: BTreeMap<IpAddr, Window>,
    /// The longest time without anything new happening, of each kind.
    pub longest: BTreeMap<Times, Duration>,
    /// How long each window was from begin to end, whatever happened in it, in tenths of a second.
    pub windows_ds: Vec<u32>,
}

impl Hosting {
    /// Looks at all machines: when a script has changed one, and every second.
    pub(super) fn look(&mut self, world: &World) -> Vec<String> {
        let now = Instant::now();
        let (times, changed) = condition(world);
        let mut shared = hosts(world);
        shared.retain(|_, daemons| daemons.len() > 1);
        for (address, window) in &mut self.windows {
            let there = shared.contains_key(address);
            if there && window.times == times && window.since >= changed {
                continue;
            }
            let lasted = now.duration_since(window.since);
            let longest = self.longest.entry(window.times).or_default();
            *longest = lasted.max(*longest);
            (window.since, window.times, window.reported) = (now, times, false);
            if !there {
                let tenths = now.duration_since(window.began).as_millis() / 100;
                self.windows_ds
                    .push(u32::try_from(tenths).unwrap_or(u32::MAX));
            }
        }
        self.windows
            .retain(|address, _| shared.contains_key(address));
        let mut violations = Vec::new();
        for (address, daemons) in shared {
            let window = self.windows.entry(address).or_insert(Window {
                began: now,
                since: now,
                times,
                reported: false,
            });
            if daemons.iter().any(|daemon| daemon.paused_until().is_some()) {
                // Nobody can make a stopped process let go of anything.
                window.since = now;
            }
            let lasted = now.duration_since(window.since);
            if !window.reported && limit(world, times).is_some_and(|limit| lasted > limit) {
                window.reported = true;
                let nodes: Vec<Pnn> = daemons.iter().map(|daemon| daemon.pnn).collect();
                let times = times.name();
                violations.push(format!(
                    "address {address} is on nodes {nodes:?} for {lasted:?}, {times}"
                ));
            }
        }
        violations
    }
}

/// How long an address may be on two nodes; `None` for ever.
fn limit(world: &World, times: Times) -> Option<Duration> {
    let drop_all_s = u64::from(world.tunables().recovery_drop_all_ips());
    match times {
        Times::ApartWithLock => Some(Duration::from_secs(drop_all_s) + APART_SLACK),
        Times::ApartWithoutLock => None,
        Times::Together => Some(TOGETHER),
    }
}

/// What the cluster is like, and when that last changed.
fn condition(world: &World) -> (Times, Instant) {
    let mut daemons = world.running().into_iter();
    let stopped = daemons.any(|daemon| daemon.paused_until().is_some());
    // While an attempt at the lock hangs, nobody may lead.
    let lock_ails = world.lock.mood() != Mood::Well || world.lock.hangs();
    let disturbed = world.network.is_disturbed() || lock_ails || stopped;
    let times = match (disturbed, world.setup.cluster_lock) {
        (false, _) => Times::Together,
        (true, true) => Times::ApartWithLock,
        (true, false) => Times::ApartWithoutLock,
    };
    let changed = world.last_fault.get().max(world.network.changed());
    (times, changed)
}

/// On which machines whose daemon runs each address is.
fn hosts(world: &World) -> BTreeMap<IpAddr, Vec<std::rc::Rc<Daemon>>> {
    let mut hosts: BTreeMap<IpAddr, Vec<_>> = BTreeMap::new();
    for daemon in world.running() {
        for address in daemon.addresses.borrow().iter() {
            hosts.entry(*address).or_default().push(daemon.clone());
        }
    }
    hosts
}

/// In a quiet cluster every address is on exactly one node.
#[must_use]
pub fn check_quiet(world: &World) -> Vec<String> {
    let hosts = hosts(world);
    world
        .public_addresses()
        .iter()
        .filter_map(|line| {
            let nodes: Vec<Pnn> = hosts
                .get(&line.address)
                .into_iter()
                .flatten()
                .map(|daemon| daemon.pnn)
                .collect();
            let address = line.address;
            (nodes.len() != 1).then(|| format!("address {address} is on nodes {nodes:?}"))
        })
        .collect()
}
