//! Counters of the node, kept twice: since start (or reset), and for the current interval of the
//! history. Answers to upstream's `ctdb_statistics.c`.

use std::collections::VecDeque;

use ctdb_protocol::types::{LatencyCounter, Statistics, Timeval};
use ctdb_protocol::wire::Seconds;

use crate::time::Now;

/// Intervals that the history holds.
pub const HISTORY: usize = 100;

/// The node's counters.
#[derive(Debug, Default)]
pub struct Keeper {
    total: Statistics,
    interval: Statistics,
    /// Newest first.
    history: VecDeque<Statistics>,
}

/// One more on a counter that others read. Those of the wire are short and begin again, as in C: a busy node
/// has counted 2^32 packets after a day.
pub trait Count {
    /// One more.
    fn up(&mut self);
}

impl Count for u32 {
    fn up(&mut self) {
        *self = self.wrapping_add(1);
    }
}

impl Count for i32 {
    /// Stays at the largest number, since readers divide by it.
    fn up(&mut self) {
        *self = self.saturating_add(1);
    }
}

/// Counting that needs more than one field.
pub trait Counting {
    /// A lock was had after `waited_s` seconds.
    fn lock_done(&mut self, waited_s: f64);
    /// A lock could not be had.
    fn lock_failed(&mut self);
    /// A call arrived that had passed `hops` nodes.
    fn hops(&mut self, hops: u32);
    /// A client's call was answered, parked, or is not wanted any more.
    fn call_left(&mut self);
}

impl Counting for Statistics {
    fn lock_done(&mut self, waited_s: f64) {
        self.locks.num_current = self.locks.num_current.saturating_sub(1);
        add_latency(&mut self.locks.latency, waited_s);
        self.locks.buckets[lock_bucket(waited_s)].up();
    }

    fn lock_failed(&mut self) {
        self.locks.num_current = self.locks.num_current.saturating_sub(1);
        self.locks.num_failed.up();
    }

    fn call_left(&mut self) {
        self.pending_calls = self.pending_calls.saturating_sub(1);
    }

    fn hops(&mut self, hops: u32) {
        self.max_hop_count = self.max_hop_count.max(hops);
        self.hop_count_bucket[hop_bucket(hops)].up();
    }
}

impl Keeper {
    /// Changes both sets.
    pub fn count(&mut self, mut change: impl FnMut(&mut Statistics)) {
        change(&mut self.total);
        change(&mut self.interval);
    }

    /// The counters since start or reset.
    #[must_use]
    pub fn total(&self) -> &Statistics {
        &self.total
    }

    /// The history, newest first, always [`HISTORY`] entries.
    #[must_use]
    pub fn history(&self) -> Vec<Statistics> {
        let mut all: Vec<Statistics> = self.history.iter().copied().collect();
        all.resize(HISTORY, Statistics::default());
        all
    }

    /// Forgets the totals; history and current interval stay.
    pub fn reset(&mut self, now: Now) {
        self.total = Statistics {
            statistics_start_time: wall(now),
            ..Statistics::default()
        };
    }

    /// Counting begins, or an interval of the history ends.
    pub fn roll(&mut self, now: Now) {
        if self.total.statistics_start_time == Timeval::default() {
            self.total.statistics_start_time = wall(now);
        }
        let next = Statistics {
            statistics_start_time: wall(now),
            ..Statistics::default()
        };
        let mut ended = std::mem::replace(&mut self.interval, next);
        ended.statistics_current_time = wall(now);
        self.history.push_front(ended);
        self.history.truncate(HISTORY);
    }
}

/// The wall clock as the wire has it.
#[must_use]
pub fn wall(now: Now) -> Timeval {
    let micros = i64::try_from(now.wall_us).unwrap_or(i64::MAX);
    Timeval {
        sec: micros / 1_000_000,
        usec: micros % 1_000_000,
    }
}

/// Adds one measurement.
pub fn add_latency(counter: &mut LatencyCounter, seconds: f64) {
    if counter.num == 0 || seconds < counter.min.0 {
        counter.min = Seconds(seconds);
    }
    if seconds > counter.max.0 {
        counter.max = Seconds(seconds);
    }
    counter.total = Seconds(counter.total.0 + seconds);
    counter.num.up();
}

/// The bucket of a wait for a lock: below 1 ms, 10 ms, 100 ms, 1 s, 2 s, 4 s, ... 64 s, more.
#[must_use]
pub fn lock_bucket(seconds: f64) -> usize {
    const BOUNDS: [f64; 10] = [0.001, 0.01, 0.1, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
    BOUNDS
        .iter()
        .position(|&bound| seconds < bound)
        .unwrap_or(BOUNDS.len())
}

/// The bucket of a number of hops: its length in bits.
#[must_use]
pub fn hop_bucket(hops: u32) -> usize {
    ((u32::BITS - hops.leading_zeros()) as usize).min(15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_upstreams() {
        assert_eq!([0, 1, 2, 3, 4, 7, 8].map(hop_bucket), [0, 1, 2, 2, 3, 3, 4]);
        assert_eq!(hop_bucket(u32::MAX), 15);
        assert_eq!(
            [0.0005, 0.005, 1.5, 63.0, 64.0].map(lock_bucket),
            [0, 1, 4, 9, 10]
        );
    }

    #[test]
    fn latencies_keep_least_and_most() {
        let mut counter = LatencyCounter::default();
        for seconds in [0.5, 0.25, 1.0] {
            add_latency(&mut counter, seconds);
        }
        assert_eq!(
            (counter.num, counter.min.0, counter.max.0, counter.total.0),
            (3, 0.25, 1.0, 1.75)
        );
    }
}
