//! A daemon that is none: it reads a cluster's state from standard input and answers the ctdb
//! tool and the helpers as if that cluster were real. UNIT/tool and UNIT/takeover_helper of
//! upstream's suite run against it.
//!
//! [`stanza`] reads the cluster, [`cluster`] holds it, [`control`] and [`message`] answer,
//! [`database`] keeps records in real tdb files, [`server`] is the socket.

mod cluster;
mod control;
mod database;
mod message;
mod options;
mod server;
mod stanza;

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::ExitCode;

use cluster::Cluster;
use ctdb_protocol::types::NodeFlags;
use options::Options;

/// The program: gets the socket ready, forks, and leaves the child behind once that serves.
#[must_use]
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            if !why.is_empty() {
                eprintln!("{why}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let options = Options::parse(std::env::args().skip(1))?;
    let cluster = stanza::read(std::io::stdin().lock(), &options)?;
    if !is_in_order(&cluster)? {
        return Ok(());
    }
    let listener = UnixListener::bind(&options.socket)
        .map_err(|error| format!("bind failed - {}: {error}", options.socket.display()))?;
    let (mut ready, mut tell) =
        std::io::pipe().map_err(|error| format!("Failed to create pipe: {error}"))?;
    let child = crate::sys::fork_alone().map_err(|error| format!("Failed to fork: {error}"))?;
    let Some(child) = child else {
        drop(ready);
        let served = server::serve(cluster, listener, move || {
            // Without a reader the parent is gone, and with it whoever wanted to know.
            let _ = tell.write_all(&[0]);
        });
        options.clean_up();
        return served.map_err(|error| error.to_string());
    };
    drop(tell);
    ready
        .read_exact(&mut [0])
        .map_err(|_| "Failed to get message from child".to_owned())?;
    std::fs::write(&options.pidfile, format!("{child}\n")).map_err(|error| {
        format!(
            "Failed to open pid file {}: {error}",
            options.pidfile.display()
        )
    })
}

/// Are the nodes numbered by their lines? False: all is well, but this node plays dead.
fn is_in_order(cluster: &Cluster) -> Result<bool, String> {
    for (index, node) in cluster.nodes.iter().enumerate() {
        if node.pnn.0 as usize != index {
            return Err(format!("Expected node {index}, found {}", node.pnn));
        }
    }
    let dead = cluster
        .node(cluster.own)
        .is_some_and(|node| node.flags.contains(NodeFlags::DISCONNECTED));
    Ok(!dead)
}
