// SPDX-License-Identifier: GPL-3.0-or-later
//! `system_socket_test CMD`: shows the bytes of the packets that the daemon makes by itself.
//! UNIT/cunit `system_socket_test_*` of upstream's suite drives it.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use ctdb_config::{Paths, Release};
use ctdbd::packet_socket::build::{self, ArpKind};
use ctdbd::packet_socket::segment::Segment;

/// Bytes in front of an ARP packet on an Ethernet.
const LINK_HEADER: usize = 14;
/// Bytes of an ARP packet for Ethernet, without what the frame is filled up with.
const ARP: usize = 28;

const USAGE: &str = "  commands:
    types
    arp <ipaddr> <hwaddr> [reply]
    haveip <ipaddr>
    tcp <src> <dst> <seq> <ack> <rst>";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    let output = match words[..] {
        // Our headers are bytes, not C structures: there is no padding to look for.
        ["types"] => Some(String::new()),
        ["arp", addr, mac] => arp(addr, mac, ArpKind::Request),
        ["arp", addr, mac, _] => arp(addr, mac, ArpKind::Reply),
        ["tcp", src, dst, seq, ack, reset] => tcp(src, dst, seq, ack, reset),
        ["haveip", addr] => have_ip(addr),
        _ => {
            let program = args.first().map_or("system_socket_test", String::as_str);
            eprintln!("usage: {program} <cmd> [<arg> ...]\n{USAGE}");
            return ExitCode::from(1);
        }
    };
    match output {
        Some(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("bad argument");
            ExitCode::from(1)
        }
    }
}

fn arp(addr: &str, mac: &str, kind: ArpKind) -> Option<String> {
    let octets: Option<Vec<u8>> = mac
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16).ok())
        .collect();
    let octets = octets?;
    let ethernet = <[u8; build::ETHERNET]>::try_from(octets.as_slice());
    let packet = match (addr.parse().ok()?, ethernet) {
        (IpAddr::V4(addr), Ok(mac)) => {
            let frame = build::arp_frame(addr, mac, kind);
            match shows_link_header() {
                true => frame,
                false => frame[LINK_HEADER..][..ARP].to_vec(),
            }
        }
        (IpAddr::V6(addr), Ok(mac)) if shows_link_header() => build::advertisement_frame(addr, mac),
        (IpAddr::V4(addr), Err(_)) => {
            build::arp_infiniband(addr, octets.as_slice().try_into().ok()?, kind)
        }
        (IpAddr::V6(addr), _) => build::advertisement(addr, &octets),
    };
    Some(hexdump(&packet))
}

fn shows_link_header() -> bool {
    let paths = Paths::from_env().unwrap_or_else(|_| Paths::installed());
    Release::by_default(&paths).shows_link_header_of_announcements()
}

fn tcp(src: &str, dst: &str, seq: &str, ack: &str, reset: &str) -> Option<String> {
    let (src, dst): (SocketAddr, SocketAddr) = (src.parse().ok()?, dst.parse().ok()?);
    let seq = seq.parse::<u32>().ok()?.to_ne_bytes();
    let ack = ack.parse::<u32>().ok()?.to_ne_bytes();
    let reset = reset != "0";
    let packet = build::segment(src, dst, seq, ack, reset)?;
    let window = build::WINDOW;
    let expected = Segment {
        src,
        dst,
        seq,
        ack,
        reset,
        window,
    };
    (Segment::parse(&packet)? == expected).then(|| hexdump(&packet))
}

fn have_ip(addr: &str) -> Option<String> {
    let addr: IpAddr = addr.parse().ok()?;
    let mut interfaces = nix::ifaddrs::getifaddrs().ok()?;
    let held = interfaces.any(|interface| {
        let storage = interface.address;
        let ip = storage.as_ref().and_then(|storage| {
            let v4 = storage.as_sockaddr_in().map(|sin| IpAddr::V4(sin.ip()));
            v4.or_else(|| storage.as_sockaddr_in6().map(|sin6| IpAddr::V6(sin6.ip())))
        });
        ip == Some(addr)
    });
    Some(format!("{held}\n"))
}

fn hexdump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (row, chunk) in bytes.chunks(16).enumerate() {
        let _ = write!(text, "{:06x}", row * 16);
        for byte in chunk {
            let _ = write!(text, " {byte:02x}");
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{:06x}", bytes.len());
    text
}
