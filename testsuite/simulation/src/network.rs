//! The network between the nodes: connections that deliver in order or break, never anything between.
//!
//! A connection here is the pair of one-way connections of two daemons, since the core hears of them
//! only when both are up. What a fault can do: delay, hold back one or both directions for a while (a
//! partition, in which TCP retransmits), or break the connection with all that is in flight.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ctdb_core::Input;
use ctdb_core::effect::Lane;
use ctdb_protocol::Pnn;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::seed::Seed;

/// Usual delay of a packet.
const DELAY: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(3));
/// How long a node needs to notice that the other side closed a connection.
const NOTICE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));
/// Pause between two attempts to connect.
const RETRY: (Duration, Duration) = (Duration::from_millis(600), Duration::from_millis(1000));

/// Where a running node takes its inputs.
pub type Inbox = mpsc::UnboundedSender<Input>;

#[derive(Debug, Default)]
struct Direction {
    /// Delivery times, by lane (urgent, ordered).
    queues: [VecDeque<(Instant, u64, Bytes)>; 2],
    pumping: [bool; 2],
    held_back: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Side {
    up: bool,
    epoch: u64,
}

#[derive(Debug, Default)]
struct Link {
    sides: [Side; 2],
    directions: [Direction; 2],
    epoch: u64,
}

#[derive(Debug)]
struct State {
    seed: Seed,
    inboxes: BTreeMap<Pnn, Inbox>,
    peers: BTreeMap<Pnn, BTreeSet<Pnn>>,
    links: BTreeMap<(Pnn, Pnn), Link>,
    slow: Duration,
    packets: u64,
    /// When something was last held back, slowed down or let go.
    changed: Instant,
}

/// The network. Clones are the same network.
#[derive(Debug, Clone)]
pub struct Network(Rc<RefCell<State>>);

/// The two ends of a link in order, and which of them `from` is.
fn ends(from: Pnn, to: Pnn) -> ((Pnn, Pnn), usize) {
    if from < to {
        ((from, to), 0)
    } else {
        ((to, from), 1)
    }
}

impl Network {
    /// A network without nodes.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self(Rc::new(RefCell::new(State {
            seed,
            inboxes: BTreeMap::new(),
            peers: BTreeMap::new(),
            links: BTreeMap::new(),
            slow: Duration::ZERO,
            packets: 0,
            changed: Instant::now(),
        })))
    }

    /// Packets that were sent.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.0.borrow().packets
    }

    /// Whether packets are held back or late anywhere.
    #[must_use]
    pub fn is_disturbed(&self) -> bool {
        let state = self.0.borrow();
        let mut ways = state.links.values().flat_map(|link| &link.directions);
        !state.slow.is_zero() || ways.any(|way| way.held_back)
    }

    /// When something was last held back, slowed down or let go.
    #[must_use]
    pub fn changed(&self) -> Instant {
        self.0.borrow().changed
    }

    /// A node listens from now on.
    pub fn open(&self, node: Pnn, inbox: Inbox) {
        self.0.borrow_mut().inboxes.insert(node, inbox);
    }

    /// A node keeps connections to these peers.
    pub fn set_peers(&self, node: Pnn, peers: impl IntoIterator<Item = Pnn>) {
        let fresh: Vec<(Pnn, Pnn)> = {
            let mut state = self.0.borrow_mut();
            let peers: BTreeSet<Pnn> = peers.into_iter().collect();
            let keys: Vec<(Pnn, Pnn)> = peers.iter().map(|peer| ends(node, *peer).0).collect();
            state.peers.insert(node, peers);
            keys.into_iter()
                .filter(|key| {
                    let known = state.links.contains_key(key);
                    state.links.entry(*key).or_default();
                    !known
                })
                .collect()
        };
        for key in fresh {
            tokio::task::spawn_local(self.clone().keep_connecting(key));
        }
    }

    /// A process ended. With `silent` its machine is gone too, and nobody is told.
    pub fn close(&self, node: Pnn, silent: bool) {
        let links: Vec<(Pnn, Pnn)> = {
            let mut state = self.0.borrow_mut();
            state.inboxes.remove(&node);
            state.peers.remove(&node);
            state
                .links
                .keys()
                .filter(|(a, b)| *a == node || *b == node)
                .copied()
                .collect()
        };
        for (a, b) in links {
            let other = if a == node { b } else { a };
            self.take_down(node, other);
            if !silent {
                self.notice_loss(other, node, "connection reset by peer");
            }
        }
    }

    /// A node closes its connection to a peer; it knows about that itself.
    pub fn drop_peer(&self, node: Pnn, peer: Pnn) {
        self.take_down(node, peer);
        self.notice_loss(peer, node, "closed by peer");
    }

    /// A fault breaks a connection, with all that is in flight.
    pub fn reset(&self, a: Pnn, b: Pnn) {
        for (node, peer) in [(a, b), (b, a)] {
            self.notice_loss(node, peer, "connection reset");
        }
    }

    /// Holds back packets of one direction from now on, or lets them go again.
    pub fn hold_back(&self, from: Pnn, to: Pnn, held: bool) {
        let (key, direction) = ends(from, to);
        {
            let mut state = self.0.borrow_mut();
            let link = state.links.entry(key).or_default();
            let was = std::mem::replace(&mut link.directions[direction].held_back, held);
            if was != held {
                state.changed = Instant::now();
            }
        }
        if !held {
            for lane in 0..2 {
                self.pump(key, direction, lane);
            }
        }
    }

    /// Lets all packets go again.
    pub fn heal(&self) {
        self.slow_down(Duration::ZERO);
        let links: Vec<(Pnn, Pnn)> = self.0.borrow().links.keys().copied().collect();
        for (a, b) in links {
            self.hold_back(a, b, false);
            self.hold_back(b, a, false);
        }
    }

    /// Adds a delay to every packet.
    pub fn slow_down(&self, delay: Duration) {
        let mut state = self.0.borrow_mut();
        if std::mem::replace(&mut state.slow, delay) != delay {
            state.changed = Instant::now();
        }
    }

    /// Sends a packet; it is lost where there is no connection.
    pub fn send(&self, from: Pnn, to: Pnn, lane: Lane, packet: Bytes) {
        let (key, end) = ends(from, to);
        let lane = usize::from(lane == Lane::Ordered);
        {
            let mut state = self.0.borrow_mut();
            let (low, high) = DELAY;
            let slow = state.slow;
            let delay = state.seed.between(low, high) + slow;
            state.packets += 1;
            let Some(link) = state.links.get_mut(&key) else {
                return;
            };
            let side = link.sides[end];
            if !side.up {
                return;
            }
            let queue = &mut link.directions[end].queues[lane];
            let earliest = queue.back().map_or_else(Instant::now, |(at, ..)| *at);
            queue.push_back(((Instant::now() + delay).max(earliest), side.epoch, packet));
        }
        self.pump(key, end, lane);
    }

    fn pump(&self, key: (Pnn, Pnn), direction: usize, lane: usize) {
        let mut state = self.0.borrow_mut();
        let Some(link) = state.links.get_mut(&key) else {
            return;
        };
        let way = &mut link.directions[direction];
        if !way.pumping[lane] && !way.queues[lane].is_empty() {
            way.pumping[lane] = true;
            tokio::task::spawn_local(self.clone().deliver_all(key, direction, lane));
        }
    }

    async fn deliver_all(self, key: (Pnn, Pnn), direction: usize, lane: usize) {
        loop {
            let next = {
                let mut state = self.0.borrow_mut();
                let Some(link) = state.links.get_mut(&key) else {
                    return;
                };
                let way = &mut link.directions[direction];
                match way.queues[lane].front() {
                    Some((at, ..)) if !way.held_back => *at,
                    Some(_) | None => {
                        way.pumping[lane] = false;
                        return;
                    }
                }
            };
            sleep_until(next).await;
            self.deliver(key, direction, lane);
        }
    }

    fn deliver(&self, key: (Pnn, Pnn), direction: usize, lane: usize) {
        let mut state = self.0.borrow_mut();
        let (from, to) = if direction == 0 { key } else { (key.1, key.0) };
        let inbox = state.inboxes.get(&to).cloned();
        let Some(link) = state.links.get_mut(&key) else {
            return;
        };
        if link.directions[direction].held_back {
            return;
        }
        let Some((_, epoch, packet)) = link.directions[direction].queues[lane].pop_front() else {
            return;
        };
        let receiver = link.sides[1 - direction];
        if let (true, true, Some(inbox)) = (receiver.up, receiver.epoch == epoch, inbox) {
            // A node that has just died takes nothing in.
            let _ = inbox.send(Input::PeerPacket { from, packet });
        }
    }

    fn take_down(&self, node: Pnn, peer: Pnn) -> bool {
        let (key, end) = ends(node, peer);
        let mut state = self.0.borrow_mut();
        let Some(link) = state.links.get_mut(&key) else {
            return false;
        };
        std::mem::replace(&mut link.sides[end].up, false)
    }

    /// A node notices that its connection to a peer broke, if it hears of it at all.
    fn notice_loss(&self, node: Pnn, peer: Pnn, reason: &'static str) {
        let (delay, epoch) = {
            let mut state = self.0.borrow_mut();
            let (low, high) = NOTICE;
            let delay = state.seed.between(low, high);
            let (key, end) = ends(node, peer);
            let Some(link) = state.links.get_mut(&key) else {
                return;
            };
            if !link.sides[end].up || link.directions[1 - end].held_back {
                return;
            }
            (delay, link.sides[end].epoch)
        };
        let network = self.clone();
        tokio::task::spawn_local(async move {
            sleep(delay).await;
            let (key, end) = ends(node, peer);
            let inbox = {
                let mut state = network.0.borrow_mut();
                let inbox = state.inboxes.get(&node).cloned();
                let Some(link) = state.links.get_mut(&key) else {
                    return;
                };
                let side = &mut link.sides[end];
                if !side.up || side.epoch != epoch {
                    return;
                }
                side.up = false;
                inbox
            };
            if let Some(inbox) = inbox {
                let _ = inbox.send(Input::PeerDisconnected {
                    peer,
                    reason: reason.to_owned(),
                });
            }
        });
    }

    async fn keep_connecting(self, key: (Pnn, Pnn)) {
        let first = self
            .0
            .borrow_mut()
            .seed
            .between(Duration::from_millis(1), Duration::from_millis(50));
        sleep(first).await;
        loop {
            self.connect(key);
            let (low, high) = RETRY;
            let pause = self.0.borrow_mut().seed.between(low, high);
            sleep(pause).await;
        }
    }

    /// Connects two nodes if both want it and can reach each other.
    fn connect(&self, (a, b): (Pnn, Pnn)) {
        let stale = {
            let mut state = self.0.borrow_mut();
            let wants = |node: &Pnn, peer: &Pnn| {
                state.inboxes.contains_key(node)
                    && state
                        .peers
                        .get(node)
                        .is_some_and(|peers| peers.contains(peer))
            };
            if !wants(&a, &b) || !wants(&b, &a) {
                return;
            }
            let inboxes = [
                state.inboxes.get(&a).cloned(),
                state.inboxes.get(&b).cloned(),
            ];
            let Some(link) = state.links.get_mut(&(a, b)) else {
                return;
            };
            if link.directions.iter().any(|direction| direction.held_back) {
                return;
            }
            let [first, second] = link.sides;
            if first.up && second.up && first.epoch == second.epoch {
                return;
            }
            if first.up || second.up {
                [(first.up, a, b), (second.up, b, a)]
            } else {
                link.epoch += 1;
                link.sides = [Side {
                    up: true,
                    epoch: link.epoch,
                }; 2];
                for (inbox, peer) in inboxes.into_iter().flatten().zip([b, a]) {
                    let _ = inbox.send(Input::PeerConnected { peer });
                }
                return;
            }
        };
        // One side still believes in an old connection: its machine is told that it is wrong.
        for (up, node, peer) in stale {
            if up {
                self.notice_loss(node, peer, "connection of an earlier process");
            }
        }
    }
}
