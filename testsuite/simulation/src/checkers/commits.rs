//! A persistent transaction that was acknowledged is there, whole, on every node; and nothing is
//! there that nobody wrote.

use ctdb_protocol::types::LtdbHeader;

use crate::workload::transactions::{Ledger, PARTS};
use crate::world::World;

/// Compares all nodes' files with what the writer was told.
#[must_use]
pub fn check_quiet(world: &World, ledger: &Ledger) -> Vec<String> {
    let mut violations = Vec::new();
    for daemon in world.running() {
        let Some(file) = daemon.file(&ledger.database) else {
            continue;
        };
        let file = file.borrow();
        let values: Vec<u64> = PARTS
            .iter()
            .map(|part| {
                file.committed()
                    .get(part.as_bytes())
                    .and_then(|value| number(value))
                    .unwrap_or(0)
            })
            .collect();
        let (node, name) = (daemon.pnn, &ledger.database);
        if values.iter().any(|value| *value != values[0]) {
            violations.push(format!(
                "{name} on node {node}: half a transaction: {values:?}"
            ));
        }
        if values[0] < ledger.acknowledged {
            let promised = ledger.acknowledged;
            violations.push(format!(
                "{name} on node {node}: {} is there, {promised} was promised",
                values[0]
            ));
        }
        if values[0] > ledger.attempted {
            let tried = ledger.attempted;
            violations.push(format!(
                "{name} on node {node}: {} is there, only {tried} was tried",
                values[0]
            ));
        }
    }
    violations
}

fn number(value: &[u8]) -> Option<u64> {
    let (_, data) = LtdbHeader::split(value).ok()?;
    Some(u64::from_le_bytes(data.try_into().ok()?))
}
