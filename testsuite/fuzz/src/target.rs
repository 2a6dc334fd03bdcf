// SPDX-License-Identifier: GPL-3.0-or-later
//! What is attacked: the decoders of packets, controls, messages and of the event daemon.

use bytes::Bytes;
use ctdb_protocol::control::{Reply, Request};
use ctdb_protocol::message::Message;
use ctdb_protocol::{Packet, ReqId, Srvid, Wire, WireError, encode, event};

/// Bytes, and what they claim to be: an opcode, a srvid, or nothing.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) id: u64,
    pub(crate) bytes: Vec<u8>,
}

/// A decoder under attack.
pub(crate) struct Target {
    /// As on the command line.
    pub(crate) name: &'static str,
    /// Good inputs from the lines of a vector file.
    pub(crate) samples: fn(&str) -> Vec<Sample>,
    /// False for refused bytes; an error if accepted bytes do not go round.
    pub(crate) decode: fn(&Sample) -> Result<bool, String>,
}

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "packet",
        samples: |text| vectors(text, "packet", packet_of),
        decode: packet,
    },
    Target {
        name: "request",
        samples: |text| vectors(text, "data ctdb_req_control_data", plain),
        decode: request,
    },
    Target {
        name: "reply",
        samples: |text| vectors(text, "data ctdb_reply_control_data", plain),
        decode: reply,
    },
    Target {
        name: "message",
        samples: |text| vectors(text, "data ctdb_message_data", plain),
        decode: message,
    },
    Target {
        name: "event",
        samples: event_samples,
        decode: event_packet,
    },
];

/// Samples from the lines that begin with `kind`.
fn vectors(text: &str, kind: &str, make: fn(&str, u64, Vec<u8>) -> Sample) -> Vec<Sample> {
    let wanted = text.lines().filter(|line| line.starts_with(kind));
    wanted.filter_map(|line| sample_of(line, make)).collect()
}

fn sample_of(line: &str, make: fn(&str, u64, Vec<u8>) -> Sample) -> Option<Sample> {
    let mut fields = line.split(' ').skip(1);
    let (name, id, hex) = (fields.next()?, fields.next()?, fields.next()?);
    let digits = hex.trim_matches('-').as_bytes();
    let bytes = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<Vec<u8>>>()?;
    Some(make(name, id.parse().ok()?, bytes))
}

fn plain(_name: &str, id: u64, bytes: Vec<u8>) -> Sample {
    Sample { id, bytes }
}

/// The headers of the vectors are random: give them the magic, version and operation that the
/// decoder wants to see before it looks any further.
fn packet_of(name: &str, _id: u64, mut bytes: Vec<u8>) -> Sample {
    let operation: u32 = match name {
        "ctdb_req_call" => 0,
        "ctdb_reply_call" => 1,
        "ctdb_req_dmaster" => 2,
        "ctdb_reply_dmaster" => 3,
        "ctdb_reply_error" => 4,
        "ctdb_req_control" => 7,
        "ctdb_reply_control" => 8,
        "ctdb_req_keepalive" => 9,
        "ctdb_req_tunnel" => 10,
        _ => 5,
    };
    let words = [
        (4, ctdb_protocol::packet::MAGIC),
        (8, ctdb_protocol::packet::VERSION),
        (16, operation),
    ];
    for (at, word) in words {
        if let Some(place) = bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
    }
    Sample { id: 0, bytes }
}

fn packet(sample: &Sample) -> Result<bool, String> {
    // The framing has always cut a packet to its length before it is decoded: repair that word,
    // or nearly every damaged packet ends there.
    let mut bytes = sample.bytes.clone();
    if let (Ok(length), Some(place)) = (u32::try_from(bytes.len()), bytes.get_mut(0..4)) {
        place.copy_from_slice(&length.to_ne_bytes());
    }
    let Ok((header, body)) = Packet::decode(Bytes::from(bytes)) else {
        return Ok(false);
    };
    let made = body.encode(&header);
    let (header, body) = Packet::decode(made.clone()).map_err(refused)?;
    same(&made, &body.encode(&header))
}

fn request(sample: &Sample) -> Result<bool, String> {
    let Ok(code) = u32::try_from(sample.id) else {
        return Ok(false);
    };
    around(
        &sample.bytes,
        |bytes| Request::take(code, bytes),
        |request, out| request.put(out),
    )
}

