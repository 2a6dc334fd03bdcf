// SPDX-License-Identifier: GPL-3.0-or-later
//! Locks of NFSv3 clients across a failover: the programs that rpc.statd and sm-notify need.
//!
//! rpc.statd runs `statd_callout` for each client that takes its first lock or gives up its last one.
//! The script `statd_callout_helper` writes its configuration, collects what it leaves behind, and
//! calls `ctdb_smnotify_helper` for the files that sm-notify reads.

pub mod callout;
pub mod config;
pub mod smnotify;

/// Why a program of this folder did not do its work.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// Wrong arguments.
    Usage,
    /// Anything else, as a line for stderr, without the program's name.
    Failed(String),
}
