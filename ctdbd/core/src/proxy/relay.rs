//! Controls of clients: on to the node they are for, and the answers back.

use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::id::{ClientId, Pnn, ReqId};
use ctdb_protocol::packet::{self, Header, Packet, ReplyControl, ReqControl};

use ctdb_protocol::types::ControlFlags;

use super::Proxy;
use crate::effect::Effect;
use crate::requests::About;
use crate::shared::{Pending, Shared, Timer};

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
    pub fn control_from_client(
        &self,
        cx: &mut Shared,
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
                reply(
                    cx,
                    client,
                    header.reqid,
                    -1,
                    Bytes::new(),
                    "broadcast control without NOREPLY",
                );
                return;
            }
            let packet = Packet::ReqControl(control);
            let generation = cx.vnn_map.generation;
            for node in cx.expand(header.destnode) {
                cx.send(node, ReqId(0), generation, &packet);
            }
            return;
        }
        let node = if header.destnode == Pnn::CURRENT {
            cx.pnn
        } else {
            header.destnode
        };
        if node != cx.pnn && cx.members.find(node).is_none_or(|m| !m.connected()) {
            if !no_reply {
                reply(
                    cx,
                    client,
                    header.reqid,
                    -1,
                    Bytes::new(),
                    TO_DISCONNECTED_NODE,
                );
            }
            return;
        }
        let generation = cx.vnn_map.generation;
        if no_reply {
            cx.send(node, ReqId(0), generation, &Packet::ReqControl(control));
            return;
        }
        let reqid = cx.next_reqid();
        let timeout_s = cx.tunables.control_timeout();
        let timer = (timeout_s > 0).then(|| {
            cx.arm(
                Duration::from_secs(u64::from(timeout_s)),
                Timer::Control(reqid),
            )
        });
        cx.remember(
            reqid,
            Pending::Client {
                client,
                reqid: header.reqid,
                node,
                timer,
            },
        );
        cx.send(node, reqid, generation, &Packet::ReqControl(control));
    }

    /// The answer to a client's control has come.
    pub fn control_answered(
        &self,
        cx: &mut Shared,
        client: ClientId,
        reqid: ReqId,
        answer: ReplyControl,
    ) {
        if self.session(client).is_none() {
            return;
        }
        to_client(cx, client, reqid, Packet::ReplyControl(answer));
    }

    /// A client's control was not answered in time.
    pub fn control_timed_out(&self, cx: &mut Shared, client: ClientId, reqid: ReqId) {
        reply(cx, client, reqid, -1, Bytes::new(), TIMED_OUT);
    }

    /// A node has gone: whoever waits for its answer is told at once.
    pub fn node_gone(&self, cx: &mut Shared, gone: Pnn) {
        for (_, pending) in
            cx.recall_about(About::Node(gone), |p| matches!(p, Pending::Client { .. }))
        {
            if let Pending::Client {
                client,
                reqid,
                timer,
                ..
            } = pending
            {
                if let Some(timer) = timer {
                    cx.timers.disarm(timer);
                }
                reply(cx, client, reqid, -1, Bytes::new(), NODE_IS_DISCONNECTED);
            }
        }
    }

    /// A client has gone: late answers to it find nothing.
    pub fn forget_requests(cx: &mut Shared, gone: ClientId) {
        for (_, pending) in cx.recall_about(About::Client(gone), |_| true) {
            if let Pending::Client {
                timer: Some(timer), ..
            } = pending
            {
                cx.timers.disarm(timer);
            }
        }
    }
}

fn reply(
    cx: &mut Shared,
    client: ClientId,
    reqid: ReqId,
    status: i32,
    data: Bytes,
    error: &'static str,
) {
    let answer = ReplyControl {
        status,
        data,
        errormsg: Bytes::from_static(error.as_bytes()),
    };
    to_client(cx, client, reqid, Packet::ReplyControl(answer));
}

/// Sends a packet to a client as upstream does: from the own node, with the client's request id.
pub fn to_client(cx: &mut Shared, client: ClientId, reqid: ReqId, packet: Packet) {
    let header = Header::new(cx.vnn_map.generation, cx.pnn, Pnn(0), reqid);
    cx.statistics.count(|s| s.client_packets_sent += 1);
    cx.out.push(Effect::ToClient {
        client,
        packet: packet::encode(&header, &packet),
        queue_limit: None,
    });
}
