// SPDX-License-Identifier: GPL-3.0-or-later
//! Nodes, as `status` and `nodestatus` show them.

use super::{Report, Rows, bit};
use ctdb_protocol::types::NodeFlags;
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// The flag the tool itself sets on remote nodes while the local daemon is still starting.
pub const UNKNOWN: NodeFlags = NodeFlags::from_bits_retain(0x40);

/// Name of each flag, in the order of the text form. `INACTIVE` is shown when any of its parts is set.
const NAMES: [(NodeFlags, &str); 8] = [
    (NodeFlags::DISCONNECTED, "DISCONNECTED"),
    (UNKNOWN, "UNKNOWN"),
    (NodeFlags::PERMANENTLY_DISABLED, "DISABLED"),
    (NodeFlags::BANNED, "BANNED"),
    (NodeFlags::UNHEALTHY, "UNHEALTHY"),
    (NodeFlags::DELETED, "DELETED"),
    (NodeFlags::STOPPED, "STOPPED"),
    (NodeFlags::INACTIVE, "INACTIVE"),
];

/// `OK`, or the names of the flags with `|` between them.
pub fn flag_names(flags: NodeFlags) -> String {
    let names: Vec<&str> = NAMES
        .iter()
        .filter(|(bits, _)| flags.intersects(*bits))
        .map(|(_, name)| *name)
        .collect();
    if names.is_empty() {
        "OK".to_owned()
    } else {
        names.join("|")
    }
}

/// One node.
#[derive(Debug, Clone)]
pub struct NodeLine {
    /// Its number.
    pub pnn: u32,
    /// Its address, without port.
    pub address: String,
    /// Its state.
    pub flags: NodeFlags,
    /// Healthy, but an interface for public addresses is down.
    pub partially_online: bool,
    /// Whether it is the node that was asked.
    pub this_node: bool,
}

impl NodeLine {
    /// `OK`, `PARTIALLYONLINE` or its flags.
    pub fn state(&self) -> String {
        if self.partially_online {
            "PARTIALLYONLINE".to_owned()
        } else {
            flag_names(self.flags)
        }
    }

    fn deleted(&self) -> bool {
        self.flags.contains(NodeFlags::DELETED)
    }

    fn row(&self) -> Vec<String> {
        let mut row = vec![self.pnn.to_string(), self.address.clone()];
        for flag in [
            NodeFlags::DISCONNECTED,
            UNKNOWN,
            NodeFlags::BANNED,
            NodeFlags::PERMANENTLY_DISABLED,
            NodeFlags::UNHEALTHY,
            NodeFlags::STOPPED,
            NodeFlags::INACTIVE,
        ] {
            row.push(bit(self.flags.intersects(flag)));
        }
        row.push(bit(self.partially_online));
        row.push(if self.this_node { "Y" } else { "N" }.to_owned());
        row
    }

    fn json(&self) -> Value {
        let flags: Map<String, Value> = NAMES
            .iter()
            .map(|(bits, name)| {
                (
                    name.to_ascii_lowercase(),
                    json!(self.flags.intersects(*bits)),
                )
            })
            .collect();
        json!({
            "pnn": self.pnn,
            "address": self.address,
            "partially_online": self.partially_online,
            "flags_raw": self.flags.bits(),
            "flags_ok": self.flags.is_empty(),
            "flags": flags,
            "this_node": self.this_node,
        })
    }
}

/// What `nodestatus` shows, and the first part of `status`.
#[derive(Debug, Clone)]
pub struct NodeList {
    /// All nodes of the node map, or the chosen ones.
    pub nodes: Vec<NodeLine>,
    /// Whether to print the number of nodes first.
    pub headline: bool,
}

impl NodeList {
    /// The exit status of `nodestatus`: the flags of all nodes together.
    pub fn combined_flags(&self) -> NodeFlags {
        self.nodes
            .iter()
            .filter(|n| !n.deleted())
            .fold(NodeFlags::empty(), |all, n| all | n.flags)
    }

    fn deleted(&self) -> usize {
        self.nodes.iter().filter(|n| n.deleted()).count()
    }
}

impl Report for NodeList {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        if self.headline {
            let (all, deleted) = (self.nodes.len(), self.deleted());
            match deleted {
                0 => writeln!(out, "Number of nodes:{all}")?,
                _ => writeln!(
                    out,
                    "Number of nodes:{all} (including {deleted} deleted nodes)"
                )?,
            }
        }
        for node in self.nodes.iter().filter(|n| !n.deleted()) {
            let this = if node.this_node { " (THIS NODE)" } else { "" };
            writeln!(
                out,
                "pnn:{} {:<16} {}{this}",
                node.pnn,
                node.address,
                node.state()
            )?;
        }
        Ok(())
    }

    fn rows(&self, _verbose: bool) -> Option<Rows> {
        let mut rows = Rows::new(&[
            "Node",
            "IP",
            "Disconnected",
            "Unknown",
            "Banned",
            "Disabled",
            "Unhealthy",
            "Stopped",
            "Inactive",
            "PartiallyOnline",
            "ThisNode",
        ]);
        rows.lines = self
            .nodes
            .iter()
            .filter(|n| !n.deleted())
            .map(NodeLine::row)
            .collect();
        Some(rows)
    }

    fn json(&self) -> Value {
        let nodes: Map<String, Value> = self
            .nodes
            .iter()
            .filter(|n| !n.deleted())
            .map(|node| (node.pnn.to_string(), node.json()))
            .collect();
        json!({
            "node_count": self.nodes.len(),
            "deleted_node_count": self.deleted(),
            "nodes": nodes,
        })
    }
}

