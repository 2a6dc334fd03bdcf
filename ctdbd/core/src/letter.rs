//! What services tell each other.
//!
//! A service changes nothing but its own state. Whatever another one has to do or to know because of that is
//! a letter, typed by its receiver and read as soon as the current step is over, in the order of writing:
//! so replies to clients keep the order that smbd relies on. Where something may only follow when another
//! service has done its part, the letter is acknowledged by one that goes back: a recovery has ended commits before
//! the `recovered` event runs, databases are being frozen before a node says that it is stopped.
//!
//! Nobody may rely on more than this: letters to one service are read in the order of writing. The
//! simulator delivers them late, and those to different services in any order ([`Delivery`]), as they would come
//! between processes.

use std::collections::VecDeque;

use crate::context::of_services;
use crate::{cluster, database, failover, health, proxy, transport};

of_services! {
    /// One letter, by its receiver.
    #[derive(Debug)]
    Letter {
        /// To the cluster service.
        Cluster(cluster::Letter),
        /// To the database service.
        Database(database::Letter),
        /// To the failover service.
        Failover(failover::Letter),
        /// To the health service.
        Health(health::Letter),
        /// To the proxy.
        Proxy(proxy::Letter),
        /// To the transport.
        Transport(transport::Letter),
    }
}

impl Letter {
    /// Which of the mailbox's queues it goes to.
    fn receiver(&self) -> usize {
        match self {
            Self::Cluster(_) => 0,
            Self::Database(_) => 1,
            Self::Failover(_) => 2,
            Self::Health(_) => 3,
            Self::Proxy(_) => 4,
            Self::Transport(_) => 5,
        }
    }
}

/// When letters are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// In the step in which they were written, in the order of writing.
    #[default]
    AtOnce,
    /// Those to one service in the order of writing; but to which service one goes first, and whether it waits for a
    /// later turn, is chance, seeded with this number.
    Late(u64),
}

/// How long a letter that is held back waits for its next chance, microseconds.
const LATE_US: u64 = 3_000;

/// Letters that were not read yet.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    delivery: Delivery,
    /// All of them where delivery is at once, else by receiver.
    queues: [VecDeque<Letter>; 6],
    /// Receivers whose letters wait for a later turn.
    held: [bool; 6],
}

impl Mailbox {
    pub(crate) fn new(delivery: Delivery) -> Self {
        Self {
            delivery,
            ..Self::default()
        }
    }

    fn is_empty(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    /// The instant at which letters that are left are to be looked at again, after a turn at `now_us`.
    pub(crate) fn next_us(&self, now_us: u64) -> Option<u64> {
        match self.delivery {
            _ if self.is_empty() => None,
            Delivery::AtOnce => Some(0),
            Delivery::Late(_) => Some(now_us + LATE_US),
        }
    }

    pub(crate) fn put(&mut self, letter: Letter) {
        let queue = match self.delivery {
            Delivery::AtOnce => 0,
            Delivery::Late(_) => letter.receiver(),
        };
        self.queues[queue].push_back(letter);
    }

    /// A turn begins: chance decides anew who reads letters in it.
    pub(crate) fn turn(&mut self) {
        if let Delivery::Late(state) = &mut self.delivery {
            for held in &mut self.held {
                *held = split_mix(state).is_multiple_of(3);
            }
        }
    }

    /// The next letter to be read in this turn.
    pub(crate) fn take(&mut self) -> Option<Letter> {
        let Delivery::Late(state) = &mut self.delivery else {
            return self.queues[0].pop_front();
        };
        let waiting = |(index, queue): (usize, &VecDeque<Letter>)| {
            (!queue.is_empty() && !self.held[index]).then_some(index)
        };
        let candidates: Vec<usize> = self.queues.iter().enumerate().filter_map(waiting).collect();
        let count = u64::try_from(candidates.len()).ok().filter(|&n| n > 0)?;
        let chosen = candidates[usize::try_from(split_mix(state) % count).unwrap_or(0)];
        self.queues[chosen].pop_front()
    }
}

/// SplitMix64: the next number of a small generator, for the simulator and for letters that are late.
pub fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use ctdb_protocol::id::{ClientId, Pnn};

    use super::*;

    fn to_cluster(number: u32) -> Letter {
        cluster::Letter::LeaderAsked(ClientId(number)).into()
    }

    fn to_proxy(number: u32) -> Letter {
        proxy::Letter::NodeGone(Pnn(number)).into()
    }

    fn number(letter: &Letter) -> (usize, u32) {
        match letter {
            Letter::Cluster(cluster::Letter::LeaderAsked(client)) => (0, client.0),
            Letter::Proxy(proxy::Letter::NodeGone(node)) => (1, node.0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn at_once_is_the_order_of_writing() {
        let mut mailbox = Mailbox::default();
        for n in 0..3 {
            mailbox.put(to_cluster(n));
            mailbox.put(to_proxy(n));
        }
        let order: Vec<_> = std::iter::from_fn(|| mailbox.take())
            .map(|letter| number(&letter))
            .collect();
        assert_eq!(order, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]);
    }

    #[test]
    fn late_letters_of_one_service_keep_their_order_and_none_is_lost() {
        for seed in 0..50 {
            let mut mailbox = Mailbox::new(Delivery::Late(seed));
            for n in 0..20 {
                mailbox.put(to_cluster(n));
                mailbox.put(to_proxy(n));
            }
            let mut seen = [Vec::new(), Vec::new()];
            for _ in 0..200 {
                mailbox.turn();
                if let Some(letter) = mailbox.take() {
                    let (service, number) = number(&letter);
                    seen[service].push(number);
                }
            }
            let all: Vec<u32> = (0..20).collect();
            assert_eq!(seen, [all.clone(), all], "seed {seed}");
            assert!(mailbox.is_empty());
        }
    }
}
