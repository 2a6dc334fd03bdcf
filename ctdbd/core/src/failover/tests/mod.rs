// SPDX-License-Identifier: GPL-3.0-or-later
//! One node on a made-up machine: scripts that put addresses on interfaces and take them off, a file of
//! public addresses, and a note of all that was sent.

mod configure;
mod connection_tracking;
mod host;
mod moves;

pub(in crate::failover) use ctdb_protocol::sample::cpu_time_ms;
