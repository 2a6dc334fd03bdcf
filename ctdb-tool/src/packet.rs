// SPDX-License-Identifier: GPL-3.0-or-later
//! TCP segments made by hand: the ACK that makes a client notice that its connection is gone.
//! Answers to `ctdb_sys_send_tcp`.

use crate::sys;
use ctdb_protocol::types::Connection;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

const TCP_LENGTH: u16 = 20;
const IP_LENGTH: u16 = 20;
const PROTOCOL_TCP: u8 = 6;
const FLAG_ACK: u8 = 0x10;
/// What upstream puts there; any window will do.
const WINDOW: u16 = 1234;

/// Sends an empty ACK with sequence numbers 0 from `src` to `dst`. Both must be of one family.
pub fn send_ack(conn: &Connection) -> io::Result<()> {
    let ends = (conn.src.to_socket_addr(), conn.dst.to_socket_addr());
    let (Some(src), Some(dst)) = ends else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    let packet = match (src.ip(), dst.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ipv4(from, to, src.port(), dst.port()),
        (IpAddr::V6(from), IpAddr::V6(to)) => ipv6(from, to, src.port(), dst.port()),
        _ => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
    };
    let socket = sys::raw_socket(dst.is_ipv6())?;
    // raw IPv6 sockets refuse a port
    let target = SocketAddr::new(dst.ip(), 0);
    let sent = sys::send_to(socket.as_raw_fd(), &packet, target)?;
    if sent == packet.len() {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::EIO))
    }
}

/// IP header and segment.
fn ipv4(from: Ipv4Addr, to: Ipv4Addr, src: u16, dst: u16) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((IP_LENGTH + TCP_LENGTH).to_be_bytes());
    packet.extend([0, 0, 0, 0, 255, PROTOCOL_TCP, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    // the kernel fills the checksum of the IP header
    let mut pseudo = [from.octets(), to.octets()].concat();
    pseudo.extend([0, PROTOCOL_TCP]);
    pseudo.extend(TCP_LENGTH.to_be_bytes());
    packet.extend(segment(src, dst, &pseudo));
    packet
}

/// The segment alone: the kernel adds the IPv6 header.
fn ipv6(from: Ipv6Addr, to: Ipv6Addr, src: u16, dst: u16) -> Vec<u8> {
    let mut pseudo = [from.octets(), to.octets()].concat();
    pseudo.extend(u32::from(TCP_LENGTH).to_be_bytes());
    pseudo.extend([0, 0, 0, PROTOCOL_TCP]);
    segment(src, dst, &pseudo)
}

fn segment(src: u16, dst: u16, pseudo: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(usize::from(TCP_LENGTH));
    bytes.extend(src.to_be_bytes());
    bytes.extend(dst.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend([((TCP_LENGTH / 4) << 4) as u8, FLAG_ACK]);
    bytes.extend(WINDOW.to_be_bytes());
    bytes.extend([0; 4]);
    let sum = checksum(pseudo.iter().chain(&bytes));
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The internet checksum of an even number of bytes.
fn checksum<'a>(bytes: impl Iterator<Item = &'a u8>) -> u16 {
    let mut sum: u32 = 0;
    for (index, byte) in bytes.enumerate() {
        sum += if index % 2 == 0 {
            u32::from(*byte) << 8
        } else {
            u32::from(*byte)
        };
    }
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_verify() {
        let packet = ipv4(
            Ipv4Addr::new(10, 0, 0, 1),
            Ipv4Addr::new(10, 0, 0, 2),
            445,
            40000,
        );
        assert_eq!(packet.len(), 40);
        let mut covered = packet[12..20].to_vec();
        covered.extend([0, PROTOCOL_TCP, 0, 20]);
        covered.extend(&packet[20..]);
        assert_eq!(checksum(covered.iter()), 0);
    }
}
