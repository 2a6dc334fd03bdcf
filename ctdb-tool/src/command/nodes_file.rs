// SPDX-License-Identifier: GPL-3.0-or-later
//! The nodes list: showing it, and making all nodes read it again.

use super::none;
use crate::failure::{Doing, Failure, Outcome};
use crate::nodes_file::read;
use crate::output::status::NodeAddresses;
use crate::progress::Progress;
use crate::session::{Console, Session, connected};
use crate::takeover::disable_recoveries;
use ctdb_protocol::control as ctl;
use ctdb_protocol::types::{NodeAndFlags, NodeFlags, NodeMap};

/// Steps of reloading, as shown.
const RELOAD_STAGES: u64 = 4;

/// `ctdb listnodes`.
pub fn listnodes(console: &mut Console, args: &[String]) -> Outcome {
    none(args)?;
    let map = read(console)?;
    let nodes = map
        .nodes
        .iter()
        .filter(|node| !is_deleted(node))
        .map(|node| (node.pnn.0, node.addr.to_string()))
        .collect();
    console.out.show(&NodeAddresses { nodes })?;
    Ok(0)
}

/// `ctdb reloadnodes`: if all connected nodes have the same list, and it changed in ways a running cluster
/// can follow, they all read it while recoveries are held off.
pub async fn reloadnodes(session: &mut Session, _args: &[String]) -> Outcome {
    let running = session.nodemap().await?;
    let listed = read(&session.console)?;
    let mut progress = Progress::new("reloading nodes", RELOAD_STAGES);
    progress.stage("comparing the lists of all nodes");
    agreed(session, &running, &listed).await?;
    progress.clear();
    if !changes(session, &running, &listed)? {
        session
            .console
            .out
            .warn("No change in nodes file, skipping unnecessary reload");
        return Ok(0);
    }
    let nodes = connected(&running);
    let quiet_s = u32::try_from(session.console.options.timelimit_s)
        .unwrap_or(0)
        .saturating_mul(2);
    progress.stage("asking for no recoveries meanwhile");
    disable_recoveries(session, &nodes, quiet_s)
        .await
        .doing(|| "Failed to disable recoveries".to_owned())?;
    progress.stage(&format!("{} nodes read the list", nodes.len()));
    let answers = session
        .client
        .control_all::<ctl::ReloadNodesFile>(&nodes, &(), Some(session.limit()))
        .await;
    let failed: Vec<_> = answers
        .iter()
        .filter(|(_, answer)| answer.is_err())
        .map(|(node, _)| node)
        .collect();
    progress.clear();
    for node in &failed {
        session
            .console
            .out
            .warn(&format!("Node {node} failed to reload nodes"));
    }
    if !failed.is_empty() {
        session
            .console
            .out
            .warn("You MUST fix failed nodes manually!");
    }
    progress.stage("letting recoveries go on");
    disable_recoveries(session, &nodes, 0)
        .await
        .doing(|| "Failed to enable recoveries".to_owned())?;
    Ok(0)
}

fn is_deleted(node: &NodeAndFlags) -> bool {
    node.flags.contains(NodeFlags::DELETED)
}

/// Every connected node must have the list that this one has.
async fn agreed(session: &Session, running: &NodeMap, listed: &NodeMap) -> Result<(), Failure> {
    for node in &running.nodes {
        if node.flags.contains(NodeFlags::DISCONNECTED) {
            continue;
        }
        let theirs = session
            .control::<ctl::GetNodesFile>(node.pnn, &())
            .await
            .doing(|| format!("ERROR: Failed to get nodes file from node {}", node.pnn))?;
        if !same(listed, &theirs) {
            let line = format!(
                "ERROR: Nodes file on node {} differs from current node ({})",
                node.pnn, session.pnn
            );
            return Err(Failure::say(1, line));
        }
    }
    Ok(())
}

/// Whether two nodes lists are the same, ports aside.
pub fn same(a: &NodeMap, b: &NodeMap) -> bool {
    a.nodes.len() == b.nodes.len()
        && a.nodes
            .iter()
            .zip(&b.nodes)
            .all(|(x, y)| x.pnn == y.pnn && x.flags == y.flags && x.addr.same_ip(&y.addr))
}

/// Tells what changes; fails if that is not allowed, else says whether anything does.
/// Answers to `check_node_file_changes`.
fn changes(session: &mut Session, running: &NodeMap, listed: &NodeMap) -> Result<bool, Failure> {
    let out = &mut session.console.out;
    let (mut any, mut refused) = (false, false);
    for (index, node) in running.nodes.iter().enumerate() {
        let pnn = node.pnn;
        let Some(wanted) = listed.nodes.get(index) else {
            out.warn(&format!(
                "Node {pnn} ({}) missing from nodes file",
                node.addr
            ));
            refused = true;
            continue;
        };
        let is_connected = !node.flags.contains(NodeFlags::DISCONNECTED);
        match (is_deleted(node), is_deleted(wanted)) {
            (true, true) => {}
            (false, false) if !node.addr.same_ip(&wanted.addr) => {
                out.warn(&format!(
                    "Node {pnn} has changed IP address (was {}, now {})",
                    node.addr, wanted.addr
                ));
                refused = true;
            }
            (false, false) if is_connected => {}
            (false, false) => {
                out.warn(&format!(
                    "WARNING: Node {pnn} is disconnected. You MUST fix this node manually!"
                ));
            }
            (false, true) => {
                out.line(&format!("Node {pnn} is DELETED"))?;
                any = true;
                if is_connected {
                    out.warn(&format!("ERROR: Node {pnn} is still connected"));
                    refused = true;
                }
            }
            (true, false) => {
                out.line(&format!("Node {pnn} is UNDELETED"))?;
                any = true;
            }
        }
    }
    if refused {
        return Err(Failure::say(
            1,
            "ERROR: Nodes will not be reloaded due to previous error",
        ));
    }
    for node in listed.nodes.iter().skip(running.nodes.len()) {
        out.line(&format!("Node {} is NEW", node.pnn))?;
        any = true;
    }
    Ok(any)
}
