//! Lets the programs of all nodes begin together: each tells the one on node 0 that it is there,
//! and that one gives the start when all are.

use std::collections::BTreeSet;
use std::time::Duration;

use ctdb_client::{Client, Message};
use ctdb_protocol::{Pnn, Srvid};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::Failure;
use crate::run::say;

/// "I am there": the number of the node.
const JOIN: Srvid = Srvid(Srvid::TEST_RANGE.0 | 1);
/// "Begin!"
const SYNC: Srvid = Srvid(Srvid::TEST_RANGE.0 | 2);
/// Nobody waits longer.
const LIMIT: Duration = Duration::from_secs(30);
/// How often a program says that it is there.
const PERIOD: Duration = Duration::from_secs(1);

/// Waits for the programs of nodes 0 to `num_nodes` - 1.
///
/// # Errors
/// When not all come within half a minute, or the daemon ends.
pub async fn cluster_wait(client: &Client, pnn: Pnn, num_nodes: u32) -> Result<(), Failure> {
    let joins = match pnn {
        Pnn(0) => {
            say("Waiting for cluster");
            Some(client.register(JOIN).await?)
        }
        _ => None,
    };
    let sync = client.register(SYNC).await?;
    timeout(LIMIT, gather(client, pnn, num_nodes, joins, sync))
        .await
        .map_err(|_| "Not all nodes came in time")??;
    client.deregister(SYNC).await?;
    Ok(())
}

async fn gather(
    client: &Client,
    pnn: Pnn,
    num_nodes: u32,
    mut joins: Option<UnboundedReceiver<Message>>,
    mut sync: UnboundedReceiver<Message>,
) -> Result<(), Failure> {
    let mut here = BTreeSet::new();
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    period.tick().await;
    loop {
        tokio::select! {
            _ = period.tick() => client.send_message(Pnn(0), JOIN, pnn.0.to_ne_bytes().to_vec()),
            message = sync.recv() => {
                message.ok_or("Connection to the daemon lost")?;
                return Ok(());
            }
            Some(message) = next(&mut joins) => {
                let Ok(number) = message.data.as_ref().try_into() else { continue };
                let number = u32::from_ne_bytes(number);
                if number < num_nodes {
                    here.insert(number);
                }
                if here.len() == num_nodes as usize {
                    joins = None;
                    client.deregister(JOIN).await?;
                    client.send_message(Pnn::BROADCAST_CONNECTED, SYNC, Vec::new());
                }
            }
        }
    }
}

/// The next message, or never.
async fn next(messages: &mut Option<UnboundedReceiver<Message>>) -> Option<Message> {
    match messages {
        Some(messages) => messages.recv().await,
        None => std::future::pending().await,
    }
}
