// SPDX-License-Identifier: GPL-3.0-or-later
//! What this node does about its public addresses ([`service`]); who hosts which is decided by the
//! leader's takeover run. Upstream: `server/ctdb_takeover.c`.

mod address;
mod announce;
mod configure;
mod connection;
mod control;
mod drop_all;
mod edge;
mod interface;
mod report;
mod service;
mod takeover;
mod tracking;
mod update;

pub use edge::Edge;
pub use report::Hosted;
pub use service::{AddressesWanted, AfterEvent, Due, Failover, Letter};

#[cfg(test)]
mod tests;
