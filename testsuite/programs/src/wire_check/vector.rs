//! One line of a vector file.

use bytes::Bytes;
use ctdb_protocol::control::{self, Reply, Request};
use ctdb_protocol::message::Message;
use ctdb_protocol::packet::{self, Header};
use ctdb_protocol::wire::front;
use ctdb_protocol::{Packet, Srvid, all, encode};

use super::same;

/// Checks a line.
pub(super) fn check(line: &str) -> Result<(), String> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [kind, name, id, hex] = fields.as_slice() else {
        return Err("not four fields".to_owned());
    };
    let id: u64 = id
        .parse()
        .map_err(|_| "the third field is no number".to_owned())?;
    let bytes = unhex(hex)?;
    match (*kind, *name) {
        ("raw", "ctdb_req_header") => header(&bytes),
        ("data", "ctdb_req_control_data") => request(opcode(id)?, &bytes),
        ("data", "ctdb_reply_control_data") => reply(opcode(id)?, &bytes),
        ("data", "ctdb_message_data") => message(Srvid(id), &bytes),
        ("packet", name) => whole(name, id, bytes.into()),
        _ => Err("unknown kind of vector".to_owned()),
    }
}

fn opcode(id: u64) -> Result<u32, String> {
    u32::try_from(id).map_err(|_| "no opcode".to_owned())
}

fn header(bytes: &[u8]) -> Result<(), String> {
    let header: Header = all(bytes).map_err(|error| error.to_string())?;
    same(bytes, &encode(&header))
}

/// A control's request. Obsolete and unknown ones carry nothing.
pub(super) fn request(code: u32, bytes: &[u8]) -> Result<(), String> {
    if !is_live(code) {
        return same(bytes, &[]);
    }
    let request = Request::take(code, bytes).map_err(|error| error.to_string())?;
    let mut made = Vec::new();
    request.put(&mut made);
    same(bytes, &made)
}

/// The data of a control's good reply.
pub(super) fn reply(code: u32, bytes: &[u8]) -> Result<(), String> {
    if !is_live(code) {
        return same(bytes, &[]);
    }
    let reply = Reply::take(code, bytes).map_err(|error| error.to_string())?;
    let mut made = Vec::new();
    reply.put(&mut made);
    same(bytes, &made)
}

fn is_live(code: u32) -> bool {
    control::find(code).is_some_and(|row| row.life == control::Life::Live)
}

/// A message's payload.
pub(super) fn message(srvid: Srvid, bytes: &[u8]) -> Result<(), String> {
    let message = Message::take(srvid, bytes).map_err(|error| error.to_string())?;
    let mut made = Vec::new();
    message.put(&mut made);
    same(bytes, &made)
}

/// A whole packet. Its header is random but for the length, so the name says what it is.
fn whole(name: &str, id: u64, bytes: Bytes) -> Result<(), String> {
    let header: Header = front(&bytes).map_err(|error| error.to_string())?;
    if header.length as usize != bytes.len() {
        return Err(format!(
            "length {} in a packet of {}",
            header.length,
            bytes.len()
        ));
    }
    let body =
        Packet::decode_body(operation(name)?, bytes.clone()).map_err(|error| error.to_string())?;
    same(&bytes, &packet::encode_as(&header, &body))?;
    // A packet of our own has the same size, or that of the C daemon's structure if it is larger.
    let fresh = Header {
        length: 0,
        ..header
    };
    let made = packet::encode_as(&fresh, &body).len();
    if made != bytes.len() && made != bytes.len() + packet::ALIGNMENT {
        return Err(format!(
            "{} bytes, {made} by our own reckoning",
            bytes.len()
        ));
    }
    match &body {
        Packet::ReqControl(control) => {
            if u64::from(control.opcode) != id {
                return Err(format!("opcode {}", control.opcode));
            }
            request(control.opcode, &control.data)
        }
        // Data comes with status 0, words with any other.
        Packet::ReplyControl(control) if control.status == 0 => reply(opcode(id)?, &control.data),
        Packet::ReqMessage(message_body) if name == "ctdb_req_message" => {
            if message_body.srvid != Srvid(id) {
                return Err(format!("srvid {}", message_body.srvid));
            }
            message(message_body.srvid, &message_body.data)
        }
        _ => Ok(()),
    }
}

fn operation(name: &str) -> Result<u32, String> {
    Ok(match name {
        "ctdb_req_call" => packet::REQ_CALL,
        "ctdb_reply_call" => packet::REPLY_CALL,
        "ctdb_reply_error" => packet::REPLY_ERROR,
        "ctdb_req_dmaster" => packet::REQ_DMASTER,
        "ctdb_reply_dmaster" => packet::REPLY_DMASTER,
        "ctdb_req_message" | "ctdb_req_message_data" => packet::REQ_MESSAGE,
        "ctdb_req_control" => packet::REQ_CONTROL,
        "ctdb_reply_control" => packet::REPLY_CONTROL,
        "ctdb_req_keepalive" => packet::REQ_KEEPALIVE,
        "ctdb_req_tunnel" => packet::REQ_TUNNEL,
        _ => return Err("unknown packet".to_owned()),
    })
}

fn unhex(hex: &str) -> Result<Vec<u8>, String> {
    if hex == "-" {
        return Ok(Vec::new());
    }
    let digit = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pairs = hex.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs
        .collect::<Option<_>>()
        .ok_or_else(|| "the fourth field is not hexadecimal".to_owned())
}
