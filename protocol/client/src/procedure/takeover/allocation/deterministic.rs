// SPDX-License-Identifier: GPL-3.0-or-later
//! Deterministic allocation: address number i of the list belongs to node i modulo the number of
//! nodes, or to the node that the file `home_nodes` names. Answers to
//! `server/ipalloc_deterministic.c`.

use std::net::IpAddr;

use super::coverage::Coverage;
use super::{Journal, Placement, Situation, note, unassign_unsuitable};

pub(super) fn allocate(situation: &Situation, plan: &mut [Placement], journal: &mut dyn Journal) {
    note!(
        journal,
        Notice,
        "Deterministic IPs enabled. Resetting all ip allocations"
    );
    for (i, placement) in plan.iter_mut().enumerate() {
        let home = home(situation, placement.addr, journal);
        placement.owner = Some(home.unwrap_or(i % situation.nodes));
    }
    if situation.no_ip_failback {
        note!(
            journal,
            Warning,
            "WARNING: 'NoIPFailback' set but ignored - incompatible with 'Deterministic IPs"
        );
    }
    unassign_unsuitable(plan, journal);
    Coverage::count(situation, plan).place_unassigned(situation, plan, journal);
}

/// The node that `home_nodes` names for an address; the first line about it decides.
fn home(situation: &Situation, addr: IpAddr, journal: &mut dyn Journal) -> Option<usize> {
    let line = situation.home_nodes.iter().find(|line| line.addr == addr)?;
    let node = usize::try_from(line.pnn)
        .ok()
        .filter(|node| *node < situation.nodes);
    if node.is_none() {
        note!(journal, Warning, "pnn {} too large", line.pnn);
    }
    node
}
