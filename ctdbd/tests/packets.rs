// SPDX-License-Identifier: GPL-3.0-or-later
//! Our packets in the eyes of a stranger: tshark decodes each of them, without a complaint, to what it is
//! meant to say. Without tshark nothing is checked here but the golden bytes beside the code remain;
//! `testsuite/interop/packets` does the same on real interfaces.

#![allow(
    clippy::unwrap_used,
    reason = "a test may end on what it cannot go on with"
)]

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use ctdbd::packet_socket::build::{self, ArpKind};

/// What a capture file says its packets begin with (pcap's LINKTYPE numbers).
#[derive(Debug, Clone, Copy)]
enum LinkType {
    Ethernet = 1,
    /// An IP header.
    Raw = 101,
    /// What `tcpdump -i any` writes: hardware type and address, then the payload.
    Cooked = 113,
}

/// The file in which packets wait for tshark; it goes when this does.
struct CaptureFile(PathBuf);

impl CaptureFile {
    fn new(name: &str, link_type: LinkType, packets: &[Vec<u8>]) -> Self {
        let path = std::env::temp_dir().join(format!("{name}.{}.pcap", std::process::id()));
        let mut bytes = Vec::new();
        let mut put = |number: u32| bytes.extend_from_slice(&number.to_le_bytes());
        for number in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, link_type as u32] {
            put(number);
        }
        for packet in packets {
            let length = u32::try_from(packet.len()).unwrap();
            let header = [0, 0, length, length].map(u32::to_le_bytes).concat();
            bytes.extend_from_slice(&header);
            bytes.extend_from_slice(packet);
        }
        std::fs::File::create(&path)
            .and_then(|mut file| file.write_all(&bytes))
            .unwrap();
        Self(path)
    }
}

