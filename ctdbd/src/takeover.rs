// SPDX-License-Identifier: GPL-3.0-or-later
//! The takeover run with what the daemon gives it, for whoever has a client and wants the
//! public addresses distributed.

use std::path::Path;

use ctdb_client::Client;
use ctdb_client::procedure::Level;
use ctdb_client::procedure::takeover::{self, Orders, Surroundings, TakeoverError};
use ctdb_config::home_nodes;

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
    let around = Surroundings {
        log: note,
        wants: &|level| log::enabled(level.number()),
        home_nodes: &|| home_nodes::read(etcdir),
    };
    takeover::run(client, orders, &around).await
}
