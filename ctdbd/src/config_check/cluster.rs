// SPDX-License-Identifier: GPL-3.0-or-later
//! What nodes have to agree on, asked of the running daemons.

use std::collections::BTreeMap;

use ctdb_client::Client;
use ctdb_config::Paths;
use ctdb_config::tunables::{TABLE, Tunables};
use ctdb_protocol::Pnn;
use ctdb_protocol::control::{
    GetAllTunables, GetNodeMap, GetNodesFile, GetPublicIps, GetReclockFile,
};
use ctdb_protocol::types::NodeFlags;

use super::{Findings, Weight};

/// What one node has.
#[derive(Debug, Default)]
struct Settings {
    nodes: String,
    cluster_lock: String,
    tunables: Tunables,
    public_addresses: Vec<String>,
}

/// Compares all connected nodes, and this one with its own file of tunables. Says why not if that was
/// not possible.
pub(super) fn compare(paths: &Paths, file: &Tunables, found: &mut Findings) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let asked = match runtime {
        Ok(runtime) => {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, ask(paths))
        }
        Err(e) => Err(e.to_string()),
    };
    let (own, nodes) = match asked {
        Ok(asked) => asked,
        Err(reason) => return Some(reason),
    };
    differences(own, &nodes, found);
    if let Some(running) = nodes.get(&own) {
        unsaved(own, &running.tunables, file, found);
    }
    None
}

async fn ask(paths: &Paths) -> Result<(Pnn, BTreeMap<Pnn, Settings>), String> {
    let socket = paths.socket("ctdbd");
    let client = Client::connect(&socket)
        .await
        .map_err(|_| format!("no daemon serves {}", socket.display()))?;
    let own = client.pnn().await.map_err(|e| e.to_string())?;
    let map = client
        .request::<GetNodeMap>(own, &())
        .send()
        .await
        .map_err(|e| e.to_string())?;
    let mut nodes = BTreeMap::new();
    let gone = NodeFlags::DISCONNECTED | NodeFlags::DELETED;
    for node in map.nodes.iter().filter(|n| !n.flags.intersects(gone)) {
        let settings = of_node(&client, node.pnn)
            .await
            .map_err(|e| format!("node {}: {e}", node.pnn))?;
        nodes.insert(node.pnn, settings);
    }
    Ok((own, nodes))
}

async fn of_node(client: &Client, pnn: Pnn) -> Result<Settings, ctdb_client::ControlError> {
    let nodes = client.request::<GetNodesFile>(pnn, &()).send().await?;
    let lock = client.request::<GetReclockFile>(pnn, &()).send().await?;
    let tunables = client.request::<GetAllTunables>(pnn, &()).send().await?;
    let public = client.request::<GetPublicIps>(pnn, &()).send().await?;
    let shown = nodes.nodes.iter().map(|node| {
        if node.flags.contains(NodeFlags::DELETED) {
            "deleted".to_owned()
        } else {
            node.addr.to_string()
        }
    });
    let mut public_addresses: Vec<String> =
        public.ips.iter().map(|ip| ip.addr.to_string()).collect();
    public_addresses.sort();
    Ok(Settings {
        nodes: shown.collect::<Vec<_>>().join(" "),
        cluster_lock: lock.to_str_lossy().into_owned(),
        tunables: Tunables::from_list(tunables.0),
        public_addresses,
    })
}

fn differences(own: Pnn, nodes: &BTreeMap<Pnn, Settings>, found: &mut Findings) {
    let Some(ours) = nodes.get(&own) else { return };
    for (pnn, theirs) in nodes.iter().filter(|(pnn, _)| **pnn != own) {
        let mut differs = |weight, what: &str, theirs: &str, ours: &str| {
            let text = format!("node {pnn} has {what} \"{theirs}\", node {own} \"{ours}\"");
            found.of_cluster(weight, text);
        };
        if theirs.nodes != ours.nodes {
            differs(Weight::Error, "the nodes list", &theirs.nodes, &ours.nodes);
        }
        if theirs.cluster_lock != ours.cluster_lock {
            let (a, b) = (&theirs.cluster_lock, &ours.cluster_lock);
            differs(Weight::Error, "the cluster lock", a, b);
        }
        if theirs.public_addresses != ours.public_addresses {
            let (a, b) = (
                theirs.public_addresses.join(" "),
                ours.public_addresses.join(" "),
            );
            differs(Weight::Warning, "the public addresses", &a, &b);
        }
        for row in TABLE.iter().filter(|row| !row.obsolete) {
            let of = |t: &Tunables| t.get(row.name).unwrap_or(row.default).to_string();
            let (a, b) = (of(&theirs.tunables), of(&ours.tunables));
            if a != b {
                differs(Weight::Warning, &format!("{} =", row.name), &a, &b);
            }
        }
    }
}

/// What was set with `ctdb setvar` is gone after a restart.
fn unsaved(own: Pnn, running: &Tunables, file: &Tunables, found: &mut Findings) {
    for row in TABLE.iter().filter(|row| !row.obsolete) {
        let (now, later) = (running.get(row.name), file.get(row.name));
        if let (Some(now), Some(later)) = (now, later)
            && now != later
        {
            let text = format!(
                "{} is {now} on node {own} now, and will be {later} after a restart",
                row.name
            );
            found.of_cluster(Weight::Warning, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_differ_are_named() {
        let mut nodes =
            BTreeMap::from([(Pnn(0), Settings::default()), (Pnn(1), Settings::default())]);
        let mut found = Findings::default();
        differences(Pnn(0), &nodes, &mut found);
        assert_eq!(found.0, []);

        let other = nodes.get_mut(&Pnn(1)).unwrap();
        other.cluster_lock = "/lock".to_owned();
        other.tunables.set("MonitorInterval", 3);
        differences(Pnn(0), &nodes, &mut found);
        let shown: Vec<String> = found.0.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "error: node 1 has the cluster lock \"/lock\", node 0 \"\"",
                "warning: node 1 has MonitorInterval = \"3\", node 0 \"15\"",
            ]
        );
        let mut found = Findings::default();
        unsaved(
            Pnn(1),
            &nodes[&Pnn(1)].tunables,
            &Tunables::default(),
            &mut found,
        );
        assert_eq!(found.0.len(), 1);
    }
}
