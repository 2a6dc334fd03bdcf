//! How long the loop stays awake when it has nothing to do.
//!
//! Sleeping and being woken again costs more than a packet's whole way through the daemon, most of all on a
//! virtual machine, where an idle CPU is given back to the host. While packets follow each other
//! closely the loop therefore looks for the next one for a moment, offering the CPU to others before
//! each look, and sleeps only if none comes. See decision 0010.

/// A window of which less than this share is left is closed.
const SMALLEST_SHARE: u32 = 8;

/// Decides between another look and sleep; learns from the gaps between packets.
#[derive(Debug)]
pub struct BusyPoll {
    /// Most microseconds that the loop stays awake for nothing; 0: it never does.
    longest_us: u32,
    /// Microseconds that it stays awake at present.
    window_us: u32,
    /// Since when there has been nothing to do.
    idle_since_us: Option<u64>,
}

impl BusyPoll {
    /// Stays awake for at most `longest_us` after a packet, and at first not at all.
    #[must_use]
    pub fn new(longest_us: u32) -> Self {
        Self {
            longest_us,
            window_us: 0,
            idle_since_us: None,
        }
    }

    /// There was something to do at `now_us`. A short gap before it opens the window, each long one
    /// halves it.
    pub fn worked(&mut self, now_us: u64) {
        let Some(since_us) = self.idle_since_us.take() else {
            return;
        };
        if now_us.saturating_sub(since_us) <= self.longest_us.into() {
            self.window_us = self.longest_us;
        } else {
            self.window_us /= 2;
            if self.window_us < self.longest_us / SMALLEST_SHARE {
                self.window_us = 0;
            }
        }
    }

    /// There is nothing to do at `now_us`: whether to look again instead of sleeping.
    pub fn look_again(&mut self, now_us: u64) -> bool {
        let since_us = *self.idle_since_us.get_or_insert(now_us);
        now_us.saturating_sub(since_us) < self.window_us.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_packets_never_keep_it_awake() {
        let mut poll = BusyPoll::new(100);
        for second in 1..10 {
            poll.worked(second * 1_000_000);
            assert!(!poll.look_again(second * 1_000_000 + 50));
        }
    }

    #[test]
    fn a_short_gap_opens_the_window_for_so_long() {
        let mut poll = BusyPoll::new(100);
        assert!(!poll.look_again(1_000));
        poll.worked(1_080);
        assert!(poll.look_again(1_090));
        assert!(poll.look_again(1_189));
        assert!(!poll.look_again(1_190));
    }

    #[test]
    fn long_gaps_close_it_again() {
        let mut poll = BusyPoll::new(100);
        poll.look_again(0);
        poll.worked(10);
        let mut now_us = 10;
        for expected in [100, 50, 25, 12, 0] {
            assert_eq!(poll.window_us, expected);
            poll.look_again(now_us);
            now_us += 10_000;
            poll.worked(now_us);
        }
    }

    #[test]
    fn zero_turns_it_off() {
        let mut poll = BusyPoll::new(0);
        for now_us in 0..5 {
            poll.worked(now_us);
            assert!(!poll.look_again(now_us));
        }
    }
}
