// SPDX-License-Identifier: GPL-3.0-or-later
//! LCP2: addresses that share a long prefix are kept on different nodes, by making the sum of
//! squared prefix lengths small on every node. Same choices and same log lines as upstream's
//! `server/ipalloc_lcp2.c`, which recomputes every sum for every alternative; here the sums are
//! kept in a matrix of addresses by nodes, and a move changes two columns of it.
//!
//! All arithmetic wraps at 32 bits, because upstream's does and large clusters get there.

use super::{Journal, Level, Placement, Situation, key, note, unassign_unsuitable};

const RULER: &str = " ----------------------------------------";
const HEAVY_RULER: &str = "+++++++++++++++++++++++++++++++++++++++++";

pub(super) fn allocate(situation: &Situation, plan: &mut [Placement], journal: &mut dyn Journal) {
    unassign_unsuitable(plan, journal);
    let candidates = candidates(situation, plan, journal);
    let mut run = Run::new(situation, plan);
    run.place_unassigned(journal);
    // Failback goes only to nodes that had nothing before this run (or were named by force):
    // otherwise every run would shuffle addresses for small gains.
    if !situation.no_ip_failback && candidates.contains(&true) {
        run.fail_back(&candidates, journal);
    }
}

fn candidates(situation: &Situation, plan: &[Placement], journal: &mut dyn Journal) -> Vec<bool> {
    let mut candidates = vec![true; situation.nodes];
    for owner in plan.iter().filter_map(|placement| placement.owner) {
        candidates[owner] = false;
    }
    for pnn in &situation.force_rebalance {
        let slot = usize::try_from(*pnn)
            .ok()
            .and_then(|node| candidates.get_mut(node));
        match slot {
            Some(candidate) => {
                note!(journal, Notice, "Forcing rebalancing of IPs to node {pnn}");
                *candidate = true;
            }
            None => note!(journal, Error, "unknown node {pnn}"),
        }
    }
    candidates
}

/// The square of how much two addresses look alike. Each 32-bit word counts its own equal leading
/// bits, also behind a word that differs: that is how upstream measures.
fn likeness(a: u128, b: u128) -> u32 {
    let differing = a ^ b;
    let equal: u32 = [96, 64, 32, 0]
        .iter()
        .map(|shift| ((differing >> shift) as u32).leading_zeros())
        .sum();
    equal * equal
}

/// The number as C's `%d` shows an unsigned one.
fn signed(value: u32) -> i32 {
    value.cast_signed()
}

/// The cheapest node for an address that has none.
#[derive(Clone, Copy)]
struct Cheapest {
    cost: u32,
    node: usize,
}

/// A move of an address from a node to another, with the imbalances that result.
struct Move {
    ip: usize,
    to: usize,
    source_imbalance: u32,
    target_imbalance: u32,
}

impl Move {
    fn total(&self) -> u32 {
        self.source_imbalance.wrapping_add(self.target_imbalance)
    }
}

struct Run<'a> {
    situation: &'a Situation,
    plan: &'a mut [Placement],
    keys: Vec<u128>,
    /// `costs[ip * nodes + node]`: what the address costs on that node, itself not counted.
    costs: Vec<u32>,
    /// Per node, the costs of all its pairs of addresses.
    imbalances: Vec<u32>,
}

impl<'a> Run<'a> {
    fn new(situation: &'a Situation, plan: &'a mut [Placement]) -> Self {
        let keys: Vec<u128> = plan.iter().map(|placement| key(placement.addr)).collect();
        let costs = vec![0; plan.len() * situation.nodes];
        let imbalances = vec![0; situation.nodes];
        let mut run = Self {
            situation,
            plan,
            keys,
            costs,
            imbalances,
        };
        for ip in 0..run.plan.len() {
            if let Some(node) = run.plan[ip].owner {
                run.imbalances[node] = run.imbalances[node].wrapping_add(run.cost(ip, node));
                run.shift_costs(ip, node, u32::wrapping_add);
            }
        }
        run
    }

