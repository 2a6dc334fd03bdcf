//! Which nodes made steps of a recovery or a takeover run fail, and how often.

use std::collections::BTreeMap;

use ctdb_protocol::id::Pnn;

/// Faults per node within one recovery or run.
#[derive(Debug, Default)]
pub(super) struct Culprits {
    faults: BTreeMap<Pnn, u32>,
}

impl Culprits {
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
        let mut culprits = Culprits::default();
        for node in [2, 1, 1, 1, 0, 0, 0, 3, 3, 3, 3] {
            culprits.count(Pnn(node));
        }
        assert_eq!(culprits.worst_first(3), [Pnn(3), Pnn(0), Pnn(1)]);
        assert_eq!(culprits.worst_first(1).first(), Some(&Pnn(3)));
    }
}
