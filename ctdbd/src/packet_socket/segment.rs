// SPDX-License-Identifier: GPL-3.0-or-later
//! What a captured IP packet says about its TCP connection.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::build::{RST, WINDOW};

const PROTOCOL_TCP: u8 = 6;

/// The part of a TCP segment that is needed to reset its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Sender.
    pub src: SocketAddr,
    /// Receiver.
    pub dst: SocketAddr,
    /// Sequence number as on the wire.
    pub seq: [u8; 4],
    /// Acknowledged sequence number as on the wire.
    pub ack: [u8; 4],
    /// Does it end the connection?
    pub reset: bool,
    /// Window size.
    pub window: u16,
}

impl Segment {
    /// Reads an IP packet, or the beginning of one. `None` for anything but TCP, for fragments but
    /// the first, for IPv6 with extension headers, and for too few bytes.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => parse_ipv4(packet),
            6 => parse_ipv6(packet),
            _ => None,
        }
    }

    /// Is this one of ours, looped back to the capture?
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.window == WINDOW && (self.reset || self.seq == [0; 4])
    }
}

fn parse_ipv4(packet: &[u8]) -> Option<Segment> {
    let header = packet.get(..20)?;
    let fragment_offset = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
    if fragment_offset != 0 || header[9] != PROTOCOL_TCP {
        return None;
    }
    let tcp = packet.get(usize::from(header[0] & 0x0f) * 4..)?;
    let src = Ipv4Addr::from(field::<4>(header, 12)?);
    let dst = Ipv4Addr::from(field::<4>(header, 16)?);
    parse_tcp(tcp, |ports| ((src, ports.0).into(), (dst, ports.1).into()))
}

fn parse_ipv6(packet: &[u8]) -> Option<Segment> {
    let (header, tcp) = packet.split_at_checked(40)?;
    if header[6] != PROTOCOL_TCP {
        return None;
    }
    let src = Ipv6Addr::from(field::<16>(header, 8)?);
    let dst = Ipv6Addr::from(field::<16>(header, 24)?);
    parse_tcp(tcp, |ports| ((src, ports.0).into(), (dst, ports.1).into()))
}

fn parse_tcp(
    tcp: &[u8],
    ends: impl FnOnce((u16, u16)) -> (SocketAddr, SocketAddr),
) -> Option<Segment> {
    let port = |at| field::<2>(tcp, at).map(u16::from_be_bytes);
    let (src, dst) = ends((port(0)?, port(2)?));
    Some(Segment {
        src,
        dst,
        seq: field(tcp, 4)?,
        ack: field(tcp, 8)?,
        reset: tcp.get(13)? & RST != 0,
        window: port(14)?,
    })
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

#[cfg(test)]
mod tests {
    use super::super::build::segment;
    use super::*;

    #[test]
    fn reads_what_build_makes() {
        let ends = [
            ("192.168.1.25:445", "192.168.2.75:54321"),
            ("[fe80::1]:445", "[fe80::2]:54321"),
        ];
        for (src, dst) in ends.map(|(src, dst)| (src.parse().unwrap(), dst.parse().unwrap())) {
            let packet = segment(src, dst, [1, 2, 3, 4], [5, 6, 7, 8], true).unwrap();
            let read = Segment::parse(&packet).unwrap();
            assert_eq!((read.src, read.dst), (src, dst));
            assert_eq!((read.seq, read.ack), ([1, 2, 3, 4], [5, 6, 7, 8]));
            assert!(read.reset && read.is_own());
        }
    }

    #[test]
    fn every_cut_is_refused_without_panic() {
        let (src, dst) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap());
        let packet = segment(src, dst, [0; 4], [0; 4], false).unwrap();
        for length in 0..36 {
            assert_eq!(Segment::parse(&packet[..length]), None, "{length}");
        }
        let mut fragment = packet.clone();
        fragment[7] = 1;
        assert_eq!(Segment::parse(&fragment), None);
        let mut udp = packet;
        udp[9] = 17;
        assert_eq!(Segment::parse(&udp), None);
    }
}
