// SPDX-License-Identifier: GPL-3.0-or-later
//! The takeover run where it meets the daemon's own decision code: [`run`] for whoever has a client
//! and wants the public addresses distributed, [`helper`] for the program of its own.

pub mod helper;

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use ctdb_client::Client;
use ctdb_client::procedure::Level;
use ctdb_client::procedure::takeover::{
    self, Decision, Orders, Placement, Situation, TakeoverError,
};
use ctdb_core::failover::allocation::{
    self, Algorithm, HomeNode, Journal, Report, parse_home_nodes,
};
use ctdb_protocol::Pnn;
use ctdb_protocol::types::{PublicIp, SockAddr};

use crate::log;

/// Makes one takeover run over `client`, with the homes of addresses out of `home_nodes` below the
/// configuration directory, should the deterministic algorithm be chosen.
///
/// # Errors
/// As [`takeover::run`].
pub async fn run(
    client: &Client,
    orders: &Orders,
    etcdir: &Path,
    note: &dyn Fn(Level, &str),
) -> Result<(), TakeoverError> {
    let allocate = |situation: &Situation| decide(situation, etcdir, note);
    takeover::run(client, orders, &allocate, note).await
}

fn decide(situation: &Situation, etcdir: &Path, note: &dyn Fn(Level, &str)) -> Decision {
    let algorithm = Algorithm::from_tunable(situation.algorithm);
    let home_nodes = match algorithm {
        Algorithm::Deterministic => home_nodes(etcdir, note),
        Algorithm::NonDeterministic | Algorithm::Lcp2 => Vec::new(),
    };
    let situation = allocation::Situation {
        nodes: situation.nodes,
        algorithm,
        no_ip_takeover: situation.no_ip_takeover,
        no_ip_failback: situation.no_ip_failback,
        force_rebalance: situation.rebalance.iter().map(|pnn| pnn.0).collect(),
        home_nodes,
        known: situation.known.iter().map(|ips| reports(ips)).collect(),
        available: situation.available.iter().map(|ips| reports(ips)).collect(),
    };
    if !situation.can_host_ips() {
        return Decision::NothingToHost;
    }
    let plan = situation.allocate(&mut Lines(note)).unwrap_or_default();
    Decision::Plan(plan.into_iter().map(placement).collect())
}

fn reports(ips: &[PublicIp]) -> Vec<Report> {
    let report = |ip: &PublicIp| {
        let addr: IpAddr = ip.addr.ip()?;
        Some(Report {
            addr,
            pnn: ip.pnn.0,
        })
    };
    ips.iter().filter_map(report).collect()
}

fn placement(placement: allocation::Placement) -> Placement {
    let owner = placement.owner.and_then(|node| u32::try_from(node).ok());
    Placement {
        addr: SockAddr::from(placement.addr),
        owner: owner.map(Pnn),
        known_on: placement.known_on,
    }
}

fn home_nodes(etcdir: &Path, note: &dyn Fn(Level, &str)) -> Vec<HomeNode> {
    let path = etcdir.join("home_nodes");
    // No file is the usual case, and one that cannot be read is treated as none.
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    parse_home_nodes(&text).unwrap_or_else(|problem| {
        note(Level::Warning, &problem);
        Vec::new()
    })
}

/// The allocator's lines, into the log of the procedure.
struct Lines<'a>(&'a dyn Fn(Level, &str));

impl Journal for Lines<'_> {
    fn wants(&self, level: allocation::Level) -> bool {
        log::enabled(number_of(level_of(level)))
    }

    fn line(&mut self, level: allocation::Level, text: fmt::Arguments<'_>) {
        (self.0)(level_of(level), &text.to_string());
    }
}

fn level_of(level: allocation::Level) -> Level {
    match level {
        allocation::Level::Error => Level::Error,
        allocation::Level::Warning => Level::Warning,
        allocation::Level::Notice => Level::Notice,
        allocation::Level::Info => Level::Info,
        allocation::Level::Debug => Level::Debug,
    }
}

/// The number that the log knows a procedure's level by.
#[must_use]
pub fn number_of(level: Level) -> i32 {
    match level {
        Level::Error => log::level::ERROR,
        Level::Warning => log::level::WARNING,
        Level::Notice => log::level::NOTICE,
        Level::Info => log::level::INFO,
        Level::Debug => log::level::DEBUG,
    }
}
