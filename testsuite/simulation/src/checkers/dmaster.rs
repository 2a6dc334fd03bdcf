//! Within one generation at most one node regards itself as data master of a record.

use std::collections::BTreeMap;

use ctdb_core::Node;
use ctdb_core::store::Kind;
use ctdb_protocol::types::LtdbHeader;
use ctdb_protocol::{Generation, Pnn};

use crate::world::World;

/// Looks at all volatile records of all nodes that are not in recovery.
pub(super) fn check(world: &World) -> Vec<String> {
    let mut masters: BTreeMap<(Generation, String, Vec<u8>), Pnn> = BTreeMap::new();
    let mut violations = Vec::new();
    for daemon in world.running() {
        let node = daemon.node.borrow();
        let disk = world.disks[daemon.pnn.0 as usize].borrow();
        for file in disk.files() {
            let file = file.borrow();
            let Some(generation) = settled(&node, &file.name) else {
                continue;
            };
            for (key, value) in file.committed() {
                let Ok((header, _)) = LtdbHeader::split(value) else {
                    continue;
                };
                if header.dmaster != daemon.pnn {
                    continue;
                }
                let record = (generation, file.name.clone(), key.clone());
                if let Some(other) = masters.insert(record, daemon.pnn) {
                    violations.push(format!(
                        "both node {other} and node {} are data master of {} in {}",
                        daemon.pnn,
                        key.escape_ascii(),
                        file.name
                    ));
                }
            }
        }
    }
    violations
}

/// The generation of a volatile database of a node, when no recovery touches it.
pub(super) fn settled(node: &Node, name: &str) -> Option<Generation> {
    let view = node.view();
    if view.recovering() || view.inactive() {
        return None;
    }
    let db = node.databases().find(|db| db.name() == name)?;
    let usable = db.kind() == Kind::Volatile && !db.is_frozen() && !db.has_invalid_records();
    (usable && db.generation() == view.generation()).then_some(db.generation())
}
