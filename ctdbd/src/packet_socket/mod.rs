// SPDX-License-Identifier: GPL-3.0-or-later
//! Packets of our own making: announcements of addresses that have moved here, and TCP segments that
//! make a peer notice a dead connection. Used by the daemon's outbound side, `ctdb_killtcp` and the
//! test program `system_socket_test`. Answers to upstream's `common/system_socket.c`.

pub mod build;
pub mod link;
pub mod segment;
mod send;

pub use send::{Announcer, Capture, NO_PERMISSION, SegmentSender};
