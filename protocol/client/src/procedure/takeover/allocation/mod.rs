// SPDX-License-Identifier: GPL-3.0-or-later
//! Which node should host which public address: pure functions from what every node reports to a
//! plan. Called by the takeover run, by `ctdb ip plan` and by the test program `ctdb_takeover_tests`. Answers to upstream's `server/ipalloc*.c`: same results, same
//! log lines.

mod coverage;
mod deterministic;
mod lcp2;
mod nondeterministic;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ctdb_config::HomeNode;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::PublicIp;

use crate::procedure::Level;
use crate::procedure::tunables::Tunables;

/// Where the allocator's log lines go. Lines carry no newline.
pub trait Journal {
    /// Is a line of this level wanted? Debug lines are many: nothing is formatted unless it is.
    fn wants(&self, level: Level) -> bool;
    /// Take one line.
    fn line(&mut self, level: Level, text: fmt::Arguments<'_>);
}

/// A journal that throws every line away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Journal for Silent {
    fn wants(&self, _level: Level) -> bool {
        false
    }

    fn line(&mut self, _level: Level, _text: fmt::Arguments<'_>) {}
}

/// Write a formatted line if its level is wanted.
macro_rules! note {
    ($journal:expr, $level:ident, $($text:tt)*) => {
        if $journal.wants($crate::procedure::Level::$level) {
            $journal.line($crate::procedure::Level::$level, format_args!($($text)*));
        }
    };
}
use note;

/// How addresses are spread: the tunable `IPAllocAlgorithm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Every address has a home node, and goes there whenever it can.
    Deterministic,
    /// Equal numbers of addresses per node.
    NonDeterministic,
    /// Addresses that look alike are kept apart.
    Lcp2,
}

impl Algorithm {
    /// The algorithm that a value of `IPAllocAlgorithm` stands for; unknown values mean LCP2.
    pub fn from_tunable(value: u32) -> Self {
        match value {
            0 => Self::Deterministic,
            1 => Self::NonDeterministic,
            _ => Self::Lcp2,
        }
    }
}

/// One address as one node reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The public address.
    pub addr: IpAddr,
    /// The node number that the reporting node believes to host it; anything for "nobody".
    pub pnn: u32,
}

/// All that the allocation depends on.
#[derive(Debug, Clone)]
pub struct Situation {
    /// Number of entries of the node map; deleted and disconnected nodes count.
    pub nodes: usize,
    /// Which algorithm decides.
    pub algorithm: Algorithm,
    /// `NoIPTakeover`: no address may be given to a node.
    pub no_ip_takeover: bool,
    /// `NoIPFailback`: an address that has a fitting node stays where it is.
    pub no_ip_failback: bool,
    /// Nodes that get addresses back even if they own some already.
    pub force_rebalance: Vec<u32>,
    /// Homes of single addresses, for the deterministic algorithm.
    pub home_nodes: Vec<HomeNode>,
    /// What each node knows, indexed by node number.
    pub known: Vec<Vec<Report>>,
    /// What each node could host now, indexed by node number.
    pub available: Vec<Vec<Report>>,
}

/// Where one address goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The public address.
    pub addr: IpAddr,
    /// The node that is to host it, if any.
    pub owner: Option<usize>,
    /// Which nodes have it configured, indexed by node number.
    pub known_on: Vec<bool>,
    /// Which nodes could host it, indexed by node number.
    pub available_on: Vec<bool>,
}

impl Placement {
    /// The node that is to host it, if any.
    #[must_use]
    pub fn node(&self) -> Option<Pnn> {
        self.owner
            .and_then(|node| u32::try_from(node).ok())
            .map(Pnn)
    }
}

fn reports(ips: &[PublicIp]) -> Vec<Report> {
    let report = |ip: &PublicIp| {
        let addr = ip.addr.ip()?;
        Some(Report {
            addr,
            pnn: ip.pnn.0,
        })
    };
    ips.iter().filter_map(report).collect()
}

