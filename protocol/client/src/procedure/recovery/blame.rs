//! Which nodes made steps of a recovery fail, and how often.

use std::collections::BTreeMap;

use ctdb_protocol::id::Pnn;

/// Faults per node within one recovery.
#[derive(Debug, Default)]
pub(super) struct Blame {
    faults: BTreeMap<Pnn, u32>,
}

impl Blame {
    /// Counts one fault of `node`.
    pub(super) fn count(&mut self, node: Pnn) {
        *self.faults.entry(node).or_default() += 1;
    }

    /// Nodes with at least `threshold` faults, the worst first, lower numbers first among equals.
    pub(super) fn worst_first(&self, threshold: u32) -> Vec<Pnn> {
        let mut nodes: Vec<(Pnn, u32)> = self
            .faults
            .iter()
            .map(|(node, faults)| (*node, *faults))
            .collect();
        nodes.retain(|(_, faults)| *faults >= threshold);
        nodes.sort_by_key(|(node, faults)| (std::cmp::Reverse(*faults), *node));
        nodes.into_iter().map(|(node, _)| node).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_and_small_offenders_not_at_all() {
        let mut blame = Blame::default();
        for node in [2, 1, 1, 1, 0, 0, 0, 3, 3, 3, 3] {
            blame.count(Pnn(node));
        }
        assert_eq!(blame.worst_first(3), [Pnn(3), Pnn(0), Pnn(1)]);
    }
}
