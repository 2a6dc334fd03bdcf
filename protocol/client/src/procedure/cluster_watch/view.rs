//! What one pass of the watch knows about the cluster.

use ctdb_protocol::Pnn;
use ctdb_protocol::types::{NodeAndFlags, NodeFlags, NodeMap};

use crate::procedure::tunables::Tunables;

/// The own daemon's view, read at the begin of a pass.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// Own node number.
    pub(super) own: Pnn,
    /// All nodes, deleted ones included.
    pub(super) nodes: NodeMap,
    /// Tunables.
    pub(super) tunables: Tunables,
}

impl View {
    /// Flags of nodes that cannot be reached.
    pub(super) const NOT_CONNECTED: NodeFlags = NodeFlags::DISCONNECTED.union(NodeFlags::DELETED);

    /// Number of lines of the nodes list; bans are measured by it.
    pub(super) fn size(&self) -> u32 {
        u32::try_from(self.nodes.nodes.len()).unwrap_or(u32::MAX)
    }

    /// Own node flags.
    pub(super) fn own_flags(&self) -> NodeFlags {
        flags_of(&self.nodes, self.own).unwrap_or(NodeFlags::DELETED)
    }

    /// Nodes that are connected, own one included, ascending.
    pub(super) fn connected(&self) -> Vec<Pnn> {
        numbers(&self.nodes, Self::NOT_CONNECTED)
    }

    /// Nodes that take part in the cluster, ascending.
    pub(super) fn active(&self) -> Vec<Pnn> {
        numbers(&self.nodes, NodeFlags::INACTIVE)
    }

    /// Whether a number stands for a node here.
    pub(super) fn knows(&self, node: Pnn) -> bool {
        flags_of(&self.nodes, node).is_some()
    }
}

/// Nodes that have none of these flags.
pub(super) fn numbers(map: &NodeMap, without: NodeFlags) -> Vec<Pnn> {
    let wanted = |node: &&NodeAndFlags| !node.flags.intersects(without);
    map.nodes
        .iter()
        .filter(wanted)
        .map(|node| node.pnn)
        .collect()
}

/// A node's flags according to a map.
pub(super) fn flags_of(map: &NodeMap, node: Pnn) -> Option<NodeFlags> {
    map.nodes
        .iter()
        .find(|entry| entry.pnn == node)
        .map(|entry| entry.flags)
}

/// Everything but `leave_out`.
pub(super) fn others(nodes: &[Pnn], leave_out: Pnn) -> Vec<Pnn> {
    nodes
        .iter()
        .filter(|node| **node != leave_out)
        .copied()
        .collect()
}
