//! The nodes of the nodes list and what this node knows about each of them.

use std::net::IpAddr;

use ctdb_config::nodes::NodeLine;
use ctdb_protocol::id::{Generation, Pnn};
use ctdb_protocol::types::NodeFlags;

/// One line of the nodes list.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its number: the index of its line.
    pub pnn: Pnn,
    /// Its address; unspecified for a deleted node.
    pub address: IpAddr,
    /// Its flags as this node sees them.
    pub flags: NodeFlags,
    /// Packets heard since the last keepalive tick.
    pub heard: u32,
    /// When the last packet was heard, on the monotonic clock.
    pub last_heard_us: u64,
    /// Keepalive ticks in a row without a packet.
    pub silent_ticks: u32,
    /// Keepalive ticks since it connected without a keepalive of its own.
    pub unheard_ticks: u32,
    /// Both one-way connections are up.
    pub link_up: bool,
    /// Version word of its last keepalive: major << 16 | minor.
    pub version: Option<u32>,
    /// This node's generation when the connection broke last.
    pub lost_in: Option<Generation>,
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
            heard: 0,
            last_heard_us: 0,
            silent_ticks: 0,
            unheard_ticks: 0,
            link_up: false,
            version: None,
            lost_in: None,
        }
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

/// All members, by number.
#[derive(Debug, Clone, Default)]
pub struct Members {
    list: Vec<Member>,
}

impl Members {
    /// The members that a nodes list names.
    #[must_use]
    pub fn new(lines: &[NodeLine]) -> Self {
        let mut members = Self::default();
        members.reload(lines);
        members
    }

    /// Takes over a changed nodes list: entries with the same number and address keep their state.
    pub fn reload(&mut self, lines: &[NodeLine]) {
        let old = std::mem::take(&mut self.list);
        for (index, line) in lines.iter().enumerate() {
            let pnn = Pnn(u32::try_from(index).unwrap_or(u32::MAX));
            let kept = old
                .get(index)
                .filter(|m| m.address == line.address && m.deleted() == line.deleted);
            self.list
                .push(kept.cloned().unwrap_or_else(|| Member::new(pnn, line)));
        }
    }

    /// The member with this number.
    #[must_use]
    pub fn find(&self, pnn: Pnn) -> Option<&Member> {
        self.list.get(pnn.0 as usize)
    }

    /// The member with this number, to be changed.
    pub fn find_mut(&mut self, pnn: Pnn) -> Option<&mut Member> {
        self.list.get_mut(pnn.0 as usize)
    }

    /// All of them, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.list.iter()
    }

    /// All of them, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.list.iter_mut()
    }

    /// Number of lines, deleted ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
