// SPDX-License-Identifier: GPL-3.0-or-later
//! What this node does about its public addresses ([`service`]); who hosts which is decided by the
//! leader's takeover run. Upstream: `server/ctdb_takeover.c`.

mod address;
mod configure;
mod connection_tracking;
mod connections;
mod control;
mod drop_all;
mod gratuitous_arp;
mod interface;
mod report;
mod service;
mod takeover;
mod takeover_run;
mod update_ip;

pub use report::Hosted;
pub use service::{AddressesWanted, AfterEvent, Due, Failover, Letter};
pub use takeover_run::Edge;

#[cfg(test)]
mod tests;