impl Situation {
    /// Out of what the nodes said, lists indexed by node number: which addresses each knows, and
    /// which of them it could host now.
    #[must_use]
    pub fn gathered(
        tunables: &Tunables,
        home_nodes: Vec<HomeNode>,
        known: &[Vec<PublicIp>],
        available: &[Vec<PublicIp>],
    ) -> Self {
        Self {
            nodes: known.len(),
            algorithm: Algorithm::from_tunable(tunables.ip_alloc_algorithm()),
            no_ip_takeover: tunables.no_ip_takeover(),
            no_ip_failback: tunables.no_ip_failback(),
            force_rebalance: Vec::new(),
            home_nodes,
            known: known.iter().map(|ips| reports(ips)).collect(),
            available: available.iter().map(|ips| reports(ips)).collect(),
        }
    }

    /// Is there anything to allocate? False only while no node hosts an address and none could.
    /// Answers to `ipalloc_can_host_ips`.
    pub fn can_host_ips(&self) -> bool {
        let hosted = self
            .known
            .iter()
            .zip(0u32..)
            .any(|(reports, pnn)| reports.iter().any(|report| report.pnn == pnn));
        let known = self.known.iter().any(|reports| !reports.is_empty());
        hosted || (known && self.available.iter().any(|reports| !reports.is_empty()))
    }

    /// Decide. The plan holds every address that some node knows, highest address first.
    /// `None` when there is no address at all. Answers to `ipalloc`.
    pub fn allocate(&self, journal: &mut dyn Journal) -> Option<Vec<Placement>> {
        let mut plan = self.merge();
        if plan.is_empty() {
            return None;
        }
        match self.algorithm {
            Algorithm::Deterministic => deterministic::allocate(self, &mut plan, journal),
            Algorithm::NonDeterministic => nondeterministic::allocate(self, &mut plan, journal),
            Algorithm::Lcp2 => lcp2::allocate(self, &mut plan, journal),
        }
        Some(plan)
    }

    /// May `node` be given the address?
    fn can_take(&self, placement: &Placement, node: usize) -> bool {
        !self.no_ip_takeover && placement.available_on[node]
    }

    /// One list out of what the nodes know. A node is believed about itself only; of two nodes
    /// that claim an address the higher number wins.
    fn merge(&self) -> Vec<Placement> {
        let mut merged: BTreeMap<u128, (IpAddr, Option<usize>)> = BTreeMap::new();
        for (node, reports) in self.known.iter().enumerate().take(self.nodes) {
            for report in reports {
                let entry = merged
                    .entry(key(report.addr))
                    .or_insert((report.addr, None));
                entry.0 = report.addr;
                if usize::try_from(report.pnn) == Ok(node) {
                    entry.1 = Some(node);
                }
            }
        }
        let known = self.sets(&self.known);
        let available = self.sets(&self.available);
        let placement = |(addr, owner): (IpAddr, Option<usize>)| {
            let available_on: Vec<bool> = available.iter().map(|set| set.contains(&addr)).collect();
            let known_on = known
                .iter()
                .zip(&available_on)
                .map(|(set, available)| *available || set.contains(&addr))
                .collect();
            Placement {
                addr,
                owner,
                known_on,
                available_on,
            }
        };
        merged.into_values().rev().map(placement).collect()
    }

    fn sets(&self, lists: &[Vec<Report>]) -> Vec<BTreeSet<IpAddr>> {
        let mut sets: Vec<BTreeSet<IpAddr>> = lists
            .iter()
            .take(self.nodes)
            .map(|reports| reports.iter().map(|report| report.addr).collect())
            .collect();
        sets.resize_with(self.nodes, BTreeSet::new);
        sets
    }
}

/// The 128 bits that an address sorts and compares by; IPv4 fills the lowest 32.
fn key(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// Take away each address from a node that cannot host it any more.
fn unassign_unsuitable(plan: &mut [Placement], journal: &mut dyn Journal) {
    for placement in plan {
        if let Some(owner) = placement.owner
            && !placement.available_on[owner]
        {
            note!(
                journal,
                Debug,
                "Unassign IP: {} from {owner}",
                placement.addr
            );
            placement.owner = None;
        }
    }
}

#[cfg(test)]
mod tests;
