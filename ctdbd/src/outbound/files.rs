//! Files that the core wants to have read. A nodes list may be the output of a command, so this
//! happens outside of the loop.

use std::path::PathBuf;

use ctdb_config::{Nodes, PublicAddresses};
use ctdb_core::Input;
use ctdb_core::effect::Ticket;

use crate::news::ToLoop;

/// Reads the nodes list from `location`: a file, or `!` and a command.
pub fn read_nodes(to_loop: ToLoop, ticket: Ticket, location: String) {
    tokio::task::spawn_blocking(move || {
        let nodes = Nodes::read(&location)
            .map(|nodes| nodes.0)
            .map_err(|e| e.to_string());
        to_loop.input(Input::NodesRead { ticket, nodes });
    });
}

/// Reads the public addresses; a missing file is an empty one.
pub fn read_public_addresses(to_loop: ToLoop, ticket: Ticket, path: PathBuf) {
    tokio::task::spawn_blocking(move || {
        let addresses = PublicAddresses::read(&path)
            .map(|addresses| addresses.unwrap_or_default().0)
            .map_err(|e| e.to_string());
        to_loop.input(Input::PublicAddressesRead { ticket, addresses });
    });
}
