//! One packet of a capture, and what its payload has to be.

use std::collections::HashMap;

use bytes::Bytes;
use ctdb_protocol::{Header, Packet, Pnn, ReqId};

use super::{same, vector};

/// Remembers which control a reply answers: its payload's type is nowhere else.
#[derive(Debug, Default)]
pub(super) struct Packets {
    asked: HashMap<(Pnn, Pnn, ReqId), u32>,
}

impl Packets {
    /// Checks the packet, then its payload if that has a type.
    pub(super) fn check(&mut self, packet: Bytes) -> Result<(), String> {
        let (header, body) = Packet::decode(packet.clone()).map_err(|error| error.to_string())?;
        same(&packet, &body.encode(&header))
            .map_err(|why| format!("operation {}: {why}", header.operation))?;
        self.check_payload(&header, &body)
    }

    fn check_payload(&mut self, header: &Header, body: &Packet) -> Result<(), String> {
        match body {
            Packet::ReqControl(control) => {
                self.asked.insert(
                    (header.srcnode, header.destnode, header.reqid),
                    control.opcode,
                );
                vector::request(control.opcode, &control.data)
                    .map_err(|why| format!("request of control {}: {why}", control.opcode))
            }
            Packet::ReplyControl(control) => {
                let asked = self
                    .asked
                    .remove(&(header.destnode, header.srcnode, header.reqid));
                let Some(code) = asked.filter(|_| control.status == 0) else {
                    return Ok(());
                };
                vector::reply(code, &control.data)
                    .map_err(|why| format!("reply of control {code}: {why}"))
            }
            Packet::ReqMessage(message) => vector::message(message.srvid, &message.data)
                .map_err(|why| format!("message to {}: {why}", message.srvid)),
            Packet::ReqCall(_)
            | Packet::ReplyCall(_)
            | Packet::ReqDmaster(_)
            | Packet::ReplyDmaster(_)
            | Packet::ReplyError(_)
            | Packet::ReqKeepalive(_)
            | Packet::ReqTunnel(_) => Ok(()),
        }
    }
}
