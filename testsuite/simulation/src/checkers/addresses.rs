//! In a quiet cluster every public address is on exactly one node.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ctdb_protocol::Pnn;

use crate::world::World;

/// Looks at the interfaces of all machines whose daemon runs.
#[must_use]
pub fn check_quiet(world: &World) -> Vec<String> {
    let mut hosts: BTreeMap<IpAddr, Vec<Pnn>> = BTreeMap::new();
    for line in world.public_addresses() {
        hosts.insert(line.address, Vec::new());
    }
    for life in world.running() {
        for address in life.addresses.borrow().iter() {
            hosts.entry(*address).or_default().push(life.pnn);
        }
    }
    hosts
        .into_iter()
        .filter(|(_, nodes)| nodes.len() != 1)
        .map(|(address, nodes)| format!("address {address} is on nodes {nodes:?}"))
        .collect()
}
