//! The nodes list: reading it again, and what of it is told to others. (RELOAD_NODES_FILE, GET_NODEMAP, GET_NODES_FILE.)

use std::net::{IpAddr, Ipv4Addr};

use ctdb_config::nodes::NodeLine;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::{NodeAndFlags, NodeFlags, NodeMap, SockAddr};

use crate::effect::Effect;
use crate::shared::{Asker, Shared, Waiting};

/// What the nodes list is read for.
#[derive(Debug)]
pub enum Wanted {
    /// RELOAD_NODES_FILE: take it over.
    Reload(Asker),
    /// GET_NODES_FILE: tell what is in it.
    Tell(Asker),
}

/// Asks for the nodes list to be read.
pub fn read(cx: &mut Shared, wanted: Wanted) {
    let ticket = cx.expect(Waiting::Nodes(wanted));
    cx.out.push(Effect::ReadNodes { ticket });
}

/// GET_NODEMAP: this node's view of all nodes.
#[must_use]
pub fn node_map(cx: &Shared) -> NodeMap {
    let entry = |m: &super::member::Member| NodeAndFlags {
        pnn: m.pnn,
        flags: m.flags,
        addr: address(m.address),
    };
    NodeMap {
        nodes: cx.members.iter().map(entry).collect(),
    }
}

/// GET_NODES_FILE: what the list says now.
#[must_use]
pub fn file_map(lines: &[NodeLine]) -> NodeMap {
    let entry = |(line, number): (&NodeLine, u32)| NodeAndFlags {
        pnn: Pnn(number),
        flags: if line.deleted {
            NodeFlags::DELETED
        } else {
            NodeFlags::empty()
        },
        addr: address(line.address),
    };
    NodeMap {
        nodes: lines.iter().zip(0..).map(entry).collect(),
    }
}

/// The address with the port of the daemons, as upstream puts it into node maps.
fn address(ip: IpAddr) -> SockAddr {
    SockAddr::from(ip).with_port(ctdb_config::nodes::port())
}

/// Takes a changed list over. Returns nodes that are gone or have another address now.
pub fn reload(cx: &mut Shared, lines: &[NodeLine]) -> Vec<Pnn> {
    let before: Vec<(Pnn, IpAddr, bool)> = cx
        .members
        .iter()
        .map(|m| (m.pnn, m.address, m.connected()))
        .collect();
    cx.members.reload(lines);
    connect(cx);
    let changed = |&(pnn, address, _): &(Pnn, IpAddr, bool)| {
        cx.members.find(pnn).is_none_or(|m| m.address != address)
    };
    before
        .iter()
        .filter(|node| node.2 && changed(node))
        .map(|node| node.0)
        .collect()
}

/// Tells the transport which peers there are.
pub fn connect(cx: &mut Shared) {
    let own = cx.pnn;
    let peers = cx
        .members
        .iter()
        .filter(|m| m.pnn != own && !m.deleted())
        .map(|m| (m.pnn, m.address))
        .collect();
    cx.out.push(Effect::SetPeers { peers });
}

/// The address of a deleted node.
pub const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
