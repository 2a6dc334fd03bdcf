//! Faults that are counted against nodes until they are banned for them.

use std::collections::BTreeMap;
use std::time::Duration;

use ctdb_protocol::Pnn;
use tokio::time::Instant;

/// Banning credits per node. Upstream: `ctdb_set_culprit_count`.
#[derive(Debug, Default)]
pub(super) struct Credits {
    counts: BTreeMap<Pnn, Count>,
}

#[derive(Debug)]
struct Count {
    faults: u32,
    last: Instant,
    /// What the last one was.
    reason: String,
}

impl Credits {
    /// Number of nodes that have any.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Counts `faults` against `node`. Older ones are forgotten after `grace` without a new one.
    pub(super) fn add(
        &mut self,
        node: Pnn,
        faults: u32,
        reason: &str,
        now: Instant,
        grace: Duration,
    ) {
        let count = self.counts.entry(node).or_insert_with(|| Count {
            faults: 0,
            last: now,
            reason: String::new(),
        });
        if now.duration_since(count.last) > grace {
            count.faults = 0;
        }
        count.faults = count.faults.saturating_add(faults);
        count.last = now;
        reason.clone_into(&mut count.reason);
    }

    /// Takes the nodes that have at least `threshold` faults, each with its last one, and forgets these faults.
    pub(super) fn take_due(&mut self, threshold: u32) -> Vec<(Pnn, String)> {
        let mut due = Vec::new();
        self.counts.retain(|node, count| {
            let stays = count.faults < threshold;
            if !stays {
                due.push((*node, std::mem::take(&mut count.reason)));
            }
            stays
        });
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
        credits.add(Pnn(1), 3, "slow", start, GRACE);
        credits.add(Pnn(1), 2, "slow", start + GRACE, GRACE);
        assert_eq!(credits.take_due(6), []);
        credits.add(Pnn(1), 1, "deaf", start + GRACE, GRACE);
        assert_eq!(credits.take_due(6), [(Pnn(1), "deaf".to_owned())]);
        assert_eq!(credits.take_due(1), [], "taken once");
        credits.add(Pnn(2), 5, "slow", start, GRACE);
        credits.add(
            Pnn(2),
            1,
            "deaf",
            start + GRACE + Duration::from_secs(1),
            GRACE,
        );
        assert_eq!(credits.take_due(2), []);
    }
}
