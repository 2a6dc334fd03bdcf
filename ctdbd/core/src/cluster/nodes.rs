//! The nodes list: reading it again, and what of it is told to others. (RELOAD_NODES_FILE, GET_NODEMAP, GET_NODES_FILE.)

use std::net::IpAddr;

use bytes::Bytes;
use ctdb_config::nodes::NodeLine;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{NodeAndFlags, NodeFlags, NodeMap, SockAddr};

use super::{Awaited, Cluster};
use crate::context::Context;
use crate::control::Asker;
use crate::effect::Effect;
use crate::{proxy, transport};

/// What the nodes list is read for.
#[derive(Debug)]
pub enum Wanted {
    /// RELOAD_NODES_FILE: take it over.
    Reload(Asker),
    /// GET_NODES_FILE: tell what is in it.
    Tell(Asker),
}

/// Asks for the nodes list to be read.
pub(super) fn read(cx: &mut Context, wanted: Wanted) {
    let ticket = cx.expect(Awaited::Nodes(wanted));
    cx.effect(Effect::ReadNodes { ticket });
}

/// GET_NODEMAP: this node's view of all nodes.
#[must_use]
pub(super) fn node_map(cx: &Context) -> NodeMap {
    let entry = |m: &super::view::Member| NodeAndFlags {
        pnn: m.pnn(),
        flags: m.flags(),
        addr: address(m.address()),
    };
    NodeMap {
        nodes: cx.members().map(entry).collect(),
    }
}

/// GET_NODES_FILE: what the list says now.
fn file_map(lines: &[NodeLine]) -> NodeMap {
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

/// Takes a changed list over. Returns the nodes whose line is another one now.
fn reload(cx: &mut Context, lines: &[NodeLine]) -> Vec<Pnn> {
    let before: Vec<(Pnn, IpAddr, bool)> = cx
        .members()
        .map(|m| (m.pnn(), m.address(), m.deleted()))
        .collect();
    cx.view_mut().reload(lines);
    connect(cx);
    let changed = |&(pnn, address, deleted): &(Pnn, IpAddr, bool)| {
        cx.member(pnn)
            .is_none_or(|m| m.address() != address || m.deleted() != deleted)
    };
    before
        .iter()
        .filter(|node| changed(node))
        .map(|node| node.0)
        .collect()
}

impl Cluster {
    /// The nodes list was read.
    pub(crate) fn nodes_read(
        cx: &mut Context,
        awaited: Awaited,
        lines: Result<Vec<NodeLine>, String>,
    ) {
        let Awaited::Nodes(wanted) = awaited else {
            return;
        };
        match (wanted, lines) {
            (Wanted::Tell(asker), Ok(lines)) => cx.reply_with(asker, &file_map(&lines)),
            (Wanted::Tell(asker), Err(error)) => {
                cx.error(format!("Failed to read nodes list: {error}"));
                cx.reply_status(asker, -1);
            }
            (Wanted::Reload(asker), Ok(lines)) => {
                let changed = reload(cx, &lines);
                cx.reply_status(asker, 0);
                cx.message(Pnn::CURRENT, Srvid::RELOAD_NODES, Bytes::new());
                cx.post(transport::Letter::NodesChanged(changed.clone()));
                for node in changed {
                    cx.post(proxy::Letter::NodeGone(node));
                }
            }
            (Wanted::Reload(asker), Err(error)) => {
                // Upstream ends the daemon here; nothing is lost by keeping the list that works.
                cx.error(format!(
                    "Failed to reload nodes list, the old one stays: {error}"
                ));
                cx.reply_status(asker, -1);
            }
        }
    }
}

/// Tells the transport which peers there are.
pub(super) fn connect(cx: &mut Context) {
    let own = cx.pnn();
    let peers = cx
        .members()
        .filter(|m| m.pnn() != own && !m.deleted())
        .map(|m| (m.pnn(), m.address()))
        .collect();
    cx.effect(Effect::SetPeers { peers });
}
