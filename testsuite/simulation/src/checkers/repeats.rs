//! Nothing is done over and over while hardly any time passes: what fails at once is tried again after a
//! pause. Looks at lines of the log, events that are run and attempts at the cluster lock.

use std::collections::BTreeMap;
use std::time::Duration;

use ctdb_protocol::Pnn;

/// How long a look is.
const WINDOW: Duration = Duration::from_secs(1);
/// How often the same may happen on a node within it.
const LIMIT: u32 = 12;
/// Things that are remembered before old ones are forgotten.
const REMEMBERED: usize = 4096;

/// What happened on a node: since when, and how often.
#[derive(Debug, Default)]
pub struct Repeats {
    seen: BTreeMap<(Pnn, String), (Duration, u32)>,
    /// What did not hold, in words.
    pub violations: Vec<String>,
}

impl Repeats {
    /// `what` happens on a node at a virtual time.
    pub fn happens(&mut self, at: Duration, node: Pnn, what: &str) {
        if self.seen.len() >= REMEMBERED {
            self.seen.retain(|_, (since, _)| *since + WINDOW > at);
        }
        let (since, count) = self
            .seen
            .entry((node, kind(what).to_owned()))
            .or_insert((at, 0));
        if *since + WINDOW <= at {
            (*since, *count) = (at, 0);
        }
        *count += 1;
        if *count == LIMIT + 1 {
            self.violations.push(format!(
                "at {:.3} node {node} does the same {count} times within {:?}: {what}",
                at.as_secs_f64(),
                at - *since
            ));
        }
    }
}

/// A line without what differs each time.
fn kind(what: &str) -> &str {
    what.split("generation").next().unwrap_or(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tight_loop_is_seen_once_and_the_same_in_other_times_or_places_is_not() {
        let mut repeats = Repeats::default();
        for n in 0..60 {
            let at = Duration::from_millis(n * 100);
            repeats.happens(at, Pnn(0), "slow enough");
            repeats.happens(at, Pnn(u32::try_from(n % 3).expect("small")), "everywhere");
        }
        assert_eq!(repeats.violations, [""; 0]);
        for n in 0..30 {
            let at = Duration::from_millis(10_000 + n * 20);
            repeats.happens(at, Pnn(1), &format!("recovered, generation {n}"));
        }
        assert_eq!(repeats.violations.len(), 1, "{:?}", repeats.violations);
    }
}
