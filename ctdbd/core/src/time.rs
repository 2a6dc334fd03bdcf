//! Time as an argument: the core never reads a clock.

use std::time::Duration;

/// One instant, given by the caller with every input.
///
/// Timeouts use the monotonic half only, so a step of the wall clock changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Microseconds on a clock that never goes back; the origin means nothing.
    pub monotonic_us: u64,
    /// Microseconds since 1970 in UTC, for time stamps that people and peers read.
    pub wall_us: u64,
}

impl Now {
    /// The monotonic instant `delay` from now, in microseconds.
    #[must_use]
    pub fn after(self, delay: Duration) -> u64 {
        self.monotonic_us
            .saturating_add(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX))
    }

    /// Seconds since `earlier_us`, a monotonic instant.
    #[must_use]
    pub fn seconds_since(self, earlier_us: u64) -> f64 {
        self.monotonic_us.saturating_sub(earlier_us) as f64 / 1e6
    }
}
