//! Pauses between attempts at what keeps failing, so that one fault does not keep a cluster busy.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// How often something that fails is tried again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rhythm {
    /// So many attempts follow each other after [`Self::first`]; after that each pause is twice the last.
    pub(super) steady: u32,
    /// The pause after the first attempt.
    pub(super) first: Duration,
    /// No pause is longer.
    pub(super) longest: Duration,
}

impl Rhythm {
    /// The pause after this many attempts.
    fn pause(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(self.steady.max(1)).min(16);
        (self.first * (1 << doublings)).min(self.longest)
    }
}

/// How much later than allowed an attempt may come: passes have a rhythm of their own.
const LATE: Duration = Duration::from_secs(5);

/// What was tried, how often, and when last.
#[derive(Debug)]
pub(super) struct Pauses<K> {
    rhythm: Rhythm,
    tried: BTreeMap<K, (u32, Instant)>,
}

impl<K: Ord> Pauses<K> {
    pub(super) fn new(rhythm: Rhythm) -> Self {
        Self {
            rhythm,
            tried: BTreeMap::new(),
        }
    }

    /// When this may be tried (again); `None` is at once.
    pub(super) fn next(&self, what: &K) -> Option<Instant> {
        let (attempts, last) = self.tried.get(what)?;
        Some(*last + self.rhythm.pause(*attempts))
    }

    /// Whether this may be tried now.
    pub(super) fn allow(&self, what: &K, now: Instant) -> bool {
        self.next(what).is_none_or(|next| next <= now)
    }

    /// It is tried now. Returns how often it has been, and how long to wait after this one.
    ///
    /// What has not been tried for much longer than its pause was well in between, and starts anew.
    pub(super) fn attempt(&mut self, what: K, now: Instant) -> (u32, Duration) {
        let rhythm = self.rhythm;
        self.tried.retain(|_, (attempts, last)| {
            now.saturating_duration_since(*last) <= rhythm.pause(*attempts) * 2 + LATE
        });
        let (attempts, last) = self.tried.entry(what).or_insert((0, now));
        *attempts = attempts.saturating_add(1);
        *last = now;
        (*attempts, self.rhythm.pause(*attempts))
    }

    /// Forgets everything but what is still wrong.
    pub(super) fn keep(&mut self, still: impl Fn(&K) -> bool) {
        self.tried.retain(|what, _| still(what));
    }

    /// All is well: nothing is held back any more.
    pub(super) fn clear(&mut self) {
        self.tried.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pauses(steady: u32) -> Pauses<&'static str> {
        Pauses::new(Rhythm {
            steady,
            first: SECOND,
            longest: 10 * SECOND,
        })
    }

    #[test]
    fn pauses_grow_to_their_bound_for_each_thing_by_itself() {
        let mut pauses = pauses(1);
        let mut now = Instant::now();
        let mut seen = Vec::new();
        for _ in 0..6 {
            assert!(pauses.allow(&"a", now));
            let (_, pause) = pauses.attempt("a", now);
            assert!(!pauses.allow(&"a", now + pause - Duration::from_millis(1)));
            assert!(pauses.allow(&"b", now), "another thing");
            seen.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(seen, [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn the_first_pauses_may_be_equal() {
        let mut pauses = pauses(3);
        let now = Instant::now();
        let seen: Vec<u64> = (0..6)
            .map(|_| pauses.attempt("a", now).1.as_secs())
            .collect();
        assert_eq!(seen, [1, 1, 1, 2, 4, 8]);
    }

    #[test]
    fn what_was_well_for_long_starts_anew_and_nothing_is_kept() {
        let mut pauses = pauses(1);
        let now = Instant::now();
        for _ in 0..5 {
            pauses.attempt("a", now);
        }
        assert_eq!(pauses.attempt("a", now + 25 * SECOND).0, 6);
        assert_eq!(pauses.attempt("a", now + 51 * SECOND).0, 1);
        pauses.attempt("b", now + 90 * SECOND);
        assert_eq!(pauses.tried.len(), 1);
        pauses.keep(|what| *what != "b");
        assert!(pauses.allow(&"b", now + 90 * SECOND));
    }
}
