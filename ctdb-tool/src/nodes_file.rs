// SPDX-License-Identifier: GPL-3.0-or-later
//! The nodes list as this machine has it.

use crate::failure::Failure;
use crate::session::Console;
use ctdb_config::Nodes;
use ctdb_config::nodes::NodesError;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::{NodeAndFlags, NodeFlags, NodeMap, SockAddr};
use std::net::UdpSocket;

/// Reads the nodes list into a node map: all flags clear but `DELETED`.
pub fn read(console: &Console) -> Result<NodeMap, Failure> {
    let location = console.config.nodes_list(&console.paths);
    let nodes = Nodes::read(&location).map_err(|error| {
        let unread = format!("Failed to read nodes from \"{location}\"");
        match error {
            NodesError::Address(_) | NodesError::Duplicate { .. } | NodesError::Command { .. } => {
                Failure::say(1, error.to_string()).and(unread)
            }
            NodesError::File { .. } | NodesError::NoOutput(_) => Failure::say(1, unread),
        }
    })?;
    let port = ctdb_config::nodes::port();
    let nodes = nodes
        .0
        .iter()
        .zip(0..)
        .map(|(line, pnn)| NodeAndFlags {
            pnn: Pnn(pnn),
            flags: if line.deleted {
                NodeFlags::DELETED
            } else {
                NodeFlags::empty()
            },
            addr: SockAddr::from(line.address).with_port(port),
        })
        .collect();
    Ok(NodeMap { nodes })
}

/// After a failed connection: why this machine may be no node at all. No line if it is one.
/// Answers to `find_node_xpnn`.
pub fn missing_here(console: &Console) -> Vec<String> {
    const DOUBT: &str = "Is this node part of CTDB cluster?";
    match read(console) {
        Err(Failure::Stop { mut lines, .. }) => {
            lines.push(DOUBT.to_owned());
            lines
        }
        Err(Failure::Usage) => vec![DOUBT.to_owned()],
        Ok(map) if map.nodes.iter().any(is_here) => Vec::new(),
        Ok(_) => vec![
            "Failed to detect PNN of the current node.".to_owned(),
            DOUBT.to_owned(),
        ],
    }
}

/// Whether the node's address is one of this machine's.
fn is_here(node: &NodeAndFlags) -> bool {
    !node.flags.contains(NodeFlags::DELETED)
        && node
            .addr
            .ip()
            .is_some_and(|ip| UdpSocket::bind((ip, 0)).is_ok())
}
