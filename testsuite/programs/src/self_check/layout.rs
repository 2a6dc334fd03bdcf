//! `protocol_ctdb_compat_test`: fields of packets lie where C's structures have them.

use bytes::Bytes;
use ctdb_protocol::Packet;
use ctdb_protocol::packet::OPERATIONS;
use ctdb_protocol::sample::Random;

use super::values::header;
use super::{Check, ensure};

/// A packet, read at C's offsets.
struct Bare {
    name: &'static str,
    bytes: Bytes,
}

impl Bare {
    fn u32(&self, field: &str, offset: usize, expected: u32) -> Check {
        let found = self.bytes.get(offset..offset + 4);
        ensure(found == Some(&expected.to_ne_bytes()), || {
            self.words(field, offset)
        })
    }

    fn u64(&self, field: &str, offset: usize, expected: u64) -> Check {
        let found = self.bytes.get(offset..offset + 8);
        ensure(found == Some(&expected.to_ne_bytes()), || {
            self.words(field, offset)
        })
    }

    fn length(&self, field: &str, offset: usize, bytes: &[u8]) -> Check {
        self.u32(
            field,
            offset,
            u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        )
    }

    fn bytes(&self, field: &str, offset: usize, expected: &[u8]) -> Check {
        let found = self.bytes.get(offset..offset + expected.len());
        ensure(found == Some(expected), || self.words(field, offset))
    }

    fn words(&self, field: &str, offset: usize) -> String {
        format!("{}: {field} is not at {offset}", self.name)
    }
}

/// One packet of each operation.
///
/// # Errors
/// Which field lies elsewhere.
pub fn check(random: &mut Random) -> Check {
    for (operation, name) in OPERATIONS {
        let packet = Packet::sample(*operation, random).ok_or("an operation without packets")?;
        let header = header(random);
        let bare = Bare {
            name,
            bytes: packet.encode(&header),
        };
        bare.length("length", 0, &bare.bytes)?;
        bare.u32("ctdb_magic", 4, 0x4354_4442)?;
        bare.u32("ctdb_version", 8, 1)?;
        bare.u32("generation", 12, header.generation.0)?;
        bare.u32("operation", 16, *operation)?;
        bare.u32("destnode", 20, header.destnode.0)?;
        bare.u32("srcnode", 24, header.srcnode.0)?;
        bare.u32("reqid", 28, header.reqid.0)?;
        ensure(bare.bytes.len().is_multiple_of(8), || {
            format!("{name}: not padded to 8")
        })?;
        body(&bare, &packet)?;
    }
    Ok(())
}

fn body(bare: &Bare, packet: &Packet) -> Check {
    match packet {
        Packet::ReqCall(call) => {
            bare.u32("flags", 32, call.flags.bits())?;
            bare.u32("db_id", 36, call.db_id.0)?;
            bare.u32("callid", 40, call.callid.0)?;
            bare.u32("hopcount", 44, call.hopcount)?;
            bare.length("keylen", 48, &call.key)?;
            bare.length("calldatalen", 52, &call.calldata)?;
            bare.bytes("key", 56, &call.key)?;
            bare.bytes("calldata", 56 + call.key.len(), &call.calldata)
        }
        Packet::ReplyCall(reply) => {
            bare.u32("status", 32, reply.status.cast_unsigned())?;
            bare.length("datalen", 36, &reply.data)?;
            bare.bytes("data", 40, &reply.data)
        }
        Packet::ReplyError(error) => {
            bare.u32("status", 32, error.status.cast_unsigned())?;
            bare.length("msglen", 36, &error.msg)?;
            bare.bytes("msg", 40, &error.msg)
        }
        Packet::ReqDmaster(dmaster) => {
            bare.u32("db_id", 32, dmaster.db_id.0)?;
            bare.u64("rsn", 40, dmaster.rsn)?;
            bare.u32("dmaster", 48, dmaster.dmaster.0)?;
            bare.length("keylen", 52, &dmaster.key)?;
            bare.length("datalen", 56, &dmaster.data)?;
            bare.bytes("key", 60, &dmaster.key)?;
            bare.bytes("data", 60 + dmaster.key.len(), &dmaster.data)?;
            let flags = dmaster.record_flags.ok_or("no record flags")?.bits();
            bare.u32(
                "record flags",
                60 + dmaster.key.len() + dmaster.data.len(),
                flags,
            )
        }
        Packet::ReplyDmaster(dmaster) => {
            bare.u32("db_id", 32, dmaster.db_id.0)?;
            bare.u64("rsn", 40, dmaster.rsn)?;
            bare.length("keylen", 48, &dmaster.key)?;
            bare.length("datalen", 52, &dmaster.data)?;
            bare.bytes("key", 56, &dmaster.key)?;
            bare.bytes("data", 56 + dmaster.key.len(), &dmaster.data)?;
            let flags = dmaster.record_flags.ok_or("no record flags")?.bits();
            bare.u32(
                "record flags",
                56 + dmaster.key.len() + dmaster.data.len(),
                flags,
            )
        }
        Packet::ReqMessage(message) => {
            bare.u64("srvid", 32, message.srvid.0)?;
            bare.length("datalen", 40, &message.data)?;
            bare.bytes("data", 44, &message.data)
        }
        Packet::ReqControl(control) => {
            bare.u32("opcode", 32, control.opcode)?;
            bare.u64("srvid", 40, control.srvid.0)?;
            bare.u32("client_id", 48, control.client_id.0)?;
            bare.u32("flags", 52, control.flags.bits())?;
            bare.length("datalen", 56, &control.data)?;
            bare.bytes("data", 60, &control.data)
        }
        Packet::ReplyControl(reply) => {
            bare.u32("status", 32, reply.status.cast_unsigned())?;
            bare.length("datalen", 36, &reply.data)?;
            bare.length("errorlen", 40, &reply.errormsg)?;
            bare.bytes("data", 44, &reply.data)?;
            bare.bytes("error", 44 + reply.data.len(), &reply.errormsg)
        }
        Packet::ReqKeepalive(keepalive) => {
            bare.u32("version", 32, keepalive.version)?;
            bare.u32("uptime", 36, keepalive.uptime_s)?;
            ensure(bare.bytes.len() == 40, || {
                "keepalive: not 40 bytes".to_owned()
            })
        }
        Packet::ReqTunnel(tunnel) => {
            bare.u64("tunnel_id", 32, tunnel.tunnel_id.0)?;
            bare.u32("flags", 40, tunnel.flags.bits())?;
            bare.length("datalen", 44, &tunnel.data)?;
            bare.bytes("data", 48, &tunnel.data)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_seeds() {
        for seed in 1..50 {
            assert_eq!(check(&mut Random::new(seed)), Ok(()));
        }
    }
}
