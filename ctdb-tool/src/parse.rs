// SPDX-License-Identifier: GPL-3.0-or-later
//! Addresses, connections, keys and values as they are typed.

use crate::failure::Failure;
use crate::number;
use ctdb_config::nodes::parse_address;
use ctdb_config::public_addresses::address_and_prefix;
use ctdb_protocol::types::{Connection, SockAddr};
use std::net::IpAddr;

/// Longest text that upstream takes for an address.
const LONGEST: usize = 63;

/// An IP address without port; upstream's complaint if it is not one.
pub fn address(text: &str) -> Result<SockAddr, Failure> {
    ip(text)
        .map(SockAddr::from)
        .ok_or_else(|| Failure::say(1, format!("Invalid IP address {text}")))
}

/// `10.0.0.1:445` or `[fe80::1]:445`, or upstream's complaint.
pub fn address_with_port(text: &str) -> Result<SockAddr, Failure> {
    with_port(text).ok_or_else(|| Failure::say(1, format!("Invalid IP address {text}")))
}

/// `10.0.0.1/24`: the address and the length of its network prefix.
pub fn address_with_mask(text: &str) -> Result<(SockAddr, u32), Failure> {
    address_and_prefix(text)
        .map(|(addr, bits)| (addr.into(), bits.into()))
        .ok_or_else(|| Failure::say(1, format!("Invalid IP/Mask {text}")))
}

/// Source and destination on one line each; empty lines and lines that begin with `#` do not count.
/// A bad line ends it with EINVAL and no word, as upstream does.
pub fn connections(text: &str) -> Result<Vec<Connection>, Failure> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| connection(line).ok_or_else(|| Failure::silent(libc::EINVAL)))
        .collect()
}

fn connection(line: &str) -> Option<Connection> {
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let conn = Connection {
        src: with_port(words.next()?)?,
        dst: with_port(words.next()?)?,
    };
    (conn.src.family() == conn.dst.family()).then_some(conn)
}

fn with_port(text: &str) -> Option<SockAddr> {
    if text.len() > LONGEST {
        return None;
    }
    let (addr, port) = text.rsplit_once(':')?;
    let port = whole_number(port).and_then(|port| u16::try_from(port).ok())?;
    Some(SockAddr::from(ip(addr)?).with_port(port))
}

/// IPv4, or IPv6 with or without brackets; a mapped IPv4 address becomes that IPv4 address.
fn ip(text: &str) -> Option<IpAddr> {
    (text.len() <= LONGEST)
        .then(|| parse_address(text))
        .flatten()
}

/// A port that stands alone.
pub fn port(text: &str, number: i64) -> Result<u16, Failure> {
    u16::try_from(number).map_err(|_| Failure::say(libc::EINVAL, format!("Invalid port {text}")))
}

fn whole_number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| number::unsigned32(text, 10).ok())?
}

/// A key or value: text, or bytes in hex behind `0x`. Answers to `str_to_data`.
pub fn data(text: &str) -> Result<Vec<u8>, Failure> {
    match text.strip_prefix("0x") {
        Some(digits) => hex(digits),
        None => Ok(text.as_bytes().to_vec()),
    }
}

fn hex(digits: &str) -> Result<Vec<u8>, Failure> {
    if digits.len() % 2 == 1 {
        return Err(Failure::say(
            libc::EINVAL,
            format!("Key ({digits}) contains odd number of hex digits"),
        ));
    }
    let bytes = digits.as_bytes();
    let digit = |at: usize| (bytes[at] as char).to_digit(16);
    (0..bytes.len())
        .step_by(2)
        .map(|at| match (digit(at), digit(at + 1)) {
            (Some(high), Some(low)) => Ok((high * 16 + low) as u8),
            _ => {
                let rest = String::from_utf8_lossy(&bytes[at..]);
                Err(Failure::say(libc::EINVAL, format!("Invalid hex: {rest}")))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_all_spellings() {
        assert_eq!(address("10.0.0.1").unwrap().to_string(), "10.0.0.1");
        assert_eq!(address("::ffff:10.0.0.1").unwrap().to_string(), "10.0.0.1");
        assert_eq!(address("[fe80::1]").unwrap().to_string(), "fe80::1");
        assert!(address("10.0.0.1.2").is_err());
        let addr = address_with_port("[fe80::1]:445").unwrap();
        assert_eq!((addr.to_string().as_str(), addr.port()), ("fe80::1", 445));
        assert!(address_with_port("10.0.0.1").is_err());
        assert!(address_with_port("10.0.0.1:44x").is_err());
        assert!(address_with_port("10.0.0.1:65536").is_err());
        assert_eq!(address_with_port("10.0.0.1:65535").unwrap().port(), 65535);
        assert_eq!(address_with_mask("10.0.0.1/24").unwrap().1, 24);
        for bad in [
            "10.0.0.1/33",
            "fe80::1/129",
            "10.0.0.1/+8",
            "10.0.0.1/",
            "10.0.0.1/280",
        ] {
            assert!(address_with_mask(bad).is_err(), "{bad}");
        }
        assert_eq!(port("445", 445).unwrap(), 445);
        assert_eq!(port("65536", 65536).unwrap_err().status(), libc::EINVAL);
        assert!(port("-1", -1).is_err());
    }

    #[test]
    fn keys_in_text_and_hex() {
        assert_eq!(data("abc").unwrap(), b"abc");
        assert_eq!(data("0x6162").unwrap(), b"ab");
        assert_eq!(data("0x616").unwrap_err().status(), libc::EINVAL);
        assert_eq!(data("0x61zz").unwrap_err().status(), libc::EINVAL);
    }

    #[test]
    fn connections_skip_comments() {
        let list = connections("# x\n\n10.0.0.1:1 10.0.0.2:2\n").unwrap();
        assert_eq!(list.len(), 1);
        assert!(connections("10.0.0.1:1\n").is_err());
        assert!(connections("10.0.0.1:1 [::1]:1\n").is_err());
    }
}
