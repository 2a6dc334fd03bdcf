// SPDX-License-Identifier: GPL-3.0-or-later
//! Public addresses: who hosts which ([`allocation`]), and what this node does about its own
//! ([`service`]). Upstream: `server/ctdb_takeover.c`, `server/ipalloc*.c`.

mod address;
pub mod allocation;
mod announce;
mod configure;
mod connection;
mod drop_all;
mod edge;
mod interface;
pub mod report;
pub mod service;
mod takeover;
mod tracking;
mod update;

pub use edge::Edge;
pub use service::Failover;

#[cfg(test)]
mod tests;
