// SPDX-License-Identifier: GPL-3.0-or-later
//! The bytes of each packet, from addresses to the wire. Golden bytes are in the tests, and
//! UNIT/cunit `system_socket_test_*` compares them with upstream's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Length of an Ethernet hardware address.
pub const ETHERNET: usize = 6;
/// Length of an IP-over-InfiniBand hardware address.
pub const INFINIBAND: usize = 20;

/// Shortest frame that goes on an Ethernet; shorter ones are filled up with zeros.
const SHORTEST_FRAME: usize = 64;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const HARDWARE_ETHERNET: u16 = 1;
const HARDWARE_INFINIBAND: u16 = 32;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_ICMPV6: u8 = 58;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Marks our own segments in a capture.
pub const WINDOW: u16 = 1234;
/// TCP flag.
pub const RST: u8 = 0x04;
/// TCP flag.
pub const ACK: u8 = 0x10;

/// Whether an ARP packet asks or answers. Some switches and hosts heed the one, some the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArpKind {
    /// "Who has my own address?"
    Request,
    /// "I have it", although nobody asked.
    Reply,
}

/// A whole Ethernet frame with a gratuitous ARP, to everyone.
#[must_use]
pub fn arp_frame(addr: Ipv4Addr, mac: [u8; ETHERNET], kind: ArpKind) -> Vec<u8> {
    let mut frame = Vec::with_capacity(SHORTEST_FRAME);
    frame.extend_from_slice(&[0xff; ETHERNET]);
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&ETHERTYPE_ARP.to_be_bytes());
    put_arp(&mut frame, addr, HARDWARE_ETHERNET, &mac, kind);
    frame.resize(SHORTEST_FRAME, 0);
    frame
}

/// The payload of a gratuitous ARP for IP over InfiniBand; the link layer is the kernel's.
#[must_use]
pub fn arp_infiniband(addr: Ipv4Addr, hardware: &[u8; INFINIBAND], kind: ArpKind) -> Vec<u8> {
    let mut payload = Vec::new();
    put_arp(&mut payload, addr, HARDWARE_INFINIBAND, hardware, kind);
    payload
}

fn put_arp(out: &mut Vec<u8>, addr: Ipv4Addr, hardware: u16, mac: &[u8], kind: ArpKind) {
    let operation: u16 = match kind {
        ArpKind::Request => 1,
        ArpKind::Reply => 2,
    };
    let length = u8::try_from(mac.len()).expect("hardware addresses have at most 32 bytes");
    out.extend_from_slice(&hardware.to_be_bytes());
    out.extend_from_slice(&ETHERTYPE_IPV4.to_be_bytes());
    out.extend_from_slice(&[length, 4]);
    out.extend_from_slice(&operation.to_be_bytes());
    out.extend_from_slice(mac);
    out.extend_from_slice(&addr.octets());
    match kind {
        ArpKind::Request => out.resize(out.len() + mac.len(), 0),
        ArpKind::Reply => out.extend_from_slice(mac),
    }
    out.extend_from_slice(&addr.octets());
}

/// A whole Ethernet frame with an unsolicited neighbour advertisement, to all IPv6 nodes.
#[must_use]
pub fn advertisement_frame(addr: Ipv6Addr, mac: [u8; ETHERNET]) -> Vec<u8> {
    let mut frame = vec![0x33, 0x33, 0, 0, 0, 1];
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&ETHERTYPE_IPV6.to_be_bytes());
    frame.extend_from_slice(&advertisement(addr, &mac));
    frame
}

/// The IPv6 packet of an unsolicited neighbour advertisement, for a hardware address of any length.
/// The option is filled up to a multiple of 8 bytes, in front of the address (RFC 4391 for
/// InfiniBand; nothing to fill for Ethernet).
#[must_use]
pub fn advertisement(addr: Ipv6Addr, hardware: &[u8]) -> Vec<u8> {
    let option_length = (2 + hardware.len()).next_multiple_of(8);
    let mut message = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    message.extend_from_slice(&addr.octets());
    message.push(2);
    message.push(u8::try_from(option_length / 8).expect("hardware addresses are short"));
    message.resize(message.len() + option_length - 2 - hardware.len(), 0);
    message.extend_from_slice(hardware);
    let (source, target) = (IpAddr::V6(addr), IpAddr::V6(ALL_NODES));
    let sum = checksum(source, target, PROTOCOL_ICMPV6, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());

    let mut packet = ipv6_header(addr, ALL_NODES, PROTOCOL_ICMPV6, 255, message.len());
    packet.extend_from_slice(&message);
    packet
}

fn ipv6_header(src: Ipv6Addr, dst: Ipv6Addr, next: u8, hops: u8, payload: usize) -> Vec<u8> {
    let payload = u16::try_from(payload).expect("our packets are tiny");
    let mut header = vec![0x60, 0, 0, 0];
    header.extend_from_slice(&payload.to_be_bytes());
    header.extend_from_slice(&[next, hops]);
    header.extend_from_slice(&src.octets());
    header.extend_from_slice(&dst.octets());
    header
}

/// An IP packet with a TCP segment without data, flags ACK or ACK and RST. `seq` and `ack` are as
/// they stand on the wire. `None` if the families differ.
#[must_use]
pub fn segment(
    src: SocketAddr,
    dst: SocketAddr,
    seq: [u8; 4],
    ack: [u8; 4],
    reset: bool,
) -> Option<Vec<u8>> {
    let tcp = tcp(src, dst, seq, ack, reset);
    let mut packet = match (src.ip(), dst.ip()) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => ipv4_header(src, dst),
        (IpAddr::V6(src), IpAddr::V6(dst)) => ipv6_header(src, dst, PROTOCOL_TCP, 64, tcp.len()),
        _ => return None,
    };
    packet.extend_from_slice(&tcp);
    Some(packet)
}