    fn cost(&self, ip: usize, node: usize) -> u32 {
        self.costs[ip * self.situation.nodes + node]
    }

    /// Account for address `moved` in (or no more in) the costs of `node`.
    fn shift_costs(&mut self, moved: usize, node: usize, shift: fn(u32, u32) -> u32) {
        let moved_key = self.keys[moved];
        let rows = self.costs.chunks_exact_mut(self.situation.nodes);
        for (ip, (row, key)) in rows.zip(&self.keys).enumerate() {
            if ip != moved {
                row[node] = shift(row[node], likeness(*key, moved_key));
            }
        }
    }

    /// Give each address without a node the cheapest one, the cheapest address first.
    fn place_unassigned(&mut self, journal: &mut dyn Journal) {
        let mut waiting: Vec<(usize, Option<Cheapest>)> = (0..self.plan.len())
            .filter(|ip| self.plan[*ip].owner.is_none())
            .map(|ip| (ip, self.cheapest(ip)))
            .collect();
        // Upstream looks, and logs that it looks, once even if nothing waits.
        loop {
            self.log_alternatives(&waiting, journal);
            let Some((at, choice)) = first_cheapest(&waiting) else {
                break;
            };
            let (ip, _) = waiting.remove(at);
            self.plan[ip].owner = Some(choice.node);
            self.imbalances[choice.node] = self.imbalances[choice.node].wrapping_add(choice.cost);
            self.shift_costs(ip, choice.node, u32::wrapping_add);
            note!(
                journal,
                Info,
                " {} -> {} [+{}]",
                self.plan[ip].addr,
                choice.node,
                signed(choice.cost)
            );
            if waiting.is_empty() {
                break;
            }
            for (ip, cheapest) in &mut waiting {
                *cheapest = self.cheapest_after(*ip, *cheapest, choice.node);
            }
        }
        for (ip, _) in waiting {
            note!(
                journal,
                Warning,
                "Failed to find node to cover ip {}",
                self.plan[ip].addr
            );
        }
    }

    fn cheapest(&self, ip: usize) -> Option<Cheapest> {
        if self.situation.no_ip_takeover {
            return None;
        }
        let row = &self.costs[ip * self.situation.nodes..][..self.situation.nodes];
        let usable = row.iter().zip(&self.plan[ip].available_on).enumerate();
        usable
            .filter(|(_, (_, available))| **available)
            .map(|(node, (cost, _))| Cheapest { cost: *cost, node })
            .min_by_key(|choice| choice.cost)
    }

    /// The cheapest node for an address after the costs of `changed` moved.
    fn cheapest_after(
        &self,
        ip: usize,
        before: Option<Cheapest>,
        changed: usize,
    ) -> Option<Cheapest> {
        let before = before?;
        if before.node == changed {
            return self.cheapest(ip);
        }
        // Costs grow, but may wrap: then the changed node can be the cheapest now.
        let now = Cheapest {
            cost: self.cost(ip, changed),
            node: changed,
        };
        let better = (now.cost, now.node) < (before.cost, before.node)
            && self.situation.can_take(&self.plan[ip], changed);
        Some(if better { now } else { before })
    }

    fn log_alternatives(&self, waiting: &[(usize, Option<Cheapest>)], journal: &mut dyn Journal) {
        if !journal.wants(Level::Debug) {
            return;
        }
        note!(journal, Debug, "{RULER}");
        note!(journal, Debug, " CONSIDERING MOVES (UNASSIGNED)");
        for (ip, _) in waiting {
            for node in (0..self.situation.nodes)
                .filter(|node| self.situation.can_take(&self.plan[*ip], *node))
            {
                let cost = signed(self.cost(*ip, node));
                note!(
                    journal,
                    Debug,
                    " {} -> {node} [+{cost}]",
                    self.plan[*ip].addr
                );
            }
        }
        note!(journal, Debug, "{RULER}");
    }

