// SPDX-License-Identifier: GPL-3.0-or-later
//! Spreading addresses by their number per node: the part that the deterministic and the
//! non-deterministic algorithm share (upstream's `server/ipalloc_common.c`).

use super::{Journal, Placement, Situation, note};

/// How many addresses each node owns.
#[derive(Debug)]
pub(super) struct Coverage(Vec<usize>);

impl Coverage {
    pub(super) fn count(situation: &Situation, plan: &[Placement]) -> Self {
        let mut counts = vec![0; situation.nodes];
        for owner in plan.iter().filter_map(|placement| placement.owner) {
            counts[owner] += 1;
        }
        Self(counts)
    }

    pub(super) fn of(&self, node: usize) -> usize {
        self.0[node]
    }

    /// Give the address to the least loaded node that may have it, the lowest number of equals.
    /// Its present owner counts with it. False, and nothing changed, when there is no such node.
    pub(super) fn place(
        &mut self,
        situation: &Situation,
        placement: &mut Placement,
        journal: &mut dyn Journal,
    ) -> bool {
        let best = (0..situation.nodes)
            .filter(|node| situation.can_take(placement, *node))
            .min_by_key(|node| self.of(*node));
        let Some(best) = best else {
            note!(
                journal,
                Warning,
                "Could not find node to take over public address '{}'",
                placement.addr
            );
            return false;
        };
        if let Some(before) = placement.owner.replace(best) {
            self.0[before] -= 1;
        }
        self.0[best] += 1;
        true
    }

    /// Give every address without a node to the least loaded one.
    pub(super) fn place_unassigned(
        &mut self,
        situation: &Situation,
        plan: &mut [Placement],
        journal: &mut dyn Journal,
    ) {
        for placement in plan
            .iter_mut()
            .filter(|placement| placement.owner.is_none())
        {
            if !self.place(situation, placement, journal) {
                note!(
                    journal,
                    Warning,
                    "Failed to find node to cover ip {}",
                    placement.addr
                );
            }
        }
    }
}
