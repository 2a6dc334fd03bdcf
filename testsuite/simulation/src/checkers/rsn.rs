//! The sequence number of a node's own copy of a record never falls within one generation, unless
//! the record was deleted in between.

use std::collections::BTreeMap;

use ctdb_protocol::types::LtdbHeader;
use ctdb_protocol::{Generation, Pnn};

use super::dmaster::settled;
use crate::world::World;

/// Life of a daemon, database, key.
type Copy = (Pnn, u64, String, Vec<u8>);

/// Sequence numbers seen before.
#[derive(Debug, Default)]
pub struct Growth {
    seen: BTreeMap<Copy, (Generation, u64)>,
}

impl Growth {
    /// Compares with what was seen a second ago.
    pub(super) fn check(&mut self, world: &World) -> Vec<String> {
        let mut violations = Vec::new();
        let mut seen = BTreeMap::new();
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
                    let copy = (daemon.pnn, daemon.number, file.name.clone(), key.clone());
                    let before = self.seen.get(&copy).filter(|(old, _)| *old == generation);
                    if let Some((_, rsn)) = before
                        && *rsn > header.rsn
                    {
                        violations.push(format!(
                            "node {}: rsn of {} in {} fell from {rsn} to {}",
                            daemon.pnn,
                            key.escape_ascii(),
                            file.name,
                            header.rsn
                        ));
                    }
                    seen.insert(copy, (generation, header.rsn));
                }
            }
        }
        self.seen = seen;
        violations
    }
}
