//! Every point in time at which the core wants to be woken, in one ordered table.

use std::collections::BTreeMap;

/// Names an armed timer; needed to disarm it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerId {
    at_us: u64,
    sequence: u64,
}

/// Armed timers with what each of them is for.
#[derive(Debug)]
pub struct Timers<T> {
    armed: BTreeMap<TimerId, T>,
    sequence: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self {
            armed: BTreeMap::new(),
            sequence: 0,
        }
    }
}

impl<T> Timers<T> {
    /// Arms a timer for the monotonic instant `at_us`.
    pub fn arm(&mut self, at_us: u64, what: T) -> TimerId {
        self.sequence += 1;
        let id = TimerId {
            at_us,
            sequence: self.sequence,
        };
        self.armed.insert(id, what);
        id
    }

    /// Disarms a timer; one that has fired already is ignored.
    pub fn disarm(&mut self, id: TimerId) -> Option<T> {
        self.armed.remove(&id)
    }

    /// Number of armed timers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.armed.len()
    }

    /// Whether none is armed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    /// The next instant at which something is due.
    #[must_use]
    pub fn next_us(&self) -> Option<u64> {
        self.armed.keys().next().map(|id| id.at_us)
    }

    /// Takes the earliest timer that is due at `now_us`, if any.
    pub fn take_due(&mut self, now_us: u64) -> Option<T> {
        let (&id, _) = self.armed.first_key_value()?;
        if id.at_us > now_us {
            return None;
        }
        self.armed.remove(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_of_time_then_arming() {
        let mut timers = Timers::default();
        timers.arm(20, 'c');
        timers.arm(10, 'a');
        let b = timers.arm(10, 'b');
        let d = timers.arm(5, 'd');
        timers.disarm(d);
        assert_eq!(timers.next_us(), Some(10));
        assert_eq!(timers.take_due(10), Some('a'));
        assert_eq!(timers.disarm(b), Some('b'));
        assert_eq!(timers.take_due(10), None);
        assert_eq!(timers.take_due(25), Some('c'));
        assert_eq!(timers.next_us(), None);
    }
}
