// SPDX-License-Identifier: GPL-3.0-or-later
//! `public_addresses`: lines of an address with its prefix length and the interfaces that may
//! carry it.

use std::net::IpAddr;
use std::path::Path;

use crate::nodes::parse_address;
use crate::report::LoadError;

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAddressLine {
    /// The address.
    pub address: IpAddr,
    /// Length of its network's prefix in bits.
    pub prefix_bits: u8,
    /// Interfaces, in order of preference.
    pub interfaces: Vec<String>,
}

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicAddresses(pub Vec<PublicAddressLine>);

/// What is wrong with the file, in upstream's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicAddressesError {
    /// There is a file but it cannot be read.
    #[error("Failed to load public address list '{0}'")]
    Read(String),
    /// A line without interfaces.
    #[error("No interface specified at line {0} of public addresses file")]
    NoInterface(usize),
    /// A line that does not start with an address and its prefix length.
    #[error("Badly formed line {0} in public address list")]
    BadLine(usize),
}

impl PublicAddresses {
    /// Reads the file; `None` if there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, PublicAddressesError> {
        match std::fs::read(path) {
            Ok(text) => Self::parse(&String::from_utf8_lossy(&text)).map(Some),
            Err(e) if LoadError::read(path, &e).is_missing() => Ok(None),
            Err(_) => Err(PublicAddressesError::Read(path.display().to_string())),
        }
    }

    /// Takes the text apart. `#` starts a comment line.
    pub fn parse(text: &str) -> Result<Self, PublicAddressesError> {
        let mut addresses = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let mut words = line.split_ascii_whitespace();
            let Some(first) = words.next().filter(|word| !word.starts_with('#')) else {
                continue;
            };
            let interfaces = words
                .next()
                .ok_or(PublicAddressesError::NoInterface(number))?;
            let (address, prefix_bits) =
                address_and_prefix(first).ok_or(PublicAddressesError::BadLine(number))?;
            addresses.push(PublicAddressLine {
                address,
                prefix_bits,
                interfaces: interfaces
                    .split(',')
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect(),
            });
        }
        Ok(Self(addresses))
    }
}

/// `ADDRESS/BITS`.
pub fn address_and_prefix(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.rsplit_once('/')?;
    let address = parse_address(address)?;
    if !bits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    prefix_bits(address, bits.parse().ok()?).map(|bits| (address, bits))
}

/// The length of a prefix, if an address of this family can have it.
pub fn prefix_bits(address: IpAddr, bits: u32) -> Option<u8> {
    let most = if address.is_ipv4() { 32 } else { 128 };
    u8::try_from(bits).ok().filter(|bits| *bits <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_skipped() {
        let text = "# all\n\n  \t# x\n10.0.0.31/24 eth1,eth2\n\tfd00::1/64\teth3 ignored\n";
        let PublicAddresses(lines) = PublicAddresses::parse(text).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].prefix_bits, 24);
        assert_eq!(lines[0].interfaces, ["eth1", "eth2"]);
        assert_eq!(lines[1].address, "fd00::1".parse::<IpAddr>().unwrap());
        assert_eq!(lines[1].interfaces, ["eth3"]);
    }

    #[test]
    fn bad_lines_are_named() {
        let parse = PublicAddresses::parse;
        assert_eq!(
            parse("\n10.0.0.1/24\n"),
            Err(PublicAddressesError::NoInterface(2))
        );
        for line in [
            "10.0.0.1 lo",
            "10.0.0.1/33 lo",
            "fd00::1/129 lo",
            "10.0.0.1/+8 lo",
            "10.0.0.1/x lo",
            "x/24 lo",
        ] {
            assert_eq!(parse(line), Err(PublicAddressesError::BadLine(1)), "{line}");
        }
        let e = parse("x/1 lo").unwrap_err();
        assert_eq!(e.to_string(), "Badly formed line 1 in public address list");
    }
}
