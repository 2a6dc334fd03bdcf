//! Values go to bytes and come back the same; cut short, they are refused.

use std::fmt::Debug;

use ctdb_protocol::control::{Life, Reply, Request, TABLE};
use ctdb_protocol::message::Message;
use ctdb_protocol::packet::OPERATIONS;
use ctdb_protocol::sample::{Random, Sample};
use ctdb_protocol::text::{CountedText, FixedText, Text};
use ctdb_protocol::types;
use ctdb_protocol::wire::{Blob, Data, Pad, Seconds};
use ctdb_protocol::{
    ClientId, DbId, Generation, Header, Packet, Pnn, ReqId, Srvid, Wire, all, encode, event,
};

use super::{Check, ensure};

/// There and back; and refused without its last byte, unless it has no end of its own.
fn round_trip<T: Wire + Sample + PartialEq + Debug>(random: &mut Random) -> Check {
    let value = T::sample(random);
    let bytes = encode(&value);
    let name = std::any::type_name::<T>();
    let again = all::<T>(&bytes);
    ensure(again.as_ref() == Ok(&value), || {
        format!("{name}: {value:?} became {again:?}")
    })?;
    ensure(encode(&value) == bytes, || {
        format!("{name}: other bytes the second time")
    })?;
    let Some((_, shorter)) = bytes.split_last() else {
        return Ok(());
    };
    let shorter = all::<T>(shorter);
    let endless = shorter
        .as_ref()
        .is_ok_and(|shorter| encode(shorter).len() + 1 == bytes.len());
    ensure(shorter.is_err() || endless, || {
        format!("{name}: {value:?} cut is {shorter:?}")
    })
}

macro_rules! each {
    ($random:expr; $($type:ty),* $(,)?) => { $(round_trip::<$type>($random)?;)* };
}

/// `protocol_basic_test`: numbers, strings, holes.
///
/// # Errors
/// What went wrong.
pub fn basic(random: &mut Random) -> Check {
    each!(random;
        u8, u16, u32, i32, u64, i64, bool, Seconds, Pad<3>, Pad<4>, Pad<7>, Text, CountedText,
        FixedText<2>, FixedText<18>, Data, Blob, Vec<u32>, Vec<u8>, [u32; 16],
        Pnn, DbId, Generation, ReqId, ClientId, Srvid, types::Timeval,
    );
    ensure(all::<bool>(&[2]).is_err(), || {
        "a truth value of 2".to_owned()
    })
}

/// `protocol_types_test`: every structure.
///
/// # Errors
/// What went wrong.
pub fn structures(random: &mut Random) -> Check {
    each!(random;
        types::LatencyCounter, types::Statistics, types::StatisticsList, types::DbStatistics,
        types::VnnMap, types::DbAndFlags, types::DbMap, types::PullDbExt, types::TransDb,
        types::LtdbHeader, types::RecData, types::MarshallBuffer, types::KeyData,
        types::PushRecord, types::DbVacuum, types::EchoData, types::TraverseStart,
        types::TraverseStartExt, types::TraverseAll, types::TraverseAllExt, types::SockAddr,
        types::Connection, types::TickleList, types::AddrInfo, types::PublicIp,
        types::PublicIpList, types::PublicIpInfo, types::Iface, types::IfaceList, types::Tunable,
        types::TunableList, types::VarList, types::NodeFlagChange, types::NodeAndFlags,
        types::NodeMap, types::BanState, types::Uptime, types::NotifyData, types::PidSrvid,
        types::ElectionMessage, types::SrvidMessage, types::DisableMessage, types::ServerId,
        types::GLock, types::GLockList,
    );
    Ok(())
}

/// `protocol_ctdb_test`: every packet, control and message.
///
/// # Errors
/// What went wrong.
pub fn packets(random: &mut Random) -> Check {
    for row in TABLE.iter().filter(|row| row.life == Life::Live) {
        let request = Request::sample(row.code, random).ok_or("a live control without requests")?;
        let mut bytes = Vec::new();
        request.put(&mut bytes);
        let again = Request::take(row.code, &bytes);
        ensure(again.as_ref() == Ok(&request), || {
            format!("{}: {again:?}", row.name)
        })?;
        let reply = Reply::sample(row.code, random).ok_or("a live control without replies")?;
        bytes.clear();
        reply.put(&mut bytes);
        let again = Reply::take(row.code, &bytes);
        ensure(again.as_ref() == Ok(&reply), || {
            format!("{}: {again:?}", row.name)
        })?;
    }
    for srvid in Message::PORTS {
        let message = Message::sample(*srvid, random);
        let mut bytes = Vec::new();
        message.put(&mut bytes);
        let again = Message::take(*srvid, &bytes);
        ensure(again.as_ref() == Ok(&message), || {
            format!("{srvid}: {again:?}")
        })?;
    }
    for (operation, name) in OPERATIONS {
        let packet = Packet::sample(*operation, random).ok_or("an operation without packets")?;
        let header = Header {
            length: 0,
            ..header(random)
        };
        let bytes = packet.encode(&header);
        let again = Packet::decode(bytes);
        let same = again.as_ref().is_ok_and(|(_, again)| *again == packet);
        ensure(same, || format!("{name}: {again:?}"))?;
    }
    Ok(())
}

/// A header that a decoder accepts.
pub(super) fn header(random: &mut Random) -> Header {
    Header::new(
        Sample::sample(random),
        Sample::sample(random),
        Sample::sample(random),
        Sample::sample(random),
    )
}

/// `event_protocol_test`: requests to the event daemon and its replies, with their heads.
///
/// # Errors
/// What went wrong.
pub fn events(random: &mut Random) -> Check {
    let reqid = ReqId::sample(random);
    let request = event::Request::sample(random);
    let again = event::open::<event::Request>(&event::packet(reqid, &request));
    ensure(again.as_ref() == Ok(&(reqid, request)), || {
        format!("request: {again:?}")
    })?;
    let reply = event::Reply::sample(random);
    let again = event::open::<event::Reply>(&event::packet(reqid, &reply));
    ensure(again.as_ref() == Ok(&(reqid, reply)), || {
        format!("reply: {again:?}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_seeds() {
        for seed in 1..50 {
            let random = &mut Random::new(seed);
            for check in [basic, structures, packets, events] {
                assert_eq!(check(random), Ok(()), "seed {seed}");
            }
        }
    }
}
