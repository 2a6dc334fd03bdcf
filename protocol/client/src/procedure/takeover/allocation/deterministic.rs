// SPDX-License-Identifier: GPL-3.0-or-later
//! Deterministic allocation: address number i of the list belongs to node i modulo the number of
//! nodes, or to the node that the file `home_nodes` names. Answers to
//! `server/ipalloc_deterministic.c`.

use std::net::IpAddr;

use super::coverage::Coverage;
use super::{Journal, Placement, Situation, note, unassign_unsuitable};

/// One line of the file `home_nodes`: where an address belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HomeNode {
    /// The public address.
    pub addr: IpAddr,
    /// Its home; a number beyond the node map leaves the address where the modulo puts it.
    pub pnn: u32,
}

/// Read the text of `home_nodes`: lines `ADDRESS PNN`, anything after that ignored, lines of fewer
/// than two words skipped. There is no comment syntax. One bad word discards the file: the error
/// is the line to log, and the caller goes on with no homes.
pub fn parse_home_nodes(text: &str) -> Result<Vec<HomeNode>, String> {
    let mut homes = Vec::new();
    for line in text.lines() {
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let (Some(addr), Some(pnn)) = (words.next(), words.next()) else {
            continue;
        };
        homes.push(HomeNode {
            addr: parse_addr(addr)?,
            pnn: parse_pnn(pnn)?,
        });
    }
    Ok(homes)
}

fn parse_addr(word: &str) -> Result<IpAddr, String> {
    let bare = word
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(word);
    bare.parse::<IpAddr>()
        .map(|addr| addr.to_canonical())
        .map_err(|_| format!("Could not parse {word}: Invalid argument"))
}

fn parse_pnn(word: &str) -> Result<u32, String> {
    word.parse()
        .map_err(|_| format!("Could not parse \"{word}\""))
}

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
