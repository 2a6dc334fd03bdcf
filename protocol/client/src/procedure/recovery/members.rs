//! Who takes part in a recovery.

use std::collections::BTreeMap;
use std::time::Duration;

use ctdb_protocol::control::{GetCapabilities, GetNodeMap, SetBanState};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{BanState, Capabilities, NodeFlags, NodeMap};

use super::{Recovery, RecoveryError};
use crate::procedure::ask::{Refused, ask, ask_each};
use crate::procedure::environment::Level;
use crate::{Client, ControlError};

/// The active nodes with what they can do.
#[derive(Debug)]
pub(super) struct Members {
    active: Vec<Pnn>,
    capabilities: BTreeMap<Pnn, Capabilities>,
}

impl Members {
    /// Asks every connected node whether it is active: what the own daemon believes may be old.
    pub(super) async fn find(
        client: &Client,
        own: Pnn,
        limit: Duration,
    ) -> Result<Self, RecoveryError> {
        let map = ask::<GetNodeMap>(client, Pnn::CURRENT, &(), limit).await?;
        let connected: Vec<Pnn> = map
            .nodes
            .iter()
            .filter(|node| {
                !node
                    .flags
                    .intersects(NodeFlags::DISCONNECTED | NodeFlags::DELETED)
            })
            .map(|node| node.pnn)
            .collect();
        let maps = ask_each::<GetNodeMap>(client, &connected, &(), limit).await?;
        let active: Vec<Pnn> = maps
            .iter()
            .filter(|(node, map)| says_active(*node, map))
            .map(|(node, _)| *node)
            .collect();
        if !active.contains(&own) {
            return Err(RecoveryError::Inactive(own));
        }
        let capabilities = ask_each::<GetCapabilities>(client, &active, &(), limit).await?;
        Ok(Self {
            active,
            capabilities: capabilities.into_iter().collect(),
        })
    }

    /// The active nodes, ascending.
    pub(super) fn active(&self) -> &[Pnn] {
        &self.active
    }

    /// The active nodes that have all of `wanted`, ascending.
    pub(super) fn with(&self, wanted: Capabilities) -> Vec<Pnn> {
        self.capabilities
            .iter()
            .filter(|(_, capabilities)| capabilities.contains(wanted))
            .map(|(node, _)| *node)
            .collect()
    }
}

/// Whether a node's own map calls the node itself active.
fn says_active(node: Pnn, map: &NodeMap) -> bool {
    map.nodes
        .iter()
        .any(|entry| entry.pnn == node && !entry.flags.is_inactive())
}

/// Bans a node unless it has become inactive by itself; tells whether it was banned.
/// `last` is what failed last.
pub(super) async fn banish(
    recovery: &Recovery<'_>,
    node: Pnn,
    last: &str,
) -> Result<bool, RecoveryError> {
    let (client, limit) = (recovery.client, recovery.limit());
    let refused = |control, error: ControlError| {
        RecoveryError::from(Refused {
            control,
            node,
            error,
        })
    };
    let map = ask::<GetNodeMap>(client, node, &(), limit)
        .await
        .map_err(|error| refused("GET_NODEMAP", error))?;
    if !says_active(node, &map) {
        return Ok(false);
    }
    let time_s = recovery.tunables.recovery_ban_period();
    recovery.note(
        Level::Notice,
        &format!("Banning node {node} for {time_s} seconds: it made recovery fail"),
    );
    let reason = format!("it made recoveries fail: {last}");
    client.send_message(node, Srvid::BAN_REASON, reason);
    ask::<SetBanState>(client, node, &BanState { pnn: node, time_s }, limit)
        .await
        .map_err(|error| refused("SET_BAN_STATE", error))?;
    Ok(true)
}
