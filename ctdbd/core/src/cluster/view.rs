//! What the cluster service lets everybody see: the own number, how far the daemon has come, recovery mode,
//! generation and vnn map, and all nodes of the nodes list with their flags.

use std::net::IpAddr;

use ctdb_config::nodes::NodeLine;
use ctdb_protocol::id::{Generation, Pnn};
use ctdb_protocol::types::{NodeFlags, RecoveryMode, RunState, VnnMap};

/// One line of the nodes list.
#[derive(Debug, Clone)]
pub struct Member {
    pnn: Pnn,
    address: IpAddr,
    flags: NodeFlags,
}

impl Member {
    fn new(pnn: Pnn, line: &NodeLine) -> Self {
        let flags = if line.deleted {
            NodeFlags::DELETED | NodeFlags::DISCONNECTED
        } else {
            NodeFlags::UNHEALTHY | NodeFlags::DISCONNECTED
        };
        Self {
            pnn,
            address: line.address,
            flags,
        }
    }

    /// Its number: the index of its line.
    #[must_use]
    pub fn pnn(&self) -> Pnn {
        self.pnn
    }

    /// Its address; unspecified for a deleted node.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Its flags as this node sees them.
    #[must_use]
    pub fn flags(&self) -> NodeFlags {
        self.flags
    }

    /// Whether packets can be expected to arrive.
    #[must_use]
    pub fn connected(&self) -> bool {
        !self.flags.contains(NodeFlags::DISCONNECTED)
    }

    /// Whether it is in the nodes list only to keep the numbers of the others.
    #[must_use]
    pub fn deleted(&self) -> bool {
        self.flags.contains(NodeFlags::DELETED)
    }
}

/// See the module's documentation. Only the cluster service can change it.
#[derive(Debug)]
pub struct View {
    pub(super) pnn: Pnn,
    pub(super) run_state: RunState,
    pub(super) recovery_mode: RecoveryMode,
    pub(super) vnn_map: VnnMap,
    members: Vec<Member>,
}

impl View {
    /// A node that has not started yet.
    #[must_use]
    pub fn new(lines: &[NodeLine]) -> Self {
        let mut view = Self {
            pnn: Pnn::UNKNOWN,
            run_state: RunState::INIT,
            recovery_mode: RecoveryMode::ACTIVE,
            vnn_map: VnnMap {
                generation: Generation::INVALID,
                nodes: Vec::new(),
            },
            members: Vec::new(),
        };
        view.reload(lines);
        view
    }

    /// Takes over a changed nodes list: entries with the same number and address keep their state.
    pub(super) fn reload(&mut self, lines: &[NodeLine]) {
        let old = std::mem::take(&mut self.members);
        for (index, line) in lines.iter().enumerate() {
            let pnn = Pnn(u32::try_from(index).unwrap_or(u32::MAX));
            let kept = old
                .get(index)
                .filter(|m| m.address == line.address && m.deleted() == line.deleted);
            self.members
                .push(kept.cloned().unwrap_or_else(|| Member::new(pnn, line)));
        }
    }

    /// The flags of a node, to be changed.
    pub(super) fn flags_mut(&mut self, pnn: Pnn) -> Option<&mut NodeFlags> {
        let member = self.members.get_mut(pnn.0 as usize)?;
        Some(&mut member.flags)
    }

    /// Own number; unknown until the transport is open.
    #[must_use]
    pub fn pnn(&self) -> Pnn {
        self.pnn
    }

    /// How far the daemon has come; only ever increases.
    #[must_use]
    pub fn run_state(&self) -> RunState {
        self.run_state
    }

    /// Whether databases are, or are about to be, frozen and rebuilt.
    #[must_use]
    pub fn recovering(&self) -> bool {
        self.recovery_mode != RecoveryMode::NORMAL
    }

    /// The same, as SET_RECMODE knows it.
    #[must_use]
    pub fn recovery_mode(&self) -> RecoveryMode {
        self.recovery_mode
    }

    /// Nodes that share keys, and the generation.
    #[must_use]
    pub fn vnn_map(&self) -> &VnnMap {
        &self.vnn_map
    }

    /// Number of the last recovery; invalid while this node is not active.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.vnn_map.generation
    }

    /// The node with this number.
    #[must_use]
    pub fn member(&self, pnn: Pnn) -> Option<&Member> {
        self.members.get(pnn.0 as usize)
    }

    /// All nodes, in ascending order, deleted ones included.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    /// Own flags; DISCONNECTED before the own number is known.
    #[must_use]
    pub fn own_flags(&self) -> NodeFlags {
        self.member(self.pnn)
            .map_or(NodeFlags::DISCONNECTED, Member::flags)
    }

    /// Whether the own node is banned, stopped, deleted or not yet there.
    #[must_use]
    pub fn inactive(&self) -> bool {
        self.own_flags().intersects(NodeFlags::INACTIVE)
    }

    /// Whether packets about records of this generation are listened to.
    #[must_use]
    pub fn listens(&self, generation: Generation) -> bool {
        !self.own_flags().contains(NodeFlags::BANNED) && generation == self.generation()
    }

    /// The nodes that a destination stands for, in ascending order; empty when it names no node.
    #[must_use]
    pub fn expand(&self, dest: Pnn) -> Vec<Pnn> {
        let chosen = |excluded: NodeFlags| {
            self.members
                .iter()
                .filter(|m| !m.flags.intersects(excluded))
                .map(|m| m.pnn)
                .collect()
        };
        match dest {
            Pnn::BROADCAST_ALL => chosen(NodeFlags::DELETED),
            Pnn::BROADCAST_ACTIVE => chosen(NodeFlags::INACTIVE),
            Pnn::BROADCAST_CONNECTED => chosen(NodeFlags::DELETED | NodeFlags::DISCONNECTED),
            Pnn::CURRENT => vec![self.pnn],
            other => vec![other],
        }
    }

    /// The lmaster of a key with this hash; `None` while the vnn map is empty.
    #[must_use]
    pub fn lmaster(&self, hash: u32) -> Option<Pnn> {
        let size = u32::try_from(self.vnn_map.nodes.len())
            .ok()
            .filter(|&size| size > 0)?;
        self.vnn_map.nodes.get((hash % size) as usize).copied()
    }
}
