//! Counters that clients of all nodes increment under migration: nothing is counted twice, and
//! nothing is lost unless a node took it to its grave.

use std::collections::BTreeMap;

use ctdb_protocol::types::LtdbHeader;

use crate::workload::increments::{Counts, DATABASE};
use crate::world::World;

/// Compares the newest copies with what the clients did.
#[must_use]
pub fn check_quiet(world: &World, counts: &Counts, exact: bool) -> Vec<String> {
    let mut newest: BTreeMap<Vec<u8>, (u64, u64)> = BTreeMap::new();
    for daemon in world.running() {
        let Some(file) = daemon.file(DATABASE) else {
            continue;
        };
        for (key, value) in file.borrow().committed() {
            let Ok((header, data)) = LtdbHeader::split(value) else {
                continue;
            };
            if header.dmaster != daemon.pnn {
                continue;
            }
            let number = data.try_into().map(u64::from_le_bytes).unwrap_or(0);
            let best = newest.entry(key.clone()).or_insert((header.rsn, number));
            if header.rsn > best.0 {
                *best = (header.rsn, number);
            }
        }
    }
    let mut violations = Vec::new();
    for (key, done) in counts {
        let there = newest.get(key).map_or(0, |(_, number)| *number);
        if there > *done || (exact && there != *done) {
            let key = key.escape_ascii();
            violations.push(format!("counter {key} is {there} after {done} increments"));
        }
    }
    violations
}
