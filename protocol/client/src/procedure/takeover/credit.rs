// SPDX-License-Identifier: GPL-3.0-or-later
//! Which nodes made a takeover run fail, and how often.

use std::collections::BTreeMap;

use ctdb_protocol::id::Pnn;

/// Failures per node within one run.
#[derive(Debug, Default)]
pub(super) struct Credits(BTreeMap<Pnn, u32>);

impl Credits {
    /// Counts one failure of `node`.
    pub(super) fn add(&mut self, node: Pnn) {
        *self.0.entry(node).or_default() += 1;
    }

    /// Whether nobody made the run fail.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of the nodes that are `there`, the one with the most failures, the lowest number of equals.
    pub(super) fn worst(&self, there: impl Fn(Pnn) -> bool) -> Option<Pnn> {
        let worst = self
            .0
            .iter()
            .filter(|(node, _)| there(**node))
            .max_by_key(|(node, count)| (**count, std::cmp::Reverse(**node)));
        worst.map(|(node, _)| *node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_of_equals_is_the_worst() {
        let mut credits = Credits::default();
        assert!(credits.is_empty());
        assert_eq!(credits.worst(|_| true), None);
        for node in [3, 1, 2, 2, 1] {
            credits.add(Pnn(node));
        }
        assert_eq!(credits.worst(|_| true), Some(Pnn(1)));
        assert_eq!(credits.worst(|node| node != Pnn(1)), Some(Pnn(2)));
    }
}
