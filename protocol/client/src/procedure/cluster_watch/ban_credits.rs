//! Faults that are counted against nodes until they are banned for them.

use std::collections::BTreeMap;
use std::time::Duration;

use ctdb_protocol::Pnn;
use tokio::time::Instant;

/// Banning credits per node. Upstream: `ctdb_set_culprit_count`.
#[derive(Debug, Default)]
pub(super) struct Credits {
    counts: BTreeMap<Pnn, (u32, Instant)>,
}

impl Credits {
    /// Number of nodes that have any.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Counts `faults` against `node`. Older ones are forgotten after `grace` without a new one.
    pub(super) fn add(&mut self, node: Pnn, faults: u32, now: Instant, grace: Duration) {
        let (count, last) = self.counts.entry(node).or_insert((0, now));
        if now.duration_since(*last) > grace {
            *count = 0;
        }
        *count = count.saturating_add(faults);
        *last = now;
    }

    /// Takes the nodes that have at least `threshold` faults, and forgets these faults.
    pub(super) fn take_due(&mut self, threshold: u32) -> Vec<Pnn> {
        let due: Vec<Pnn> = self
            .counts
            .iter()
            .filter(|(_, (count, _))| *count >= threshold)
            .map(|(node, _)| *node)
            .collect();
        for node in &due {
            self.counts.remove(node);
        }
        due
    }

    /// Forgets all faults: a recovery has succeeded.
    pub(super) fn clear(&mut self) {
        self.counts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(120);

    #[test]
    fn faults_add_up_and_are_forgotten_after_the_grace_period() {
        let mut credits = Credits::default();
        let start = Instant::now();
        credits.add(Pnn(1), 3, start, GRACE);
        credits.add(Pnn(1), 2, start + GRACE, GRACE);
        assert_eq!(credits.take_due(6), []);
        credits.add(Pnn(1), 1, start + GRACE, GRACE);
        assert_eq!(credits.take_due(6), [Pnn(1)]);
        assert_eq!(credits.take_due(1), [], "taken once");
        credits.add(Pnn(2), 5, start, GRACE);
        credits.add(Pnn(2), 1, start + GRACE + Duration::from_secs(1), GRACE);
        assert_eq!(credits.take_due(2), []);
    }
}
