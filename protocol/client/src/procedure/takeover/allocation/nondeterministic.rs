// SPDX-License-Identifier: GPL-3.0-or-later
//! Non-deterministic allocation: as few moves as equal numbers per node need. Answers to
//! `server/ipalloc_nondeterministic.c`.

use super::coverage::Coverage;
use super::{Journal, Placement, Situation, note, unassign_unsuitable};

pub(super) fn allocate(situation: &Situation, plan: &mut [Placement], journal: &mut dyn Journal) {
    unassign_unsuitable(plan, journal);
    let mut coverage = Coverage::count(situation, plan);
    coverage.place_unassigned(situation, plan, journal);
    if situation.no_ip_failback {
        return;
    }
    // A move may achieve nothing (the address falls back to where it was), so the number of
    // attempts is bounded, by upstream's figure.
    for _ in 0..plan.len() + 5 {
        let Some(crowded) = find_crowded(situation, plan, &coverage, journal) else {
            return;
        };
        let moved = plan
            .iter_mut()
            .find(|placement| placement.owner == Some(crowded));
        let Some(placement) = moved else { return };
        coverage.place(situation, placement, journal);
    }
}

/// The busiest node among those that could serve some address, if one of its equals for that
/// address has at least two addresses less.
fn find_crowded(
    situation: &Situation,
    plan: &[Placement],
    coverage: &Coverage,
    journal: &mut dyn Journal,
) -> Option<usize> {
    for placement in plan.iter().filter(|placement| placement.owner.is_some()) {
        let mut range: Option<(usize, usize)> = None;
        for node in (0..situation.nodes).filter(|node| situation.can_take(placement, *node)) {
            let (busiest, idlest) = range.get_or_insert((node, node));
            if coverage.of(node) > coverage.of(*busiest) {
                *busiest = node;
            }
            if coverage.of(node) < coverage.of(*idlest) {
                *idlest = node;
            }
        }
        match range {
            None => note!(
                journal,
                Warning,
                "Could not find maxnode. May not be able to serve ip '{}'",
                placement.addr
            ),
            Some((busiest, idlest)) if coverage.of(busiest) > coverage.of(idlest) + 1 => {
                return Some(busiest);
            }
            Some(_) => {}
        }
    }
    None
}
