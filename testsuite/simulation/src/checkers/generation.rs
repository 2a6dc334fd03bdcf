//! Nodes of one generation agree on who shares the records.

use std::collections::BTreeMap;

use ctdb_core::Node;
use ctdb_protocol::{Generation, Pnn};

use crate::world::World;

/// Which nodes each generation stands for.
#[derive(Debug, Default)]
pub struct Agreement {
    known: BTreeMap<Generation, Vec<Pnn>>,
}

impl Agreement {
    /// Looks at one node's map.
    pub(super) fn after_turn(&mut self, node: &Node) -> Option<String> {
        let map = node.view().vnn_map();
        if map.generation == Generation::INVALID {
            return None;
        }
        let first = self
            .known
            .entry(map.generation)
            .or_insert_with(|| map.nodes.clone());
        (*first != map.nodes).then(|| {
            let (pnn, generation) = (node.pnn(), map.generation);
            format!(
                "node {pnn}: generation {generation} is for {:?}, elsewhere for {first:?}",
                map.nodes
            )
        })
    }
}

/// In a quiet cluster all active nodes have one generation.
#[must_use]
pub fn check_quiet(world: &World) -> Vec<String> {
    let mut found: Option<(Pnn, Generation)> = None;
    let mut violations = Vec::new();
    for daemon in world.running() {
        let node = daemon.node.borrow();
        if node.view().inactive() {
            continue;
        }
        let generation = node.view().generation();
        match found {
            Some((other, theirs)) if theirs != generation => violations.push(format!(
                "node {} is in generation {generation}, node {other} in {theirs}",
                daemon.pnn
            )),
            Some(_) => {}
            None => found = Some((daemon.pnn, generation)),
        }
    }
    violations
}
