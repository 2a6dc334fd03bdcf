//! When a lock that has to be renewed is renewed, and when it has to be let go.

use std::time::{Duration, Instant};

/// What the holder does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Asks for the renewal now.
    Renew,
    /// Nothing before then.
    Wait(Instant),
    /// Nothing at all: the lock lives for ever.
    Rest,
    /// Lets go now: soon the lock may be somebody else's.
    Overdue,
}

/// The time that is known to be left of a lock.
#[derive(Debug)]
pub(super) struct Lease {
    life: Option<Duration>,
    /// When the last request that was granted was sent. The server counts from a later moment.
    asked: Instant,
    renewing: bool,
}

impl Lease {
    pub(super) fn new(life: Option<Duration>, asked: Instant) -> Self {
        Self {
            life,
            asked,
            renewing: false,
        }
    }

    /// Until when the lock is certainly this holder's, less a tenth of its life for the daemon to
    /// step down; `None`: for ever.
    pub(super) fn safe_until(&self) -> Option<Instant> {
        let life = self.life?;
        self.asked.checked_add(life - life / 10)
    }

    /// What to do now. After [`Step::Renew`] a renewal is under way until [`Lease::renewed`].
    pub(super) fn step(&mut self, now: Instant) -> Step {
        let (Some(life), Some(safe_until)) = (self.life, self.safe_until()) else {
            return Step::Rest;
        };
        // First, since after a sleep of the whole process a renewal would be too late.
        if now >= safe_until {
            return Step::Overdue;
        }
        if self.renewing {
            return Step::Wait(safe_until);
        }
        let due = self.asked + life / 2;
        if now < due {
            return Step::Wait(due);
        }
        self.renewing = true;
        Step::Renew
    }

    /// The renewal that was asked for at `asked` has been granted.
    pub(super) fn renewed(&mut self, asked: Instant) {
        self.asked = asked;
        self.renewing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn renewed_at_half_of_its_life() {
        let start = Instant::now();
        let mut lease = Lease::new(Some(s(10)), start);
        assert_eq!(lease.step(start), Step::Wait(start + s(5)));
        assert_eq!(lease.step(start + s(5)), Step::Renew);
        // The life counts from the question, not from the answer.
        lease.renewed(start + s(5));
        assert_eq!(lease.step(start + s(8)), Step::Wait(start + s(10)));
        assert_eq!(lease.step(start + s(11)), Step::Renew);
    }

    #[test]
    fn let_go_before_its_end_when_no_answer_comes() {
        let start = Instant::now();
        let mut lease = Lease::new(Some(s(10)), start);
        assert_eq!(lease.step(start + s(5)), Step::Renew);
        assert_eq!(lease.step(start + s(6)), Step::Wait(start + s(9)));
        assert_eq!(lease.step(start + s(9)), Step::Overdue);
    }

    #[test]
    fn a_process_that_slept_too_long_does_not_renew() {
        let start = Instant::now();
        let mut lease = Lease::new(Some(s(10)), start);
        assert_eq!(lease.step(start + s(60)), Step::Overdue);
    }

    #[test]
    fn no_life_is_for_ever() {
        let start = Instant::now();
        for life in [None, Some(Duration::MAX)] {
            let mut lease = Lease::new(life, start);
            assert_eq!(lease.step(start + s(1_000_000)), Step::Rest);
            assert_eq!(lease.safe_until(), None);
        }
    }
}
