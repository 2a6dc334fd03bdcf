//! How busy clients are. Most of what can go wrong does not need a busy cluster, and a quiet one is
//! simulated several times as fast; so only some of the seeds are busy all the time.

use std::time::Duration;

use crate::seed::Seed;

const BUSY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(80));
const REST: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(40));
const STEADY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(2_500));
/// A burst ends after this many steps, on average.
const BURST_STEPS: u64 = 70;

/// How long a client waits between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// No rest: the clients of all nodes are after the same records all the time.
    Busy,
    /// As busy for a few seconds, then a rest of up to 40 seconds.
    Bursts,
    /// About one step a second.
    Steady,
}

impl Pace {
    /// The next wait.
    pub fn pause(self, dice: &mut Seed) -> Duration {
        let (low, high) = match self {
            Self::Bursts if dice.below(BURST_STEPS) == 0 => REST,
            Self::Busy | Self::Bursts => BUSY,
            Self::Steady => STEADY,
        };
        dice.between(low, high)
    }
}
