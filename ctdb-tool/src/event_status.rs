// SPDX-License-Identifier: GPL-3.0-or-later
//! Asking this node's event daemon how the last run of an event went.

use ctdb_protocol::event::{Reply, Request, Status, StatusReply, open, packet};
use ctdb_protocol::id::ReqId;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long the event daemon may take; it answers from memory.
const LIMIT: Duration = Duration::from_secs(2);
/// More than any honest answer.
const LONGEST: usize = 64 << 20;

/// Scripts and results of an event's last run, from the event daemon that listens at `eventd`. An error if
/// there was none or nobody answers.
pub fn last_run(eventd: &Path, component: &str, event: &str) -> io::Result<StatusReply> {
    let mut socket = UnixStream::connect(eventd)?;
    socket.set_read_timeout(Some(LIMIT))?;
    socket.set_write_timeout(Some(LIMIT))?;
    let status = Status {
        component: component.into(),
        event: event.into(),
    };
    socket.write_all(&packet(ReqId(1), &Request::Status(status)))?;
    let answer = read_packet(&mut socket)?;
    let (_, reply) = open::<Reply>(&answer).map_err(io::Error::other)?;
    match reply.status {
        Some(status) if reply.result == 0 => Ok(status),
        _ => Err(io::Error::from_raw_os_error(reply.result)),
    }
}

fn read_packet(socket: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    socket.read_exact(&mut head)?;
    let length = u32::from_ne_bytes(head) as usize;
    if !(4..=LONGEST).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut packet = vec![0; length];
    packet[..4].copy_from_slice(&head);
    socket.read_exact(&mut packet[4..])?;
    Ok(packet)
}
