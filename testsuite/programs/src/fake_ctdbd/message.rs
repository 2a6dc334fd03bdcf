//! Answers to messages: two ports have somebody behind them.

use bytes::Bytes;
use ctdb_protocol::message::Message;
use ctdb_protocol::{Pnn, Srvid};

use super::cluster::Cluster;

/// What a message leads to.
#[derive(Debug, Default)]
pub(super) struct Consequence {
    /// A message back to the sender.
    pub(super) reply: Option<(Srvid, Bytes)>,
    /// The order not to recover, on this node, ends after so many seconds.
    pub(super) quiet_ends: Option<(Pnn, u64, u32)>,
}

impl Cluster {
    /// A message to `at`.
    pub(super) fn message(&mut self, at: Pnn, message: &Message) -> Consequence {
        match message {
            Message::DisableRecoveries(order) => {
                self.orders += 1;
                let number = self.orders;
                let Some(node) = self.node_mut(at) else {
                    return Consequence::default();
                };
                node.quiet = (order.timeout_s > 0).then_some(number);
                Consequence {
                    reply: Some((order.srvid, says(at))),
                    quiet_ends: node.quiet.map(|number| (at, number, order.timeout_s)),
                }
            }
            // Only the leader answers.
            Message::TakeoverRun(order) if at == self.leader => Consequence {
                reply: Some((order.srvid, says(at))),
                quiet_ends: None,
            },
            _ => Consequence::default(),
        }
    }

    /// An order not to recover ends, unless another came after it.
    pub(super) fn end_quiet(&mut self, at: Pnn, number: u64) {
        if let Some(node) = self.node_mut(at)
            && node.quiet == Some(number)
        {
            node.quiet = None;
        }
    }
}

/// A node's number as an answer.
fn says(pnn: Pnn) -> Bytes {
    Bytes::copy_from_slice(&pnn.0.to_ne_bytes())
}