impl Drop for CaptureFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The values of `fields`, a line for each packet; `None` where there is no tshark. Complaints of any
/// kind fail the test: malformed packets, wrong checksums, expert notes of level warning or above.
fn decode(
    name: &str,
    link_type: LinkType,
    packets: &[Vec<u8>],
    fields: &[&str],
) -> Option<Vec<String>> {
    let file = CaptureFile::new(name, link_type, packets);
    let tshark = |filter: &str, fields: &[&str]| {
        let mut command = Command::new("tshark");
        command
            .arg("-nr")
            .arg(&file.0)
            .args(["-Y", filter, "-T", "fields"]);
        for option in ["tcp.check_checksum", "ip.check_checksum"] {
            command.args(["-o", &format!("{option}:TRUE")]);
        }
        for field in fields {
            command.args(["-e", field]);
        }
        let output = command.output().ok()?;
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        Some(text.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    // 0x600000 is "warning". A reset is a note of level warning in itself, an ACK out of the blue too.
    let complaints = tshark(
        "_ws.malformed || tcp.checksum.status == 0 || icmpv6.checksum.status == 0 || \
         (_ws.expert.severity >= 0x600000 && !tcp)",
        &["frame.number", "_ws.expert.message"],
    );
    let Some(complaints) = complaints else {
        eprintln!("skipped: there is no tshark on this machine");
        return None;
    };
    assert_eq!(complaints, [] as [String; 0]);
    tshark("frame", fields)
}

const MAC: [u8; 6] = [0x02, 0x34, 0x56, 0x78, 0x9a, 0xbc];
const MAC_TEXT: &str = "02:34:56:78:9a:bc";

fn infiniband() -> [u8; 20] {
    std::array::from_fn(|at| 0x80 + at as u8)
}

/// The header of a capture on all interfaces, before the payload of one with hardware type `kind`.
fn cooked(kind: u16, hardware: &[u8], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    const TO_EVERYONE: u16 = 1;
    let mut packet = [TO_EVERYONE, kind, 8].map(u16::to_be_bytes).concat();
    packet.extend_from_slice(&hardware[..8]);
    packet.extend_from_slice(&ethertype.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

#[test]
fn arp_on_ethernet() {
    let addr = Ipv4Addr::new(10, 88, 0, 101);
    let frames = [ArpKind::Request, ArpKind::Reply].map(|kind| build::arp_frame(addr, MAC, kind));
    let fields = [
        "eth.dst",
        "eth.src",
        "arp.opcode",
        "arp.src.hw_mac",
        "arp.src.proto_ipv4",
        "arp.dst.hw_mac",
        "arp.dst.proto_ipv4",
        "arp.isgratuitous",
    ];
    let Some(lines) = decode("arp", LinkType::Ethernet, &frames, &fields) else {
        return;
    };
    let line = |operation, target| {
        format!(
            "ff:ff:ff:ff:ff:ff\t{MAC_TEXT}\t{operation}\t{MAC_TEXT}\t{addr}\t{target}\t{addr}\t1"
        )
    };
    assert_eq!(lines, [line(1, "00:00:00:00:00:00"), line(2, MAC_TEXT)]);
}

#[test]
fn neighbour_advertisement_on_ethernet() {
    let addr: Ipv6Addr = "fd00:88::101".parse().unwrap();
    let frame = build::advertisement_frame(addr, MAC);
    let fields = [
        "eth.dst",
        "ipv6.dst",
        "ipv6.hlim",
        "icmpv6.type",
        "icmpv6.nd.na.target_address",
        "icmpv6.nd.na.flag.o",
        "icmpv6.opt.linkaddr",
        "icmpv6.checksum.status",
    ];
    let Some(lines) = decode("na", LinkType::Ethernet, &[frame], &fields) else {
        return;
    };
    let expected = format!("33:33:00:00:00:01\tff02::1\t255\t136\t{addr}\t1\t{MAC_TEXT}\t1");
    assert!(is_same(&lines, &[expected]), "{lines:?}");
}

/// A VLAN or a bond is an Ethernet to us: the kernel puts the tag, or chooses the port, below.
#[test]
fn arp_on_a_vlan() {
    let addr = Ipv4Addr::new(10, 88, 0, 101);
    let mut frame = build::arp_frame(addr, MAC, ArpKind::Reply);
    frame.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
    let fields = ["vlan.id", "arp.src.proto_ipv4"];
    let Some(lines) = decode("vlan", LinkType::Ethernet, &[frame], &fields) else {
        return;
    };
    assert_eq!(lines, [format!("7\t{addr}")]);
}

/// Newer versions of tshark say True where older ones say 1.
fn is_same(lines: &[String], expected: &[String]) -> bool {
    let plain = |line: &String| line.replace("True", "1");
    lines.iter().map(plain).eq(expected.iter().map(plain))
}

#[test]
fn announcements_on_infiniband() {
    const KIND: u16 = 32;
    let hardware = infiniband();
    let hex: Vec<String> = hardware.iter().map(|byte| format!("{byte:02x}")).collect();
    let addr = Ipv4Addr::new(10, 88, 0, 101);
    let frames = [ArpKind::Request, ArpKind::Reply].map(|kind| {
        cooked(
            KIND,
            &hardware,
            0x0806,
            &build::arp_infiniband(addr, &hardware, kind),
        )
    });
    let fields = [
        "arp.hw.type",
        "arp.hw.size",
        "arp.opcode",
        "arp.src.hw",
        "arp.src.proto_ipv4",
        "arp.dst.proto_ipv4",
    ];
    let Some(lines) = decode("ib-arp", LinkType::Cooked, &frames, &fields) else {
        return;
    };
    let plain: Vec<String> = lines.iter().map(|line| line.replace(':', "")).collect();
    let line = |operation| format!("32\t20\t{operation}\t{}\t{addr}\t{addr}", hex.concat());
    assert_eq!(plain, [line(1), line(2)]);

    let addr: Ipv6Addr = "fd00:88::101".parse().unwrap();
    let packet = cooked(
        KIND,
        &hardware,
        0x86dd,
        &build::advertisement(addr, &hardware),
    );
    let fields = [
        "icmpv6.nd.na.target_address",
        "icmpv6.opt.length",
        "icmpv6.opt.linkaddr",
        "icmpv6.checksum.status",
    ];
    let lines = decode("ib-na", LinkType::Cooked, &[packet], &fields).unwrap();
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    // The address is shown with the two bytes of padding before it; the length is in units of 8.
    let plain = line.replace(':', "");
    let target = addr.to_string().replace(':', "");
    assert_eq!(plain, format!("{target}\t3\t0000{}\t1", hex.concat()));
}

/// What the kernel fills in where a raw socket sends an IPv4 header: length and checksum.
fn finish_ipv4(mut packet: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(packet.len()).unwrap();
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    let mut sum: u32 = packet[..20]
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    sum = (sum & 0xffff) + (sum >> 16);
    packet[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    packet
}

#[test]
fn tickles_and_resets() {
    let pairs: [(SocketAddr, SocketAddr); 2] = [
        (
            "10.88.0.101:445".parse().unwrap(),
            "10.88.0.9:40000".parse().unwrap(),
        ),
        (
            "[fd00:88::101]:445".parse().unwrap(),
            "[fd00:88::9]:40000".parse().unwrap(),
        ),
    ];
    let (seq, ack) = (1_000_u32.to_be_bytes(), 2_000_u32.to_be_bytes());
    let mut packets = Vec::new();
    for (src, dst) in pairs {
        packets.push(build::segment(src, dst, [0; 4], [0; 4], false).unwrap());
        packets.push(build::segment(src, dst, seq, ack, true).unwrap());
    }
    let packets: Vec<_> = packets
        .into_iter()
        .map(|packet| match packet[0] >> 4 {
            4 => finish_ipv4(packet),
            _ => packet,
        })
        .collect();
    let fields = [
        "ip.src",
        "ipv6.src",
        "tcp.srcport",
        "tcp.dstport",
        "tcp.seq_raw",
        "tcp.ack_raw",
        "tcp.flags",
        "tcp.window_size_value",
        "tcp.checksum.status",
    ];
    let Some(lines) = decode("tcp", LinkType::Raw, &packets, &fields) else {
        return;
    };
    let mut expected = Vec::new();
    for src in ["10.88.0.101\t", "\tfd00:88::101"] {
        expected.push(format!("{src}\t445\t40000\t0\t0\t0x0010\t1234\t1"));
        expected.push(format!("{src}\t445\t40000\t1000\t2000\t0x0014\t1234\t1"));
    }
    assert_eq!(lines, expected);
}