/// What `status` shows.
#[derive(Debug)]
pub struct ClusterStatus {
    /// The nodes.
    pub nodes: NodeList,
    /// Left out of the `-X` form, which is finished without asking for these.
    pub cluster: Option<ClusterState>,
    /// With `-v`: a line for each node that is not OK, saying why.
    pub reasons: Vec<String>,
}

/// What the nodes agreed on.
#[derive(Debug)]
pub struct ClusterState {
    /// `None` while invalid.
    pub generation: Option<u32>,
    /// The nodes that hold location masters, by hash.
    pub lmasters: Vec<u32>,
    /// 0 normal, 1 recovery.
    pub recovery_mode: i32,
    /// The leader, if one is known.
    pub leader: Option<u32>,
}

impl Report for ClusterStatus {
    fn text(&self, out: &mut dyn Write, verbose: bool) -> io::Result<()> {
        self.nodes.text(out, verbose)?;
        if let Some(state) = &self.cluster {
            match state.generation {
                Some(generation) => writeln!(out, "Generation:{generation}")?,
                None => writeln!(out, "Generation:INVALID")?,
            }
            writeln!(out, "Size:{}", state.lmasters.len())?;
            for (hash, lmaster) in state.lmasters.iter().enumerate() {
                // upstream prints it signed
                writeln!(out, "hash:{hash} lmaster:{}", *lmaster as i32)?;
            }
            writeln!(
                out,
                "Recovery mode:{} ({})",
                recovery_name(state.recovery_mode),
                state.recovery_mode
            )?;
            writeln!(out, "Leader:{}", pnn_name(state.leader))?;
        }
        for reason in &self.reasons {
            writeln!(out, "{reason}")?;
        }
        Ok(())
    }

    fn rows(&self, verbose: bool) -> Option<Rows> {
        self.nodes.rows(verbose)
    }

    fn json(&self) -> Value {
        let mut top = json!({ "node_status": self.nodes.json() });
        if let Some(state) = &self.cluster {
            let map: Vec<Value> = state
                .lmasters
                .iter()
                .enumerate()
                .map(|(hash, lmaster)| json!({ "hash": hash, "lmaster": lmaster }))
                .collect();
            top["vnn_status"] = json!({
                "generation": state.generation,
                "size": state.lmasters.len(),
                "vnn_map": map,
            });
            top["recovery_mode"] = json!(recovery_name(state.recovery_mode));
            top["recovery_mode_raw"] = json!(state.recovery_mode);
            top["leader"] = json!(state.leader);
        }
        if !self.reasons.is_empty() {
            top["reasons"] = json!(self.reasons);
        }
        top
    }
}

fn recovery_name(mode: i32) -> &'static str {
    if mode == 0 { "NORMAL" } else { "RECOVERY" }
}

/// A node's number, or `UNKNOWN`.
pub fn pnn_name(pnn: Option<u32>) -> String {
    pnn.map_or_else(|| "UNKNOWN".to_owned(), |pnn| pnn.to_string())
}

/// The addresses of the nodes file.
pub struct NodeAddresses {
    /// Number and address of each node that is not deleted.
    pub nodes: Vec<(u32, String)>,
}

impl Report for NodeAddresses {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        self.nodes
            .iter()
            .try_for_each(|(_, address)| writeln!(out, "{address}"))
    }

    fn rows(&self, _verbose: bool) -> Option<Rows> {
        let lines = self
            .nodes
            .iter()
            .map(|(pnn, address)| vec![pnn.to_string(), address.clone()])
            .collect();
        Some(Rows {
            lines,
            ..Rows::default()
        })
    }

    fn json(&self) -> Value {
        let nodes: Vec<Value> = self
            .nodes
            .iter()
            .map(|(pnn, address)| json!({ "pnn": pnn, "address": address }))
            .collect();
        json!({ "nodes": nodes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> NodeList {
        let line = |pnn, flags| NodeLine {
            pnn,
            address: format!("192.168.20.4{pnn}"),
            flags,
            partially_online: false,
            this_node: pnn == 0,
        };
        NodeList {
            nodes: vec![
                line(0, NodeFlags::empty()),
                line(1, NodeFlags::BANNED | NodeFlags::UNHEALTHY),
                line(2, NodeFlags::DELETED),
            ],
            headline: true,
        }
    }

    #[test]
    fn text_is_upstreams() {
        let mut out = Vec::new();
        list().text(&mut out, false).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "Number of nodes:3 (including 1 deleted nodes)\n\
             pnn:0 192.168.20.40    OK (THIS NODE)\n\
             pnn:1 192.168.20.41    BANNED|UNHEALTHY|INACTIVE\n"
        );
    }

    #[test]
    fn exit_status_is_all_flags_of_live_nodes() {
        assert_eq!(list().combined_flags().bits(), 0x0a);
    }

    #[test]
    fn json_has_the_shape_of_4_25() {
        let value = list().json();
        assert_eq!(value["node_count"], 3);
        assert_eq!(value["nodes"]["1"]["flags"]["inactive"], true);
        assert_eq!(value["nodes"]["1"]["flags_raw"], 10);
        assert!(value["nodes"].get("2").is_none());
    }
}