    /// Move addresses from the most burdened nodes to candidates until nothing gets better.
    fn fail_back(&mut self, candidates: &[bool], journal: &mut dyn Journal) {
        while self.fail_back_one(candidates, journal) {}
    }

    fn fail_back_one(&mut self, candidates: &[bool], journal: &mut dyn Journal) -> bool {
        note!(journal, Debug, "{HEAVY_RULER}");
        note!(journal, Debug, "Selecting most imbalanced node from:");
        for (node, imbalance) in self.imbalances.iter().enumerate() {
            note!(journal, Debug, " {node} [{}]", signed(*imbalance));
        }
        let mut sources: Vec<usize> = (0..self.situation.nodes)
            .filter(|node| self.imbalances[*node] != 0)
            .collect();
        sources.sort_by_key(|node| std::cmp::Reverse(self.imbalances[*node]));
        sources
            .into_iter()
            .any(|source| self.relieve(source, candidates, journal))
    }

    /// Make the one move away from `source` that helps most, if one helps.
    fn relieve(&mut self, source: usize, candidates: &[bool], journal: &mut dyn Journal) -> bool {
        note!(journal, Debug, "{RULER}");
        note!(
            journal,
            Debug,
            " CONSIDERING MOVES FROM {source} [{}]",
            signed(self.imbalances[source])
        );
        let best = self.best_move(source, candidates, journal);
        note!(journal, Debug, "{RULER}");
        let Some(best) = best else { return false };
        note!(
            journal,
            Info,
            "{source} [{}] -> {} -> {} [+{}]",
            signed(best.source_imbalance.wrapping_sub(self.imbalances[source])),
            self.plan[best.ip].addr,
            best.to,
            signed(best.target_imbalance.wrapping_sub(self.imbalances[best.to]))
        );
        self.imbalances[source] = best.source_imbalance;
        self.imbalances[best.to] = best.target_imbalance;
        self.plan[best.ip].owner = Some(best.to);
        self.shift_costs(best.ip, source, u32::wrapping_sub);
        self.shift_costs(best.ip, best.to, u32::wrapping_add);
        true
    }

    fn best_move(
        &self,
        source: usize,
        candidates: &[bool],
        journal: &mut dyn Journal,
    ) -> Option<Move> {
        let log = journal.wants(Level::Debug);
        let imbalance = self.imbalances[source];
        let mut best: Option<Move> = None;
        for (ip, placement) in self.plan.iter().enumerate() {
            if placement.owner != Some(source) {
                continue;
            }
            let gain = self.cost(ip, source);
            for to in (0..self.situation.nodes)
                .filter(|to| candidates[*to] && self.situation.can_take(placement, *to))
            {
                let cost = self.cost(ip, to);
                if log {
                    let (loss, addr) = (signed(gain.wrapping_neg()), placement.addr);
                    let cost = signed(cost);
                    note!(
                        journal,
                        Debug,
                        " {source} [{loss}] -> {addr} -> {to} [+{cost}]"
                    );
                }
                let proposal = Move {
                    ip,
                    to,
                    source_imbalance: imbalance.wrapping_sub(gain),
                    target_imbalance: self.imbalances[to].wrapping_add(cost),
                };
                let helps = proposal.target_imbalance < imbalance && cost < gain;
                if helps
                    && best
                        .as_ref()
                        .is_none_or(|best| proposal.total() < best.total())
                {
                    best = Some(proposal);
                }
            }
        }
        best
    }
}

/// The address that is cheapest to place, the first of equals, with its place in the list.
fn first_cheapest(waiting: &[(usize, Option<Cheapest>)]) -> Option<(usize, Cheapest)> {
    waiting
        .iter()
        .enumerate()
        .filter_map(|(at, (_, cheapest))| cheapest.map(|choice| (at, choice)))
        .min_by_key(|(_, choice)| choice.cost)
}
