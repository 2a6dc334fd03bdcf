//! Controls of clients: on to the node they are for, and the answers back.

use bytes::Bytes;
use ctdb_protocol::id::{ClientId, Pnn, ReqId};
use ctdb_protocol::packet::{Header, Packet, ReplyControl, ReqControl};
use ctdb_protocol::types::ControlFlags;

use super::{Asked, Proxy};
use crate::context::{self, About, Context};

/// As upstream says it, to clients and tools.
const TO_DISCONNECTED_NODE: &str = "ctdb_control to disconnected node";
/// As upstream says it when a node goes while it is being asked.
const NODE_IS_DISCONNECTED: &str = "node is disconnected";
/// As upstream says it after ControlTimeout.
const TIMED_OUT: &str = "ctdb_control timed out";

impl Proxy {
    /// A client sends a control.
    ///
    /// One to a broadcast address must not want an answer; upstream drops it without a word and the
    /// client waits for its own timeout, so here it is refused.
    pub(crate) fn control_from_client(
        &self,
        cx: &mut Context,
        client: ClientId,
        header: &Header,
        control: ReqControl,
    ) {
        let no_reply = control.flags.contains(ControlFlags::NOREPLY);
        let control = ReqControl {
            client_id: client,
            ..control
        };
        if header.destnode.is_broadcast() {
            if !no_reply {
                cx.error("Attempt to broadcast control without NOREPLY");
                refuse(
                    cx,
                    client,
                    header.reqid,
                    "broadcast control without NOREPLY",
                );
                return;
            }
            let packet = Packet::ReqControl(control);
            let generation = cx.generation();
            for node in cx.expand(header.destnode) {
                cx.send(node, ReqId(0), generation, &packet);
            }
            return;
        }
        let node = if header.destnode == Pnn::CURRENT {
            cx.pnn()
        } else {
            header.destnode
        };
        if node != cx.pnn() && cx.member(node).is_none_or(|m| !m.connected()) {
            if !no_reply {
                refuse(cx, client, header.reqid, TO_DISCONNECTED_NODE);
            }
            return;
        }
        let generation = cx.generation();
        if no_reply {
            cx.send(node, ReqId(0), generation, &Packet::ReqControl(control));
            return;
        }
        let reqid = cx.next_reqid();
        cx.remember_for_a_while(reqid, Asked::new(client, header.reqid, node));
        cx.send(node, reqid, generation, &Packet::ReqControl(control));
    }

    /// A client's control was not answered in time.
    pub(crate) fn timed_out(cx: &mut Context, asked: &Asked) {
        refuse(cx, asked.client, asked.reqid, TIMED_OUT);
    }

    /// A node has gone: whoever waits for its answer is told at once.
    pub(super) fn node_gone(cx: &mut Context, gone: Pnn) {
        let own = |asked: &context::Asked| matches!(asked, context::Asked::Proxy(_));
        for (_, asked) in cx.recall_about(About::Node(gone), own) {
            if let context::Asked::Proxy(asked) = asked {
                refuse(cx, asked.client, asked.reqid, NODE_IS_DISCONNECTED);
            }
        }
    }
}

fn refuse(cx: &mut Context, client: ClientId, reqid: ReqId, error: &'static str) {
    let answer = ReplyControl {
        status: -1,
        data: Bytes::new(),
        errormsg: Bytes::from_static(error.as_bytes()),
    };
    cx.to_client(client, reqid, &Packet::ReplyControl(answer));
}