fn ipv4_header(src: Ipv4Addr, dst: Ipv4Addr) -> Vec<u8> {
    // The kernel fills in length, id and checksum. The 8 is what upstream has there.
    let mut header = vec![0x45, 0, 0, 8, 0, 0, 0, 0, 255, PROTOCOL_TCP, 0, 0];
    header.extend_from_slice(&src.octets());
    header.extend_from_slice(&dst.octets());
    header
}

fn tcp(src: SocketAddr, dst: SocketAddr, seq: [u8; 4], ack: [u8; 4], reset: bool) -> Vec<u8> {
    let mut tcp = Vec::with_capacity(20);
    tcp.extend_from_slice(&src.port().to_be_bytes());
    tcp.extend_from_slice(&dst.port().to_be_bytes());
    tcp.extend_from_slice(&seq);
    tcp.extend_from_slice(&ack);
    tcp.extend_from_slice(&[5 << 4, if reset { ACK | RST } else { ACK }]);
    tcp.extend_from_slice(&WINDOW.to_be_bytes());
    tcp.extend_from_slice(&[0; 4]);
    let sum = checksum(src.ip(), dst.ip(), PROTOCOL_TCP, &tcp);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    tcp
}

/// The Internet checksum over pseudo header and payload of even length; zero is sent as all ones.
fn checksum(src: IpAddr, dst: IpAddr, protocol: u8, payload: &[u8]) -> u16 {
    let mut sum = sum(payload) + u32::from(protocol);
    sum += u32::try_from(payload.len()).expect("our packets are tiny");
    for addr in [src, dst] {
        sum += match addr {
            IpAddr::V4(addr) => self::sum(&addr.octets()),
            IpAddr::V6(addr) => self::sum(&addr.octets()),
        };
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    match !(sum as u16) {
        0 => 0xffff,
        complement => complement,
    }
}

fn sum(bytes: &[u8]) -> u32 {
    bytes
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn arp_bytes() {
        let addr = Ipv4Addr::new(192, 168, 1, 25);
        assert_eq!(
            hex(&arp_frame(addr, MAC, ArpKind::Request)),
            "ffffffffffff123456789abc08060001080006040001123456789abcc0a80119\
             000000000000c0a8011900000000000000000000000000000000000000000000"
        );
        assert_eq!(
            hex(&arp_frame(addr, MAC, ArpKind::Reply)),
            "ffffffffffff123456789abc08060001080006040002123456789abcc0a80119\
             123456789abcc0a8011900000000000000000000000000000000000000000000"
        );
    }

    #[test]
    fn r39_infiniband_bytes() {
        let hardware: [u8; 20] = std::array::from_fn(|i| i as u8);
        let arp = arp_infiniband(Ipv4Addr::new(10, 0, 0, 1), &hardware, ArpKind::Reply);
        assert_eq!(hex(&arp[..8]), "0020080014040002");
        assert_eq!(arp.len(), 8 + 2 * 24);
        assert_eq!(arp[32..52], hardware);
        let packet = advertisement("fe80::1".parse().unwrap(), &hardware);
        assert_eq!(packet.len(), 40 + 24 + 24);
        assert_eq!(hex(&packet[64..68]), "02030000");
        assert_eq!(packet[68..], hardware);
        let source = IpAddr::V6("fe80::1".parse().unwrap());
        let whole = checksum(
            source,
            IpAddr::V6(ALL_NODES),
            PROTOCOL_ICMPV6,
            &packet[40..],
        );
        assert_eq!(
            whole, 0xffff,
            "a packet with a right checksum sums up to zero"
        );
    }

    #[test]
    fn advertisement_bytes() {
        let frame = advertisement_frame("fe80::6af7:28ff:fefa:d136".parse().unwrap(), MAC);
        assert_eq!(
            hex(&frame),
            "333300000001123456789abc86dd6000000000203afffe800000000000006af7\
             28fffefad136ff02000000000000000000000000000188008de420000000fe80\
             0000000000006af728fffefad1360201123456789abc"
        );
    }

    #[test]
    fn segment_bytes() {
        let four = |reset, seq: u32, ack: u32| {
            let (src, dst) = ("192.168.1.25:445", "192.168.2.75:54321");
            let (src, dst) = (src.parse().unwrap(), dst.parse().unwrap());
            hex(&segment(src, dst, seq.to_ne_bytes(), ack.to_ne_bytes(), reset).unwrap())
        };
        let header = "4500000800000000ff060000c0a80119c0a8024b01bdd431";
        assert_eq!(
            four(false, 0, 0),
            format!("{header}0000000000000000501004d2505f0000")
        );
        assert_eq!(
            four(true, 12345, 23456),
            format!("{header}39300000a05b0000501404d276cf0000")
        );
        let (src, dst) = (
            "[fe80::6af7:28ff:fefa:d136]:445",
            "[fe80::6af7:28ff:fefb:d137]:54321",
        );
        let (src, dst) = (src.parse().unwrap(), dst.parse().unwrap());
        let six = segment(src, dst, [0; 4], [0; 4], true).unwrap();
        assert_eq!(
            hex(&six),
            "6000000000140640fe800000000000006af728fffefad136fe80000000000000\
             6af728fffefbd13701bdd4310000000000000000501404d20fbc0000"
        );
        assert_eq!(
            segment(src, "1.2.3.4:5".parse().unwrap(), [0; 4], [0; 4], true),
            None
        );
    }
}
