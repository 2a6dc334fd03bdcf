//! The node's health is news: its flag, and who has to hear of it.

use bytes::Bytes;
use ctdb_protocol::id::{Pnn, ReqId};
use ctdb_protocol::packet::{Packet, ReqMessage};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{NodeFlagChange, NodeFlags, SrvidMessage};
use ctdb_protocol::wire::encode;

use super::Cluster;
use crate::context::Context;
use crate::effect::Effect;

impl Cluster {
    /// The scripts have said that the node is healthy, or that it is not, and that is news.
    pub(super) fn health_changed(cx: &mut Context, healthy: bool, status: i32) {
        let (pnn, old) = (cx.pnn(), cx.own_flags());
        if let Some(flags) = cx.view_mut().flags_mut(pnn) {
            flags.set(NodeFlags::UNHEALTHY, !healthy);
        }
        let new = cx.own_flags();
        if new == old {
            return;
        }
        let word = if healthy { "HEALTHY" } else { "UNHEALTHY" };
        // Monitoring greps for this sentence.
        cx.notice(format!(
            "Node became {word}. Ask recovery master to reallocate IPs (monitor status {status})"
        ));
        cx.effect(Effect::Notify {
            what: if healthy { "healthy" } else { "unhealthy" },
        });
        tell(cx, old, new);
    }
}

/// Tells the own cluster watch, which tells the other nodes, and asks for a takeover run.
fn tell(cx: &mut Context, old: NodeFlags, new: NodeFlags) {
    let change = NodeFlagChange {
        pnn: cx.pnn(),
        new_flags: new,
        old_flags: old,
    };
    let own = cx.pnn();
    let generation = cx.generation();
    let message = ReqMessage {
        srvid: Srvid::PUSH_NODE_FLAGS,
        data: Bytes::from(encode(&change)),
    };
    cx.send(own, ReqId(0), generation, &Packet::ReqMessage(message));
    request_takeover_run(cx, Srvid(0));
}

/// Asks the leader, whoever it is, for a takeover run; `reply` is where the outcome is wanted, or 0.
pub(super) fn request_takeover_run(cx: &mut Context, reply: Srvid) {
    let request = SrvidMessage::new(cx.pnn(), reply);
    cx.message(
        Pnn::BROADCAST_CONNECTED,
        Srvid::TAKEOVER_RUN,
        Bytes::from(encode(&request)),
    );
}