fn reply(sample: &Sample) -> Result<bool, String> {
    let Ok(code) = u32::try_from(sample.id) else {
        return Ok(false);
    };
    around(
        &sample.bytes,
        |bytes| Reply::take(code, bytes),
        |reply, out| reply.put(out),
    )
}

fn message(sample: &Sample) -> Result<bool, String> {
    let srvid = Srvid(sample.id);
    around(
        &sample.bytes,
        |bytes| Message::take(srvid, bytes),
        |message, out| message.put(out),
    )
}

/// Even ids are requests, odd ones replies.
fn event_packet(sample: &Sample) -> Result<bool, String> {
    if sample.id.is_multiple_of(2) {
        event_round::<event::Request>(&sample.bytes)
    } else {
        event_round::<event::Reply>(&sample.bytes)
    }
}

fn event_round<T: Wire>(bytes: &[u8]) -> Result<bool, String> {
    let mut bytes = bytes.to_vec();
    if let (Ok(length), Some(place)) = (u32::try_from(bytes.len()), bytes.get_mut(0..4)) {
        place.copy_from_slice(&length.to_ne_bytes());
    }
    let Ok((reqid, body)) = event::open::<T>(&bytes) else {
        return Ok(false);
    };
    let made = event::packet(reqid, &body);
    let (reqid, body) = event::open::<T>(&made).map_err(refused)?;
    same(&made, &event::packet(reqid, &body))
}

/// The vector files hold nothing of the event daemon: a packet of each kind is made here, from
/// the bytes that its fields have.
fn event_samples(_text: &str) -> Vec<Sample> {
    let text = |words: &str| [words.as_bytes(), &[0]].concat();
    let bodies: [(u64, Vec<Vec<u8>>); 5] = [
        (
            0,
            vec![
                encode(&1_u32),
                counted("legacy"),
                counted("monitor"),
                counted("a b"),
                encode(&30_u32),
                encode(&0_u32),
            ],
        ),
        (
            0,
            vec![encode(&2_u32), counted("legacy"), counted("monitor")],
        ),
        (
            0,
            vec![
                encode(&3_u32),
                counted("legacy"),
                counted("00.ctdb"),
                encode(&1_u32),
            ],
        ),
        (1, vec![encode(&1_u32), encode(&0_u32)]),
        (
            1,
            vec![
                encode(&2_u32),
                encode(&0_u32),
                encode(&0_u32),
                encode(&1_u32),
                text("00.ctdb"),
                vec![0; 64],
            ],
        ),
    ];
    let whole = |parts: Vec<Vec<u8>>| {
        let mut bytes = vec![0; 8];
        bytes.extend(encode(&ReqId(7)));
        bytes.extend(parts.concat());
        bytes
    };
    bodies
        .into_iter()
        .map(|(id, parts)| Sample {
            id,
            bytes: whole(parts),
        })
        .collect()
}

/// A string with its length, its NUL counted, in front.
fn counted(words: &str) -> Vec<u8> {
    let length = u32::try_from(words.len() + 1).unwrap_or(u32::MAX);
    [&length.to_ne_bytes(), words.as_bytes(), &[0]].concat()
}

fn around<T>(
    bytes: &[u8],
    take: impl Fn(&[u8]) -> Result<T, WireError>,
    put: impl Fn(&T, &mut Vec<u8>),
) -> Result<bool, String> {
    let Ok(value) = take(bytes) else {
        return Ok(false);
    };
    let (mut first, mut second) = (Vec::new(), Vec::new());
    put(&value, &mut first);
    let again = take(&first).map_err(refused)?;
    put(&again, &mut second);
    same(&first, &second)
}

fn refused(error: WireError) -> String {
    format!("our own encoding is refused: {error}")
}

fn same(first: &[u8], second: &[u8]) -> Result<bool, String> {
    if first == second {
        Ok(true)
    } else {
        Err("accepted bytes do not go round".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undamaged_event_samples_are_mostly_accepted() {
        let samples = event_samples("");
        let accepted = samples
            .iter()
            .filter(|sample| event_packet(sample) == Ok(true))
            .count();
        assert!(accepted >= 4, "{accepted} of {}", samples.len());
    }

    #[test]
    fn a_vector_line_is_read() {
        let text = "data ctdb_req_control_data 5 -\ndata ctdb_req_control_data 6 0a0b\n";
        let samples = vectors(text, "data ctdb_req_control_data", plain);
        assert_eq!((samples[0].id, samples[0].bytes.len()), (5, 0));
        assert_eq!(samples[1].bytes, [10, 11]);
    }
}
